//! Which incidents does PagerDuty open and close for a message?
//!
//! An incident per topic, whose key never changes; a trigger on each failing run is appended to the open one.
//! A resolve without an open incident is dropped by PagerDuty, so both may be repeated.

use std::fmt::Write as _;

use chrono::SecondsFormat;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::message::{self, Wrong, is_link, late, not_checked, seen, tag, with_turn, wrong};
use super::run_text::counted;
use super::table::visible;
use super::text::cut;
use crate::verdict::invariants::Severity;
use crate::verdict::notice::{Notice, Occasion};
use crate::verdict::telling::{Message, Topic, Turn};

/// Incidents that one run opens or keeps open by themselves; the others are summed up in one.
const MOST: usize = 20;
/// Bytes of a summary (PagerDuty: 1024 characters, above which it refuses the event).
const SUMMARY: usize = 1024;
/// Bytes of a field that names something.
const FIELD: usize = 255;
/// Bytes of a row or an error, and how many of each.
const LINE: usize = 500;
const LINES: usize = 20;
/// Names in the incident that sums up.
const NAMES: usize = 200;
/// Bytes of a body before the routing key is in it (PagerDuty: 512 000).
const BODY: usize = 500_000;
/// The topics that are not the state's; an id of an invariant has no `-`.
const MORE: &str = "and-more";
const TEST: &str = "channel-test";

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
        let summary = message::sentence(notice);
        let trigger = Trigger { word: TEST, severity: "info", summary, runbook: None, details: Map::new() };
        return [Some(trigger.event(message)), resolve(notice, TEST)].into_iter().flatten().collect();
    }
    let wrong = wrong(message);
    let (own, others) = wrong.split_at(wrong.len().min(MOST));
    let mut events: Vec<Event> = own.iter().map(|wrong| trigger(wrong, message)).collect();
    events.extend(sum_up(others, message));
    let is_over = is_overflow_over(message);
    if is_over {
        // What was summed up and has not been looked at since gets an incident of its own before that of the
        // sum is closed: nothing that is open is without one.
        events.extend(with_turn(message, Turn::Unseen).iter().map(|unseen| trigger(unseen, message)));
    }
    let recovered = with_turn(message, Turn::Recovered);
    events.extend(recovered.iter().filter_map(|wrong| resolve(notice, wrong.topic.word())));
    events.extend(is_over.then(|| resolve(notice, MORE)).flatten());
    events
}

/// Whether more was open than has incidents of its own, and no longer is. What is open shrinks by recoveries
/// alone, and of these PagerDuty is always told; so nothing else needs to be remembered.
fn is_overflow_over(message: &Message<'_>) -> bool {
    let count = |is_counted: fn(Turn) -> bool| {
        message.telling.turns.iter().filter(|(_, turn)| is_counted(*turn)).count()
    };
    let (before, after) = (count(|turn| turn != Turn::New), count(|turn| turn != Turn::Recovered));
    before > MOST && after <= MOST
}

fn trigger(wrong: &Wrong<'_>, message: &Message<'_>) -> Event {
    let notice = message.notice;
    let word = wrong.topic.word();
    let summary = match (wrong.topic, wrong.matter) {
        (Topic::Died, _) => message::sentence(notice).to_owned(),
        (Topic::NotChecked, _) => format!("not everything could be checked: {}", message::sentence(notice)),
        (Topic::Invariant(_), _) if wrong.turn == Turn::Unseen => {
            format!("{word}: was violated when it was last looked at")
        }
        (Topic::Invariant(_), Some(matter)) => {
            format!("{word}: {}: {}", seen(matter, wrong.turn, notice), matter.title)
        }
        (Topic::Invariant(_), None) => format!("{word} is violated"),
    };
    let runbook = wrong.matter.and_then(|matter| matter.runbook.as_deref());
    let details = details(wrong, notice);
    Trigger { word, severity: severity(wrong), summary: &summary, runbook, details }.event(message)
}

/// One incident for all that have none of their own; nothing where all have.
fn sum_up(others: &[Wrong<'_>], message: &Message<'_>) -> Option<Event> {
    let worst = others.first()?;
    let count = |wrong: &Wrong<'_>| wrong.matter.and_then(|matter| matter.violations);
    let named = |wrong: &Wrong<'_>| match count(wrong) {
        Some(rows) => format!("{} ({rows})", wrong.topic.word()),
        None => wrong.topic.word().to_owned(),
    };
    let names: Vec<String> = others.iter().take(NAMES).map(named).collect();
    let summary =
        format!("{} more violated: {}", counted(others.len() as u64, "invariant"), names.join(", "));
    let details = Map::from_iter([
        ("count".to_owned(), others.len().into()),
        ("invariants".to_owned(), texts(names.into_iter(), NAMES)),
    ]);
    let trigger =
        Trigger { word: MORE, severity: severity(worst), summary: &summary, runbook: None, details };
    Some(trigger.event(message))
}

