//! How far is a long run? One line on a terminal's standard error, and nothing anywhere else.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::{Duration, Instant};

/// A run that is over sooner shows nothing.
const PATIENCE: Duration = Duration::from_millis(700);
const WIDTH: usize = 30;

/// The line, once it is shown.
#[derive(Debug)]
pub struct Progress {
    began: Instant,
    is_terminal: bool,
    is_shown: bool,
}

impl Progress {
    /// A run begins.
    #[must_use]
    pub fn new() -> Self {
        Self { began: Instant::now(), is_terminal: io::stderr().is_terminal(), is_shown: false }
    }

    /// So many pieces are done, of so many.
    pub fn show(&mut self, done: usize, all: usize) {
        if !self.is_terminal || self.began.elapsed() < PATIENCE {
            return;
        }
        self.is_shown = true;
        let filled = (done * WIDTH).checked_div(all).unwrap_or(0).min(WIDTH);
        let (full, rest) = ("=".repeat(filled), " ".repeat(WIDTH - filled));
        let seconds = self.began.elapsed().as_secs();
        let _ = write!(io::stderr(), "\r\x1b[Kchecking [{full}{rest}] {done} of {all} pieces, {seconds} s");
    }

    /// The line goes before anything else is printed.
    pub fn clear(&mut self) {
        if self.is_shown {
            let _ = write!(io::stderr(), "\r\x1b[K");
            self.is_shown = false;
        }
    }
}
