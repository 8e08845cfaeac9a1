//! In which words does a mail speak of a notice?

use chrono::SecondsFormat;

use crate::report::run_text::{counted, failing_since};
use crate::report::table::visible;
use crate::report::text::cut;
use crate::verdict::duration::human;
use crate::verdict::notice::{Matter, Notice, Occasion};
use crate::verdict::telling::{Message, Turn, Word};

/// Bytes of an environment's name in a subject: what comes after it must be read.
const ENV: usize = 60;

/// `[PLMS][production] Invariants FAIL @ 2025-11-06T07:00:03Z`: one line without anything that cannot be
/// seen, at most 160 bytes.
pub(super) fn subject(message: &Message<'_>) -> String {
    let notice = message.notice;
    let word = match (notice.occasion, message.telling.word) {
        (Occasion::Test, _) => "TEST",
        (_, Word::Ok) => "OK",
        (_, Word::Recovered) => "OK (recovered)",
        (_, Word::Fail) => "FAIL",
        (_, Word::CouldNotCheck) => "FAIL (could not check)",
    };
    let at = notice.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let env = cut(&visible(&cut(&notice.env, ENV)), ENV);
    let late = message.late().map(|late| format!(" ({} late)", human(late))).unwrap_or_default();
    format!("[PLMS][{env}] Invariants {word} @ {at}{late}")
}

/// `12408 violations for 5d, since 2025-11-01 07:00 UTC; changed`.
pub(super) fn seen(matter: &Matter, turn: Turn, notice: &Notice) -> String {
    let count = counted(matter.violations.unwrap_or(0), "violation");
    let since = failing_since(matter.failing_since, notice.at);
    let news = match turn {
        Turn::New if since.starts_with(',') => "",
        Turn::New => "; new",
        Turn::Changed => "; changed",
        _ => "",
    };
    format!("{count}{since}{news}")
}

/// Whether a mail reader may be given this to click on; anything else is text.
pub(super) fn is_link(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_part = |c: char| {
        c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '\'' | '|' | '`' | '\\' | '^' | '{' | '}')
    };
    host.is_some_and(|host| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
        && text.chars().all(is_part)
}
