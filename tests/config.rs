//! Settings: which source wins, what is refused, and that no secret is ever shown.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use plms_invariants::config::{Flags, KEYS, Origin, SecretSource, Settings, parse};
use proptest::collection::vec;
use proptest::prelude::*;

/// An env file and an environment.
struct Host {
    folder: tempfile::TempDir,
    vars: Vec<(String, OsString)>,
    flags: Flags,
}

impl Host {
    fn with_file(text: impl AsRef<[u8]>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("env");
        fs::write(&path, text).unwrap();
        Self { folder, vars: vec![], flags: Flags { env_file: Some(path), ..Flags::default() } }
    }

    fn var(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.vars.push((name.into(), value.as_ref().into()));
        self
    }

    /// The settings, or the refusal with the folder's path taken out.
    fn load(&self) -> Result<Settings, String> {
        let var = |name: &str| self.vars.iter().find(|(n, _)| n == name).map(|(_, v)| v.clone());
        let folder = format!("{}/", self.folder.path().display());
        Settings::load(&self.flags, &var).map_err(|e| e.to_string().replace(&folder, ""))
    }
}

fn shown(settings: &Settings, name: &str) -> (Option<String>, String) {
    let line = settings.shown().into_iter().find(|s| s.name == name).unwrap();
    (line.value, line.origin)
}

#[test]
fn a_flag_stands_over_a_variable_and_a_variable_over_the_file() {
    let mut host = Host::with_file("DB_PATH=/file\nLOG_DIR=/file-log\nSTATE_DIR=/file-state\n");
    let path = host.flags.env_file.clone().unwrap();
    host = host.var("DB_PATH", "/variable").var("LOG_DIR", "/variable-log");
    host.flags.db = Some("/flag".into());
    let settings = host.load().unwrap();
    assert_eq!(
        (settings.db_path.value.as_path(), &settings.db_path.origin),
        (Path::new("/flag"), &Origin::Flag("--db"))
    );
    assert_eq!(
        (settings.log_dir.value.as_path(), &settings.log_dir.origin),
        (Path::new("/variable-log"), &Origin::Environment)
    );
    let from_file = Origin::File { path, line: 3 };
    assert_eq!(
        (settings.state_dir.value.as_path(), &settings.state_dir.origin),
        (Path::new("/file-state"), &from_file)
    );
}

#[test]
fn an_empty_variable_is_unset() {
    let settings = Host::with_file("DB_PATH=/file\nENV_NAME=\n").var("DB_PATH", "").load().unwrap();
    assert_eq!(settings.db_path.value, Path::new("/file"));
    assert_eq!(settings.env_name.origin, Origin::Default);
}

#[test]
fn what_nobody_set_has_the_documented_default_or_is_not_done() {
    let settings = Host::with_file("").var("HOME", "/home/u").load().unwrap();
    assert_eq!(settings.db_path.value, Path::new("artifacts/registry/registry.db"));
    assert_eq!(settings.log_dir.value, Path::new("logs/plms"));
    assert_eq!(settings.deliver_budget.value.as_secs(), 60);
    let host = Command::new("uname").arg("-n").output().unwrap();
    let host = String::from_utf8(host.stdout).unwrap();
    assert_eq!(settings.env_name.value, host.trim().split('.').next().unwrap());
    assert!(settings.textfile.is_none() && settings.artifacts_dir.is_none() && settings.invariants.is_none());
    assert!(settings.invariant_tags.is_empty() && settings.configured_db.is_none());
    assert_eq!(settings.channels(), [("slack", false), ("pagerduty", false), ("mail", false)]);
    assert_eq!(shown(&settings, "SLACK_NOTIFY"), (Some("always".into()), "default".into()));
}

#[test]
fn every_variable_of_the_contract_is_known_and_any_other_is_named() {
    let all: String = KEYS
        .iter()
        .map(|k| {
            if k.name == "DELIVER_BUDGET" {
                "DELIVER_BUDGET=30s\n".into()
            } else if k.name == "SLACK_NOTIFY" {
                "SLACK_NOTIFY=changes\n".into()
            } else {
                format!("{}=x\n", k.name)
            }
        })
        .collect();
    assert!(Host::with_file(all).load().unwrap().unknown_keys.is_empty());
    let files = "SLACK_WEBHOOK_URL_FILE=/x\nPD_ROUTING_KEY_FILE=/x\nSMTP_PASSWORD_FILE=/x\n";
    assert!(Host::with_file(files).load().unwrap().unknown_keys.is_empty());
    let unknown = Host::with_file("DB_PATH=/x\nDBPATH=/y\nPATH=/bin\n").load().unwrap().unknown_keys;
    assert_eq!(unknown, [("DBPATH".to_owned(), 2), ("PATH".to_owned(), 3)]);
}

