//! Did anybody get what was said? Standard output that may be closed, full, or gone.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::os::fd::AsFd as _;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

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
    end: End,
}

/// After which nobody waits for a reader.
type End = Rc<Cell<Option<Instant>>>;

/// A pipe that can take anything takes so much at once (`PIPE_BUF`, pipe(7)).
const AT_ONCE: usize = 4096;

/// A file that is written to only when it can take something, before the end.
struct Patient {
    file: File,
    end: End,
}

impl Write for Patient {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Some(end) = self.end.get() else { return self.file.write(bytes) };
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(|_| io::ErrorKind::InvalidInput)?;
        if poll(&mut [PollFd::new(&self.file, PollFlags::OUT)], Some(&left))? == 0 {
            return Err(io::ErrorKind::TimedOut.into());
        }
        self.file.write(bytes.get(..AT_ONCE).unwrap_or(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Output {
    /// The process's standard output.
    #[must_use]
    pub fn stdout() -> Self {
        // A descriptor of our own: std's handle takes EBADF for success, and flushes unheard at exit.
        let descriptor = io::stdout().as_fd().try_clone_to_owned();
        match descriptor {
            Ok(descriptor) if !CLOSED_AT_START.load(Ordering::Relaxed) => {
                let end = End::default();
                let file = Patient { file: File::from(descriptor), end: Rc::clone(&end) };
                Self { end, ..Self::new(file) }
            }
            _ => Self { failure: Some(io::ErrorKind::BrokenPipe), ..Self::new(io::sink()) },
        }
    }

    /// Somewhere else.
    pub fn new(to: impl Write + 'static) -> Self {
        let to = BufWriter::new(Box::new(to) as Box<dyn Write>);
        Self { to, failure: None, at_line_start: true, end: End::default() }
    }

    /// From now on waits for a reader until `end` at the latest.
    pub fn wait_until(&mut self, end: Instant) {
        self.end.set(Some(end));
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

    /// Whether the reader took too long.
    pub fn is_late(&mut self) -> bool {
        self.arrived().is_err() && self.failure == Some(io::ErrorKind::TimedOut)
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
