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
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use futures_core::Stream as _;
use zbus::message::{Message, Type};
use zbus::{Connection, MessageStream};

use crate::plain::plain;

pub use connect::{Host, Target};
pub use query::{Asked, Seen, observe};
pub use units::{Names, is_glob};

/// dbus-daemon allows a connection 128 unanswered calls.
const IN_FLIGHT: usize = 100;

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

    /// Asks all questions, as many at once as the bus allows; answers come in the order of the questions.
    pub(crate) async fn ask(&mut self, calls: &[Call]) -> Result<Vec<Result<Message, Refusal>>, BusError> {
        let mut answers = Vec::with_capacity(calls.len());
        for calls in calls.chunks(IN_FLIGHT) {
            answers.extend(self.ask_some(calls).await?);
        }
        Ok(answers)
    }

    async fn ask_some(&mut self, calls: &[Call]) -> Result<Vec<Result<Message, Refusal>>, BusError> {
        let messages = calls.iter().map(|call| self.message(call)).collect::<zbus::Result<Vec<_>>>();
        let messages = messages.map_err(|error| self.broken(&error))?;
        let mut due: HashMap<_, _> = messages
            .iter()
            .enumerate()
            .map(|(nth, message)| (message.primary_header().serial_num(), nth))
            .collect();
        let mut answers: Vec<Option<Result<Message, Refusal>>> = vec![None; messages.len()];
        self.connection.send_all(&messages).await.map_err(|error| self.broken(&error))?;
        while !due.is_empty() {
            let next = poll_fn(|context| Pin::new(&mut self.replies).poll_next(context)).await;
            let message = match next {
                Some(Ok(message)) => message,
                Some(Err(error)) => return Err(self.broken(&error)),
                None => return Err(self.broken(&"closed by the other side")),
            };
            let Some(nth) = message.header().reply_serial().and_then(|serial| due.remove(&serial)) else {
                continue;
            };
            let answer = match message.message_type() {
                Type::Error => Err(refusal(&message)),
                _ => Ok(message),
            };
            if let Some(slot) = answers.get_mut(nth) {
                *slot = Some(answer);
            }
        }
        Ok(answers.into_iter().flatten().collect())
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

fn refusal(message: &Message) -> Refusal {
    let name = message.header().error_name().map(ToString::to_string).unwrap_or_default();
    let text = message.body().deserialize::<String>().unwrap_or_default();
    let text = if text.is_empty() { name.clone() } else { text };
    Refusal { name, text }
}
