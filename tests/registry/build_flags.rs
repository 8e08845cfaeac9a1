//! Is the SQLite in the program the one we want? Asked of the program itself, by an invariant.

use super::stage::{Stage, User};

#[test]
fn the_linked_sqlite_has_snapshots_no_global_page_lock_and_no_known_wal_fault() {
    let mut stage = Stage::new();
    let used = |option: &str, wanted: u8| {
        format!("SELECT '{option}' AS id WHERE sqlite_compileoption_used('{option}') <> {wanted}")
    };
    let wrong = [
        used("ENABLE_SNAPSHOT", 1),
        used("ENABLE_MEMORY_MANAGEMENT", 0),
        used("ENABLE_API_ARMOR", 0),
        used("DEFAULT_MEMSTATUS=0", 1),
    ];
    stage.invariant("flags", "", &wrong.join(" UNION ALL "));
    // Before 3.51.3 a WAL that was reset at the wrong moment could corrupt the database.
    let version = "WITH part (n) AS (SELECT json_each.value + 0 FROM
        json_each('[' || replace(sqlite_version(), '.', ',') || ']'))
        SELECT sqlite_version() AS id WHERE (SELECT group_concat(printf('%03d', n), '') FROM part) < '003051003'";
    stage.invariant("version", "", version);
    stage.invariant("asked_at_all", "", "SELECT 1 AS id WHERE sqlite_compileoption_used('ENABLE_SNAPSHOT')");
    let night = stage.run(User::Owner, &[]).expect_status(2);
    night.expect_count("asked_at_all", 1).expect_count("flags", 0).expect_count("version", 0);
}
