//! What is left of an outbox when its file is cut, overwritten, foreign or of the future?

use std::collections::BTreeSet;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;

use rusqlite::Connection;

use crate::emit::channels::ChannelName::{Mail, Slack};
use crate::emit::state::Aside;
use crate::emit::state::outbox::Outbox;
use crate::emit::state::outbox::tests::{day, night, notice, telling, told};
use crate::verdict::notice::{Notice, Occasion};
use crate::verdict::telling::Turn;

const PAGE: u64 = 4096;

struct Place {
    folder: tempfile::TempDir,
    path: PathBuf,
}

/// Forty nights of which Slack was told all but the last ten, and Mail was here once, after the 35th.
fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let (outbox, _) = Outbox::open(folder.path(), day(0)).unwrap();
    outbox.claim(Slack, day(0)).unwrap();
    for of in 1..=40 {
        outbox.put(&long_night(of)).unwrap();
        if of == 35 {
            outbox.claim(Mail, day(35)).unwrap();
        }
    }
    outbox.claim(Slack, day(40)).unwrap();
    for id in 1..=30 {
        outbox.done(Slack, id, day(40));
    }
    outbox.begin(Slack, 31, &telling(Turn::New)).unwrap();
    outbox.accepted(Slack, 31, "one", day(40)).unwrap();
    outbox.failed(Slack, 31, "429", Some(day(41)), None).unwrap();
    Place { path: folder.path().join("state.db"), folder }
}

/// Of about three pages, so that a page belongs to one notice.
fn long_night(of: i64) -> Notice {
    Notice { sentence: format!("night {of} ").repeat(1200), ..night(of) }
}

impl Place {
    fn sql(&self, sql: &str) {
        Connection::open(&self.path).unwrap().execute_batch(sql).unwrap();
    }

    fn size(&self) -> u64 {
        std::fs::metadata(&self.path).unwrap().len()
    }

    fn write_at(&self, bytes: &[u8], offset: u64) {
        let file = std::fs::OpenOptions::new().write(true).open(&self.path).unwrap();
        file.write_all_at(bytes, offset).unwrap();
    }

    fn mended(&self) -> (Outbox, Aside) {
        let before = std::fs::read(&self.path).unwrap();
        let (outbox, aside) = Outbox::open(self.folder.path(), day(41)).unwrap();
        let aside = aside.expect("the damaged file is set aside");
        assert_eq!(std::fs::read(&aside.path).unwrap(), before, "it is kept as it was");
        (outbox, aside)
    }
}

/// That all is as it was.
#[track_caller]
fn is_whole(outbox: &Outbox) {
    let waiting = outbox.next(Slack, 0).unwrap().unwrap();
    assert_eq!((waiting.id, waiting.attempts, waiting.not_before), (31, 1, Some(day(41))));
    assert_eq!(waiting.telling, Some(telling(Turn::New)));
    assert!(waiting.accepted.contains("one"));
    assert_eq!(waiting.notice, long_night(31));
    assert_eq!(waiting.told, told(1));
    assert_eq!(outbox.claimed(Slack, day(41)), (31..=40).collect::<Vec<_>>());
    assert_eq!(outbox.claimed(Mail, day(41)), (1..=40).collect::<Vec<_>>());
    assert_eq!(outbox.put_night(41), 41);
}

#[test]
fn a_damaged_history_costs_the_outbox_nothing() {
    let place = place();
    place.sql("DROP TABLE incidents");
    is_whole(&place.mended().0);
}

/// Sound as a database. Taken for "never told", it would let a recovery close no incident.
#[test]
fn what_people_were_told_is_damaged_where_it_cannot_be_read() {
    let place = place();
    place.sql("UPDATE told SET told = replace(told, '{', '[')");
    let (outbox, aside) = place.mended();
    assert!(aside.why.contains("what people were told last"), "{}", aside.why);
    assert_eq!(outbox.claimed(Slack, day(41)), (31..=40).collect::<Vec<_>>(), "the rest is kept");
}

#[test]
fn a_file_of_a_newer_program_gives_what_is_alike() {
    let place = place();
    place.sql("ALTER TABLE notices ADD COLUMN mood TEXT; PRAGMA user_version = 4");
    let (outbox, aside) = place.mended();
    assert!(aside.why.contains("a newer program"), "{}", aside.why);
    is_whole(&outbox);
}

#[test]
fn a_file_of_a_newer_program_with_other_tables_gives_nothing_and_harms_nothing() {
    let place = place();
    place.sql("ALTER TABLE notices RENAME COLUMN body TO text; PRAGMA user_version = 4");
    let (outbox, _) = place.mended();
    assert_eq!(outbox.lines(), []);
    assert_eq!(outbox.put_night(41), 41, "no number is used twice");
}

#[test]
fn foreign_rows_are_left_where_they_are() {
    let place = place();
    place.sql(
        "PRAGMA foreign_keys = off; PRAGMA ignore_check_constraints = on;
         INSERT INTO deliveries (notice, channel) VALUES (40, 'carrier-pigeon'), (999, 'slack');
         INSERT INTO channels VALUES ('carrier-pigeon', 3);
         INSERT INTO told VALUES ('production', '/x', 'slack', '{', 7);
         UPDATE deliveries SET state = 'half' WHERE notice = 31 AND channel = 'slack';
         UPDATE notices SET occasion = 'birthday' WHERE id = 32;
         DROP TABLE incidents",
    );
    let (outbox, _) = place.mended();
    assert_eq!(outbox.claimed(Slack, day(41)), (31..=40).collect::<Vec<_>>());
    assert_eq!(outbox.claimed(Mail, day(41)), (1..=40).collect::<Vec<_>>());
}

