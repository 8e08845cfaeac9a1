//! What does it take to hand a notice to people, and when has a channel proved that it took it?

use std::time::Duration;

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
