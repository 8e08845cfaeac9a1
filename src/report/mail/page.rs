//! What stands in a mail, in which order, and how much of it?

use std::collections::HashMap;

use super::words::seen;
use crate::report::table::visible;
use crate::report::text::cut;
use crate::verdict::State;
use crate::verdict::duration::human;
use crate::verdict::notice::{Matter, Notice, Occasion, Row, Standing};
use crate::verdict::telling::{Message, Topic, Turn};

/// Invariants with an entry of their own.
const ENTRIES: usize = 40;
/// Bytes of all rows together; the log has them all.
const ROWS: usize = 24 * 1024;
/// Bytes of one line.
const LINE: usize = 1200;
/// Names in a list, and reasons why not all was checked.
const NAMES: usize = 60;
const REASONS: usize = 20;

/// Everything that a mail says, cleaned and cut: no text in it has a line end or anything unseen.
pub(super) struct Page {
    /// `CRITICAL: 2 of 5 invariants violated …`.
    pub headline: String,
    pub late: Option<String>,
    /// Violated invariants, worst first.
    pub entries: Vec<Entry>,
    /// `+12 more violated: a, b, …`.
    pub more: Option<String>,
    /// Why not everything is known.
    pub not_checked: Vec<String>,
    /// `mended` and the like, with names.
    pub lists: Vec<(&'static str, String)>,
    /// `registry` and the like, with where it is.
    pub place: Vec<(&'static str, String)>,
}

/// A violated invariant.
pub(super) struct Entry {
    pub id: String,
    pub severity: &'static str,
    pub seen: String,
    pub title: String,
    pub owner: Option<String>,
    pub runbook: Option<String>,
    pub not_all_checked: Option<String>,
    pub rows: Vec<String>,
    /// `+12406 more`.
    pub more: Option<String>,
}

impl Page {
    pub(super) fn of(message: &Message<'_>) -> Self {
        let notice = message.notice;
        let matters: HashMap<&str, &Matter> = notice.matters.iter().map(|m| (m.id.as_str(), m)).collect();
        let is_wrong = |turn: Turn| matches!(turn, Turn::New | Turn::Changed | Turn::Persists);
        let wrong = message.telling.turns.iter().filter(|(_, turn)| is_wrong(*turn));
        let violated: Vec<(&Matter, Turn)> =
            wrong.clone().filter_map(|(topic, turn)| Some((*matters.get(topic.word())?, *turn))).collect();
        let mut room = ROWS;
        let entries = violated
            .iter()
            .take(ENTRIES)
            .map(|(matter, turn)| entry(matter, *turn, notice, &mut room))
            .collect();
        let others = violated.get(ENTRIES..).unwrap_or_default();
        let more = (!others.is_empty()).then(|| {
            format!(
                "+{} more violated: {}",
                others.len(),
                names(others.iter().map(|(matter, _)| matter.id.as_str()))
            )
        });
        let is_unsure = wrong.clone().any(|(topic, _)| *topic == Topic::NotChecked);
        Self {
            headline: headline(notice),
            late: message.late().map(|late| {
                format!(
                    "This message is {} late: it speaks of {}.",
                    human(late),
                    notice.at.format("%Y-%m-%d %H:%M UTC")
                )
            }),
            entries,
            more,
            not_checked: if is_unsure { not_checked(notice) } else { vec![] },
            lists: lists(message),
            place: place(notice),
        }
    }
}

fn headline(notice: &Notice) -> String {
    let sentence = line(&notice.sentence);
    match notice.occasion {
        Occasion::Run => format!("{}: {sentence}", notice.state.word()),
        Occasion::Died | Occasion::Test => sentence,
    }
}

fn entry(matter: &Matter, turn: Turn, notice: &Notice, room: &mut usize) -> Entry {
    let mut rows = vec![];
    for row in &matter.rows {
        let row = row_line(row);
        let Some(left) = room.checked_sub(row.len()) else { break };
        *room = left;
        rows.push(row);
    }
    let more = matter.violations.unwrap_or(0).saturating_sub(rows.len() as u64);
    let errors = (!matter.errors.is_empty()).then(|| line(&matter.errors.join("; ")));
    Entry {
        id: line(&matter.id),
        severity: matter.severity.word(),
        seen: seen(matter, turn, notice),
        title: line(&matter.title),
        owner: matter.owner.as_deref().map(line),
        runbook: matter.runbook.as_deref().map(line),
        not_all_checked: errors,
        more: (more > 0 && !rows.is_empty()).then(|| format!("+{more} more")),
        rows,
    }
}

/// `id=7 run_id=NULL: reason`.
fn row_line(row: &Row) -> String {
    let cells: Vec<String> = row.cells.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let cells = cells.join(" ");
    line(&match &row.reason {
        Some(reason) if cells.is_empty() => reason.clone(),
        Some(reason) => format!("{cells}: {reason}"),
        None => cells,
    })
}

fn not_checked(notice: &Notice) -> Vec<String> {
    let findings = notice.findings.iter().filter(|said| said.state != State::Ok);
    let findings = findings.map(|said| line(&said.sentence));
    let is_unsure = |matter: &&Matter| matter.standing == Standing::NotChecked || !matter.errors.is_empty();
    let unsure = notice.matters.iter().filter(is_unsure);
    let unsure = unsure.map(|matter| line(&format!("{}: {}", matter.id, matter.errors.join("; "))));
    let mut all: Vec<String> = findings.chain(unsure).collect();
    let left_out = all.split_off(all.len().min(REASONS)).len();
    if left_out > 0 {
        all.push(format!("+{left_out} more; the log has them"));
    }
    all
}

fn lists(message: &Message<'_>) -> Vec<(&'static str, String)> {
    let of = |wanted: Turn| {
        let turns = message.telling.turns.iter().filter(move |(_, turn)| *turn == wanted);
        names(turns.map(|(topic, _)| topic.word()))
    };
    [("mended", of(Turn::Recovered)), ("not looked at this time, and still open", of(Turn::Unseen))]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .collect()
}

fn names<'a>(mut all: impl Iterator<Item = &'a str>) -> String {
    let shown: Vec<String> = all.by_ref().take(NAMES).map(|name| cut(&line(name), 64)).collect();
    let left_out = all.count();
    let more = if left_out > 0 { format!(", +{left_out} more") } else { String::new() };
    shown.join(", ") + &more
}

fn place(notice: &Notice) -> Vec<(&'static str, String)> {
    let mut place = vec![
        ("environment", line(&notice.env)),
        ("registry", line(&notice.db_path)),
        ("host", line(&notice.host)),
        ("time", notice.at.format("%Y-%m-%d %H:%M:%S UTC").to_string()),
        ("run", line(&notice.invocation_id)),
    ];
    place.extend(notice.log.as_deref().map(|log| ("log", line(log))));
    place
}

fn line(text: &str) -> String {
    cut(&visible(&cut(text, LINE)), LINE)
}
