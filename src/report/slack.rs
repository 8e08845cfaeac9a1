//! How does Slack show a message?
//!
//! The blocks stand on top: Slack shows them whole, and what is wrong with one is `invalid_blocks`. Blocks in
//! an attachment would be folded away, and any fault in them is an `invalid_attachments` that names none. So
//! the one attachment has the colour and a few lines of plain text, which Slack never refuses. Text from
//! elsewhere stands in `plain_text`, between backticks, or cleaned ([`super::mrkdwn`]).

use serde_json::{Value, json};

use super::message::{self, Wrong, is_link, late, not_checked, seen, subject, with_turn, wrong};
use super::mrkdwn::{code, fence, plain, prose};
use crate::verdict::State;
use crate::verdict::notice::{Notice, Occasion};
use crate::verdict::telling::{Message, Topic, Turn, Word};

/// Bytes of a header (Slack: 150 characters).
const HEADER: usize = 150;
/// Bytes of what a notification shows.
const FALLBACK: usize = 600;
/// Bytes of the run's own sentence.
const SUMMARY: usize = 900;
/// Invariants with a section of their own, and bytes of it. Ten blocks in all, and 10 000 characters: above
/// about 13 000 Slack refuses a message though each block is within its limit.
const SECTIONS: usize = 5;
const SECTION: usize = 1100;
/// Rows in a section, and bytes of a row.
const ROWS: usize = 3;
const ROW: usize = 200;
/// Bytes of a list of names.
const NAMES: usize = 500;
/// Bytes of what stood in the way.
const UNKNOWN: usize = 900;
/// Bytes of a link; a longer one is no link.
const LINK: usize = 250;
/// Bytes of an id: no longer are those of the catalogue.
const ID: usize = 64;
/// Invariants that are named there.
const LINES: usize = 10;

/// The body for an incoming webhook.
#[must_use]
pub fn payload(message: &Message<'_>) -> Value {
    let notice = message.notice;
    let subject = subject(message);
    let mut blocks = vec![
        json!({ "type": "header", "text": plain_text(&subject, HEADER) }),
        json!({ "type": "section", "text": plain_text(&summary(message), SUMMARY) }),
    ];
    let violated: Vec<Wrong<'_>> =
        wrong(message).into_iter().filter(|wrong| matches!(wrong.topic, Topic::Invariant(_))).collect();
    blocks.extend(violated.iter().take(SECTIONS).map(|wrong| section(&describe(wrong, notice))));
    if let Some(others) = violated.get(SECTIONS..).filter(|others| !others.is_empty()) {
        let head = format!("*+{} more violated:* ", others.len());
        blocks.push(section(&(head + &names(others, NAMES - 40))));
    }
    if wrong(message).iter().any(|wrong| *wrong.topic == Topic::NotChecked) {
        blocks.push(section(&unknown(notice)));
    }
    blocks.extend(rest(message).map(|text| section(&text)));
    json!({
        "text": prose(&format!("{subject}: {}", message::sentence(notice)), FALLBACK),
        "blocks": blocks,
        "attachments": [{
            "color": colour(message),
            "fallback": plain(&subject, HEADER),
            "text": place(notice),
            "mrkdwn_in": [],
        }],
        "unfurl_links": false,
        "unfurl_media": false,
    })
}

/// One text and nothing else: the one retry after a format that was refused.
#[must_use]
pub fn minimal(message: &Message<'_>) -> Value {
    let notice = message.notice;
    let mut lines = vec![prose(&subject(message), HEADER), prose(message::sentence(notice), FALLBACK)];
    lines.extend(late(message));
    let wrong = wrong(message);
    let violated: Vec<_> = wrong.iter().filter_map(|wrong| Some((wrong.matter?, wrong.turn))).collect();
    lines.extend(
        violated
            .iter()
            .take(LINES)
            .map(|(matter, turn)| format!("{}: {}", prose(&matter.id, ID), seen(matter, *turn, notice))),
    );
    if violated.len() > LINES {
        lines.push(format!("+{} more", violated.len() - LINES));
    }
    lines.extend(notice.log.iter().map(|log| format!("log: {}", prose(log, ROW))));
    lines.push("(this is all: Slack refused the full message)".into());
    json!({ "text": lines.join("\n") })
}

/// State, sentence, and how late it is.
fn summary(message: &Message<'_>) -> String {
    let notice = message.notice;
    let light = match light(message) {
        Light::Good => "🟢",
        Light::Warning => "🟡",
        Light::Danger => "🔴",
        Light::None => "⚪",
    };
    let state = match notice.occasion {
        Occasion::Run => format!("{}: ", notice.state.word()),
        Occasion::Died | Occasion::Test => String::new(),
    };
    let late = late(message).map(|late| format!("({late}) ")).unwrap_or_default();
    format!("{light} {late}{state}{}", message::sentence(notice))
}

