//! A database whose pages do not belong together: what was read of it in part is UNKNOWN, and no pass.

use std::fs;

use rusqlite::Connection;

use super::stage::{Night, Stage, User};

/// The pages of a closed registry, to be spoilt.
struct Pages<'a> {
    stage: &'a Stage,
    bytes: Vec<u8>,
    size: usize,
}

impl<'a> Pages<'a> {
    fn of(stage: &'a Stage) -> Self {
        let registry = Connection::open(&stage.registry).unwrap();
        let size: u32 = registry.pragma_query_value(None, "page_size", |row| row.get(0)).unwrap();
        registry.close().unwrap();
        Self { stage, bytes: fs::read(&stage.registry).unwrap(), size: usize::try_from(size).unwrap() }
    }

    /// Where the first page of a table or an index begins.
    fn root(&self, name: &str) -> usize {
        let registry = Connection::open(&self.stage.registry).unwrap();
        let sql = "SELECT rootpage FROM sqlite_schema WHERE name = ?1";
        let number: u32 = registry.query_row(sql, [name], |row| row.get(0)).unwrap();
        self.place(number)
    }

    fn place(&self, page: u32) -> usize {
        (usize::try_from(page).unwrap() - 1) * self.size
    }

    fn number<const N: usize>(&self, place: usize) -> [u8; N] {
        self.bytes[place..place + N].try_into().unwrap()
    }

    /// Where an inner page names its children; the rightmost stands in its header (fileformat2.html, 1.6).
    fn children(&self, page: usize) -> Vec<usize> {
        assert_eq!(self.bytes[page], 5, "an inner page of a table");
        let cells = usize::from(u16::from_be_bytes(self.number(page + 3)));
        let cell = |n: usize| page + usize::from(u16::from_be_bytes(self.number(page + 12 + 2 * n)));
        (0..cells).map(cell).chain([page + 8]).collect()
    }

    fn child(&self, name: usize) -> usize {
        self.place(u32::from_be_bytes(self.number(name)))
    }

    fn swap(&mut self, one: usize, other: usize) {
        let (first, second) = (self.number::<4>(one), self.number::<4>(other));
        self.bytes[one..one + 4].copy_from_slice(&second);
        self.bytes[other..other + 4].copy_from_slice(&first);
    }

    fn ruin(&mut self, page: usize) {
        self.bytes[page..page + self.size].fill(0xa5);
    }

    fn write(self) {
        fs::write(&self.stage.registry, self.bytes).unwrap();
    }
}

/// Overwrites a page of one table, as a failing disk does.
fn ruin(stage: &Stage, table: &str, inner_page: bool) {
    let mut pages = Pages::of(stage);
    let root = pages.root(table);
    let leaf = pages.child(pages.children(root)[0]);
    pages.ruin(if inner_page { root } else { leaf });
    pages.write();
}

/// What asks the runs is UNKNOWN, in these words; the rest is counted.
#[track_caller]
fn expect_runs_unknown(stage: &Stage, words: &str) {
    let mut night: Night = stage.run_untouched(User::Owner);
    for id in [
        "passport_artifacts",
        "baseline_sandbox",
        "provider_snapshots",
        "strata_coverage",
        "calibration_sources",
        "calibration_pollution",
    ] {
        night = night.expect_unknown(id, words);
    }
    let planted = &stage.planted.violations;
    night
        .expect_count("kpi_formulas", planted["kpi_formulas"])
        .expect_count("lane_overrides", planted["lane_overrides"])
        .expect_status(1);
}

#[test]
fn a_page_that_is_damaged_makes_its_invariants_unknown_and_the_others_are_counted() {
    for inner in [false, true] {
        let stage = Stage::with(|plan| plan.runs = 1_000);
        ruin(&stage, "task_estimates", inner);
        let night = stage.run_untouched(User::Owner).expect_unknown("kpi_formulas", "malformed");
        let mut counts = stage.counts(&[]);
        counts.insert("kpi_formulas".into(), None);
        night.expect_status(2).expect_counts(&counts);
        stage.expect_recorded("critical");
    }
}

#[test]
fn damaged_runs_leave_nothing_ok_that_depends_on_them() {
    let stage = Stage::with(|plan| plan.runs = 1_000);
    ruin(&stage, "project_runs", false);
    expect_runs_unknown(&stage, "malformed");
}

#[test]
fn runs_that_are_not_in_their_order_are_unknown() {
    let stage = Stage::with(|plan| plan.runs = 1_000);
    let mut pages = Pages::of(&stage);
    let children = pages.children(pages.root("project_runs"));
    // The table then gives a low number for its highest, behind which a search by numbers finds nothing.
    pages.swap(children[children.len() - 2], children[children.len() - 1]);
    pages.write();
    expect_runs_unknown(&stage, "the rows of \"project_runs\" are not in their order");
}

