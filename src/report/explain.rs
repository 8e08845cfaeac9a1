//! What does an invariant ask, and what does the question cost?

use std::fmt::Write as _;
use std::time::Duration;

use serde_json::{Value, json};

use super::table::visible;
use crate::invariants::{Body, Invariant, OnMissing};
use crate::verdict::duration::human;

/// An invariant as the registry would answer it.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation<'a> {
    /// The invariant.
    pub invariant: &'a Invariant,
    /// The statement that is really asked.
    pub sql: String,
    /// `EXPLAIN QUERY PLAN`, in its order.
    pub plan: Vec<PlanStep>,
    /// Tables of which every row is read.
    pub full_scans: Vec<String>,
    /// Rows that one evaluation looked at; `None` where it was not evaluated.
    pub examined: Option<u64>,
    /// Violating rows that it found.
    pub violations: Option<u64>,
    /// What it took.
    pub took: Option<Duration>,
    /// A statement that makes the index which would spare a full scan, where there is one.
    pub index: Option<String>,
    /// What a reader must know beside ("shares its scan with …").
    pub notes: Vec<String>,
    /// What stood in the way of plan or evaluation.
    pub errors: Vec<String>,
}

impl<'a> Explanation<'a> {
    /// What an invariant's file alone says, and why there is no more.
    #[must_use]
    pub fn unanswered(invariant: &'a Invariant, error: String) -> Self {
        Self { errors: vec![error], ..Self::unasked(invariant) }
    }

    /// What an invariant's file alone says.
    #[must_use]
    pub fn unasked(invariant: &'a Invariant) -> Self {
        let sql = match &invariant.body {
            Body::Rows { table, violates, .. } => format!("SELECT * FROM {table} WHERE {violates}"),
            Body::Query { sql } => sql.clone(),
        };
        Self {
            invariant,
            sql,
            plan: vec![],
            full_scans: vec![],
            examined: None,
            violations: None,
            took: None,
            index: None,
            notes: vec![],
            errors: vec![],
        }
    }
}

/// One line of a query plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanStep {
    /// `SQLite`'s number of the step.
    pub id: i64,
    /// The step that it is a part of; 0 is none.
    pub parent: i64,
    /// `SCAN project_runs` and the like.
    pub detail: String,
}

/// For people.
#[must_use]
pub fn text(seen: &Explanation<'_>) -> String {
    let i = seen.invariant;
    let mut text = format!("{}: {}\n\n", i.id, visible(&i.title));
    if let Some(description) = &i.description {
        let _ = writeln!(text, "{}\n", lines(description, ""));
    }
    for (name, value) in facts(i) {
        let _ = writeln!(text, "{name:<14}{}", visible(&value));
    }
    let _ = write!(text, "\nSQL\n{}\n", lines(&seen.sql, "  "));
    if !seen.plan.is_empty() {
        text.push_str("\nQuery plan\n");
        for step in &seen.plan {
            let indent = "  ".repeat(depth(&seen.plan, step));
            let _ = writeln!(text, "  {indent}{}", visible(&step.detail));
        }
    }
    text.push_str("\nCost\n");
    for (name, value) in costs(seen) {
        let _ = writeln!(text, "  {name:<14}{}", visible(&value));
    }
    for (kind, sentences) in [("note", &seen.notes), ("error", &seen.errors)] {
        for sentence in sentences {
            let _ = writeln!(text, "  {kind}: {}", visible(sentence));
        }
    }
    text
}

/// For programs; the invariant is as `list` has it.
#[must_use]
pub fn object(seen: &Explanation<'_>) -> Value {
    let plan = seen.plan.iter().map(|s| json!({ "id": s.id, "parent": s.parent, "detail": s.detail }));
    json!({
        "invariant": super::catalogue::object(seen.invariant),
        "sql": seen.sql,
        "plan": plan.collect::<Vec<_>>(),
        "full_scans": seen.full_scans,
        "examined": seen.examined,
        "violations": seen.violations,
        "duration_seconds": seen.took.map(|t| t.as_secs_f64()),
        "index": seen.index,
        "notes": seen.notes,
        "errors": seen.errors,
    })
}

/// The front matter, without what says nothing.
fn facts(i: &Invariant) -> Vec<(&'static str, String)> {
    let needs: Vec<String> = i.needs.iter().map(|c| format!("{}.{}", c.table, c.column)).collect();
    let on_missing = match i.on_missing {
        OnMissing::Error => "",
        OnMissing::Skip => " (skipped without)",
    };
    let needs = if needs.is_empty() { String::new() } else { needs.join(" ") + on_missing };
    let kind = match &i.body {
        Body::Rows { table, .. } => format!("a condition over every row of {table}"),
        Body::Query { .. } => "a query that returns the violating rows".into(),
    };
    let facts = [
        ("severity", i.severity.word().to_owned()),
        ("tags", i.tags.join(" ")),
        ("asks", kind),
        ("key", i.key.join(" ")),
        ("shows", i.show.join(" ")),
        ("redacts", i.redact.join(" ")),
        ("sample", format!("{} rows", i.sample)),
        ("timeout", human(i.timeout)),
        ("needs", needs),
        ("min examined", i.min_examined.map(|n| n.to_string()).unwrap_or_default()),
        ("owner", i.owner.clone().unwrap_or_default()),
        ("runbook", i.runbook.clone().unwrap_or_default()),
        ("file", i.source.to_string()),
    ];
    facts.into_iter().filter(|(_, value)| !value.is_empty()).collect()
}

