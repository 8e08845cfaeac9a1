//! How is systemd asked? One connection, many questions at once, and a stage that says where it stopped.

mod address;
mod connect;
mod opening;
mod properties;
mod query;
mod questions;
mod seen;
mod socket;
mod units;
mod wire;

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::plain::plain;

use wire::{Answer, Came};

pub use connect::{Host, Target, converse};
pub use query::{AllSeen, Asked, Row, Seen, observe};
pub use units::{Names, is_glob};

/// dbus-daemon allows a connection 128 unanswered calls.
const IN_FLIGHT: usize = 100;
/// So many answers are read as they come.
const FEW: usize = 25;
/// How long more than a few answers gather before they are read.
const GATHER: Duration = Duration::from_micros(300);

/// Why systemd's answer is not known.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// No connection.
    #[error("cannot reach {whom}: {reason}{remedy}")]
    Unreachable {
        /// Whom we wanted.
        whom: String,
        /// What stood in the way.
        reason: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The bus or systemd does not let us ask.
    #[error("{whom} does not let us ask: {reason}")]
    Denied {
        /// Who refused.
        whom: String,
        /// Its own words.
        reason: String,
    },
    /// An error in answer to a question that has an answer.
    #[error("{whom} did not answer the question for {what}: {reason}")]
    Refused {
        /// Who refused.
        whom: String,
        /// What was asked.
        what: String,
        /// Its own words.
        reason: String,
    },
    /// The connection ended while answers were due.
    #[error("the connection to {whom} broke off: {reason}")]
    Broken {
        /// To whom.
        whom: String,
        /// What happened.
        reason: String,
    },
    /// An answer that is none.
    #[error("{whom} answered the question for {what} with something else")]
    Garbage {
        /// Who answered.
        whom: String,
        /// What was asked.
        what: String,
    },
    /// Nothing came before the end of our patience.
    #[error("no answer in time")]
    Silent,
    /// Not a name that systemd takes.
    #[error("'{0}' is no unit name that systemd knows")]
    BadName(String),
    /// A pattern for nothing.
    #[error("no unit matches '{0}', neither loaded nor on disk")]
    NoMatch(String),
}

/// What is being done, for the sentence that must be said when time is up.
#[derive(Clone, Debug, Default)]
pub struct Stage(Arc<Mutex<&'static str>>);

impl Stage {
    /// Begins the next stage: `connecting to the system bus`.
    pub fn begin(&self, stage: &'static str) {
        if let Ok(mut current) = self.0.lock() {
            *current = stage;
        }
    }

    /// The stage that was begun last.
    #[must_use]
    pub fn current(&self) -> &'static str {
        self.0.lock().map_or("starting", |stage| *stage)
    }
}

/// A question for systemd.
pub(crate) struct Call {
    pub path: String,
    pub interface: &'static str,
    pub member: &'static str,
    pub body: Body,
}

/// The arguments that our questions have.
pub(crate) enum Body {
    Nothing,
    Text(&'static str),
    Property(&'static str, &'static str),
    Names(Vec<String>),
    Patterns(Vec<String>, Vec<String>),
}

/// An error reply.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    pub name: String,
    pub text: String,
}

impl Refusal {
    /// The unit or interface has no such thing: older systemd, other unit type.
    pub fn is_absence(&self) -> bool {
        let unknown = ["UnknownProperty", "UnknownInterface", "UnknownObject", "UnknownMethod"];
        self.name.strip_prefix("org.freedesktop.DBus.Error.").is_some_and(|name| unknown.contains(&name))
    }

    pub fn is_denial(&self) -> bool {
        self.name == "org.freedesktop.DBus.Error.AccessDenied"
    }
}

/// A conversation with one systemd.
pub struct Bus {
    socket: socket::Socket,
    opening: opening::Opening,
    /// Written, and not yet sent.
    unsent: Vec<u8>,
    /// Of the last question.
    serial: u32,
    /// `None` on the private socket, where systemd is the only other one.
    destination: Option<&'static str>,
    whom: String,
    stage: Stage,
    /// Killed when the conversation ends.
    ssh: Option<connect::Ssh>,
}

impl Bus {
    /// Whether systemd runs on another machine, with a monotonic clock of its own.
    pub(crate) fn is_remote(&self) -> bool {
        self.ssh.is_some()
    }

