//! Files of invariants: what is read, and that everything else is refused with its file and line.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a helper that fails fails its test"
)]

use std::fs;
use std::path::Path;
use std::time::Duration;

use plms_invariants::invariants::{Body, Catalogue, Column, OnMissing, Source};
use plms_invariants::verdict::invariants::Severity;

const GOOD: &str = r#"/*---
id = "mine"
title = "Mine"
severity = "critical"
key = ["id"]
---*/
SELECT id FROM t WHERE a = b;
"#;

/// One operator's file; the catalogue that has it, or the refusal with the folder's path taken out.
fn load(text: impl AsRef<[u8]>) -> Result<Catalogue, String> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("x.sql"), text).unwrap();
    load_folder(folder.path())
}

fn load_folder(folder: &Path) -> Result<Catalogue, String> {
    let shown = format!("{}/", folder.display());
    Catalogue::load(&[folder.to_owned()])
        .map_err(|e| e.to_string().replace(&shown, "").replace(shown.trim_end_matches('/'), "DIR"))
}

/// The good file with one line of front matter in another's place, or added.
fn with(key: &str, line: &str) -> String {
    let prefix = format!("{key} =");
    let mut lines: Vec<&str> = GOOD.lines().filter(|l| !l.starts_with(&prefix)).collect();
    lines.insert(1, line);
    lines.join("\n")
}

fn body(sql: &str) -> String {
    GOOD.replace("SELECT id FROM t WHERE a = b;\n", sql)
}

#[track_caller]
fn refused(text: impl AsRef<[u8]>, expected: &str) {
    let text = text.as_ref();
    let got = load(text).map(|c| c.get("mine").cloned()).expect_err(&String::from_utf8_lossy(text));
    assert_eq!(got, expected, "{}", String::from_utf8_lossy(text));
}

#[test]
fn the_eight_built_in_invariants_are_the_documented_ones_in_their_order() {
    let catalogue = Catalogue::load(&[]).unwrap();
    let table = [
        ("passport_artifacts", "standard", Severity::Warning, "project_runs"),
        ("kpi_formulas", "standard", Severity::Warning, "task_estimates"),
        ("baseline_sandbox", "standard", Severity::Warning, "project_runs"),
        ("calibration_sources", "standard", Severity::Warning, "estimate_versions"),
        ("lane_overrides", "standard", Severity::Warning, "lane_overrides"),
        ("calibration_pollution", "strict", Severity::Critical, "estimate_versions"),
        ("provider_snapshots", "strict", Severity::Critical, "project_runs"),
        ("strata_coverage", "strict", Severity::Warning, "project_runs"),
    ];
    assert_eq!(catalogue.invariants.len(), table.len());
    for (invariant, (id, group, severity, table)) in catalogue.invariants.iter().zip(table) {
        assert_eq!((invariant.id.as_str(), invariant.severity), (id, severity));
        assert_eq!(invariant.tags, [group]);
        assert!(matches!(&invariant.body, Body::Rows { table: t, .. } if t == table), "{invariant:?}");
        assert_eq!(invariant.source.to_string(), format!("builtin/{id}.sql"));
    }
}

#[test]
fn the_examples_in_the_documents_are_invariants() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut catalogue = Catalogue::load(&[]).unwrap();
    for (name, examples) in [("README.md", 1), ("CONTRIBUTING.md", 2)] {
        let text = fs::read_to_string(folder.join(name)).unwrap();
        let blocks: Vec<&str> =
            text.split("```sql\n").skip(1).map(|b| b.split("```").next().unwrap()).collect();
        assert_eq!(blocks.len(), examples, "{name}");
        for (number, block) in blocks.into_iter().enumerate() {
            // The same example may stand in both.
            let block = block
                .replace("id = \"", &format!("id = \"e{number}_{}_", name.to_lowercase().replace(".md", "")));
            catalogue.add(&block, Source::File(folder.join(name))).unwrap();
        }
    }
}