#[test]
fn runs_that_are_fewer_than_their_index_knows_are_unknown() {
    let stage = Stage::with(|plan| plan.runs = 1_000);
    let mut pages = Pages::of(&stage);
    let leaf = pages.child(pages.children(pages.root("project_runs"))[3]);
    // A leaf with one row looks like any other.
    pages.bytes[leaf + 3..leaf + 5].copy_from_slice(&[0, 1]);
    pages.write();
    expect_runs_unknown(&stage, "rows of \"project_runs\" were read, and an index of it has 1000");
}

#[test]
fn a_small_table_is_read_to_its_end_whatever_it_gives_as_its_highest_number() {
    let stage = Stage::new();
    stage.sql(
        "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
         INSERT INTO lane_overrides (task_estimate_id, predicted_lane, corrected_lane)
         SELECT i, 1, iif(i = 2990, 1, 2) FROM n",
    );
    let mut pages = Pages::of(&stage);
    let children = pages.children(pages.root("lane_overrides"));
    pages.swap(children[children.len() - 2], children[children.len() - 1]);
    pages.write();
    stage.run_untouched(User::Owner).expect_counts(&stage.counts(&[("lane_overrides", 1)]));
}

#[test]
fn a_large_table_that_is_read_in_pieces_is_unknown_where_its_rows_are_in_anothers_piece() {
    let stage = Stage::new();
    stage.sql(
        "WITH n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
         INSERT INTO lane_overrides (task_estimate_id, predicted_lane, corrected_lane) SELECT i, 1, 2 FROM n",
    );
    let mut pages = Pages::of(&stage);
    let children = pages.children(pages.root("lane_overrides"));
    pages.swap(children[2], children[children.len() - 3]);
    pages.write();
    let night = stage.run_untouched(User::Owner);
    let night =
        night.expect_unknown("lane_overrides", "the rows of \"lane_overrides\" are not in their order");
    let mut counts = stage.counts(&[]);
    counts.insert("lane_overrides".into(), None);
    night.expect_counts(&counts);
}

#[test]
fn an_index_that_cannot_be_read_hides_no_row_of_its_table() {
    let stage = Stage::with(|plan| plan.runs = 1_000);
    let mut pages = Pages::of(&stage);
    let root = pages.root("idx_project_runs_kind_time");
    pages.ruin(root);
    pages.write();
    stage.run_untouched(User::Owner).expect_status(2).expect_counts(&stage.counts(&[]));
}

#[test]
fn an_index_that_only_the_application_can_use_is_no_obstacle() {
    let stage = Stage::with(|plan| plan.runs = 1_000);
    stage.sql(
        "PRAGMA writable_schema = ON;
         UPDATE sqlite_schema SET sql = replace(sql, 'run_kind', 'run_kind COLLATE of_the_application')
         WHERE name = 'idx_project_runs_kind_time'",
    );
    stage.run_untouched(User::Owner).expect_status(2).expect_counts(&stage.counts(&[]));
}

#[test]
fn a_view_on_a_table_that_is_gone_makes_its_invariants_unknown_and_the_others_are_counted() {
    let stage = Stage::new();
    stage.sql("DROP TABLE lane_overrides; CREATE VIEW lane_overrides AS SELECT * FROM nowhere");
    let mut counts = stage.counts(&[]);
    counts.insert("lane_overrides".into(), None);
    let night = stage.run_untouched(User::Owner).expect_status(2).expect_counts(&counts);
    night.expect_unknown("lane_overrides", "lane_overrides cannot be read: no such table: main.nowhere");
}

#[test]
fn runs_without_row_numbers_are_folded_all_the_same() {
    let stage = Stage::new();
    let registry = Connection::open(&stage.registry).unwrap();
    let sql = "SELECT sql FROM sqlite_schema WHERE name = 'project_runs'";
    let declared: String = registry.query_row(sql, [], |row| row.get(0)).unwrap();
    registry.close().unwrap();
    let without = format!(
        "ALTER TABLE project_runs RENAME TO kept; {} WITHOUT ROWID; INSERT INTO project_runs SELECT * FROM kept",
        declared.replace("AUTOINCREMENT", "")
    );
    for change in [
        &without,
        "ALTER TABLE project_runs RENAME TO kept; CREATE VIEW project_runs AS SELECT * FROM kept",
        "ALTER TABLE project_runs RENAME TO kept;
         CREATE TABLE project_runs AS SELECT *, 1 AS rowid, 2 AS _rowid_, 3 AS oid FROM kept",
    ] {
        let stage = Stage::new();
        stage.sql(change);
        stage.run_untouched(User::Owner).expect_status(2).expect_counts(&stage.counts(&[]));
    }
}

#[test]
fn who_asks_about_runs_that_are_not_there_is_told_so() {
    let mut stage = Stage::new();
    stage.sql("DROP TABLE project_runs");
    stage.invariant("own", "", "SELECT id FROM projects WHERE project_is_polluted(id)");
    let night = stage.run_untouched(User::Owner).expect_status(1);
    night.expect_unknown("own", "the registry has no table project_runs");
}
