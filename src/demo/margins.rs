//! What else stands in a registry, that no invariant asks about?

use fastrand::Rng;
use rusqlite::{Connection, params};

use super::projects::Fleet;
use super::words::{self, iso, pick};
use super::{Plan, Planted};

/// Writes `kpi_receipts`, `project_artifacts`, `project_questions`, `project_approvals` and `action_logs`.
pub(super) fn write(
    plan: &Plan,
    database: &Connection,
    fleet: &Fleet,
    planted: &mut Planted,
) -> rusqlite::Result<()> {
    let mut rng = Rng::with_seed(plan.seed ^ 0x4d_61_72_67);
    write_per_run(plan, database, fleet, &mut rng)?;
    write_per_project(database, fleet, &mut rng)?;
    let receipts = u64::from(plan.runs) / 40;
    planted.rows.extend([("kpi_receipts", receipts), ("project_artifacts", receipts)]);
    let projects = fleet.last().unsigned_abs();
    planted.rows.extend([("project_questions", projects), ("project_approvals", projects)]);
    planted.rows.insert("action_logs", projects * 2);
    Ok(())
}

fn write_per_run(plan: &Plan, database: &Connection, fleet: &Fleet, rng: &mut Rng) -> rusqlite::Result<()> {
    let count = i64::from(plan.runs) / 40;
    let mut receipt = database.prepare("INSERT INTO kpi_receipts VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10)")?;
    let mut artifact = database.prepare("INSERT INTO project_artifacts VALUES (?1,?2,?3,?4,?5,?6,?7)")?;
    for id in 1..=count {
        let run_id = words::uuid(rng);
        let project = rng.i64(1..=fleet.last().max(1));
        let share = words::cents(rng, 60..101);
        let at = words::moment(rng, id, count);
        receipt.execute(params![
            id,
            rng.i64(1..=count * 80),
            run_id,
            rng.u8(1..=12),
            pick(rng, &["test_pass_rate", "linter_pass", "bleu_score"]),
            share,
            r#"{">=":0.9}"#,
            share >= 0.9,
            format!("artifacts/kpis/{run_id}.log"),
            iso(at),
        ])?;
        artifact.execute(params![
            id,
            run_id,
            project,
            format!("artifacts/project-{project}/{}.tar.zst", words::hex(rng, 8)),
            pick(rng, &["diff", "report", "dataset"]),
            rng.u32(200..9_000_000),
            words::hex(rng, 64),
        ])?;
    }
    Ok(())
}

fn write_per_project(database: &Connection, fleet: &Fleet, rng: &mut Rng) -> rusqlite::Result<()> {
    let mut question = database.prepare("INSERT INTO project_questions VALUES (?1,?1,?2,?3,?4,?5)")?;
    let mut approval = database.prepare("INSERT INTO project_approvals VALUES (?1,?1,?2,?3,?4,?5)")?;
    let mut action = database.prepare("INSERT INTO action_logs VALUES (?1,?2,?3,?4,?5,?6)")?;
    for project in 1..=fleet.last() {
        let at = words::NEWEST - rng.i64(0..words::SPAN);
        question.execute(params![
            project,
            pick(rng, &["Which store?", "Is downtime allowed?", "Who signs off?"]),
            pick(rng, &["As before", "No", "See the PRD", ""]),
            iso(at),
            iso(at + 900),
        ])?;
        approval.execute(params![
            project,
            words::person(rng),
            pick(rng, &["approved", "approved", "rejected"]),
            pick(rng, &["", "within budget", "lower the cap"]),
            iso(at + 3_600),
        ])?;
        for (half, name) in ["created", "estimated"].into_iter().enumerate() {
            let id = project * 2 - 1 + i64::try_from(half).unwrap_or(0);
            action.execute(params![id, words::person(rng), name, "{}", iso(at), project])?;
        }
    }
    Ok(())
}
