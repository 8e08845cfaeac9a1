//! From which projects did the estimates learn?

use fastrand::Rng;
use rusqlite::{Connection, params};

use super::projects::Fleet;
use super::words::{self, iso, pick};
use super::{Plan, Planted};

/// Writes `estimate_versions`: one for every second run.
pub(super) fn write(
    plan: &Plan,
    database: &Connection,
    fleet: &Fleet,
    planted: &mut Planted,
) -> rusqlite::Result<()> {
    let mut rng = Rng::with_seed(plan.seed ^ 0x43_61_6c_69);
    let mut insert = database.prepare(
        "INSERT INTO estimate_versions VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)",
    )?;
    let (fit, unfit) = fleet.split();
    let versions = i64::from(plan.runs) / 2;
    for id in 1..=versions {
        let rng = &mut rng;
        let project = match rng.u16(..1_000) {
            0..8 => None,
            // A project that was deleted, or of an installation that was merged.
            8..11 => Some(fleet.last() + rng.i64(1..1_000)),
            11..60 => recent(rng, &unfit, id, versions),
            _ => recent(rng, &fit, id, versions),
        };
        if project.is_none_or(|id| fleet.facts(id).are_no_source()) {
            planted.violation("calibration_sources");
        }
        if project.is_some_and(|id| fleet.facts(id).pollute()) {
            planted.violation("calibration_pollution");
        }
        let at = words::moment(rng, id, versions);
        let (tokens, milliseconds, cost) =
            (f64::from(rng.u32(200..40_000)), f64::from(rng.u32(500..900_000)), words::cents(rng, 1..900));
        let observations = rng.u32(3..400);
        insert.execute(params![
            id,
            project,
            rng.u8(1..=12),
            pick(rng, &["openai", "anthropic", "ollama"]),
            iso(at),
            words::hex(rng, 16),
            tokens + 0.5,
            tokens * 0.25,
            milliseconds + 0.5,
            milliseconds / 8.0,
            cost,
            cost / 4.0,
            observations,
            tokens / 16.0,
            milliseconds / 16.0,
            cost / 16.0,
        ])?;
    }
    planted.rows.insert("estimate_versions", versions.unsigned_abs());
    Ok(())
}

/// A project that was being worked on when this share of the table was written: estimates learn from what
/// was finished lately.
fn recent(rng: &mut Rng, projects: &[i64], row: i64, rows: i64) -> Option<i64> {
    let count = i64::try_from(projects.len()).unwrap_or(i64::MAX);
    let index = (count * row / rows.max(1) + rng.i64(-40..40)).clamp(0, (count - 1).max(0));
    usize::try_from(index).ok().and_then(|at| projects.get(at)).copied()
}
