//! How does a notice become mail, and who takes it: a server, or a program on this host?

use std::time::Instant;

use thiserror::Error;

use super::{Answer, Attempt, Channel, ChannelName};
use crate::config::Settings;
use crate::verdict::telling::{Message, Wish};

/// Why nobody can be mailed.
#[derive(Debug, Error)]
pub enum MailError {
    /// Nobody stands in `ALERT_EMAIL`.
    #[error("ALERT_EMAIL names nobody")]
    Nobody,
}

/// Mail to everybody in `ALERT_EMAIL`.
#[derive(Debug)]
pub struct Mail {
    to: Vec<String>,
}

impl Mail {
    /// The channel as it is configured; `None` where `ALERT_EMAIL` is not set.
    ///
    /// # Errors
    /// Where a setting is none.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>, MailError> {
        let Some(to) = settings.text("ALERT_EMAIL") else { return Ok(None) };
        let to: Vec<String> =
            to.value.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned).collect();
        if to.is_empty() { Err(MailError::Nobody) } else { Ok(Some(Self { to })) }
    }

    /// Tries to hand the message over for one recipient, by `deadline` at the latest.
    pub async fn send(&self, _message: &Message<'_>, _recipient: &str, _deadline: Instant) -> Answer {
        Answer::Later { why: "mail cannot be sent yet".to_owned(), after: None }
    }
}

impl Channel for Mail {
    fn name(&self) -> ChannelName {
        ChannelName::Mail
    }

    fn wish(&self) -> Wish {
        Wish::Failures
    }

    fn parts(&self, _: &Message<'_>) -> Vec<String> {
        self.to.clone()
    }

    fn send<'a>(&'a self, message: &'a Message<'_>, part: &'a str, deadline: Instant) -> Attempt<'a> {
        Box::pin(self.send(message, part, deadline))
    }

    fn preview(&self, _: &Message<'_>) -> String {
        String::new()
    }
}