#[test]
fn a_file_with_every_key_is_read_as_written() {
    let text = r#"/*---
id = "mine_2"                      # a remark
title = "Mine"
severity = "warning"
tags = ["standard", "night-ly"]
key = ["id", "other"]
sample = 0
timeout = "1m30s"
runbook = "https://wiki.example/mine"
owner = "data"
description = """
Two
lines"""
show = ["a"]
redact = ["a"]
min_examined = 1
needs = ["t.a", "t.b"]
on_missing = "skip"
---*/
-- Why this is so.
SELECT id, other, a FROM t WHERE a = ';' /* ; */
"#;
    let catalogue = load(text).unwrap();
    let mine = catalogue.get("mine_2").unwrap();
    assert_eq!((mine.title.as_str(), mine.severity), ("Mine", Severity::Warning));
    assert_eq!(
        (&mine.tags[..], &mine.key[..]),
        (&["standard".into(), "night-ly".into()][..], &["id".into(), "other".into()][..])
    );
    assert_eq!((mine.sample, mine.timeout, mine.min_examined), (0, Duration::from_secs(90), Some(1)));
    assert_eq!(mine.runbook.as_deref(), Some("https://wiki.example/mine"));
    assert_eq!((mine.owner.as_deref(), mine.description.as_deref()), (Some("data"), Some("Two\nlines")));
    assert_eq!((&mine.show[..], &mine.redact[..]), (&["a".into()][..], &["a".into()][..]));
    let column = |c: &str| Column { table: "t".into(), column: c.into() };
    assert_eq!((&mine.needs[..], mine.on_missing), (&[column("a"), column("b")][..], OnMissing::Skip));
    let sql = "-- Why this is so.\nSELECT id, other, a FROM t WHERE a = ';' /* ; */";
    assert_eq!(mine.body, Body::Query { sql: sql.into() });
    assert!(matches!(&mine.source, Source::File(path) if path.ends_with("x.sql")));
}

#[test]
fn what_is_left_out_has_its_default() {
    let catalogue = load(GOOD).unwrap();
    let mine = catalogue.get("mine").unwrap();
    assert_eq!((mine.sample, mine.timeout), (10, Duration::from_secs(60)));
    assert!(mine.tags.is_empty() && mine.show.is_empty() && mine.redact.is_empty() && mine.needs.is_empty());
    assert_eq!((mine.min_examined, mine.on_missing), (None, OnMissing::Error));
}

#[test]
fn a_byte_order_mark_windows_line_ends_and_no_last_line_end_change_nothing() {
    let expected = load(GOOD).unwrap().get("mine").unwrap().body.clone();
    for text in [
        format!("\u{feff}{GOOD}"),
        GOOD.replace('\n', "\r\n"),
        GOOD.trim_end().to_owned(),
        format!("\n \n{GOOD}"),
    ] {
        assert_eq!(load(&text).unwrap().get("mine").unwrap().body, expected, "{text:?}");
    }
}

#[test]
fn a_row_predicate_has_a_condition_and_no_statement() {
    let rows =
        "table = \"t\"\nviolates = \"a = b -- the same\"\nreason = \"'a is ' || a\"\n---*/\n-- no SQL here\n";
    let text = GOOD.split("---*/").next().unwrap().to_owned() + rows;
    let catalogue = load(&text).unwrap();
    // The line end keeps the remark from swallowing the parenthesis that the scan puts after it.
    let expected = Body::Rows {
        table: "t".into(),
        violates: "a = b -- the same\n".into(),
        reason: Some("'a is ' || a".into()),
    };
    assert_eq!(catalogue.get("mine").unwrap().body, expected);

    refused(
        text + "SELECT 1",
        "x.sql:10: a statement after a row predicate: `violates` is the whole question",
    );
}

#[test]
fn half_a_row_predicate_is_refused() {
    refused(with("table", "table = \"t\""), "x.sql:2: `table` without `violates`");
    refused(with("violates", "violates = \"a\""), "x.sql:2: `violates` without `table`");
    let reason = "x.sql:2: `reason` goes with `violates`; a query returns its own columns";
    refused(with("reason", "reason = \"a\""), reason);
    for (expression, why) in [
        ("a; b", "`;` in an expression"),
        ("a) OR (b", "parentheses do not match"),
        ("", "an empty expression"),
        ("a = 'b", "a string without its end"),
    ] {
        let text = with("violates", &format!("violates = \"{expression}\"\ntable = \"t\""));
        let text = text.replace("SELECT id FROM t WHERE a = b;", "");
        refused(text, &format!("x.sql:2: `violates`: {why}"));
    }
}

#[test]
fn sqlite_is_asked_its_own_section_and_what_is_common_to_all() {
    let sql = "-- common\n-- :dialect postgres\nSELECT id FROM t WHERE a @> '{}'; x\n-- :dialect sqlite\nSELECT id FROM t;\n";
    let catalogue = load(body(sql)).unwrap();
    let Body::Query { sql } = &catalogue.get("mine").unwrap().body else { panic!("{catalogue:?}") };
    let words: Vec<&str> = sql.split_whitespace().collect();
    assert_eq!(words, ["--", "common", "SELECT", "id", "FROM", "t"]);

    refused(body("-- :dialect postgres\nSELECT 1;\n"), "x.sql:7: no section `-- :dialect sqlite`");
    refused(
        body("-- :dialect sqlit\nSELECT 1;\n"),
        "x.sql:7: unknown dialect `sqlit`; did you mean `sqlite`?",
    );
    let twice = "-- :dialect sqlite\nSELECT 1\n-- :dialect sqlite\nWHERE 0";
    refused(body(twice), "x.sql:9: a second section for sqlite");
    // A mistake in the section is named by its line in the file.
    let late = "-- :dialect postgres\nSELECT 1;\n-- :dialect sqlite\nSELECT 1;\nSELECT 2;\n";
    refused(
        body(late),
        "x.sql:11: a second statement: an invariant is one statement that returns the violating rows",
    );
}