/// One invariant: what was seen, for how long, the rule, whom to ask, and a few rows.
fn describe(wrong: &Wrong<'_>, notice: &Notice) -> String {
    let id = code(wrong.topic.word(), ID);
    let Some(matter) = wrong.matter else { return format!("`{id}`") };
    let mut lines =
        vec![format!("`{id}` {}: *{}*", matter.severity.word(), seen(matter, wrong.turn, notice))];
    if !matter.title.is_empty() {
        lines.push(prose(&matter.title, 150));
    }
    let mut ask: Vec<String> = vec![];
    ask.extend(
        matter
            .runbook
            .as_ref()
            .map(|runbook| link(runbook).unwrap_or_else(|| format!("runbook: {}", prose(runbook, 150)))),
    );
    ask.extend(matter.owner.as_ref().map(|owner| format!("owner: {}", prose(owner, 60))));
    if !ask.is_empty() {
        lines.push(ask.join(" · "));
    }
    if !matter.errors.is_empty() {
        lines.push(format!("not all was checked: {}", prose(&matter.errors.join("; "), 150)));
    }
    let said: usize = lines.iter().map(|line| line.len() + 1).sum();
    // Room for the line that counts the others.
    let room = SECTION.saturating_sub(said + 30);
    let rows: Vec<String> = matter.rows.iter().take(ROWS).map(message::row).collect();
    let (fence, shown) = fence(&rows, ROW, room);
    if shown > 0 {
        let more = matter.violations.unwrap_or(0).saturating_sub(shown as u64);
        lines.push(fence);
        lines.extend((more > 0).then(|| format!("+{more} more")));
    }
    lines.join("\n")
}

/// A link only where a browser would make one of it.
fn link(runbook: &str) -> Option<String> {
    let url = plain(runbook, LINK);
    (is_link(runbook) && !url.ends_with('…')).then(|| format!("<{url}|Runbook>"))
}

/// Why not everything is known.
fn unknown(notice: &Notice) -> String {
    let lines: Vec<String> = not_checked(notice).collect();
    let (fence, shown) = fence(&lines, ROW, UNKNOWN - 60);
    let more = lines.len() - shown;
    match (shown, more) {
        (0, _) => "*Not everything could be checked*".to_owned(),
        (_, 0) => format!("*Not everything could be checked:*\n{fence}"),
        (_, more) => format!("*Not everything could be checked:*\n{fence}\n+{more} more"),
    }
}

/// What is mended, and what nobody looked at.
fn rest(message: &Message<'_>) -> Option<String> {
    let said = |head: &str, turn: Turn| {
        let topics = with_turn(message, turn);
        let half = NAMES / 2;
        (!topics.is_empty()).then(|| format!("*{head}:* {}", names(&topics, half - 40)))
    };
    let rest = [said("Recovered", Turn::Recovered), said("Still open, not looked at", Turn::Unseen)];
    let rest: Vec<String> = rest.into_iter().flatten().collect();
    (!rest.is_empty()).then(|| rest.join("\n"))
}

/// Names that fit, with their counts, and how many more there are.
fn names(topics: &[Wrong<'_>], bytes: usize) -> String {
    let mut text = String::new();
    for (n, wrong) in topics.iter().enumerate() {
        let count = wrong.matter.and_then(|matter| matter.violations).filter(|count| *count > 0);
        let count = count.map(|count| format!(" ({count})")).unwrap_or_default();
        let comma = if n == 0 { "" } else { ", " };
        let name = format!("{comma}`{}`{count}", code(wrong.topic.word(), ID));
        if text.len() + name.len() + 20 > bytes {
            return format!("{text}, +{} more", topics.len() - n);
        }
        text += &name;
    }
    text
}

/// Where a person looks next. Slack folds an attachment of five lines or 700 characters.
fn place(notice: &Notice) -> String {
    let mut lines = vec![
        format!("registry {} on {}", prose(&notice.db_path, ROW), prose(&notice.host, ID)),
        format!("run {}", prose(&notice.invocation_id, ID)),
    ];
    lines.extend(notice.log.iter().map(|log| format!("log {}", prose(log, ROW))));
    lines.join("\n")
}

#[derive(Clone, Copy)]
enum Light {
    Good,
    Warning,
    Danger,
    None,
}

/// What was not checked is as bad as a warning at least; what was not looked at is not good.
fn light(message: &Message<'_>) -> Light {
    let notice = message.notice;
    let is_unseen = || message.telling.turns.iter().any(|(_, turn)| *turn == Turn::Unseen);
    match (notice.occasion, message.telling.word) {
        (Occasion::Test, _) => Light::None,
        (Occasion::Died, _) => Light::Danger,
        (_, Word::Fail) if notice.state == State::Critical => Light::Danger,
        (_, Word::Fail | Word::CouldNotCheck) => Light::Warning,
        (_, Word::Ok | Word::Recovered) if is_unseen() => Light::Warning,
        (_, Word::Ok | Word::Recovered) => Light::Good,
    }
}

/// Slack's own three, as it draws `good`, `warning` and `danger`.
fn colour(message: &Message<'_>) -> &'static str {
    match light(message) {
        Light::Good => "#2eb886",
        Light::Warning => "#daa038",
        Light::Danger => "#a30200",
        Light::None => "#a0a0a0",
    }
}

fn plain_text(text: &str, bytes: usize) -> Value {
    json!({ "type": "plain_text", "text": plain(text, bytes), "emoji": false })
}

/// `verbatim`: no name of a channel and no address becomes a link by itself.
fn section(text: &str) -> Value {
    json!({ "type": "section", "text": { "type": "mrkdwn", "text": text, "verbatim": true } })
}

#[cfg(test)]
mod tests;
