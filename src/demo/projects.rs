//! Which projects are there, and how do their runs usually go?

use fastrand::Rng;
use rusqlite::{Connection, Statement, params};

use super::passports::Layout;
use super::runs::Run;
use super::words::{self, Turns, iso, once_in, pick};

/// What the runs of one project amount to for whoever wants to calibrate with them.
#[derive(Clone, Copy, Default)]
pub(super) struct Facts {
    runs: u32,
    /// A run that is not validated, or failed its validation.
    unvalidated: bool,
    /// A rehearsal, a replay, a run in the sandbox, or one that failed its validation.
    polluting: bool,
}

impl Facts {
    pub(super) fn are_no_source(self) -> bool {
        self.runs == 0 || self.unvalidated
    }

    pub(super) fn pollute(self) -> bool {
        self.polluting
    }
}

/// All projects, by id from 1.
pub(super) struct Fleet {
    facts: Vec<Facts>,
}

impl Fleet {
    pub(super) fn facts(&self, project: i64) -> Facts {
        let index = usize::try_from(project - 1).ok();
        index.and_then(|at| self.facts.get(at)).copied().unwrap_or_default()
    }

    pub(super) fn last(&self) -> i64 {
        i64::try_from(self.facts.len()).unwrap_or(i64::MAX)
    }

    /// Ids of the projects fit for calibration, and of all others.
    pub(super) fn split(&self) -> (Vec<i64>, Vec<i64>) {
        (1..=self.last()).partition(|&id| !self.facts(id).are_no_source() && !self.facts(id).pollute())
    }

    pub(super) fn note(&mut self, run: &Run) {
        let index = usize::try_from(run.project - 1).ok();
        let Some(facts) = index.and_then(|at| self.facts.get_mut(at)) else { return };
        facts.runs += 1;
        facts.unvalidated |= run.validation != Some(true);
        facts.polluting |= matches!(run.kind, "rehearsal" | "replay")
            || run.sandbox == Some(true)
            || run.validation == Some(false);
    }
}

/// How the runs of a project usually go.
#[derive(Clone, Copy)]
pub(super) enum Habit {
    /// No run yet.
    Idle,
    /// Baselines and hotfixes, validated, outside the sandbox.
    Clean,
    /// Rehearses and replays, too.
    Rehearsing,
    /// Some of its runs write into the sandbox.
    Sandboxed,
    /// Some of its runs wait for validation.
    Waiting,
    /// Some of its runs failed their validation.
    Failing,
    /// All of it.
    Mixed,
}

/// In turns, so that a registry of a thousand runs has all of them.
const HABITS: [Habit; 24] = {
    use Habit::{Clean, Failing, Idle, Mixed, Rehearsing, Sandboxed, Waiting};
    [
        Clean, Rehearsing, Clean, Clean, Waiting, Clean, Clean, Sandboxed, Clean, Clean, Failing, Clean,
        Clean, Idle, Clean, Mixed, Clean, Rehearsing, Clean, Clean, Waiting, Clean, Clean, Clean,
    ]
};

impl Habit {
    pub(super) fn kind(self, rng: &mut Rng) -> &'static str {
        let practises = matches!(self, Self::Rehearsing | Self::Mixed) && rng.u8(..) < 90;
        match practises {
            true if once_in(rng, 3) => "replay",
            true => "rehearsal",
            false if once_in(rng, 7) => "hotfix",
            false => "baseline",
        }
    }

    pub(super) fn validation(self, rng: &mut Rng) -> Option<bool> {
        match self {
            Self::Waiting | Self::Mixed if once_in(rng, 8) => None,
            Self::Failing | Self::Mixed if once_in(rng, 8) => Some(false),
            _ => Some(true),
        }
    }

    pub(super) fn sandbox(self, rng: &mut Rng) -> Option<bool> {
        match self {
            Self::Sandboxed | Self::Mixed if once_in(rng, 6) => Some(true),
            // Nobody knows is not yes.
            _ if once_in(rng, 40) => None,
            _ => Some(false),
        }
    }
}

/// A project that is being worked on.
pub(super) struct Active {
    pub(super) id: i64,
    pub(super) habit: Habit,
    pub(super) runs_left: u32,
    pub(super) layout: Layout,
}

const INSERT_PROJECT: &str = "INSERT INTO projects VALUES \
    (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)";

/// Writes `projects`, each when its first run begins.
pub(super) struct Projects<'a> {
    pub(super) fleet: Fleet,
    insert: Statement<'a>,
    habits: Turns<Habit>,
}

impl<'a> Projects<'a> {
    pub(super) fn new(database: &'a Connection) -> rusqlite::Result<Self> {
        let insert = database.prepare(INSERT_PROJECT)?;
        Ok(Self { fleet: Fleet { facts: vec![] }, insert, habits: Turns::new(&HABITS) })
    }

    pub(super) fn begin(&mut self, rng: &mut Rng, run: i64, count: i64) -> rusqlite::Result<Active> {
        self.fleet.facts.push(Facts::default());
        let id = self.fleet.last();
        let habit = self.habits.next().unwrap_or(Habit::Clean);
        let runs_left = if matches!(habit, Habit::Idle) { 0 } else { rng.u32(20..=50) };
        let created = words::moment(rng, run, count) - rng.i64(86_400..1_728_000);
        let begun = runs_left > 0;
        let completed = begun && rng.u8(..) < 200;
        let place = if begun {
            pick(rng, &["executing", "validating", "needs_review", "cancelled"])
        } else {
            pick(rng, &["ideation", "clarifying", "planning", "estimating", "pending_approval", "approved"])
        };
        let tokens = rng.i64(20_000..4_000_000);
        self.insert.execute(params![
            id,
            words::project_name(rng, id),
            format!("Asked for by {}", words::person(rng)),
            words::tags(rng),
            if completed { "completed" } else { place },
            format!("artifacts/prds/project-{id}.md"),
            tokens * 2,
            words::cents(rng, 500..50_000),
            pick(rng, &["pause", "warn", "terminate"]),
            0.82,
            r#"{"min_pass_rate":0.9,"max_defects":0}"#,
            tokens,
            f64::from(rng.u32(30..6_000)),
            words::cents(rng, 100..40_000),
            completed.then(|| tokens * rng.i64(70..140) / 100),
            completed.then(|| f64::from(rng.u32(30..9_000))),
            completed.then(|| words::cents(rng, 100..60_000)),
            iso(created),
            iso(created + 3_600),
            begun.then(|| iso(created + 7_200)),
            begun.then(|| iso(created + 10_800)),
            completed.then(|| iso(created + 1_728_000)),
        ])?;
        // The older two fifths of an installation have the older layout.
        let layout = if run <= count * 2 / 5 { Layout::Older } else { Layout::Newer };
        Ok(Active { id, habit, runs_left, layout })
    }
}