#[test]
fn an_unknown_key_is_refused_and_the_nearest_known_one_is_named() {
    refused(with("-", "severty = \"warning\""), "x.sql:2: unknown key `severty`; did you mean `severity`?");
    refused(with("-", "colour = 1"), "x.sql:2: unknown key `colour`");
    refused(
        GOOD.replace("---*/", "[table]\nx = 1\n---*/"),
        "x.sql:6: front matter is not understood: invalid type: map, expected a string",
    );
}

#[test]
fn a_missing_key_is_named() {
    for key in ["id", "title", "severity", "key"] {
        refused(with(key, ""), &format!("x.sql:2: `{key}` is missing"));
    }
}

#[test]
fn a_value_that_its_key_cannot_have_is_refused_with_its_line() {
    let id = "must be a lower-case letter and up to 63 of a-z, 0-9 and _";
    let long = "a".repeat(65);
    let cases = [
        ("id", "\"\"", id),
        ("id", "\"Mine\"", id),
        ("id", "\"1mine\"", id),
        ("id", "\"mi-ne\"", id),
        ("id", &format!("\"{long}\""), id),
        ("title", "\" \"", "must be one line of text"),
        ("title", "\"a\\nb\"", "must be one line of text"),
        ("severity", "\"info\"", "must be \"warning\" or \"critical\""),
        ("severity", "\"Critical\"", "must be \"warning\" or \"critical\""),
        ("key", "[]", "must name at least one column"),
        ("key", "[\"id\", \"id\"]", "names id twice"),
        ("key", "[\"\"]", "must be a name, without blanks around it"),
        ("sample", "1001", "must be 0 to 1000 rows"),
        ("sample", "-1", "must be 0 to 1000 rows"),
        ("timeout", "\"0s\"", "must be a duration above zero, such as \"30s\" or \"1m30s\""),
        ("timeout", "\"soon\"", "must be a duration above zero, such as \"30s\" or \"1m30s\""),
        ("timeout", "-3", "must be a duration above zero, such as \"30s\" or \"1m30s\""),
        ("tags", "[\"Night ly\"]", "must be words of a-z, 0-9, _ and -"),
        ("redact", "[\"secret\"]", "names a column that is neither in `key` nor in `show`"),
        ("min_examined", "-1", "must be a number of rows, 0 or more"),
        ("needs", "[\"t\"]", "must be columns as \"table.column\""),
        ("needs", "[\"main.t.c\"]", "must be columns as \"table.column\""),
        ("on_missing", "\"skip\"", "says nothing without `needs`"),
        ("on_missing", "\"pass\"\nneeds = [\"t.c\"]", "must be \"error\" or \"skip\""),
    ];
    for (key, value, why) in cases {
        refused(with(key, &format!("{key} = {value}")), &format!("x.sql:2: `{key}` {why}"));
    }
    // The greatest values that are allowed.
    for line in ["sample = 1000", "timeout = 1", "timeout = \"2d\"", "min_examined = 0"] {
        assert!(load(with(line.split(' ').next().unwrap(), line)).is_ok(), "{line}");
    }
}

#[test]
fn toml_that_is_none_is_refused_at_its_line() {
    let got = load(with("tags", "tags = [\"a\"")).unwrap_err();
    assert!(got.starts_with("x.sql:") && got.contains("front matter is not understood"), "{got}");
    let got = load(with("sample", "sample = \"ten\"")).unwrap_err();
    assert_eq!(got, "x.sql:2: front matter is not understood: invalid type: string \"ten\", expected i64");
    let got = load(with("x", "title = \"again\"")).unwrap_err();
    assert!(got.starts_with("x.sql:4: front matter is not understood: duplicate key"), "{got}");
}

#[test]
fn front_matter_must_be_there_and_must_end() {
    let none = "no front matter: the file must begin with a line `/*---` that opens it";
    refused("", &format!("x.sql:1: {none}"));
    refused("SELECT 1;\n", &format!("x.sql:1: {none}"));
    refused(GOOD.replace("/*---\n", "/*--- plms-invariant\n"), &format!("x.sql:1: {none}"));
    refused("/*---\nid = \"mine\"\n", "x.sql:3: front matter without its last line `---*/`");
    refused(
        with("title", "title = \"a */ b\""),
        "x.sql:2: `*/` in front matter would end the comment it stands in",
    );
}

