//! Did anybody get what was said? Standard output that may be closed, full, or gone.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::sync::atomic::{AtomicBool, Ordering};

static CLOSED_AT_START: AtomicBool = AtomicBool::new(false);

/// Rust's runtime puts /dev/null in the place of a closed standard output before `main` begins, and from
/// then on nothing tells it from an operator's own /dev/null: so this looks before.
#[used]
#[expect(unsafe_code, reason = "the one way to run before the runtime; the function makes one system call")]
#[unsafe(link_section = ".init_array")]
static LOOK_BEFORE_THE_RUNTIME: extern "C" fn() = look;

extern "C" fn look() {
    let is_closed = rustix::io::fcntl_getfd(rustix::stdio::stdout()).is_err();
    CLOSED_AT_START.store(is_closed, Ordering::Relaxed);
}

/// Standard output that remembers whether everything arrived. A failed write is an error for the caller,
/// who may stop there, and is never a panic.
pub struct Output {
    to: BufWriter<Box<dyn Write>>,
    failure: Option<io::ErrorKind>,
    at_line_start: bool,
}

impl Output {
    /// The process's standard output.
    #[must_use]
    pub fn stdout() -> Self {
        // A descriptor of our own: std's handle takes EBADF for success, and flushes unheard at exit.
        let descriptor = io::stdout().as_fd().try_clone_to_owned();
        match descriptor {
            Ok(descriptor) if !CLOSED_AT_START.load(Ordering::Relaxed) => Self::new(File::from(descriptor)),
            _ => Self { failure: Some(io::ErrorKind::BrokenPipe), ..Self::new(io::sink()) },
        }
    }

    /// Somewhere else.
    pub fn new(to: impl Write + 'static) -> Self {
        Self { to: BufWriter::new(Box::new(to)), failure: None, at_line_start: true }
    }

    /// Writes all of `text`; whether it arrived is known at the end.
    pub fn say(&mut self, text: &str) {
        let _ = self.write_all(text.as_bytes());
    }

    /// Begins a new line unless a line has just ended.
    pub fn end_line(&mut self) {
        if !self.at_line_start {
            self.say("\n");
        }
    }

    /// Whether everything that was written has arrived.
    ///
    /// # Errors
    /// What stood in the way.
    pub fn arrived(&mut self) -> io::Result<()> {
        self.flush()
    }
}

impl Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(kind) = self.failure {
            return Err(kind.into());
        }
        let written = self.to.write(bytes).inspect_err(|error| self.failure = lasting(error))?;
        if let Some(last) = bytes.get(..written).and_then(<[u8]>::last) {
            self.at_line_start = *last == b'\n';
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if let Some(kind) = self.failure {
            return Err(kind.into());
        }
        self.to.flush().inspect_err(|error| self.failure = lasting(error))
    }
}

fn lasting(error: &io::Error) -> Option<io::ErrorKind> {
    // write_all tries again after this one.
    (error.kind() != io::ErrorKind::Interrupted).then(|| error.kind())
}
