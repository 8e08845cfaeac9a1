//! How does a notice become mail, and who takes it: a server, or a program on this host?

mod host;
mod settings;

use std::time::Instant;

use super::sendmail::Sendmail;
use super::smtp::{NobodyListens, Post, Smtp};
use super::{Answer, Attempt, Channel, ChannelName};
use crate::config::address::{NO_ADDRESS, NO_DOMAIN, is_local_name, is_mailable};
use crate::report::mail::{Addresses, compose};
use crate::report::table::visible;
use crate::verdict::telling::{Message, Wish};

pub use settings::{MailError, faults, way};

/// Mail to everybody in `ALERT_EMAIL`.
pub struct Mail {
    /// As they stand there; a word that is no address is refused when its turn comes, and stops nobody else.
    to: Vec<String>,
    from: String,
    host: String,
    way: Way,
}

/// Who takes the mail: contract 3.
enum Way {
    /// `SMTP_URL`.
    Server(Smtp),
    /// `SENDMAIL`.
    Program(Sendmail),
    /// Whoever listens on this host, else the program that every mail system has.
    ThisHost(Smtp, Sendmail),
}

impl Way {
    fn stays_on_this_host(&self) -> bool {
        match self {
            Self::Server(smtp) => smtp.url().is_on_this_host(),
            Self::Program(_) | Self::ThisHost(..) => true,
        }
    }

    async fn hand_over(&self, post: Post<'_>, deadline: Instant) -> Answer {
        match self {
            Self::Server(smtp) => match smtp.send(post, deadline).await {
                Ok(answer) => answer,
                Err(NobodyListens(why)) => Answer::Later { why, after: None },
            },
            Self::Program(program) => program.send(post, deadline).await,
            Self::ThisHost(smtp, program) => match smtp.send(post, deadline).await {
                Ok(answer) => answer,
                Err(NobodyListens(why)) if !program.is_there() => Answer::Unusable {
                    why: format!("{why}, and there is no {program}; set SMTP_URL or SENDMAIL"),
                },
                Err(NobodyListens(_)) => program.send(post, deadline).await,
            },
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Server(smtp) => smtp.url().to_string(),
            Self::Program(program) => program.to_string(),
            Self::ThisHost(smtp, program) => {
                format!("{}, or {program} where nothing listens there", smtp.url())
            }
        }
    }
}

impl Mail {
    /// Tries to hand the message over for one recipient, by `deadline` at the latest.
    pub async fn tell(&self, message: &Message<'_>, recipient: &str, deadline: Instant) -> Answer {
        if let Some(why) = self.why_not(recipient) {
            return Answer::Refused { why };
        }
        let letter = self.letter(message);
        let post = Post { from: &self.from, to: recipient, letter: &letter };
        self.way.hand_over(post, deadline).await
    }

    /// Why this word of `ALERT_EMAIL` cannot be mailed.
    fn why_not(&self, word: &str) -> Option<String> {
        let why = match (is_mailable(word), is_local_name(word)) {
            (true, _) => return None,
            (false, true) if self.way.stays_on_this_host() => return None,
            (false, true) => NO_DOMAIN,
            (false, false) => NO_ADDRESS,
        };
        Some(format!("ALERT_EMAIL: {} {why}", visible(word)))
    }

    fn letter(&self, message: &Message<'_>) -> Vec<u8> {
        let known = self.to.iter().filter(|word| self.why_not(word).is_none());
        // A header holds whole addresses only.
        let to: Vec<String> = known
            .map(|word| if is_mailable(word) { word.clone() } else { format!("{word}@{}", self.host) })
            .collect();
        compose(message, &Addresses { from: &self.from, to: &to })
    }
}

impl Channel for Mail {
    fn name(&self) -> ChannelName {
        ChannelName::Mail
    }

    /// Each failing run, and once that it is over.
    fn wish(&self) -> Wish {
        Wish::Failures
    }

    fn parts(&self, _: &Message<'_>) -> Vec<String> {
        self.to.clone()
    }

    fn send<'a>(&'a self, message: &'a Message<'_>, part: &'a str, deadline: Instant) -> Attempt<'a> {
        Box::pin(self.tell(message, part, deadline))
    }

    fn preview(&self, message: &Message<'_>) -> String {
        let letter = self.letter(message);
        let letter = String::from_utf8_lossy(&letter).replace("\r\n", "\n");
        format!("by {} to {}\n{letter}", self.way.shown(), visible(&self.to.join(", ")))
    }
}
