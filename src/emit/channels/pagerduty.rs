//! When has `PagerDuty`'s Events API v2 taken an event, and what does it mean when it has not?

use std::time::Instant;

use serde_json::Value;

use super::http::{Poster, Reply, Target, is_passing};
use super::{Answer, Attempt, Channel, ChannelName};
use crate::config::endpoint::{PD_EVENTS_URL, ROUTING_KEY, is_routing_key};
use crate::config::{Secret, SecretSource, Settings};
use crate::report::pagerduty::events;
use crate::verdict::telling::{Message, Topic, Wish};

const SETTING: &str = "PD_ROUTING_KEY";
const URL_SETTING: &str = "PD_EVENTS_URL";

/// `PagerDuty`'s Events API v2.
#[derive(Debug)]
pub struct PagerDuty {
    routing_key: SecretSource,
    url: Secret,
    poster: Poster,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Taken,
    Later,
    Refused,
    /// The routing key, or the right to use it.
    KeyRefused,
    /// It points elsewhere, or is not there.
    Elsewhere,
}

impl PagerDuty {
    /// The integration of these settings; `None` where there is none. Whether it can be used is seen when
    /// it is.
    #[must_use]
    pub fn from_settings(settings: &Settings) -> Option<Self> {
        let routing_key = settings.secret(SETTING).clone();
        // A user and a password may stand in a URL.
        let url = Secret::new(settings.text(URL_SETTING).map_or(PD_EVENTS_URL, |s| s.value).to_owned());
        routing_key.is_configured().then(|| Self { routing_key, url, poster: Poster::default() })
    }

    async fn tell(&self, message: &Message<'_>, part: &str, deadline: Instant) -> Answer {
        let (target, key) = match self.target() {
            Ok(both) => both,
            Err(why) => return Answer::Unusable { why },
        };
        let Some(event) = events(message).into_iter().find(|event| event.part == part) else {
            return Answer::Refused { why: format!("there is no event {part} in this message") };
        };
        let body = with_key(event.body, key.expose());
        match self.poster.post(&target, &body, deadline, message.now).await {
            Ok(reply) => answer(&reply, &target),
            Err(trouble) => trouble.into(),
        }
    }

    fn target(&self) -> Result<(Target, Secret), String> {
        let key = match self.routing_key.read() {
            Ok(Some(key)) => Secret::new(key.expose().trim().to_owned()),
            Ok(None) => return Err(format!("{SETTING} is not set")),
            Err(error) => return Err(format!("{SETTING} cannot be used: {error}")),
        };
        if !is_routing_key(key.expose()) {
            return Err(format!("{SETTING} {ROUTING_KEY}"));
        }
        let mut target = Target::parse(URL_SETTING, self.url.expose())?;
        target.hide(key.expose());
        Ok((target, key))
    }
}

impl Channel for PagerDuty {
    fn name(&self) -> ChannelName {
        ChannelName::PagerDuty
    }

    /// Each failing run is told, and each recovery resolved: both are idempotent there.
    fn wish(&self) -> Wish {
        Wish::Failures
    }

    fn opens(&self, part: &str) -> Option<(Topic, bool)> {
        let (action, topic) = part.split_once(':')?;
        Some((Topic::from(topic.to_owned()), action == "trigger"))
    }

    fn parts(&self, message: &Message<'_>) -> Vec<String> {
        events(message).into_iter().map(|event| event.part).collect()
    }

    fn send<'a>(&'a self, message: &'a Message<'_>, part: &'a str, deadline: Instant) -> Attempt<'a> {
        Box::pin(self.tell(message, part, deadline))
    }

    fn preview(&self, message: &Message<'_>) -> String {
        let to = match self.target() {
            Ok((target, _)) => format!("POST {}", target.shown()),
            Err(why) => why,
        };
        let events = events(message).into_iter();
        let bodies: Vec<String> = events.map(|event| format!("{:#}", with_key(event.body, "…"))).collect();
        format!("{to}\n{}", bodies.join("\n"))
    }
}

fn with_key(mut body: Value, key: &str) -> Value {
    if let Value::Object(object) = &mut body {
        object.insert("routing_key".into(), key.into());
    }
    body
}

fn answer(reply: &Reply, target: &Target) -> Answer {
    let words = reply.words(target.hidden());
    let why = format!("{} answered {words}", target.host());
    match meaning(reply) {
        Meaning::Taken => Answer::Accepted(words),
        Meaning::Later => Answer::Later { why, after: reply.retry_after },
        Meaning::Refused => Answer::Refused { why },
        Meaning::KeyRefused => Answer::Unusable {
            why: format!("{why}; set {SETTING} to the integration key of an Events API v2 integration"),
        },
        Meaning::Elsewhere => {
            Answer::Unusable { why: format!("{why}; is {URL_SETTING} right, or a proxy in the way?") }
        }
    }
}

fn meaning(reply: &Reply) -> Meaning {
    let json = || serde_json::from_str::<Value>(reply.text()?).ok();
    match reply.status {
        202 if json().is_some_and(|json| json.get("status").and_then(Value::as_str) == Some("success")) => {
            Meaning::Taken
        }
        400 if reply
            .text()
            .is_some_and(|text| text.contains("routing_key") || text.contains("outing key")) =>
        {
            Meaning::KeyRefused
        }
        status => of_status(status),
    }
}

/// By the status alone; 2xx is no proof without the body that `PagerDuty` gives.
fn of_status(status: u16) -> Meaning {
    match status {
        _ if is_passing(status) => Meaning::Later,
        401 | 403 => Meaning::KeyRefused,
        300..=399 | 404 | 405 | 407 | 410 => Meaning::Elsewhere,
        400..=499 => Meaning::Refused,
        _ => Meaning::Later,
    }
}
