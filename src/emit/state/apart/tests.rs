//! Is what was put and told beside a `state.db` as if it had been put and told in it, once that can be used?

use super::*;
use crate::emit::channels::ChannelName::{Mail, Slack};
use crate::emit::state::outbox::Outbox;
use crate::emit::state::outbox::tests::{day, night, notice, told};
use crate::emit::state::{StateDb, Trace};
use crate::report::fixture::clean;
use crate::verdict::notice::Occasion;

fn here(folder: &tempfile::TempDir) -> Outbox {
    Outbox::open(folder.path(), day(9)).unwrap().0
}

fn elsewhere(folder: &tempfile::TempDir) -> Outbox {
    let outbox = Outbox::beside(folder.path(), day(9)).unwrap();
    assert!(outbox.is_kept());
    outbox
}

fn is_there(folder: &tempfile::TempDir) -> bool {
    folder.path().join(NAME).exists()
}

/// What a channel was last told.
fn last_told(folder: &tempfile::TempDir) -> Told {
    let outbox = here(folder);
    outbox.put(&night(30)).unwrap();
    outbox.claim(Slack, day(30)).unwrap();
    let mut last = (0, Told::default());
    while let Some(waiting) = outbox.next(Slack, last.0).unwrap() {
        last = (waiting.id, waiting.told);
    }
    last.1
}

#[test]
fn what_waits_and_what_was_told_beside_it_is_taken_in_once_in_order() {
    let folder = tempfile::tempdir().unwrap();
    here(&folder).put_night(1);
    let apart = elsewhere(&folder);
    for of in [2, 3] {
        apart.put_night(of);
    }
    apart.put(&notice(Occasion::Died, 4)).unwrap().unwrap();
    apart.claim(Slack, day(4)).unwrap();
    apart.done(Slack, apart.next(Slack, 0).unwrap().unwrap().id, day(4));
    let second = apart.next(Slack, 0).unwrap().unwrap().id;
    apart.accepted(Slack, second, "a@example.org", day(4)).unwrap();
    drop(apart);
    assert_eq!(elsewhere(&folder).put(&notice(Occasion::Died, 4)).unwrap(), None, "each death once");
    let copy = tempfile::tempdir().unwrap();
    std::fs::copy(folder.path().join(NAME), copy.path().join(NAME)).unwrap();
    for _ in 0..2 {
        let outbox = here(&folder);
        assert!(!is_there(&folder));
        assert_eq!(outbox.claimed(Slack, day(5)), [1, 3, 4], "the second night was told");
        assert_eq!(outbox.claimed(Mail, day(5)), [2, 3, 4], "the first was told elsewhere four days ago");
        let third = outbox.next(Slack, 1).unwrap().unwrap();
        assert_eq!(third.accepted.into_iter().collect::<Vec<_>>(), ["a@example.org"]);
        assert_eq!(third.told, told(1));
        assert_eq!(outbox.was_recorded(&night(2).invocation_id).unwrap(), Trace::Left);
        // As if the process had been killed before the file was gone.
        std::fs::copy(copy.path().join(NAME), folder.path().join(NAME)).unwrap();
    }
}

#[test]
fn what_was_told_beside_it_stands_in_the_place_of_what_was_known_then() {
    let folder = tempfile::tempdir().unwrap();
    let outbox = here(&folder);
    let first = outbox.put_night(1);
    outbox.claim(Slack, day(1)).unwrap();
    outbox.settle(Slack, first, &told(3)).unwrap();
    let apart = elsewhere(&folder);
    apart.put_night(2);
    apart.claim(Slack, day(2)).unwrap();
    let waiting = apart.next(Slack, 0).unwrap().unwrap();
    assert_eq!(waiting.told, told(3));
    // What was open is closed there.
    apart.settle(Slack, waiting.id, &Told::default()).unwrap();
    drop(apart);
    assert_eq!(last_told(&folder), Told::default());
}

