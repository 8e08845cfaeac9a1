//! Which projects are there, and how did each of their runs go?

use fastrand::Rng;
use rusqlite::{Connection, Statement, params};

use super::passports::{Cabinet, Layout};
use super::words::{self, Turns, iso, once_in, pick};
use super::{DemoError, Passports, Plan, Planted, Schema};

/// Projects that are worked on at the same time: runs of one project lie scattered in the table, as time
/// writes them.
const AT_ONCE: i64 = 64;

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

    fn note(&mut self, run: &Run) {
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
enum Habit {
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

/// Provider matrices that are no snapshot of anything.
const NO_SNAPSHOT: [Option<&str>; 10] = [
    None,
    Some(""),
    Some("{}"),
    Some("{'coder': 'gpt-4o'}"),
    Some("[]"),
    Some("null"),
    Some(r#"["openai:gpt-4o"]"#),
    Some(r#"{"coder":"openai:gpt-4o""#),
    Some(r#""openai:gpt-4o""#),
    Some("{ }\n"),
];

/// A project that is being worked on.
struct Active {
    id: i64,
    habit: Habit,
    runs_left: u32,
    layout: Layout,
}

/// One row of `project_runs`, as far as an invariant asks.
pub(super) struct Run {
    pub(super) project: i64,
    pub(super) uuid: Option<String>,
    pub(super) kind: &'static str,
    pub(super) started_at: String,
    validation: Option<bool>,
    sandbox: Option<bool>,
}

/// Writes `projects`, `project_runs` and the passports.
pub(super) fn write(plan: &Plan, database: &Connection, planted: &mut Planted) -> Result<Fleet, DemoError> {
    let in_registry = |source| DemoError::Registry { path: planted.registry.clone(), source };
    let writer = Writer {
        plan,
        rng: Rng::with_seed(plan.seed ^ 0x52_75_6e_73),
        fleet: Fleet { facts: vec![] },
        projects: database.prepare(INSERT_PROJECT).map_err(in_registry)?,
        runs: database
            .prepare(match plan.schema {
                Schema::Newer => INSERT_RUN_WITH_STRATA,
                Schema::Older => INSERT_RUN,
            })
            .map_err(in_registry)?,
        habits: Turns::new(&HABITS),
        matrices: Turns::new(&NO_SNAPSHOT),
        nameless: Turns::new(&[None, Some("")]),
        cabinet: (plan.passports == Passports::OnDisk).then(|| Cabinet::new(plan.folder.join("artifacts"))),
    };
    writer.write_all(planted)
}

const INSERT_PROJECT: &str = "INSERT INTO projects VALUES \
    (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17,?18,?19,?20,?21,?22)";
const INSERT_RUN: &str =
    "INSERT INTO project_runs VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)";
const INSERT_RUN_WITH_STRATA: &str =
    "INSERT INTO project_runs VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)";

struct Writer<'a> {
    plan: &'a Plan,
    rng: Rng,
    fleet: Fleet,
    projects: Statement<'a>,
    runs: Statement<'a>,
    habits: Turns<Habit>,
    matrices: Turns<Option<&'static str>>,
    nameless: Turns<Option<&'static str>>,
    cabinet: Option<Cabinet>,
}

impl Writer<'_> {
    fn count(&self) -> i64 {
        self.plan.runs.into()
    }

    fn write_all(mut self, planted: &mut Planted) -> Result<Fleet, DemoError> {
        let in_registry = |source| DemoError::Registry { path: self.plan.folder.clone(), source };
        let at_once = usize::try_from((self.count() / 140).clamp(1, AT_ONCE)).unwrap_or(1);
        let mut active: Vec<Active> = Vec::with_capacity(at_once);
        for run in 1..=self.count() {
            while active.len() < at_once {
                let project = self.begin_project(run).map_err(in_registry)?;
                active.extend((project.runs_left > 0).then_some(project));
            }
            let chosen = self.rng.usize(..active.len());
            let Some(project) = active.get_mut(chosen) else { continue };
            self.write_run(run, project, planted)?;
            project.runs_left -= 1;
            if project.runs_left == 0 {
                active.swap_remove(chosen);
            }
        }
        planted.rows.insert("projects", self.fleet.last().unsigned_abs());
        planted.rows.insert("project_runs", self.plan.runs.into());
        Ok(self.fleet)
    }

    fn begin_project(&mut self, run: i64) -> rusqlite::Result<Active> {
        self.fleet.facts.push(Facts::default());
        let (id, count) = (self.fleet.last(), self.count());
        let rng = &mut self.rng;
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
        self.projects.execute(params![
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
        let layout = if run <= self.count() * 2 / 5 { Layout::Older } else { Layout::Newer };
        Ok(Active { id, habit, runs_left, layout })
    }

    fn write_run(&mut self, id: i64, project: &mut Active, planted: &mut Planted) -> Result<(), DemoError> {
        let count = self.count();
        let rng = &mut self.rng;
        let started = words::moment(rng, id, count);
        let run = Run {
            project: project.id,
            uuid: if once_in(rng, 250) {
                self.nameless.next().flatten().map(str::to_owned)
            } else {
                Some(words::uuid(rng))
            },
            kind: kind(rng, project.habit),
            started_at: iso(started),
            validation: validation(rng, project.habit),
            sandbox: sandbox(rng, project.habit),
        };
        let nameless = run.uuid.as_deref().unwrap_or_default().is_empty();
        planted.runs_without_id += u64::from(nameless);
        let faulty_passport = match &mut self.cabinet {
            Some(cabinet) if !nameless => cabinet.file(rng, &run, &mut project.layout)?,
            _ => false,
        };
        if nameless || faulty_passport {
            planted.violation("passport_artifacts");
        }
        if run.kind == "baseline" && run.sandbox == Some(true) {
            planted.violation("baseline_sandbox");
        }
        let bare = once_in(rng, 120);
        let matrix = if bare {
            self.matrices.next().flatten().map(str::to_owned)
        } else {
            Some(words::provider_matrix(rng))
        };
        if bare && matches!(run.kind, "baseline" | "hotfix") {
            planted.violation("provider_snapshots");
        }
        self.fleet.note(&run);
        let strata = strata(rng, run.kind);
        if let (Strata::Partly(_), "rehearsal", Schema::Newer) = (&strata, run.kind, self.plan.schema) {
            planted.violation("strata_coverage");
        }
        let row = params![
            id,
            run.project,
            run.uuid,
            pick(rng, &["completed", "completed", "completed", "failed", "validating"]),
            run.started_at,
            iso(started + rng.i64(60..14_400)),
            run.kind,
            (run.kind == "rehearsal").then(|| words::cents(rng, 1..25)),
            matrix,
            words::capabilities(rng),
            words::cents(rng, 0..100),
            run.validation,
            run.sandbox,
            format!("artifacts/costs/receipt_{id}.json"),
            f64::from(rng.u32(900..=1_000)) / 1_000.0,
            rng.u8(0..3),
            strata.cell(),
        ];
        // An older table has no last column.
        let columns = self.runs.parameter_count();
        let written = self.runs.execute(rusqlite::params_from_iter(row.iter().take(columns)));
        written.map(drop).map_err(|source| DemoError::Registry { path: self.plan.folder.clone(), source })
    }
}

fn kind(rng: &mut Rng, habit: Habit) -> &'static str {
    let practises = matches!(habit, Habit::Rehearsing | Habit::Mixed) && rng.u8(..) < 90;
    match practises {
        true if once_in(rng, 3) => "replay",
        true => "rehearsal",
        false if once_in(rng, 7) => "hotfix",
        false => "baseline",
    }
}

fn validation(rng: &mut Rng, habit: Habit) -> Option<bool> {
    match habit {
        Habit::Waiting | Habit::Mixed if once_in(rng, 8) => None,
        Habit::Failing | Habit::Mixed if once_in(rng, 8) => Some(false),
        _ => Some(true),
    }
}

fn sandbox(rng: &mut Rng, habit: Habit) -> Option<bool> {
    match habit {
        Habit::Sandboxed | Habit::Mixed if once_in(rng, 6) => Some(true),
        // Nobody knows is not yes.
        _ if once_in(rng, 40) => None,
        _ => Some(false),
    }
}

/// What share of the strata a run covered.
enum Strata {
    Unknown,
    Whole,
    Partly(f64),
    Words,
}

impl Strata {
    fn cell(&self) -> rusqlite::types::Value {
        match *self {
            Self::Unknown => rusqlite::types::Value::Null,
            Self::Whole => 1.0.into(),
            Self::Partly(share) => share.into(),
            Self::Words => "n/a".to_owned().into(),
        }
    }
}

fn strata(rng: &mut Rng, kind: &str) -> Strata {
    match rng.u8(..) {
        0..56 => Strata::Partly(words::cents(rng, 0..100)),
        56..60 => Strata::Partly(0.999_999),
        60..66 => Strata::Words,
        66..80 => Strata::Unknown,
        _ if kind == "rehearsal" => Strata::Whole,
        _ => Strata::Unknown,
    }
}
