//! How is systemd asked? One connection, many questions at once, and a stage that says where it stopped.

mod connect;
mod private;
mod properties;
mod query;
mod questions;
mod seen;
mod units;

use std::collections::HashMap;
use std::future::poll_fn;
use std::num::NonZeroU32;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use futures_core::Stream as _;
use zbus::message::{Message, Type};
use zbus::{Connection, MessageStream};

use crate::plain::plain;

pub use connect::{Host, Target};
pub use query::{Asked, Seen, observe};
pub use units::{Names, is_glob};

/// dbus-daemon allows a connection 128 unanswered calls.
const IN_FLIGHT: usize = 100;
/// So many answers are read as they come.
const FEW: usize = 25;
/// How long more than a few answers gather before they are read.
const GATHER: Duration = Duration::from_millis(1);

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

/// An open conversation with one systemd.
pub struct Bus {
    connection: Connection,
    replies: MessageStream,
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

    pub(crate) fn stage(&self, stage: &'static str) {
        self.stage.begin(stage);
    }

    /// Asks all questions, as many at once as the bus allows. `take` gets each answer as it comes, with the
    /// number of its question: those of a fleet are too many to keep.
    pub(crate) async fn ask(
        &mut self,
        calls: &[Call],
        mut take: impl FnMut(usize, Result<Message, Refusal>),
    ) -> Result<(), BusError> {
        let mut due = HashMap::new();
        let mut unsent = calls;
        while !(due.is_empty() && unsent.is_empty()) {
            if due.len() <= IN_FLIGHT / 2 {
                let (now, later) = unsent.split_at((IN_FLIGHT - due.len()).min(unsent.len()));
                let first = calls.len() - unsent.len();
                let messages = now.iter().map(|call| self.message(call)).collect::<zbus::Result<Vec<_>>>();
                let messages = messages.map_err(|error| self.broken(&error))?;
                due.extend(messages.iter().zip(first..).map(|(message, nth)| (serial(message), nth)));
                self.connection.send_all(&messages).await.map_err(|error| self.broken(&error))?;
                unsent = later;
            }
            if due.len() > FEW {
                // Answers come one by one. To wake for each would cost as much as to answer it, on
                // processors that systemd and the bus need.
                std::thread::sleep(GATHER);
            }
            let mut message = Some(self.next().await?);
            while let Some(answer) = message {
                if let Some(nth) = answer.header().reply_serial().and_then(|serial| due.remove(&serial)) {
                    let is_error = answer.message_type() == Type::Error;
                    take(nth, if is_error { Err(refusal(&answer)) } else { Ok(answer) });
                }
                message = if due.is_empty() { None } else { self.next_if_there().await? };
            }
        }
        Ok(())
    }

    async fn next(&mut self) -> Result<Message, BusError> {
        let next = poll_fn(|context| Pin::new(&mut self.replies).poll_next(context)).await;
        self.received(next)
    }

    async fn next_if_there(&mut self) -> Result<Option<Message>, BusError> {
        let next = poll_fn(|context| Poll::Ready(Pin::new(&mut self.replies).poll_next(context))).await;
        match next {
            Poll::Pending => Ok(None),
            Poll::Ready(next) => self.received(next).map(Some),
        }
    }

    fn received(&self, next: Option<zbus::Result<Message>>) -> Result<Message, BusError> {
        match next {
            Some(Ok(message)) => Ok(message),
            Some(Err(error)) => Err(self.broken(&error)),
            None => Err(self.broken(&"closed by the other side")),
        }
    }

    fn message(&self, call: &Call) -> zbus::Result<Message> {
        let mut builder = Message::method_call(call.path.as_str(), call.member).interface(call.interface);
        if let Some(destination) = self.destination {
            builder = builder.destination(destination);
        }
        match &call.body {
            Body::Text(text) => builder.build(text),
            Body::Property(interface, property) => builder.build(&(interface, property)),
            Body::Names(names) => builder.build(names),
            Body::Patterns(states, patterns) => builder.build(&(states, patterns)),
        }
    }

    fn broken(&self, error: &impl std::fmt::Display) -> BusError {
        BusError::Broken { whom: self.whom.clone(), reason: plain(error) }
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

fn serial(message: &Message) -> NonZeroU32 {
    message.primary_header().serial_num()
}

fn refusal(message: &Message) -> Refusal {
    let name = message.header().error_name().map(ToString::to_string).unwrap_or_default();
    let text = message.body().deserialize::<String>().unwrap_or_default();
    let text = if text.is_empty() { name.clone() } else { text };
    Refusal { name, text }
}
