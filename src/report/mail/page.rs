//! What stands in a mail, in which order, and how much of it?

use crate::report::message::{Wrong, not_checked, row, seen, with_turn, wrong};
use crate::report::table::visible;
use crate::report::text::cut;
use crate::verdict::State;
use crate::verdict::duration::human;
use crate::verdict::notice::{Matter, Notice, Occasion};
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
    pub state: State,
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
    /// `+12406 more: plms-invariants rows lane_overrides`.
    pub more: Option<String>,
}

impl Page {
    pub(super) fn of(message: &Message<'_>) -> Self {
        let notice = message.notice;
        let wrong = wrong(message);
        let violated: Vec<(&Matter, Turn)> =
            wrong.iter().filter_map(|wrong| Some((wrong.matter?, wrong.turn))).collect();
        let mut room = ROWS;
        let entries = violated
            .iter()
            .take(ENTRIES)
            .map(|(matter, turn)| entry(matter, *turn, notice, &mut room))
            .collect();
        let others = violated.get(ENTRIES..).unwrap_or_default();
        let more = (!others.is_empty()).then(|| {
            let others_names = names(others.iter().map(|(matter, _)| matter.id.as_str()));
            format!("+{} more violated: {others_names}", others.len())
        });
        let is_unsure = wrong.iter().any(|wrong| *wrong.topic == Topic::NotChecked);
        Self {
            headline: headline(notice),
            state: notice.state,
            late: message.late().map(|late| {
                format!(
                    "This message is {} late: it speaks of {}.",
                    human(late),
                    notice.at.format("%Y-%m-%d %H:%M UTC")
                )
            }),
            entries,
            more,
            not_checked: if is_unsure { reasons(notice) } else { vec![] },
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
    for violating in &matter.rows {
        let row = line(&row(violating));
        let Some(left) = room.checked_sub(row.len()) else { break };
        *room = left;
        rows.push(row);
    }
    let more = matter.violations.unwrap_or(0).saturating_sub(rows.len() as u64);
    let id = line(&matter.id);
    let errors = (!matter.errors.is_empty()).then(|| line(&matter.errors.join("; ")));
    Entry {
        severity: matter.severity.word(),
        seen: seen(matter, turn, notice),
        title: line(&matter.title),
        owner: matter.owner.as_deref().map(line),
        runbook: matter.runbook.as_deref().map(line),
        not_all_checked: errors,
        // What somebody does next, whom this woke.
        more: (more > 0).then(|| format!("+{more} more: plms-invariants rows {id}")),
        id,
        rows,
    }
}

fn reasons(notice: &Notice) -> Vec<String> {
    let mut all: Vec<String> = not_checked(notice).map(|why| line(&why)).collect();
    let left_out = all.split_off(all.len().min(REASONS)).len();
    if left_out > 0 {
        all.push(format!("+{left_out} more; the log has them"));
    }
    all
}

fn lists(message: &Message<'_>) -> Vec<(&'static str, String)> {
    let of = |wanted: Turn| names(with_turn(message, wanted).iter().map(|of: &Wrong<'_>| of.topic.word()));
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