fn costs(seen: &Explanation<'_>) -> Vec<(&'static str, String)> {
    let known = |value: Option<String>| value.unwrap_or_else(|| "not known".to_owned());
    let number = |n: Option<u64>| known(n.map(|n| n.to_string()));
    // Without a plan nothing is known of scans, and so nothing of an index.
    let planned = |value: String| known((!seen.plan.is_empty()).then_some(value));
    let scans = if seen.full_scans.is_empty() { "none".to_owned() } else { seen.full_scans.join(" ") };
    vec![
        ("full scans", planned(scans)),
        ("rows examined", number(seen.examined)),
        ("violations", number(seen.violations)),
        ("time", known(seen.took.map(human))),
        ("index", planned(seen.index.clone().unwrap_or_else(|| "none found".to_owned()))),
    ]
}

/// How many steps a step is a part of; a plan that names itself as its part ends all the same.
fn depth(plan: &[PlanStep], step: &PlanStep) -> usize {
    let parent = |s: &PlanStep| plan.iter().find(|p| p.id == s.parent && s.parent != 0);
    let above = std::iter::successors(parent(step), |s| parent(s));
    above.take(plan.len()).count()
}

/// Each line on its own, indented, clean.
fn lines(text: &str, indent: &str) -> String {
    let clean = text.lines().map(|line| format!("{indent}{}", visible(&line.replace('\t', "    "))));
    clean.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::invariants::{Catalogue, Source};

    fn own() -> Invariant {
        let text = "/*---\nid = \"own\"\ntitle = \"Own \\u001b rule\"\nseverity = \"warning\"\nkey = [\"id\"]\n\
                    show = [\"a\"]\nredact = [\"a\"]\ndescription = \"Two\\nlines\"\nneeds = [\"t.a\"]\n\
                    on_missing = \"skip\"\nowner = \"data\"\n---*/\nSELECT id, a\nFROM t WHERE a = ';'";
        let mut catalogue = Catalogue::default();
        let refused = catalogue.add(text, Source::Builtin("own.sql")).unwrap_err();
        assert!(refused.to_string().contains("one line of text"), "{refused}");
        catalogue.add(&text.replace("\\u001b ", ""), Source::Builtin("own.sql")).unwrap();
        catalogue.invariants.remove(0)
    }

    #[test]
    fn an_explanation_reads_from_what_is_asked_to_what_it_costs() {
        let invariant = own();
        let step = |id, parent, detail: &str| PlanStep { id, parent, detail: detail.into() };
        let seen = Explanation {
            invariant: &invariant,
            sql: "SELECT id, a\n\tFROM t WHERE a = '\u{1b}[31m;'".into(),
            plan: vec![step(3, 0, "SCAN t"), step(9, 3, "LIST SUBQUERY 1"), step(12, 9, "SCAN u")],
            full_scans: vec!["t".into(), "u".into()],
            examined: Some(1000),
            violations: Some(2),
            took: Some(Duration::from_millis(1500)),
            index: Some("CREATE INDEX t_a ON t(a);".into()),
            notes: vec!["a note".into()],
            errors: vec![],
        };
        let expected = "\
own: Own rule

Two
lines

severity      warning
asks          a query that returns the violating rows
key           id
shows         a
redacts       a
sample        10 rows
timeout       1min
needs         t.a (skipped without)
owner         data
file          builtin/own.sql

SQL
  SELECT id, a
      FROM t WHERE a = '\\u{1b}[31m;'

Query plan
  SCAN t
    LIST SUBQUERY 1
      SCAN u

Cost
  full scans    t u
  rows examined 1000
  violations    2
  time          1.5s
  index         CREATE INDEX t_a ON t(a);
  note: a note
";
        assert_eq!(text(&seen), expected);
        let object = object(&seen);
        assert_eq!(object["invariant"]["needs"], json!(["t.a"]));
        assert_eq!(object["plan"][2], json!({ "id": 12, "parent": 9, "detail": "SCAN u" }));
        assert_eq!((&object["examined"], &object["duration_seconds"]), (&json!(1000), &json!(1.5)));
    }

    #[test]
    fn what_is_not_known_is_no_zero_and_a_plan_that_bites_its_tail_ends() {
        let invariant = own();
        let step = |id, parent| PlanStep { id, parent, detail: "SCAN t".into() };
        let seen = Explanation {
            invariant: &invariant,
            sql: "SELECT 1".into(),
            plan: vec![step(1, 2), step(2, 1)],
            full_scans: vec!["t".into()],
            examined: None,
            violations: None,
            took: None,
            index: None,
            notes: vec![],
            errors: vec!["no such column: a".into()],
        };
        let text = text(&seen);
        assert!(
            text.contains("full scans    t\n  rows examined not known\n  violations    not known\n"),
            "{text}"
        );
        assert!(text.ends_with("error: no such column: a\n"), "{text}");
        assert_eq!(object(&seen)["examined"], Value::Null);
        let unasked = super::text(&Explanation::unanswered(&invariant, "no registry".into()));
        assert!(
            unasked.contains("full scans    not known\n") && unasked.contains("index         not known\n"),
            "{unasked}"
        );
    }
}
