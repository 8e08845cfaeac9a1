//! When has Slack's incoming webhook taken a message, and what does it mean when it has not?

use std::time::{Duration, Instant};

use serde_json::Value;

use super::http::{Poster, Reply, Target, is_passing};
use super::{Answer, Attempt, Channel, ChannelName};
use crate::config::{SecretSource, Settings};
use crate::report::slack::{minimal, payload};
use crate::verdict::telling::{Message, Wish};

const SETTING: &str = "SLACK_WEBHOOK_URL";

/// A Slack incoming webhook. Its URL is the secret.
#[derive(Debug)]
pub struct Slack {
    webhook: SecretSource,
    wish: Wish,
    poster: Poster,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Meaning {
    Taken,
    Later,
    /// It does not like the form; the plainest one it may take.
    Format,
    Refused,
    /// The webhook is gone.
    Gone,
    /// What answers there is no webhook.
    Elsewhere,
}

impl Slack {
    /// The webhook of these settings; `None` where there is none. Whether it can be used is seen when it is.
    #[must_use]
    pub fn from_settings(settings: &Settings) -> Option<Self> {
        let webhook = settings.secret(SETTING).clone();
        let wish = match settings.text("SLACK_NOTIFY").map(|s| s.value) {
            Some("changes") => Wish::Changes,
            Some("failures") => Wish::Failures,
            _ => Wish::Always,
        };
        webhook.is_configured().then(|| Self { webhook, wish, poster: Poster::default() })
    }

    async fn tell(&self, message: &Message<'_>, deadline: Instant) -> Answer {
        let target = match self.target() {
            Ok(target) => target,
            Err(why) => return Answer::Unusable { why },
        };
        let first = match self.poster.post(&target, &payload(message), deadline, message.now).await {
            Ok(reply) => reply,
            Err(trouble) => return trouble.into(),
        };
        if meaning(&first) != Meaning::Format {
            return answer(&first, &target, None);
        }
        let refused = first.words(target.hidden());
        match self.poster.post(&target, &minimal(message), deadline, message.now).await {
            Ok(reply) => answer(&reply, &target, Some(&refused)),
            Err(trouble) => trouble.into(),
        }
    }

    fn target(&self) -> Result<Target, String> {
        match self.webhook.read() {
            Ok(Some(secret)) => Target::parse(SETTING, secret.expose()),
            Ok(None) => Err(format!("{SETTING} is not set")),
            Err(error) => Err(format!("{SETTING} cannot be used: {error}")),
        }
    }
}

impl Channel for Slack {
    fn name(&self) -> ChannelName {
        ChannelName::Slack
    }

    fn wish(&self) -> Wish {
        self.wish
    }

    fn parts(&self, _: &Message<'_>) -> Vec<String> {
        vec![String::new()]
    }

    fn send<'a>(&'a self, message: &'a Message<'_>, _: &'a str, deadline: Instant) -> Attempt<'a> {
        Box::pin(self.tell(message, deadline))
    }

    fn preview(&self, message: &Message<'_>) -> String {
        let to = self.target().map_or_else(|why| why, |target| format!("POST {}", target.shown()));
        format!("{to}\n{:#}", payload(message))
    }
}

fn answer(reply: &Reply, target: &Target, refused: Option<&str>) -> Answer {
    let words = reply.words(target.hidden());
    let words =
        refused.map_or(words.clone(), |refused| format!("{words}, in its shortest form (first {refused})"));
    let host = target.host();
    match meaning(reply) {
        Meaning::Taken => Answer::Accepted(words),
        Meaning::Later => Answer::Later { why: format!("{host} answered {words}"), after: wait(reply) },
        Meaning::Format | Meaning::Refused => Answer::Refused { why: format!("{host} answered {words}") },
        Meaning::Gone => Answer::Unusable {
            why: format!(
                "{host} answered {words}; connect the webhook again and set {SETTING} to its new URL"
            ),
        },
        Meaning::Elsewhere => Answer::Unusable {
            why: format!("{host} answered {words}; is {SETTING} right, or a proxy in the way?"),
        },
    }
}

/// What the body says where the status alone does not tell.
fn meaning(reply: &Reply) -> Meaning {
    let text = reply.text();
    match reply.status {
        200 if text == Some("ok") => Meaning::Taken,
        // Slack's own refusal; anything else under 200 is not Slack: a portal, a proxy.
        200 => error_word(reply).map_or(Meaning::Later, |word| of_word(&word)),
        400 => error_word(reply).map_or(Meaning::Format, |word| of_word(&word)),
        status => of_status(status),
    }
}

/// By the status alone.
fn of_status(status: u16) -> Meaning {
    match status {
        _ if is_passing(status) => Meaning::Later,
        300..=399 | 405 | 407 => Meaning::Elsewhere,
        400 | 413 | 422 => Meaning::Format,
        401 | 403 | 404 | 410 => Meaning::Gone,
        402..=499 => Meaning::Refused,
        // Neither proof nor refusal.
        _ => Meaning::Later,
    }
}

/// What a word of Slack's means, where the status is one that it says many things with.
fn of_word(word: &str) -> Meaning {
    match word {
        "rate_limited"
        | "ratelimited"
        | "rollup_error"
        | "internal_error"
        | "fatal_error"
        | "service_unavailable"
        | "request_timeout" => Meaning::Later,
        "invalid_token"
        | "invalid_auth"
        | "no_service"
        | "no_service_id"
        | "no_active_hooks"
        | "no_team"
        | "team_disabled"
        | "channel_not_found"
        | "channel_is_archived"
        | "action_prohibited"
        | "user_not_found"
        | "posting_to_general_channel_denied" => Meaning::Gone,
        _ => Meaning::Format,
    }
}

/// `no_service` as text, or `error` of `{"ok":false,"error":"…"}`.
fn error_word(reply: &Reply) -> Option<String> {
    let text = reply.text()?;
    let json = serde_json::from_str::<Value>(text).ok();
    let word = json.as_ref().and_then(|json| json.get("error")).and_then(Value::as_str).unwrap_or(text);
    let is_word = |word: &str| {
        word.contains('_')
            && word.len() <= 80
            && word.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    // Some refusals go on after a colon.
    let word = word.split([':', ' ']).next().unwrap_or_default();
    is_word(word).then(|| word.to_owned())
}

/// `Retry-After`, else what the body says.
fn wait(reply: &Reply) -> Option<Duration> {
    let said = || {
        let json: Value = serde_json::from_str(reply.text()?).ok()?;
        Some(Duration::from_secs(json.get("retry_after")?.as_u64()?.min(24 * 3600)))
    };
    reply.retry_after.or_else(said)
}