    /// Begins a stage; the first one begins when we were let in.
    pub(crate) fn stage(&mut self, stage: &'static str) {
        if self.has_answered() {
            self.stage.begin(stage);
        } else {
            self.opening.next_stage = stage;
        }
    }

    /// Asks all questions, as many at once as the bus allows. `call` writes one when its turn has come, and
    /// `take` gets each answer as it comes: those of a fleet are too many to keep.
    pub(crate) fn ask<Q>(
        &mut self,
        questions: &[Q],
        call: impl Fn(&Q) -> Call,
        mut take: impl FnMut(&Q, Result<Answer<'_>, Refusal>),
    ) -> Result<(), BusError> {
        self.begin();
        let first = self.serial + 1;
        let mut is_due = vec![false; questions.len()];
        let (mut due, mut asked) = (0, 0);
        loop {
            if due <= IN_FLIGHT / 2 {
                let next = questions.iter().zip(&mut is_due).skip(asked).take(IN_FLIGHT - due);
                for (question, is_due) in next {
                    self.serial += 1;
                    wire::write(&mut self.unsent, self.serial, self.destination, &call(question));
                    *is_due = true;
                    (due, asked) = (due + 1, asked + 1);
                }
                self.send()?;
            }
            if self.let_in()? {
                due -= self.take_answers(|serial, answer| {
                    let nth = serial.checked_sub(first)? as usize;
                    let (question, is_due) = questions.get(nth).zip(is_due.get_mut(nth))?;
                    // What answers twice, or what nobody asked, is no answer.
                    std::mem::take(is_due).then(|| take(question, answer))
                })?;
            }
            if asked < questions.len() && due <= IN_FLIGHT / 2 {
                continue;
            }
            if due == 0 {
                return Ok(());
            }
            if due > FEW {
                // Answers come one by one. To wake for each would cost as much as to answer it, on
                // processors that systemd and the bus need.
                std::thread::sleep(GATHER);
            }
            self.socket.more().map_err(|error| self.broken(&error))?;
        }
    }

    fn send(&mut self) -> Result<(), BusError> {
        let sent = self.socket.send(&self.unsent);
        self.unsent.clear();
        sent.map_err(|error| self.broken(&error))
    }

    /// Hands on what has come whole, and says how many questions of ours that answered.
    fn take_answers(
        &mut self,
        mut take: impl FnMut(u32, Result<Answer<'_>, Refusal>) -> Option<()>,
    ) -> Result<usize, BusError> {
        let mut taken = 0;
        loop {
            let length = match wire::read(self.socket.came()) {
                Came::Part => return Ok(taken),
                Came::Garbage => return Err(self.broken_by(&"what came is no D-Bus")),
                Came::Message(frame, length) => {
                    let answered = frame.answers.and_then(|serial| take(serial, frame.answer()));
                    taken += usize::from(answered.is_some());
                    length
                }
            };
            self.socket.use_up(length);
        }
    }

    fn broken(&self, error: &io::Error) -> BusError {
        match error.kind() {
            io::ErrorKind::TimedOut => BusError::Silent,
            io::ErrorKind::UnexpectedEof => self.broken_by(&"closed by the other side"),
            _ => self.broken_by(error),
        }
    }

    fn broken_by(&self, reason: &impl std::fmt::Display) -> BusError {
        if !self.has_answered() {
            return self.opening.failed(reason);
        }
        BusError::Broken { whom: self.whom.clone(), reason: plain(reason) }
    }

    pub(crate) fn garbage(&self, what: &str) -> BusError {
        BusError::Garbage { whom: self.whom.clone(), what: what.to_owned() }
    }

    pub(crate) fn refused(&self, what: &str, refusal: &Refusal) -> BusError {
        let whom = self.whom.clone();
        if refusal.is_denial() {
            return BusError::Denied { whom, reason: refusal.text.clone() };
        }
        BusError::Refused { whom, what: what.to_owned(), reason: refusal.text.clone() }
    }
}

impl<'a> wire::Frame<'a> {
    fn answer(self) -> Result<Answer<'a>, Refusal> {
        let Some(name) = self.error else { return Ok(self.answer) };
        let text = self.answer.read::<&str>().filter(|text| !text.is_empty()).unwrap_or(name);
        Err(Refusal { name: name.to_owned(), text: text.to_owned() })
    }
}
