//! Did somebody ask the run to stop?

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

use crate::verdict::State;

/// The signals that end a run cleanly, by their names.
const SIGNALS: [(i32, &str); 3] = [(SIGTERM, "SIGTERM"), (SIGINT, "SIGINT"), (SIGHUP, "SIGHUP")];

/// Set by a signal, for as long as the process lives.
#[derive(Clone, Debug)]
pub struct Signals {
    asked: Arc<AtomicBool>,
    which: Arc<AtomicUsize>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn install() -> io::Result<Self> {
        Self::listen(Arc::default())
    }

    fn listen(asked: Arc<AtomicBool>) -> io::Result<Self> {
        let signals = Self { asked, which: Arc::new(AtomicUsize::new(SIGNALS.len())) };
        for (place, (signal, _)) in SIGNALS.into_iter().enumerate() {
            // Which one first: whoever sees the flag can name it.
            flag::register_usize(signal, Arc::clone(&signals.which), place)?;
            flag::register(signal, Arc::clone(&signals.asked))?;
        }
        Ok(signals)
    }

    /// The same for what only reads: the second signal ends it at once, should nobody take its output.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn install_for_reading() -> io::Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for (signal, _) in SIGNALS {
            let status = i32::from(State::Unknown.exit_status());
            flag::register_conditional_shutdown(signal, status, Arc::clone(&asked))?;
        }
        Self::listen(asked)
    }

    /// True once a signal has come.
    #[must_use]
    pub fn asked(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.asked)
    }

    /// The signal that came.
    #[must_use]
    pub fn name(&self) -> &'static str {
        SIGNALS.get(self.which.load(Ordering::Relaxed)).map_or("a signal", |(_, name)| name)
    }
}
