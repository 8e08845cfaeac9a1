//! What does the server do with one request?

use std::io::{self, Write};
use std::time::Duration;

use super::wire::Wire;

const FOR_EVER: Duration = Duration::from_secs(3600);
const DRIP: Duration = Duration::from_secs(1);

/// What the server does with one connection.
#[derive(Clone, Debug)]
pub struct Step {
    reads: bool,
    continues: bool,
    /// Everything that is sent, head included.
    bytes: Vec<u8>,
    /// What follows one by one, a second apart.
    drips: Vec<u8>,
    end: End,
}

#[derive(Clone, Copy, Debug)]
enum End {
    Close,
    Hang,
    Reset,
}

impl Step {
    fn new(reads: bool, bytes: impl Into<Vec<u8>>, end: End) -> Self {
        Self { reads, continues: false, bytes: bytes.into(), drips: vec![], end }
    }

    /// A whole answer.
    pub fn answer(status: u16, body: impl AsRef<[u8]>) -> Self {
        let mut bytes = head(status, body.as_ref().len());
        bytes.extend(body.as_ref());
        Self::new(true, bytes, End::Close)
    }

    /// With a further header.
    pub fn header(mut self, name: &str, value: &str) -> Self {
        let line = self.bytes.windows(2).position(|two| two == b"\r\n").unwrap() + 2;
        self.bytes.splice(line..line, format!("{name}: {value}\r\n").into_bytes());
        self
    }

    /// `100 Continue` first, and a `103` with it.
    pub fn after_continue(mut self) -> Self {
        self.continues = true;
        self
    }

    /// Sends people to another place.
    pub fn redirect(status: u16, to: &str) -> Self {
        Self::answer(status, "moved").header("Location", to)
    }

    /// Accepts and never reads.
    pub fn hang_before_reading() -> Self {
        Self::new(false, "", End::Hang)
    }

    /// Reads and never answers.
    pub fn hang_before_answering() -> Self {
        Self::new(true, "", End::Hang)
    }

    /// Sends the head of an answer and no body.
    pub fn hang_after_headers(status: u16) -> Self {
        Self::new(true, head(status, 2), End::Hang)
    }

    /// Sends the beginning of a body that is promised to be longer.
    pub fn hang_in_body(status: u16, beginning: &str) -> Self {
        Self::torn(status, beginning, End::Hang)
    }

    /// Sends the body at one byte per second.
    pub fn drip(status: u16, body: &str) -> Self {
        let mut step = Self::new(true, head(status, body.len()), End::Close);
        step.drips = body.into();
        step
    }

    /// Sends the beginning of a body, and a TCP reset.
    pub fn reset_in_body(status: u16, beginning: &str) -> Self {
        Self::torn(status, beginning, End::Reset)
    }

    /// Sends the beginning of a body, and ends the connection.
    pub fn close_in_body(status: u16, beginning: &str) -> Self {
        Self::torn(status, beginning, End::Close)
    }

    /// Reads the request whole, and ends the connection: was it taken or not?
    pub fn close_before_answering() -> Self {
        Self::new(true, "", End::Close)
    }

    /// Reads the request whole, and sends a TCP reset.
    pub fn reset_before_answering() -> Self {
        Self::new(true, "", End::Reset)
    }

    /// Accepts, and sends a TCP reset at once.
    pub fn reset_before_reading() -> Self {
        Self::new(false, "", End::Reset)
    }

    /// Sends these bytes, whatever they are.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(true, bytes, End::Close)
    }

    /// An answer in chunks that are none.
    pub fn chunked_garbage(status: u16) -> Self {
        Self::raw(format!(
            "HTTP/1.1 {status} Odd\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n2\r\nok\r\nzz\r\nnonsense"
        ))
    }

    fn torn(status: u16, beginning: &str, end: End) -> Self {
        let mut bytes = head(status, beginning.len() + 1000);
        bytes.extend(beginning.as_bytes());
        Self::new(true, bytes, end)
    }

    /// Whether it waits for a request.
    pub fn reads(&self) -> bool {
        self.reads
    }

    pub(super) fn act(&self, wire: &mut Wire, pause: &dyn Fn(Duration)) -> io::Result<()> {
        if self.continues {
            wire.write_all(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n")?;
        }
        wire.write_all(&self.bytes)?;
        wire.flush()?;
        for byte in &self.drips {
            pause(DRIP);
            wire.write_all(&[*byte])?;
            wire.flush()?;
        }
        match self.end {
            End::Close => wire.close(),
            End::Hang => pause(FOR_EVER),
            End::Reset => wire.reset(),
        }
        Ok(())
    }
}

fn head(status: u16, length: usize) -> Vec<u8> {
    // No body may follow these, and a client does not wait for one.
    let length = if matches!(status, 100..=199 | 204 | 304) { 0 } else { length };
    format!("HTTP/1.1 {status} Odd\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n").into_bytes()
}
