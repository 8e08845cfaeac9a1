//! Is what another program, or a damage, left in the outbox shown as what it is?

use super::*;
use crate::report::fixture::clean;

#[test]
fn what_waits_for_a_channel_of_a_newer_program_is_shown_under_its_name() {
    let Place { folder: _folder, outbox } = place();
    let id = outbox.put_night(1);
    let sql = "INSERT INTO deliveries (notice, channel) VALUES (?, 'fax')";
    outbox.connection.execute(sql, [id]).unwrap();
    let mut channels = vec![];
    outbox.pending(|line| channels.push(line.channel)).unwrap();
    assert_eq!(channels, [Some("fax".to_owned())]);
}

#[test]
fn a_time_that_is_none_is_not_that_of_1970_and_keeps_nothing_from_being_told() {
    let Place { folder: _folder, outbox } = place();
    outbox.put_night(1);
    outbox.put_night(2);
    let sql = "UPDATE notices SET at_us = 9223372036854775807, body = '{' WHERE id = 1";
    outbox.connection.execute(sql, []).unwrap();
    let mut times = vec![];
    outbox.pending(|line| times.push(line.at)).unwrap();
    assert_eq!(times, [None, Some(day(2))]);
    outbox.claim(Slack, day(2)).unwrap();
    let first = outbox.next(Slack, 0).unwrap().unwrap();
    assert!(first.notice.sentence.contains("and so was when"), "{}", first.notice.sentence);
    outbox.done(Slack, first.id, day(2));
    assert_eq!(outbox.nights(Slack), [2]);
}

#[test]
fn a_word_that_is_not_known_is_in_the_error() {
    let Place { folder, outbox } = place();
    let of = clean();
    let db = StateDb::in_folder(folder.path());
    db.record(&of, |_| None, of.finish).unwrap();
    outbox.connection.execute_batch("PRAGMA ignore_check_constraints = 1").unwrap();
    for (change, says) in [
        ("UPDATE runs SET state = 'purple'", "unknown word \"purple\""),
        ("UPDATE runs SET state = 'ok', total = -1", "out of range"),
        ("UPDATE runs SET total = 1, finish_us = 9223372036854775807", "out of range"),
    ] {
        outbox.connection.execute_batch(change).unwrap();
        let error = db.history(&of.env, &of.db_path, 10).unwrap_err().to_string();
        assert!(error.contains("a row in it cannot be read") && error.contains(says), "{change}: {error}");
    }
}

#[test]
fn a_body_that_cannot_be_read_says_so_and_does_not_stand_in_the_way() {
    let Place { folder: _folder, outbox } = place();
    let id = outbox.put_night(1);
    outbox.put_night(2);
    outbox.connection.execute("UPDATE notices SET body = '{\"occasion\":' WHERE id = ?", [id]).unwrap();
    outbox.claim(Slack, day(2)).unwrap();
    let lost = outbox.next(Slack, 0).unwrap().unwrap().notice;
    assert_eq!((lost.occasion, lost.state, lost.at), (Occasion::Run, State::Unknown, day(1)));
    assert!(lost.sentence.contains("was lost") && lost.invocation_id == night(1).invocation_id);
    assert_eq!(outbox.next(Slack, id).unwrap().unwrap().notice, night(2));
}