#[test]
fn a_body_that_is_not_one_reading_statement_is_refused() {
    let none = "no SQL: the front matter must be followed by one statement that returns the violating rows";
    refused(body(""), &format!("x.sql:7: {none}"));
    refused(body("-- SELECT 1;\n"), &format!("x.sql:8: {none}"));
    let second = "a second statement: an invariant is one statement that returns the violating rows";
    refused(body("SELECT 1;\n\nDELETE FROM t;\n"), &format!("x.sql:9: {second}"));
    for (sql, word) in [
        ("INSERT INTO t VALUES (1)", "INSERT"),
        ("ATTACH 'x' AS y", "ATTACH"),
        ("PRAGMA user_version = 3", "PRAGMA"),
    ] {
        let why = format!("`{word}` does not read: an invariant is a SELECT, WITH or VALUES statement");
        refused(body(&format!("-- a\n{sql};\n")), &format!("x.sql:8: {why}"));
    }
    refused(
        body("WITH a AS (SELECT 1)\nDELETE FROM t;\n"),
        "x.sql:8: `DELETE` writes: an invariant only reads",
    );
    refused(
        body("SELECT id FROM t\nWHERE a > :limit;\n"),
        "x.sql:8: `:limit` is a placeholder, and nothing fills it in",
    );
    refused(body("SELECT 1 -- a\rWHERE 0;\n"), "x.sql:7: a control character (U+000D)");
}

#[test]
fn an_id_is_taken_once() {
    refused(
        with("id", "id = \"lane_overrides\""),
        "x.sql:2: id `lane_overrides` is taken by builtin/lane_overrides.sql",
    );
    let folder = tempfile::tempdir().unwrap();
    for name in ["b.sql", "a.sql"] {
        fs::write(folder.path().join(name), GOOD).unwrap();
    }
    assert_eq!(load_folder(folder.path()).unwrap_err(), "b.sql:2: id `mine` is taken by a.sql");
}

#[test]
fn a_folders_files_are_taken_by_name_and_nothing_else_in_it_is_looked_at() {
    let folder = tempfile::tempdir().unwrap();
    for (name, id) in [("10.sql", "ten"), ("9.sql", "nine"), ("B.sql", "big"), ("a.sql", "small")] {
        fs::write(folder.path().join(name), GOOD.replace("\"mine\"", &format!("\"{id}\""))).unwrap();
    }
    for name in [".hidden.sql", "x.sql~", "x.sql.bak", "README.md", "x.SQL"] {
        fs::write(folder.path().join(name), "no invariant").unwrap();
    }
    fs::create_dir(folder.path().join("sub")).unwrap();
    fs::write(folder.path().join("sub/x.sql"), "no invariant").unwrap();
    let catalogue = load_folder(folder.path()).unwrap();
    let own: Vec<&str> = catalogue.invariants.iter().skip(8).map(|i| i.id.as_str()).collect();
    assert_eq!(own, ["ten", "nine", "big", "small"]);
    assert!(catalogue.notes.is_empty());
}

#[test]
fn a_folder_without_an_invariant_is_noted_and_one_that_is_not_there_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let catalogue = Catalogue::load(&[folder.path().to_owned()]).unwrap();
    assert_eq!(catalogue.notes, [format!("no *.sql file in {}", folder.path().display())]);
    let none = folder.path().join("none");
    let error = Catalogue::load(std::slice::from_ref(&none)).unwrap_err().to_string();
    assert_eq!(
        error,
        format!(
            "cannot list the invariants in {}: no such file or directory; is INVARIANTS_DIR right?",
            none.display()
        )
    );
}

#[test]
fn what_is_no_readable_text_file_is_refused_and_never_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.sql");
    let refusal = || load_folder(folder.path()).unwrap_err();

    fs::create_dir(&path).unwrap();
    assert_eq!(refusal(), "cannot read invariant x.sql: it is a folder, not a file");
    fs::remove_dir(&path).unwrap();

    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    assert_eq!(refusal(), "cannot read invariant x.sql: it is no regular file");
    fs::remove_file(&path).unwrap();

    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    assert_eq!(refusal(), "cannot read invariant x.sql: it is not there");
    fs::remove_file(&path).unwrap();

    fs::write(&path, GOOD.as_bytes().iter().chain(b"-- \xff").copied().collect::<Vec<u8>>()).unwrap();
    assert_eq!(refusal(), "cannot read invariant x.sql: line 8 is not UTF-8");

    fs::write(&path, GOOD.to_owned() + &" ".repeat(1 << 20)).unwrap();
    assert_eq!(refusal(), "cannot read invariant x.sql: it is larger than 1024 KB");
}