#[test]
fn where_more_was_told_since_both_are_open() {
    let folder = tempfile::tempdir().unwrap();
    let apart = elsewhere(&folder);
    apart.put_night(1);
    apart.claim(Slack, day(1)).unwrap();
    let other = crate::verdict::telling::Topic::NotChecked;
    let of_other = Told {
        open: [(other.clone(), crate::verdict::telling::Extent::default())].into(),
        ..Told::default()
    };
    apart.settle(Slack, 1, &of_other).unwrap();
    drop(apart);
    let hidden = folder.path().join("hidden");
    std::fs::rename(folder.path().join(NAME), &hidden).unwrap();
    let outbox = here(&folder);
    let id = outbox.put_night(2);
    outbox.claim(Slack, day(2)).unwrap();
    outbox.settle(Slack, id, &told(3)).unwrap();
    std::fs::rename(&hidden, folder.path().join(NAME)).unwrap();
    let open = last_told(&folder).open;
    assert_eq!(open.len(), 2, "{open:?}");
    assert!(open.contains_key(&other));
}

#[test]
fn while_somebody_delivers_from_it_it_stays_and_is_seen_by_who_looks() {
    let folder = tempfile::tempdir().unwrap();
    here(&folder).put_night(1);
    let apart = elsewhere(&folder);
    apart.put_night(2);
    assert_eq!(here(&folder).lines().len(), 1);
    assert!(is_there(&folder));
    let looking = Outbox::open_to_read(folder.path()).unwrap();
    assert_eq!(looking.lines().len(), 2);
    assert_eq!(looking.counts().unwrap()[0].pending, 2);
    drop(apart);
    assert_eq!(here(&folder).lines().len(), 2);
    assert_eq!(Outbox::open_to_read(folder.path()).unwrap().lines().len(), 2);
}

#[test]
fn a_run_that_is_recorded_in_a_locked_state_is_known_and_a_change_under_way_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let of = clean();
    StateDb::in_folder(folder.path()).record(&of, |_| None, of.finish).unwrap();
    let path = folder.path().join("state.db");
    let locked = Connection::open(&path).unwrap();
    locked.execute_batch("BEGIN EXCLUSIVE").unwrap();
    let apart = elsewhere(&folder);
    assert_eq!(apart.was_recorded(&of.invocation_id).unwrap(), Trace::Left);
    assert_eq!(apart.was_recorded("another").unwrap(), Trace::Missing);
    // Until its journal is on disk a change is in memory alone, and what stands in the file holds.
    locked.execute_batch("PRAGMA cache_size = 1; DELETE FROM runs").unwrap();
    assert_eq!(apart.was_recorded(&of.invocation_id).unwrap(), Trace::Left);
    let many = "WITH RECURSIVE n(x) AS (VALUES (1) UNION ALL SELECT x + 1 FROM n WHERE x < 2000)
                INSERT INTO set_aside SELECT x, hex(randomblob(200)) FROM n";
    locked.execute_batch(many).unwrap();
    let seen = apart.was_recorded(&of.invocation_id).unwrap();
    assert!(matches!(&seen, Trace::NotKnown(why) if why.contains("has not ended")), "{seen:?}");
    drop(locked);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    assert!(matches!(apart.was_recorded("another").unwrap(), Trace::NotKnown(_)));
}

#[test]
fn one_that_is_damaged_is_set_aside_and_that_is_told() {
    let folder = tempfile::tempdir().unwrap();
    drop(here(&folder));
    std::fs::write(folder.path().join(NAME), "x".repeat(9000)).unwrap();
    let (_outbox, aside) = Outbox::open(folder.path(), day(1)).unwrap();
    let aside = aside.unwrap().path;
    assert!(aside.exists() && aside.to_string_lossy().contains("apart.db.set-aside-"), "{aside:?}");
    assert!(!is_there(&folder));
}
