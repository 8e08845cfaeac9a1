//! What is sent, in its plainest form?

use serde_json::{Value, json};

use crate::verdict::telling::Message;

pub(super) struct Event {
    pub(super) part: String,
    pub(super) body: Value,
}

pub(super) fn slack(message: &Message<'_>) -> Value {
    json!({ "text": message.notice.sentence, "blocks": [] })
}

pub(super) fn minimal(message: &Message<'_>) -> Value {
    json!({ "text": message.notice.sentence })
}

pub(super) fn events(message: &Message<'_>) -> Vec<Event> {
    let turns = message.telling.turns.iter();
    turns
        .map(|(topic, _)| {
            let part = topic.word().to_owned();
            let body = json!({ "event_action": "trigger", "dedup_key": part.clone() });
            Event { part, body }
        })
        .collect()
}
