//! What is refused, with which sentence, and is nothing touched?

use std::fs;

use super::{OWN, folder, plms, refused, registry};

/// Every verb that reads the catalogue, and a run.
const ASKING: [&str; 3] = ["", "list", "config check"];

#[test]
fn an_unknown_flag_or_verb_is_unknown() {
    let folder = folder();
    refused(folder.path(), "--nonsense", "unexpected argument '--nonsense' found");
    refused(folder.path(), "nonsense", "unrecognized subcommand 'nonsense'");
    refused(folder.path(), "-t never", "invalid value 'never' for '--timeout <DURATION>'");
    refused(folder.path(), "--standard --strict", "'--standard' cannot be used with '--strict'");
    refused(folder.path(), "rows", "required arguments were not provided");
    plms(folder.path(), "--help").expect_status(3).expect_stdout("Usage: plms-invariants");
    plms(folder.path(), "--version").expect_status(3).expect_stdout(env!("CARGO_PKG_VERSION"));
}

#[test]
fn an_unknown_id_or_nothing_selected_is_unknown() {
    let folder = folder();
    for verb in ["", "list"] {
        refused(
            folder.path(),
            &format!("{verb} --only lane_override"),
            "no invariant is named `lane_override`; did you mean `lane_overrides`?",
        );
        refused(folder.path(), &format!("{verb} --skip x"), "no invariant is named `x`");
        refused(folder.path(), &format!("{verb} --tag nigth"), "--tag nigth: no invariant has this tag");
        refused(
            folder.path(),
            &format!("{verb} --only lane_overrides --skip lane_overrides"),
            "--only lane_overrides: another flag leaves this invariant out",
        );
        refused(
            folder.path(),
            &format!("{verb} --tag strict --standard"),
            "no invariant is selected: nothing would be checked",
        );
    }
    refused(folder.path(), "explain lane_override", "did you mean `lane_overrides`?");
    refused(folder.path(), "rows lane_override", "did you mean `lane_overrides`?");
}

#[test]
fn a_file_that_is_no_invariant_stops_everything_with_its_file_and_line() {
    let with = |key: &str, line: &str| OWN.replace(key, line);
    let cases = [
        (
            "unknown.sql",
            with("tags = ", "tagz = "),
            "unknown.sql:5: unknown key `tagz`; did you mean `tags`?",
        ),
        ("noid.sql", with("id = \"own\"\n", ""), "noid.sql:2: `id` is missing"),
        (
            "taken.sql",
            with("\"own\"", "\"lane_overrides\""),
            "taken.sql:2: id `lane_overrides` is taken by builtin/lane_overrides.sql",
        ),
        ("nosql.sql", OWN.split("SELECT").next().unwrap().into(), "nosql.sql:8: no SQL"),
        ("two.sql", with("WHERE 0", "WHERE 0;\nSELECT 2"), "two.sql:9: a second statement"),
        ("insert.sql", with("SELECT id FROM", "INSERT INTO"), "insert.sql:8: `INSERT` does not read"),
        (
            "attach.sql",
            with("SELECT id FROM lane_overrides WHERE 0", "ATTACH 'x' AS y"),
            "attach.sql:8: `ATTACH` does not read",
        ),
        (
            "pragma.sql",
            with("SELECT id FROM lane_overrides WHERE 0", "PRAGMA user_version=3"),
            "pragma.sql:8: `PRAGMA` does not read",
        ),
        ("plain.sql", "SELECT 1;\n".into(), "plain.sql:1: no front matter"),
    ];
    for (name, text, sentence) in cases {
        let folder = folder();
        fs::create_dir(folder.path().join("i")).unwrap();
        fs::write(folder.path().join("i").join(name), text).unwrap();
        for verb in ASKING {
            refused(folder.path(), &format!("{verb} --invariants i"), &format!("i/{sentence}"));
        }
    }
    let folder = folder();
    refused(
        folder.path(),
        "list --invariants none",
        "cannot list the invariants in none: no such file or directory",
    );
}

#[test]
fn an_endless_statement_is_cancelled_by_its_timeout_and_unknown() {
    let folder = folder();
    registry(folder.path());
    fs::create_dir(folder.path().join("i")).unwrap();
    let endless =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT i AS id FROM n WHERE i < 0";
    let text = OWN
        .replace("key = ", "timeout = \"100ms\"\nkey = ")
        .replace("SELECT id FROM lane_overrides WHERE 0", endless);
    fs::write(folder.path().join("i/own.sql"), text).unwrap();
    let seen = plms(folder.path(), "--invariants i --only own").expect_status(3);
    assert!(seen.stdout.contains("\nUNKNOWN: own: not checked: cancelled: "), "{seen:#}");
    // The verb that streams rows has the time of the whole invocation.
    plms(folder.path(), "--invariants i rows own -t 0.1")
        .expect_status(3)
        .expect_stdout("(--timeout) is over");
}

#[test]
fn an_env_file_that_is_none_stops_everything_with_its_line_and_without_its_value() {
    let folder = folder();
    let path = folder.path().join("env");
    for (text, sentence) in [
        ("\u{feff}DB_PATH=hunter2\n".to_owned(), "env:1: a byte-order mark"),
        ("A=1\nDB_PATH=hunter2\r\n".into(), "env:2: a carriage return"),
        ("export DB_PATH=hunter2\n".into(), "env:1: `export`"),
        ("DB_PATH=hunter2 # c\n".into(), "env:1: a comment after the value"),
        ("A=hunter2\nA=hunter2\n".into(), "env:2: A is set a second time (first on line 1)"),
        (format!("#\n#\nA={}\n", "hunter2".repeat(150_000)), "env:3: a line of more than 8192 bytes"),
        ("DB_PATH='x${hunter2}'\n".into(), "DB_PATH (env:1) still holds an unexpanded variable in braces"),
        ("DB_PATH=postgres://u:hunter2@h/x\n".into(), "DB_PATH (env:1) names a PostgreSQL database"),
    ] {
        fs::write(&path, text).unwrap();
        // Service output has no `$`: Icinga takes it for a macro.
        let sentence = sentence.replace('$', "?");
        for verb in ["", "list", "status", "history", "config check"] {
            refused(folder.path(), &format!("{verb} --env-file env"), &sentence);
            let seen = plms(folder.path(), &format!("{verb} --env-file env -v -o json")).expect_status(3);
            assert!(!seen.stdout.contains("hunter2") && !seen.stderr.contains("hunter2"), "{seen:#}");
        }
    }
    fs::remove_file(&path).unwrap();
    refused(folder.path(), "list --env-file env", "cannot read env file env: it is not there");
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    refused(folder.path(), "list --env-file env", "cannot read env file env: it is no regular file");
    refused(folder.path(), "list --env-file .", "cannot read env file .: it is a folder, not a file");
}