fn severity(wrong: &Wrong<'_>) -> &'static str {
    match (wrong.topic, wrong.matter.map(|matter| matter.severity)) {
        (Topic::Died | Topic::NotChecked, _) => "error",
        (Topic::Invariant(_), Some(Severity::Warning)) => "warning",
        // Of what is not in the notice, the worst is to be thought.
        (Topic::Invariant(_), Some(Severity::Critical) | None) => "critical",
    }
}

/// What an incident shows of its topic.
fn details(wrong: &Wrong<'_>, notice: &Notice) -> Map<String, Value> {
    let mut details = Map::new();
    if *wrong.topic == Topic::NotChecked {
        details.insert("not_checked".into(), texts(not_checked(notice), LINES));
    }
    let Some(matter) = wrong.matter else { return details };
    let mut add =
        |name: &str, value: Option<Value>| details.extend(value.map(|value| (name.to_owned(), value)));
    add("rule", Some(text(&matter.title, LINE)));
    add("violations", matter.violations.map(Value::from));
    let since = matter.failing_since.map(|since| since.to_rfc3339_opts(SecondsFormat::Secs, true));
    add("failing_since", since.map(Value::from));
    add("owner", matter.owner.as_ref().map(|owner| text(owner, LINE)));
    add("runbook", matter.runbook.as_ref().map(|runbook| text(runbook, LINE)));
    let is_in_full = matter.errors.is_empty();
    add("not_checked", (!is_in_full).then(|| texts(matter.errors.iter().cloned(), LINES)));
    add("rows", (!matter.rows.is_empty()).then(|| texts(matter.rows.iter().map(message::row), LINES)));
    details
}

struct Trigger<'a> {
    word: &'a str,
    severity: &'static str,
    summary: &'a str,
    runbook: Option<&'a str>,
    details: Map<String, Value>,
}

impl Trigger<'_> {
    fn event(self, message: &Message<'_>) -> Event {
        let notice = message.notice;
        let mut details = self.details;
        details.insert("run".into(), text(&notice.sentence, 2 * LINE));
        details.extend(notice.log.as_ref().map(|log| ("log".to_owned(), text(log, LINE))));
        details.insert("invocation_id".into(), text(&notice.invocation_id, FIELD));
        details.extend(late(message).map(|late| ("late".to_owned(), late.into())));
        let mut event = Map::new();
        event.insert("event_action".into(), "trigger".into());
        // Without a key each trigger opens an incident: too many are better than the wrong one closed.
        event.extend(key(notice, self.word).map(|key| ("dedup_key".to_owned(), key.into())));
        event.insert("client".into(), "plms-invariants".into());
        event.insert(
            "payload".into(),
            json!({
                "summary": text(&format!("{} {}", tag(notice), self.summary), SUMMARY),
                "source": text(if notice.host.is_empty() { "unknown" } else { &notice.host }, FIELD),
                "severity": self.severity,
                "timestamp": notice.at.to_rfc3339_opts(SecondsFormat::Millis, true),
                "component": text(&notice.db_path, FIELD),
                "group": text(&notice.env, FIELD),
                "class": text(self.word, FIELD),
                "custom_details": details,
            }),
        );
        if let Some(runbook) = self.runbook.filter(|runbook| is_link(runbook)) {
            event.insert("links".into(), json!([{ "href": runbook, "text": "Runbook" }]));
        }
        Event { part: format!("trigger:{}", self.word), body: bounded(Value::Object(event)) }
    }
}

fn resolve(notice: &Notice, word: &str) -> Option<Event> {
    let key = key(notice, word)?;
    let body = json!({ "event_action": "resolve", "dedup_key": key });
    Some(Event { part: format!("resolve:{word}"), body })
}

/// The same for ever: of nothing that changes from run to run. None of an empty part, which would make one
/// incident of several.
fn key(notice: &Notice, word: &str) -> Option<String> {
    let parts = [notice.env.as_str(), notice.db_path.as_str(), word];
    if parts.iter().any(|part| part.is_empty()) {
        return None;
    }
    let hash = Sha256::digest(parts.join("\0"));
    Some(hash.iter().fold("plms-inv:".to_owned(), |mut key, byte| {
        let _ = write!(key, "{byte:02x}");
        key
    }))
}

/// An event that is too long is refused, and an alert with it: its details give way.
fn bounded(mut event: Value) -> Value {
    if event.to_string().len() > BODY
        && let Some(details) = event.pointer_mut("/payload/custom_details")
    {
        *details = json!({ "note": "the details were too long for PagerDuty; the log of the run has them" });
    }
    event
}

fn text(text: &str, bytes: usize) -> Value {
    cut(&visible(&cut(text, bytes)), bytes).into()
}

fn texts(lines: impl Iterator<Item = String>, most: usize) -> Value {
    let lines: Vec<String> = lines.collect();
    let mut shown: Vec<Value> = lines.iter().take(most).map(|line| text(line, LINE)).collect();
    if lines.len() > most {
        shown.push(format!("+{} more", lines.len() - most).into());
    }
    shown.into()
}

#[cfg(test)]
mod tests;
