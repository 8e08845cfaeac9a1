//! What does it take to hand a notice to people, and when has a channel proved that it took it?

pub mod http;
pub mod mail;
pub mod pagerduty;
pub mod sendmail;
pub mod slack;
pub mod smtp;

use std::pin::Pin;
use std::time::{Duration, Instant};

use self::mail::Mail;
use self::pagerduty::PagerDuty;
use self::slack::Slack;
use crate::config::Settings;
use crate::verdict::telling::{Message, Topic, Wish};

/// Where notices go; the words are those of `state.db` and of the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelName {
    /// A Slack incoming webhook.
    Slack,
    /// `PagerDuty`'s Events API v2.
    PagerDuty,
    /// SMTP or a local sendmail program.
    Mail,
}

impl ChannelName {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Slack, Self::PagerDuty, Self::Mail];

    /// `slack`, `pagerduty` or `mail`.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Slack => "slack",
            Self::PagerDuty => "pagerduty",
            Self::Mail => "mail",
        }
    }
}

/// Every channel that somebody set anything for; one whose settings are wrong is broken, and says why when
/// it is tried.
#[must_use]
pub fn open(settings: &Settings) -> Vec<Box<dyn Channel>> {
    let mut channels: Vec<Box<dyn Channel>> = Vec::new();
    channels.extend(Slack::from_settings(settings).map(|slack| Box::new(slack) as _));
    channels.extend(PagerDuty::from_settings(settings).map(|pagerduty| Box::new(pagerduty) as _));
    match Mail::from_settings(settings) {
        Ok(mail) => channels.extend(mail.map(|mail| Box::new(mail) as _)),
        Err(error) => {
            let (name, wish) = (ChannelName::Mail, Wish::Failures);
            channels.push(Box::new(Broken { name, wish, why: error.to_string() }));
        }
    }
    channels
}

/// What the far end made of one part of a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It took it; in its own words, cleaned and without secrets.
    Accepted(String),
    /// Not now: 429, 5xx, 4xx of SMTP, no connection, no time left.
    Later {
        /// What stood in the way, and what to do where anything can be done.
        why: String,
        /// How long it asks to be left alone.
        after: Option<Duration>,
    },
    /// This part, not now (a full mailbox, a greylist); others may be taken at once.
    Postponed {
        /// What the far end said.
        why: String,
    },
    /// This part will not be taken as it is (a recipient that does not exist, an event that is refused);
    /// others may be.
    Refused {
        /// What the far end said, and what to do.
        why: String,
    },
    /// Nothing will be taken until the settings are mended (a webhook that is gone, a wrong password, a
    /// secret that cannot be read).
    Unusable {
        /// What is wrong, and what to do.
        why: String,
    },
}

/// An attempt under way; dropped, it is given up.
pub type Attempt<'a> = Pin<Box<dyn Future<Output = Answer> + 'a>>;

/// A way to reach people.
pub trait Channel {
    /// Which one.
    fn name(&self) -> ChannelName;

    /// What it wants to hear of.
    fn wish(&self) -> Wish;

    /// The parts of a message that are taken one by one, in a stable word each: recipients, events.
    fn parts(&self, message: &Message<'_>) -> Vec<String>;

    /// Tries to hand over one part; ends by `deadline` at the latest.
    fn send<'a>(&'a self, message: &'a Message<'_>, part: &'a str, deadline: Instant) -> Attempt<'a>;

    /// The incident that a part opens (true) or closes, where the far end keeps incidents.
    fn opens(&self, _part: &str) -> Option<(Topic, bool)> {
        None
    }

    /// What would be sent, for people's eyes: no secret in it.
    fn preview(&self, message: &Message<'_>) -> String;
}

/// A channel that is configured and cannot be used: what it should have been told waits, and says why.
#[derive(Clone, Debug)]
pub struct Broken {
    /// Which one.
    pub name: ChannelName,
    /// What it would want to hear of.
    pub wish: Wish,
    /// What is wrong with its settings.
    pub why: String,
}

impl Channel for Broken {
    fn name(&self) -> ChannelName {
        self.name
    }

    fn wish(&self) -> Wish {
        self.wish
    }

    fn parts(&self, _: &Message<'_>) -> Vec<String> {
        vec![String::new()]
    }

    fn send<'a>(&'a self, _: &'a Message<'_>, _: &'a str, _: Instant) -> Attempt<'a> {
        Box::pin(async { Answer::Unusable { why: self.why.clone() } })
    }

    fn preview(&self, _: &Message<'_>) -> String {
        self.why.clone()
    }
}
