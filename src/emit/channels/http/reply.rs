//! What did a far end answer, in words that people may see?

use std::time::Duration;

use super::Hidden;
use crate::report::text::{cut, one_line};

/// What people are shown of an answer at most.
const MOST_WORDS: usize = 300;

/// A far end's answer.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status of HTTP.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The body, as far as it was read.
    pub body: Vec<u8>,
    /// Why the body was not read to its end, where it was not.
    pub torn: Option<String>,
}

impl Reply {
    /// The body as text, whole: only then is it a proof of anything.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        self.torn.is_none().then(|| std::str::from_utf8(&self.body).ok()).flatten().map(str::trim)
    }

    /// Status and body for people: one line, short, without secrets.
    #[must_use]
    pub fn words(&self, hidden: &Hidden) -> String {
        let text = String::from_utf8_lossy(&self.body);
        // Cleaning can make a secret of what was none, so it is looked for on both sides.
        let words = cut(&hidden.hide(&one_line(&hidden.hide(&text))), MOST_WORDS);
        let phrase = reqwest::StatusCode::from_u16(self.status).ok().and_then(|s| s.canonical_reason());
        let phrase = phrase.map(|phrase| format!(" {}", phrase.to_lowercase())).unwrap_or_default();
        let mut sentence = format!("{}{phrase}", self.status);
        for part in [words.as_str(), self.torn.as_deref().unwrap_or_default()] {
            if !part.is_empty() {
                sentence = format!("{sentence}: {part}");
            }
        }
        sentence
    }
}

#[cfg(test)]
mod tests {
    use super::{Hidden, Reply};

    fn reply(status: u16, body: &[u8]) -> Reply {
        Reply { status, retry_after: None, body: body.to_vec(), torn: None }
    }

    #[test]
    fn a_hostile_answer_is_one_short_line_without_secrets() {
        let mut hidden = Hidden::default();
        hidden.add("a/CANARY");
        let words = |status, body: &[u8]| reply(status, body).words(&hidden);
        assert_eq!(words(404, b"no_service\n"), "404 not found: no_service");
        assert_eq!(words(502, b""), "502 bad gateway");
        assert_eq!(words(599, b"x"), "599: x");
        assert_eq!(words(400, b"\x1b[31ma|CANARY\0\xff"), "400 bad request: ?[31m…?\u{fffd}");
        let long = words(500, "ü".repeat(40_000).as_bytes());
        assert!(long.len() < 340 && long.ends_with('…'), "{long}");
    }

    #[test]
    fn a_torn_body_proves_nothing_and_is_said_to_be_torn() {
        let torn = Reply { torn: Some("the connection was reset".into()), ..reply(200, b"ok") };
        assert_eq!(torn.text(), None);
        assert_eq!(torn.words(&Hidden::default()), "200 ok: ok: the connection was reset");
        assert_eq!(reply(200, b" ok\n").text(), Some("ok"));
        assert_eq!(reply(200, b"\xff").text(), None);
    }
}
