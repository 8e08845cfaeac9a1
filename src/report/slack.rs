//! How does Slack show a notice?

use serde_json::{Value, json};

use super::text::{cut, one_line};
use crate::verdict::telling::{Message, Word};

/// The body for an incoming webhook.
#[must_use]
pub fn payload(message: &Message<'_>) -> Value {
    minimal(message)
}

/// One text and nothing else: the one retry after a format that was refused.
#[must_use]
pub fn minimal(message: &Message<'_>) -> Value {
    let text = format!("{}\n{}", subject(message), one_line(&message.notice.sentence));
    json!({ "text": escape(&cut(&text, 1000)) })
}

fn subject(message: &Message<'_>) -> String {
    let word = match message.telling.word {
        Word::Ok => "OK",
        Word::Recovered => "OK (recovered)",
        Word::Fail => "FAIL",
        Word::CouldNotCheck => "FAIL (could not check)",
    };
    let at = message.notice.at.format("%Y-%m-%d %H:%M UTC");
    format!("[PLMS][{}] Invariants {word} @ {at}", one_line(&message.notice.env))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