#[test]
fn a_body_on_a_garbage_page_is_an_alert_that_says_so() {
    let needle = b"night 33 night 33 night 33";
    let bytes = std::fs::read(place().path).unwrap();
    let found =
        bytes.windows(needle.len()).enumerate().filter(|(_, at)| at == needle).map(|(at, _)| at as u64);
    let pages: BTreeSet<u64> = found.map(|at| at / PAGE).filter(|page| is_of_a_text(&bytes, *page)).collect();
    // The first of them broken loses the way to the second, too.
    assert!(pages.len() >= 2, "{pages:?}");
    for page in pages {
        let place = place();
        place.write_at(&[0xff; 4096], page * PAGE);
        let (outbox, aside) = place.mended();
        assert!(aside.why.contains("damaged") || aside.why.contains("malformed"), "{}", aside.why);
        let claimed = outbox.claimed(Slack, day(41));
        assert_eq!(claimed, (31..=40).collect::<Vec<_>>(), "none is missing, page {page}");
        let lost = outbox.next(Slack, 32).unwrap().unwrap();
        assert!(lost.id == 33 && lost.notice.sentence.contains("was lost"), "{:?}", lost.notice.sentence);
        assert_eq!(outbox.next(Slack, 33).unwrap().unwrap().notice, long_night(34));
    }
}

#[test]
fn a_death_is_told_once_though_its_file_was_damaged() {
    let place = place();
    let (outbox, _) = Outbox::open(place.folder.path(), day(41)).unwrap();
    outbox.put(&notice(Occasion::Died, 41)).unwrap();
    drop(outbox);
    place.sql("DROP TABLE incidents");
    let (outbox, _) = place.mended();
    assert_eq!(outbox.put(&notice(Occasion::Died, 41)).unwrap(), None);
}

/// Whether a page is neither the header nor of a tree: it then holds the rest of a long text. The first byte of
/// the others names their kind ("B-tree Pages" in SQLite's description of its file).
fn is_of_a_text(bytes: &[u8], page: u64) -> bool {
    let first = bytes[usize::try_from(page * PAGE).unwrap()];
    page > 0 && ![2, 5, 10, 13].contains(&first)
}

/// Every single page made garbage, each in a copy of its own: whatever is damaged, no pending notice is
/// missing but where the page held its head, or the way to it.
#[test]
fn whichever_page_is_garbage_what_can_still_be_read_is_there() {
    let original = place();
    let bytes = std::fs::read(&original.path).unwrap();
    let (mut whole, mut parts, mut nothing) = (0, vec![], vec![]);
    for page in 0..original.size() / PAGE {
        let place = Place { folder: tempfile::tempdir().unwrap(), path: PathBuf::new() };
        let path = place.folder.path().join("state.db");
        let place = Place { path, ..place };
        std::fs::write(&place.path, &bytes).unwrap();
        place.write_at(&[0x5a; 4096], page * PAGE);
        let (outbox, _) = Outbox::open(place.folder.path(), day(41)).unwrap();
        outbox.claim(Slack, day(41)).unwrap();
        let pending = outbox.nights(Slack);
        match (31..=40).filter(|of| pending.contains(of)).count() {
            10 => whole += 1,
            0 => nothing.push(page),
            left => parts.push((page, left)),
        }
        assert!(outbox.put_night(41) > 0);
    }
    println!("pages: {whole} cost nothing, {parts:?} left a part, {nothing:?} cost all that was pending");
    // The header with the schema, and the root of the notices.
    assert!(nothing.len() <= 2, "{nothing:?}");
    for (page, left) in parts {
        assert!(!is_of_a_text(&bytes, page) && left == 9, "page {page} left {left}");
    }
}

/// Cut after every page, and in the middle of some: every notice is there whose head is.
#[test]
fn wherever_the_file_is_cut_what_is_left_can_be_used() {
    let original = place();
    let bytes = std::fs::read(&original.path).unwrap();
    // A text of this length begins on the page of its head.
    let pages = bytes.chunks(4096).enumerate().filter(|(_, page)| page[0] == 13);
    let heads: Vec<u64> = (31..=40)
        .flat_map(|of| {
            let needle = format!("night {of} night {of} ").into_bytes();
            let at = move |page: &[u8]| page.windows(needle.len()).any(|text| text == needle);
            pages.clone().filter(move |(_, page)| at(page)).map(|(number, _)| number as u64)
        })
        .collect();
    assert_eq!(heads.len(), 10, "{heads:?}");
    for cut in (0..original.size() / PAGE).map(|page| page * PAGE).chain([1, 99, 100, 5000, 20_001, 430_003])
    {
        let folder = tempfile::tempdir().unwrap();
        let length = usize::try_from(cut).unwrap();
        std::fs::write(folder.path().join("state.db"), &bytes[..length]).unwrap();
        let (outbox, aside) = Outbox::open(folder.path(), day(41)).unwrap();
        assert!(aside.is_some(), "cut at {cut}");
        outbox.claim(Slack, day(41)).unwrap();
        let kept = outbox.nights(Slack).iter().filter(|of| **of > 30).count();
        let want = heads.iter().filter(|page| (**page + 1) * PAGE <= cut).count();
        // A head may lie on the half of a page that is left.
        let most = want + usize::from(heads.contains(&(cut / PAGE)) && cut % PAGE > 0);
        assert!((want..=most).contains(&kept), "{kept}, not {want}; cut at {cut} of {}", original.size());
        outbox.put_night(41);
    }
}
