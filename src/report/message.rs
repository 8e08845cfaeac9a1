//! Which words have all channels in common for what people are told?

use std::collections::HashMap;

use chrono::SecondsFormat;

use super::cell;
use super::run_text::{counted, failing_since};
use super::table::visible;
use super::text::cut;
use crate::verdict::duration::human;
use crate::verdict::notice::{Matter, Notice, Occasion, Row, Standing};
use crate::verdict::telling::{Message, Topic, Turn, Word};

/// Bytes of an environment's name in a subject: what comes after it must be read.
const ENV: usize = 60;

/// `[PLMS][production] Invariants FAIL @ 2025-11-06T07:00:03Z`: one line without anything that cannot be
/// seen, at most 130 bytes.
#[must_use]
pub fn subject(message: &Message<'_>) -> String {
    let word = match (message.notice.occasion, message.telling.word) {
        (Occasion::Test, _) => "TEST",
        (_, Word::Ok) => "OK",
        (_, Word::Recovered) => "OK (recovered)",
        (_, Word::Fail) => "FAIL",
        (_, Word::CouldNotCheck) => "FAIL (could not check)",
    };
    let at = message.notice.at.to_rfc3339_opts(SecondsFormat::Secs, true);
    format!("{} Invariants {word} @ {at}", tag(message.notice))
}

/// `[PLMS][production]`.
pub(super) fn tag(notice: &Notice) -> String {
    format!("[PLMS][{}]", cut(&visible(&cut(&notice.env, ENV)), ENV))
}

/// How late a message is, where that is worth a word.
#[must_use]
pub fn late(message: &Message<'_>) -> Option<String> {
    message.late().map(|late| format!("this message is {} late", human(late)))
}

/// Something that is wrong now.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wrong<'a> {
    pub topic: &'a Topic,
    pub turn: Turn,
    /// What the notice says of the invariant, where it is about one.
    pub matter: Option<&'a Matter>,
}

/// What is wrong now, worst first.
pub(super) fn wrong<'a>(message: &Message<'a>) -> Vec<Wrong<'a>> {
    with_matter(message, |turn| matches!(turn, Turn::New | Turn::Changed | Turn::Persists))
}

/// The topics of which this turn was taken.
pub(super) fn with_turn<'a>(message: &Message<'a>, wanted: Turn) -> Vec<Wrong<'a>> {
    with_matter(message, |turn| turn == wanted)
}

fn with_matter<'a>(message: &Message<'a>, is_wanted: impl Fn(Turn) -> bool) -> Vec<Wrong<'a>> {
    let matters = message.notice.matters.iter();
    let matters: HashMap<&str, &Matter> = matters.map(|matter| (matter.id.as_str(), matter)).collect();
    let turns = message.telling.turns.iter().filter(|(_, turn)| is_wanted(*turn));
    turns
        .map(|(topic, turn)| Wrong { topic, turn: *turn, matter: matters.get(topic.word()).copied() })
        .collect()
}

/// `12408 violations for 5d, since 2025-11-01 07:00 UTC; changed`.
pub(super) fn seen(matter: &Matter, turn: Turn, notice: &Notice) -> String {
    let count = counted(matter.violations.unwrap_or(0), "violation");
    let since = failing_since(matter.failing_since, notice.at);
    let news = match turn {
        Turn::New if since.starts_with(',') => "",
        Turn::New => "; not told before",
        Turn::Changed => "; changed",
        _ => "",
    };
    format!("{count}{since}{news}")
}

/// `id=7 run_id=NULL: reason`.
pub(super) fn row(row: &Row) -> String {
    cell::with_reason(row.cells.iter().map(|(name, value)| format!("{name}={value}")), row.reason.as_deref())
}

/// Why not everything is known, the findings of the run first.
pub(super) fn not_checked(notice: &Notice) -> impl Iterator<Item = String> {
    let findings = notice.findings.iter().filter(|said| said.state != crate::verdict::State::Ok);
    let findings = findings.map(|said| said.sentence.clone());
    let matters = notice.matters.iter();
    let unsure =
        matters.filter(|matter| matter.standing == Standing::NotChecked || !matter.errors.is_empty());
    findings.chain(unsure.map(|matter| format!("{}: {}", matter.id, matter.errors.join("; "))))
}

/// The run's sentence without the environment, where the subject has named that.
pub(super) fn sentence(notice: &Notice) -> &str {
    let rest = notice.sentence.strip_prefix(notice.env.as_str());
    rest.and_then(|rest| rest.strip_prefix(": ")).unwrap_or(&notice.sentence)
}

/// Whether this is a link that a person may be given to click on; anything else is text.
pub(super) fn is_link(text: &str) -> bool {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let is_part =
        |c: char| c.is_ascii_graphic() && !matches!(c, '<' | '>' | '"' | '|' | '`' | '\\' | '^' | '{' | '}');
    host.is_some_and(|host| host.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '['))
        && text.chars().all(is_part)
}
