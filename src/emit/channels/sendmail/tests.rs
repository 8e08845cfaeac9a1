//! What do we make of programs that do what they like?

use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;
use tokio::runtime::Builder;

use super::*;

/// A program that is this script, in a folder where it may leave files.
fn program(script: &str) -> (TempDir, Sendmail) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("sendmail");
    let text = format!("#!/bin/sh\nexec 3>'{}/seen'\n{script}\n", folder.path().display());
    // By another process: one of ours that forks meanwhile would hold the file open for writing.
    let copied = std::process::Command::new("/bin/sh")
        .args(["-c", "printf %s \"$1\" >\"$2\"", "sh", &text])
        .arg(&path)
        .status();
    assert!(copied.unwrap().success());
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o755)).unwrap();
    let program = Sendmail::parse(path.to_str().unwrap()).unwrap();
    (folder, program)
}

fn seen(folder: &TempDir) -> String {
    std::fs::read_to_string(folder.path().join("seen")).unwrap()
}

fn send_to(program: &Sendmail, to: &str, letter: &[u8], time: Duration) -> Answer {
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let post = Post { from: "plms@example.org", to, letter };
    runtime.block_on(program.send(post, Instant::now() + time))
}

fn send(script: &str) -> Answer {
    let (_folder, program) = program(script);
    send_to(&program, "ops@example.org", b"Subject: x\r\n\r\ny\r\n", Duration::from_secs(30))
}

/// The answer in a word, and its sentence without the path.
fn said(answer: Answer) -> (&'static str, String) {
    let (word, why) = match answer {
        Answer::Accepted(words) => ("accepted", words),
        Answer::Later { why, .. } => ("later", why),
        Answer::Postponed { why } => ("postponed", why),
        Answer::Refused { why } => ("refused", why),
        Answer::Unusable { why } => ("unusable", why),
    };
    let words: Vec<&str> =
        why.split(' ').map(|word| if word.starts_with("/tmp/") { "PROGRAM" } else { word }).collect();
    (word, words.join(" "))
}

#[test]
fn a_program_is_given_the_message_and_nothing_of_our_own() {
    let (folder, program) = program("for a; do echo \"<$a>\" >&3; done; env | sort >&3; pwd >&3; cat >&3");
    let answer =
        send_to(&program, "-oQ/tmp@example.com", b"A: b\r\n\r\n.\r\nend\r\n", Duration::from_secs(30));
    assert_eq!(said(answer).0, "accepted");
    let seen = seen(&folder);
    let (arguments, rest) = seen.split_once("LANG=C.UTF-8\n").unwrap();
    assert_eq!(arguments, "<-i>\n<-f>\n<plms@example.org>\n<-->\n<-oQ/tmp@example.com>\n");
    let rest: Vec<&str> = rest.lines().filter(|line| !line.starts_with("OLDPWD=")).collect();
    assert_eq!(rest, ["PATH=/usr/sbin:/usr/bin:/sbin:/bin", "PWD=/", "/", "A: b", "", ".", "end"]);
    assert!(!seen.contains('\r'));
}

#[test]
fn every_exit_status_has_one_meaning() {
    // sysexits(3), and who is to do something.
    let unusable = [64, 72, 73, 77, 78];
    let refused = [65, 66, 67, 68, 69];
    for code in (1..=2).chain(64..=78).chain([255]) {
        let (word, why) = said(send(&format!("cat >/dev/null; echo 'no way' >&2; exit {code}")));
        let want = match code {
            _ if unusable.contains(&code) => "unusable",
            _ if refused.contains(&code) => "refused",
            _ => "postponed",
        };
        assert_eq!(word, want, "{code}: {why}");
        assert!(
            why.starts_with(&format!("ops@example.org: PROGRAM ended with status {code}"))
                && why.ends_with(": no way"),
            "{why}"
        );
    }
}

#[test]
fn a_program_that_is_not_there_is_a_setting_to_mend() {
    let missing = Sendmail::parse("/nowhere/sendmail").unwrap();
    let answer = send_to(&missing, "a@b", b"", Duration::from_secs(9));
    let why = "cannot run /nowhere/sendmail: no such file or directory".to_owned();
    assert_eq!(answer, Answer::Unusable { why });
    assert!(!missing.is_there() && !Sendmail::parse("/etc/passwd").unwrap().is_there());
    assert!(Sendmail::parse("/bin/sh").unwrap().is_there());
    for text in ["sendmail", "", "./sendmail", "/x\n"] {
        assert_eq!(Sendmail::parse(text), Err(NoProgram));
    }
}

#[test]
fn a_program_that_hangs_is_killed_with_all_it_started_and_buried() {
    let (folder, program) = program("sleep 600 & echo $$ $! >&3; cat >/dev/null; wait");
    let began = Instant::now();
    let answer = send_to(&program, "a@b", b"x", Duration::from_millis(900));
    let (word, why) = said(answer);
    assert_eq!((word, why.starts_with("a@b: PROGRAM had not ended after ")), ("postponed", true), "{why}");
    assert!(began.elapsed() < Duration::from_secs(10));
    for pid in seen(&folder).split_whitespace() {
        let deadline = Instant::now() + Duration::from_secs(10);
        let state = || std::fs::read_to_string(format!("/proc/{pid}/stat")).ok();
        // A grandchild is buried by PID 1, in its own time.
        while state().is_some_and(|stat| !stat.contains(") Z ")) {
            assert!(Instant::now() < deadline, "{pid} lives: {:?}", state());
            std::thread::yield_now();
        }
    }
    let own = seen(&folder).split_whitespace().next().unwrap().to_owned();
    assert!(!Path::new("/proc").join(own).exists(), "it was not buried");
}

#[test]
fn a_program_that_says_a_megabyte_of_anything_says_a_line() {
    let (word, why) = said(send("cat >/dev/null; head -c 1048576 /dev/zero | tr '\\0' '\\377' >&2; exit 75"));
    assert_eq!(word, "postponed");
    assert!(why.contains("(try again later): \u{fffd}\u{fffd}") && why.len() < 450, "{why}");
}

#[test]
fn a_program_that_stops_reading_has_not_taken_the_message_whatever_it_says() {
    let (_folder, program) = program("exec 0<&-; exit 0");
    let letter = b"x".repeat(1024 * 1024);
    let (word, why) = said(send_to(&program, "a@b", &letter, Duration::from_secs(30)));
    assert_eq!((word, why.as_str()), ("postponed", "a@b: PROGRAM ended without reading the whole message"));
    // And one that says why is heard.
    let (_folder, program) = self::program("exec 0<&-; echo 'queue is full' >&2; exit 75");
    let (word, why) = said(send_to(&program, "a@b", &letter, Duration::from_secs(30)));
    assert_eq!(word, "postponed");
    assert!(why.ends_with("queue is full"), "{why}");
}

#[test]
fn a_program_that_leaves_a_daemon_behind_is_not_waited_for() {
    let began = Instant::now();
    let (word, _) = said(send("cat >/dev/null; sleep 5 & exit 0"));
    assert_eq!(word, "accepted");
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn a_program_that_is_killed_is_tried_again() {
    let (word, why) = said(send("kill -9 $$"));
    assert_eq!((word, why.as_str()), ("postponed", "ops@example.org: PROGRAM was killed by signal 9"));
}
