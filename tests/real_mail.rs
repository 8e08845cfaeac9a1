//! Does mail arrive, privately and once, with real servers and real sendmail programs, and do strict parsers and
//! mail readers take it?
#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic, reason = "clippy.toml spares tests")]

mod common;

use std::path::Path;

use common::real::{beside_systemd, folder};
use common::{Finished, finish};
use serde_json::Value;

/// What the scripts in `tests/real` need beside the repository.
const PACKAGES: &str =
    "postfix sasl2-bin libsasl2-modules libsasl2-modules-db msmtp openssl python3 ca-certificates";
/// The least number of rows that each script has: one that ends early has not passed.
const ROWS: usize = 35;

/// Runs one of them, whose every row must hold; `None` where it is skipped.
#[track_caller]
fn rows_of(script: &str) -> Option<Finished> {
    let programs = Path::new(env!("CARGO_BIN_EXE_plms-invariants")).parent().expect("a folder of programs");
    let mut command = beside_systemd(&["--packages", PACKAGES], folder().join(script))?;
    let seen = finish(command.arg(programs)).expect_status(0);
    let score = seen.stdout.lines().find_map(|line| line.strip_suffix(" rows hold")).unwrap_or_default();
    let (held, of) = score.split_once(" of ").unwrap_or_default();
    assert!(held == of && held.parse::<usize>().is_ok_and(|rows| rows >= ROWS), "{score}\n{seen:#}");
    Some(seen)
}

/// A letter as Python's strict parser read it.
#[derive(Debug)]
struct Letter(Value);

impl Letter {
    /// The one header of this name.
    #[track_caller]
    fn header(&self, name: &str) -> &str {
        let headers = self.0["headers"].as_array().expect("a list");
        let mut of = headers.iter().filter(|header| header[0] == name).map(|header| &header[1]);
        let value = of.next().and_then(Value::as_str);
        assert!(of.next().is_none(), "{name} stands there twice: {self:?}");
        value.unwrap_or_else(|| panic!("no {name}: {self:?}"))
    }

    /// Text has mail's line ends where it was encoded with them.
    fn part(&self, number: usize) -> String {
        self.0["parts"][number][1].as_str().expect("text").replace("\r\n", "\n")
    }

    /// What each letter must be, whatever it says.
    #[track_caller]
    fn expect_sound(&self) {
        assert_eq!(self.0["defects"], serde_json::json!([]), "{self:?}");
        assert_eq!(self.0["type"], "multipart/alternative", "{self:?}");
        assert_eq!(self.0["parts"][0][0], "text/plain", "{self:?}");
        assert_eq!(self.0["parts"][1][0], "text/html", "{self:?}");
        assert_eq!(self.0["parts"].as_array().map(Vec::len), Some(2), "{self:?}");
        // RFC 5322, 2.1.1, and what any server passes on unchanged.
        assert!(self.0["longest_line"].as_u64().is_some_and(|longest| longest <= 78), "{self:?}");
        assert_eq!(self.0["is_ascii"], true, "{self:?}");
        assert_eq!(self.header("MIME-Version"), "1.0");
        assert_eq!(self.header("Auto-Submitted"), "auto-generated");
        assert_eq!(self.header("From"), "plms-invariants@sandbox.example.org");
        let late = self.0["seconds_on_the_way"].as_f64().expect("a number");
        assert!((-1.0..60.0).contains(&late), "{late} seconds by the server's clock: {self:?}");
        for name in ["Message-ID", "In-Reply-To"] {
            let id = self.header(name);
            assert!(id.starts_with("<plms.") && id.ends_with("@sandbox.example.org>"), "{name}: {id}");
        }
        assert!(self.header("References").split_whitespace().any(|id| id == self.header("In-Reply-To")));
    }
}

/// The letters of one mailbox, in the order in which they came.
#[track_caller]
fn letters(seen: &Finished, mailbox: &str) -> Vec<Letter> {
    let begin = format!("=== letters {mailbox}\n");
    let (_, rest) = seen.stdout.split_once(&begin).expect("every mailbox is shown");
    let lines = rest.lines().take_while(|line| !line.starts_with("=== "));
    let letters: Vec<Letter> =
        lines.map(|line| Letter(serde_json::from_str(line).expect("an object"))).collect();
    letters.iter().for_each(Letter::expect_sound);
    letters
}

