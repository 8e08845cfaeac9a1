//! Which incidents does PagerDuty open and close for a notice?

use std::fmt::Write as _;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::text::{cut, one_line};
use crate::verdict::invariants::Severity;
use crate::verdict::notice::{Matter, Notice, Occasion};
use crate::verdict::telling::{Message, Topic, Turn};

/// An event of the Events API v2, without the routing key: the sender adds that, so no preview shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// The same for every attempt: `trigger:lane_overrides`.
    pub part: String,
    /// The body.
    pub body: Value,
}

/// Everything that is to be sent for one message, the most severe first.
#[must_use]
pub fn events(message: &Message<'_>) -> Vec<Event> {
    let notice = message.notice;
    if notice.occasion == Occasion::Test {
        return vec![
            trigger(notice, "channel-test", "info", &notice.sentence),
            resolve(notice, "channel-test"),
        ];
    }
    let turns = message.telling.turns.iter();
    turns
        .filter_map(|(topic, turn)| match turn {
            Turn::New | Turn::Changed | Turn::Persists => {
                let matter = notice.matters.iter().find(|matter| matter.id == topic.word());
                let title = matter.map_or(notice.sentence.as_str(), |matter| matter.title.as_str());
                Some(trigger(notice, topic.word(), severity(topic, matter), title))
            }
            Turn::Recovered => Some(resolve(notice, topic.word())),
            Turn::Unseen => None,
        })
        .collect()
}

fn severity(topic: &Topic, matter: Option<&Matter>) -> &'static str {
    match (topic, matter.map(|matter| matter.severity)) {
        (Topic::Died | Topic::NotChecked, _) => "error",
        (_, Some(Severity::Warning)) => "warning",
        (_, _) => "critical",
    }
}

fn trigger(notice: &Notice, word: &str, severity: &str, summary: &str) -> Event {
    let body = json!({
        "event_action": "trigger",
        "dedup_key": key(notice, word),
        "payload": {
            "summary": cut(&one_line(&format!("[PLMS][{}] {word}: {summary}", notice.env)), 1024),
            "source": notice.host,
            "severity": severity,
            "timestamp": notice.at,
            "component": notice.db_path,
            "group": notice.env,
            "class": word,
        },
    });
    Event { part: format!("trigger:{word}"), body }
}

fn resolve(notice: &Notice, word: &str) -> Event {
    let body = json!({ "event_action": "resolve", "dedup_key": key(notice, word) });
    Event { part: format!("resolve:{word}"), body }
}

fn key(notice: &Notice, word: &str) -> String {
    let mut hash = Sha256::new();
    hash.update([notice.env.as_bytes(), notice.db_path.as_bytes(), word.as_bytes()].join(&0));
    hash.finalize().iter().fold("plms-inv:".to_owned(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    })
}
