//! How did each run go?

use fastrand::Rng;
use rusqlite::{Connection, Statement, params};

use super::passports::Cabinet;
use super::projects::{Active, Fleet, Projects};
use super::words::{self, Turns, iso, once_in, pick};
use super::{DemoError, Passports, Plan, Planted, Schema};

/// Projects that are worked on at the same time: runs of one project lie scattered in the table, as time
/// writes them.
const AT_ONCE: i64 = 64;

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

/// One row of `project_runs`, as far as an invariant asks.
pub(super) struct Run {
    pub(super) project: i64,
    pub(super) uuid: Option<String>,
    pub(super) kind: &'static str,
    pub(super) started_at: String,
    pub(super) validation: Option<bool>,
    pub(super) sandbox: Option<bool>,
}

/// Writes `projects`, `project_runs` and the passports.
pub(super) fn write(plan: &Plan, database: &Connection, planted: &mut Planted) -> Result<Fleet, DemoError> {
    let in_registry = |source| DemoError::Registry { path: planted.registry.clone(), source };
    let writer = Writer {
        plan,
        rng: Rng::with_seed(plan.seed ^ 0x52_75_6e_73),
        projects: Projects::new(database).map_err(in_registry)?,
        runs: database
            .prepare(match plan.schema {
                Schema::Newer => INSERT_RUN_WITH_STRATA,
                Schema::Older => INSERT_RUN,
            })
            .map_err(in_registry)?,
        matrices: Turns::new(&NO_SNAPSHOT),
        nameless: Turns::new(&[None, Some("")]),
        cabinet: (plan.passports == Passports::OnDisk).then(|| Cabinet::new(plan.artifacts())),
    };
    writer.write_all(planted)
}

const INSERT_RUN: &str =
    "INSERT INTO project_runs VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)";
const INSERT_RUN_WITH_STRATA: &str =
    "INSERT INTO project_runs VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)";

struct Writer<'a> {
    plan: &'a Plan,
    rng: Rng,
    projects: Projects<'a>,
    runs: Statement<'a>,
    matrices: Turns<Option<&'static str>>,
    nameless: Turns<Option<&'static str>>,
    cabinet: Option<Cabinet>,
}

impl Writer<'_> {
    fn count(&self) -> i64 {
        self.plan.runs.into()
    }

    fn write_all(mut self, planted: &mut Planted) -> Result<Fleet, DemoError> {
        let in_registry = |source| DemoError::Registry { path: self.plan.registry(), source };
        let at_once = usize::try_from((self.count() / 140).clamp(1, AT_ONCE)).unwrap_or(1);
        let mut active: Vec<Active> = Vec::with_capacity(at_once);
        for run in 1..=self.count() {
            while active.len() < at_once {
                let project =
                    self.projects.begin(&mut self.rng, run, self.plan.runs.into()).map_err(in_registry)?;
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
        planted.rows.insert("projects", self.projects.fleet.last().unsigned_abs());
        planted.rows.insert("project_runs", self.plan.runs.into());
        Ok(self.projects.fleet)
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
            kind: project.habit.kind(rng),
            started_at: iso(started),
            validation: project.habit.validation(rng),
            sandbox: project.habit.sandbox(rng),
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
        self.projects.fleet.note(&run);
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
        written.map(drop).map_err(|source| DemoError::Registry { path: self.plan.registry(), source })
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