/// The subject without its time, which must be one of this program's.
#[track_caller]
fn subject(letter: &Letter) -> &str {
    let (subject, at) = letter.header("Subject").split_once(" @ ").expect("a time");
    assert!(at.parse::<chrono::DateTime<chrono::Utc>>().is_ok() && at.ends_with('Z'), "{at}");
    subject
}

#[test]
fn mail_goes_through_every_door_of_a_real_server_and_one_recipient_never_stops_another() {
    let Some(seen) = rows_of("mail") else { return };
    // Four nights: three failing, the last of them with one rule mended, and the recovery.
    let first = letters(&seen, "first");
    let subjects: Vec<&str> = first.iter().map(subject).collect();
    let fail = "[PLMS][field] Invariants FAIL";
    assert_eq!(subjects, [fail, fail, fail, "[PLMS][field] Invariants OK (recovered)"]);
    // One thread, in every mail reader: each answers the same letter, and each is another one.
    let thread = first[0].header("In-Reply-To");
    for (number, letter) in first.iter().enumerate() {
        assert_eq!(letter.header("In-Reply-To"), thread);
        assert!(
            first[..number].iter().all(|other| other.header("Message-ID") != letter.header("Message-ID"))
        );
    }
    // The rule that was mended in the third night has its own thread, up to there.
    let yellow = first[0].header("References").split_whitespace().nth(1).expect("two incidents");
    let knows_yellow: Vec<bool> =
        first.iter().map(|letter| letter.header("References").contains(yellow)).collect();
    assert_eq!(knows_yellow, [true, true, true, false]);
    assert!(first[2].part(0).contains("\nMended: yellow\n") && first[2].part(1).contains("Mended: yellow"));
    assert!(first[3].part(0).contains("\nMended: red\n"), "{:?}", first[3]);
    for part in 0..2 {
        assert!(first[0].part(part).contains("2 of 2 invariants violated by 5 rows"), "{:?}", first[0]);
        assert!(first[0].part(part).contains("id=3"), "{:?}", first[0]);
    }
    // Who was put off got the same letter, later, and knows it for the same.
    let grey = letters(&seen, "grey");
    assert_eq!(grey.len(), 4);
    assert_eq!(grey[0].header("Message-ID"), first[0].header("Message-ID"));
    assert_eq!(grey[0].part(0), first[0].part(0));

    // Fault 20: the text of everybody who can write any stays text.
    let torture = letters(&seen, "torture");
    let [torture] = &torture[..] else { panic!("{torture:?}") };
    let about = subject(torture);
    assert!(about.starts_with(r"[PLMS][prod\r\nBcc: ops@example.org\r\n\r\nbody \u{202e}ü"), "{about}");
    assert!(about.ends_with("…] Invariants FAIL"), "{about}");
    assert!(torture.header("Subject").chars().count() <= 200, "{torture:?}");
    assert_eq!(torture.header("To"), "torture@example.org");
    let names = torture.0["headers"].as_array().expect("a list").iter().map(|header| &header[0]);
    assert!(!names.clone().any(|name| name == "Bcc" || name == "Cc"), "{torture:?}");
    for part in 0..2 {
        let strange = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!torture.part(part).contains(strange), "{torture:?}");
        assert!(torture.part(part).contains(r"run_id=a\r\n.\r\n\u{0}\u{202e}"), "{torture:?}");
    }
    let html = torture.part(1);
    assert!(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"), "{html}");
    assert!(!html.contains("<script") && !html.contains("<img") && !html.contains("href"), "{html}");
    assert!(torture.0["bytes"].as_u64().is_some_and(|bytes| bytes < 100_000), "{torture:?}");
}

#[test]
fn mail_goes_by_real_sendmail_programs_from_the_shipped_unit_with_a_drop_in_of_which_every_line_is_needed() {
    let Some(seen) = rows_of("mail-sendmail") else { return };
    assert!(seen.stdout.contains("the drop-in needs NoNewPrivileges=no"), "{seen:#}");
}