#[test]
fn dev_null_and_an_empty_file_mean_no_settings() {
    let mut host = Host::with_file("");
    assert_eq!(host.load().unwrap().db_path.origin, Origin::Default);
    host.flags.env_file = Some("/dev/null".into());
    assert_eq!(host.load().unwrap().db_path.origin, Origin::Default);
}

#[test]
fn a_file_that_was_asked_for_and_is_no_readable_file_is_refused_and_never_waited_for() {
    let mut host = Host::with_file("");
    let folder = host.folder.path().to_owned();
    let fifo = folder.join("fifo");
    rustix::fs::mknodat(rustix::fs::CWD, &fifo, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    fs::write(folder.join("latin1"), b"# a\nENV_NAME=caf\xe9\n").unwrap();
    fs::write(folder.join("huge"), "#\n".repeat(3 << 20)).unwrap();
    fs::create_dir(folder.join("folder")).unwrap();
    for (name, why) in [
        ("none", "it is not there"),
        ("folder", "it is a folder, not a file"),
        ("fifo", "it is no regular file"),
        ("latin1", "line 2 is not UTF-8"),
        ("huge", "it is larger than 4096 KB"),
    ] {
        host.flags.env_file = Some(folder.join(name));
        assert_eq!(host.load().unwrap_err(), format!("cannot read env file {name}: {why}"));
    }
}

#[test]
fn a_line_that_is_not_read_alike_by_all_is_refused_with_its_number_and_without_its_value() {
    for (line, why) in [
        ("\u{feff}K=hunter2", "a byte-order mark"),
        ("K=hunter2\r", "a carriage return"),
        ("export K=hunter2", "`export`"),
        ("K=hunter2 # c", "a comment after the value"),
        ("K=$hunter2", "K has a dollar sign outside single quotes"),
        ("K=`hunter2`", "K has a backtick outside single quotes"),
        ("K=hunter2;x", "put it in single quotes"),
        ("A=hunter2", "A is set a second time (first on line 1)"),
        ("hunter2", "neither KEY=value nor a comment"),
    ] {
        let error = Host::with_file(format!("A=1\n{line}\n")).load().unwrap_err();
        assert!(error.starts_with("env:2: ") && error.contains(why), "{line:?}: {error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    let long = Host::with_file(format!("A=1\nB='{}'\n", "hunter2".repeat(150_000))).load().unwrap_err();
    assert_eq!(long, "env:2: a line of more than 8192 bytes");
}

#[test]
fn a_shell_reads_every_accepted_value_as_we_do() {
    let text = r#"# a remark with $HOME
A=plain
  B=https://h.example/x?a=1
C='two words; $HOME `id` \ "x" # y'
D="it's"
E=
F=''
G=a#b~c,d@e=f+g%h-i
H=Zürich
I='~/x'
"#;
    let host = Host::with_file(text);
    let entries = parse(text).unwrap();
    assert_eq!(entries.len(), 9);
    for entry in entries {
        let script = format!(". ./env && printf %s \"${{{}}}\"", entry.key);
        let shell = Command::new("sh")
            .arg("-c")
            .arg(script)
            .current_dir(host.folder.path())
            .env("HOME", "/wrong")
            .output();
        let shell = shell.unwrap();
        assert!(shell.status.success() && shell.stderr.is_empty(), "{shell:?}");
        assert_eq!(String::from_utf8(shell.stdout).unwrap(), entry.value, "{}", entry.key);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]
    /// Whatever is accepted, a shell reads it the same, and runs nothing.
    #[test]
    fn a_shell_agrees_with_every_value_that_is_accepted(pieces in vec(prop::sample::select(PIECES), 0..6)) {
        let line = format!("K={}", pieces.concat());
        if let Ok(entries) = parse(&line) {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("env"), &line).unwrap();
            let mut shell = Command::new("sh");
            shell.args(["-c", ". ./env && printf %s \"$K\""]).current_dir(folder.path()).env("HOME", "/wrong");
            let shell = shell.output().unwrap();
            prop_assert!(shell.status.success() && shell.stderr.is_empty(), "{line:?} {shell:?}");
            prop_assert_eq!(&String::from_utf8(shell.stdout).unwrap(), &entries[0].value, "{:?}", line);
        }
    }
}

const PIECES: &[&str] = &[
    "a", "'", "\"", " ", "\t", "#", "$a", "`", "\\", "~", "~/", ":", "=", "&", ";", "|", "*", "?", "(",
    "{a,b}", "!", "é", "[a]", "<", "%", "@", "+", "-", ",", "/", ".", "\u{a0}",
];

#[test]
fn an_unexpanded_template_is_refused_by_name_wherever_it_stands() {
    let said =
        "still holds an unexpanded variable in braces: nothing expands it here, so write the value itself";
    let file = Host::with_file("A=1\nSLACK_WEBHOOK_URL='${SLACK}'\n").load().unwrap_err();
    assert_eq!(file, format!("SLACK_WEBHOOK_URL (env:2) {said}"));
    let file = Host::with_file("WHATEVER='x${SLACK}'\n").load().unwrap_err();
    assert_eq!(file, format!("WHATEVER (env:1) {said}"));
    for name in ["DB_PATH", "PD_ROUTING_KEY", "SMTP_PASSWORD_FILE", "ENV_NAME"] {
        let variable = Host::with_file("").var(name, "x${Y}").load().unwrap_err();
        assert_eq!(variable, format!("{name} (environment) {said}"));
    }
    let bare = Host::with_file("A=1\nSLACK_WEBHOOK_URL=${SLACK}\n").load().unwrap_err();
    assert!(bare.starts_with("env:2: SLACK_WEBHOOK_URL has a dollar sign outside single quotes"), "{bare}");
    assert!(Host::with_file("").var("SOMEBODY_ELSES", "${Y}").load().is_ok());
}

#[test]
fn a_database_server_is_refused_without_its_password() {
    for url in ["postgres://u:hunter2@h/plms", "postgresql://u:hunter2@h/plms"] {
        let mut host = Host::with_file("").var("DB_PATH", url);
        let error = host.load().unwrap_err();
        assert!(
            error.starts_with("DB_PATH (environment) names a PostgreSQL database: only a registry in SQLite"),
            "{error}"
        );
        assert!(!error.contains("hunter2"));
        host = Host::with_file("DB_PATH=/x\n");
        host.flags.db = Some(url.into());
        assert!(host.load().unwrap_err().starts_with("DB_PATH (--db) names a PostgreSQL database"));
    }
    let error = Host::with_file("").var("DB_PATH", "mysql://h/x").load().unwrap_err();
    assert_eq!(error, "DB_PATH (environment) must be a path, not a URL");
}

#[test]
fn words_and_durations_are_checked_at_once() {
    let error = Host::with_file("SLACK_NOTIFY=allways\n").load().unwrap_err();
    assert_eq!(error, "SLACK_NOTIFY (env:1) must be one of always, changes, failures");
    let error = Host::with_file("DELIVER_BUDGET=soon\n").load().unwrap_err();
    assert_eq!(error, "DELIVER_BUDGET (env:1) must be a duration above zero, such as 60s");
    let error = Host::with_file("").var("ENV_NAME", OsStr::from_bytes(b"caf\xe9")).load().unwrap_err();
    assert_eq!(error, "ENV_NAME (environment) must be UTF-8");
    let odd = OsStr::from_bytes(b"/caf\xe9.db");
    assert_eq!(Host::with_file("").var("DB_PATH", odd).load().unwrap().db_path.value, Path::new(odd));
}

#[test]
fn tags_are_a_list() {
    let tags = Host::with_file("INVARIANT_TAGS='standard, strict  night,'\n").load().unwrap().invariant_tags;
    assert_eq!(tags, ["standard", "strict", "night"]);
}

#[test]
fn another_database_than_the_configured_one_is_told_by_what_it_is_not_how_it_is_written() {
    let mut host = Host::with_file("");
    let folder = host.folder.path().to_owned();
    let db = |name: &str| folder.join(name);
    fs::write(db("a.db"), "").unwrap();
    fs::write(db("b.db"), "").unwrap();
    std::os::unix::fs::symlink("a.db", db("link.db")).unwrap();
    let mut other = |configured: Option<&str>, flag: Option<&str>| {
        host.vars = configured.map(|c| ("DB_PATH".to_owned(), db(c).into_os_string())).into_iter().collect();
        host.flags.db = flag.map(db);
        host.load().unwrap().other_database().is_some()
    };
    assert!(other(Some("a.db"), Some("b.db")));
    assert!(other(Some("a.db"), Some("none.db")));
    assert!(!other(Some("a.db"), Some("link.db")));
    assert!(!other(Some("none.db"), Some("none.db")));
    assert!(!other(Some("a.db"), None));
    // Where the installation names none, the flag is its only word.
    assert!(!other(None, Some("b.db")));
}

// ---- secrets

#[test]
fn a_secret_comes_from_a_credential_then_a_file_then_the_variable() {
    let host = Host::with_file("PD_ROUTING_KEY=in-the-file\n");
    let folder = host.folder.path().to_owned();
    fs::write(folder.join("pd_routing_key"), "in-the-credential\n").unwrap();
    fs::write(folder.join("slack"), "in-its-file\n").unwrap();
    fs::write(folder.join("smtp_password"), "").unwrap();
    let host =
        host.var("SLACK_WEBHOOK_URL_FILE", folder.join("slack")).var("SMTP_PASSWORD", "in-the-variable");

    let read =
        |settings: &Settings, name: &str| settings.secret(name).read().unwrap().unwrap().expose().to_owned();
    let settings = host.load().unwrap();
    assert_eq!(read(&settings, "PD_ROUTING_KEY"), "in-the-file");
    assert_eq!(read(&settings, "SLACK_WEBHOOK_URL"), "in-its-file");

    let host = host.var("CREDENTIALS_DIRECTORY", &folder);
    let settings = host.load().unwrap();
    assert_eq!(read(&settings, "PD_ROUTING_KEY"), "in-the-credential");
    assert_eq!(read(&settings, "SLACK_WEBHOOK_URL"), "in-its-file");
    // An empty credential is none.
    assert_eq!(read(&settings, "SMTP_PASSWORD"), "in-the-variable");
    assert_eq!(settings.channels(), [("slack", true), ("pagerduty", true), ("mail", false)]);
    assert_eq!(*Host::with_file("").load().unwrap().secret("PD_ROUTING_KEY"), SecretSource::Unset);
    // Nor is one there in a folder that is not; where it cannot be looked at, it is not "not set".
    let nowhere = Host::with_file("").var("CREDENTIALS_DIRECTORY", folder.join("none"));
    assert_eq!(*nowhere.load().unwrap().secret("PD_ROUTING_KEY"), SecretSource::Unset);
    let hidden = Host::with_file("").var("CREDENTIALS_DIRECTORY", folder.join("slack"));
    let settings = hidden.load().unwrap();
    assert_eq!(settings.channels(), [("slack", true), ("pagerduty", true), ("mail", false)]);
    let error = settings.secret("PD_ROUTING_KEY").read().unwrap_err().to_string();
    assert!(error.contains("pd_routing_key") && error.contains("not a directory"), "{error}");
}

#[test]
fn a_secret_that_is_set_twice_is_refused() {
    let error =
        Host::with_file("PD_ROUTING_KEY_FILE=/x\n").var("PD_ROUTING_KEY", "hunter2").load().unwrap_err();
    let said =
        "PD_ROUTING_KEY (environment) and PD_ROUTING_KEY_FILE (env:1) are both set: which one is meant?";
    assert_eq!(error, said);
    assert!(Host::with_file("PD_ROUTING_KEY_FILE=/x\nPD_ROUTING_KEY=\n").load().is_ok());
}

#[test]
fn no_secret_is_in_what_is_shown_or_in_debug_output() {
    let settings = Host::with_file("SLACK_WEBHOOK_URL=https://hooks.example/hunter2\nSMTP_URL=smtps://u:hunter2@h.example:465\nUNKNOWN=hunter2\n")
        .var("PD_ROUTING_KEY", "hunter2")
        .var("PD_EVENTS_URL", "https://hunter2@events.example/v2")
        .var("SMTP_PASSWORD", "hunter2")
        .load()
        .unwrap();
    let everything = format!("{settings:?}\n{settings:#?}\n{:?}", settings.shown());
    assert!(!everything.contains("hunter2"), "{everything}");
    assert_eq!(shown(&settings, "SMTP_URL").0.as_deref(), Some("smtps://…@h.example:465"));
    assert_eq!(shown(&settings, "PD_ROUTING_KEY"), (None, "environment".into()));
    let (value, origin) = shown(&settings, "SLACK_WEBHOOK_URL");
    assert!(value.is_none() && origin.ends_with("env:1"), "{origin}");
}

#[test]
fn several_folders_of_invariants_stand_over_the_configured_one() {
    let mut host = Host::with_file("INVARIANTS_DIR=/etc/i\n");
    assert_eq!(host.load().unwrap().invariants.unwrap().value, [PathBuf::from("/etc/i")]);
    host.flags.invariants = vec!["a".into(), "b".into()];
    assert_eq!(host.load().unwrap().invariants.unwrap().value, [PathBuf::from("a"), PathBuf::from("b")]);
}

#[test]
fn the_shipped_env_file_is_one_and_so_are_its_examples() {
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deployment/plms-invariants.env"))
            .unwrap();
    let settings = Host::with_file(&text).load().unwrap();
    assert!(settings.unknown_keys.is_empty());
    let uncomment = |line: &str| {
        line.strip_prefix('#').filter(|l| l.starts_with(|c: char| c.is_ascii_uppercase())).map(str::to_owned)
    };
    let all: Vec<String> = text.lines().map(|l| uncomment(l).unwrap_or_else(|| l.to_owned())).collect();
    let settings = Host::with_file(all.join("\n")).load().unwrap();
    assert!(settings.unknown_keys.is_empty());
    // Nothing that can be set is missing from it.
    for shown in settings.shown() {
        assert!(shown.origin.contains("env:") || shown.origin.contains("_FILE"), "{shown:?}");
    }
}
