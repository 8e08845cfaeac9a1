//! How much memory does a long backlog take?

use std::fs;
use std::os::unix::fs::PermissionsExt;

use chrono::{TimeDelta, Utc};
use plms_invariants::emit::state::outbox::Outbox;
use plms_invariants::report::notice::{Subject, died};
use plms_invariants::verdict::State;
use plms_invariants::verdict::notice::{Notice, Said};

use super::stage::Stage;

const ALERTS: i64 = 800;
/// Of one alert's text: all of them are far more than the program may have in memory.
const TEXT: usize = 100_000;
const MOST_KIB: u64 = 32 * 1024;

/// The program's own account of its greatest size, asked by the mail program that it starts for each alert; the
/// first half refuses, the second half takes it.
#[test]
fn a_backlog_is_delivered_one_by_one_and_not_all_at_once_in_memory() {
    let mut stage = Stage::in_memory();
    let now = Utc::now();
    let (outbox, _) = Outbox::open(&stage.state(), now).unwrap();
    for nth in 0..ALERTS {
        let id = nth.to_string();
        let subject = Subject { env: "test", db_path: "/r.db", host: "h", invocation_id: &id };
        let findings = vec![Said { state: State::Unknown, sentence: "x".repeat(TEXT) }];
        let at = now - TimeDelta::minutes(ALERTS - nth);
        outbox.put(&Notice { findings, ..died(&subject, "test: it died", at) }).unwrap();
    }
    drop(outbox);
    assert!(fs::metadata(stage.path("state/state.db")).unwrap().len() > 2 * 1024 * MOST_KIB);

    let (script, seen) = (stage.path("sendmail"), stage.path("seen"));
    let half = ALERTS / 2;
    let text = format!(
        "#!/bin/sh\ncat >/dev/null\ngrep VmHWM /proc/$PPID/status >>{0}\n[ $(wc -l <{0}) -gt {half} ] || exit 67\n",
        seen.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    stage.set("SENDMAIL", script.to_str().unwrap()).set("ALERT_EMAIL", "ops@example.org");
    stage.plms("alert flush").expect_status(2).expect_stdout(&format!("{half} alerts delivered"));

    let seen = fs::read_to_string(seen).unwrap();
    let sizes: Vec<u64> =
        seen.lines().map(|line| line.split_whitespace().nth(1).unwrap().parse().unwrap()).collect();
    assert_eq!(sizes.len(), usize::try_from(ALERTS).unwrap(), "each was tried once");
    let most = sizes.iter().max().unwrap();
    println!("{ALERTS} alerts of {TEXT} bytes: at most {most} KiB resident");
    assert!(*most > 1024 && *most < MOST_KIB, "{most} KiB");
}
