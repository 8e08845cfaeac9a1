//! Was exactly what was planted found, and what can a person do next?

use std::fmt::Write as _;

use super::Planted;
use crate::report::table::{Align, Table};
use crate::verdict::invariants::{Outcome, Report};

/// What one invariant came to, beside what was planted for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// The invariant.
    pub id: String,
    /// Violating rows that were planted; `None`: the registry is too old for it.
    pub planted: Option<u64>,
    /// Violating rows that were found; `None`: it was not checked.
    pub found: Option<u64>,
    /// What kept it from being checked, wholly or in part.
    pub error: Option<String>,
}

impl Line {
    /// The check found what was planted, no more, no less, and nothing stood in its way.
    #[must_use]
    pub fn agrees(&self) -> bool {
        self.planted == self.found && self.error.is_none()
    }
}

/// One line for each invariant that was planted or asked, in the order of the report.
#[must_use]
pub fn compare(planted: &Planted, report: &Report) -> Vec<Line> {
    let asked = report.evaluations.iter().map(|evaluation| Line {
        id: evaluation.id.clone(),
        planted: planted.violations.get(evaluation.id.as_str()).copied(),
        found: match evaluation.outcome {
            Outcome::Checked { violations, .. } => Some(violations),
            Outcome::Failed { .. } | Outcome::Skipped { .. } => None,
        },
        error: evaluation.errors().first().cloned(),
    });
    let mut lines: Vec<Line> = asked.collect();
    for (&id, &count) in &planted.violations {
        if !lines.iter().any(|line| line.id == id) {
            let error = Some("was not asked".to_owned());
            lines.push(Line { id: id.to_owned(), planted: Some(count), found: None, error });
        }
    }
    lines
}

/// The lines as a table, with what it comes to.
#[must_use]
pub fn table(lines: &[Line]) -> String {
    let headings =
        [("invariant", Align::Left), ("planted", Align::Right), ("found", Align::Right), ("", Align::Left)];
    let mut table = Table::new(Vec::new(), &headings);
    let count = |count: Option<u64>| count.map_or_else(|| "-".to_owned(), |count| count.to_string());
    for line in lines {
        let mark = if line.agrees() { "✓" } else { "✗" };
        let remark = line.error.as_ref().map_or_else(|| mark.to_owned(), |error| format!("{mark} {error}"));
        let _infallible = table.row([line.id.clone(), count(line.planted), count(line.found), remark]);
    }
    let mut text = String::from_utf8(table.finish().unwrap_or_default()).unwrap_or_default();
    let wrong = lines.iter().filter(|line| !line.agrees()).count();
    let _infallible = match (wrong, lines.len()) {
        (_, 0) => writeln!(text, "Nothing was asked."),
        (0, _) => writeln!(text, "Every planted violation was found, and nothing else."),
        (wrong, all) => writeln!(text, "{wrong} of {all} counts differ from what was planted."),
    };
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::report::fixture;
    use crate::verdict::invariants::Severity;

    fn planted(counts: &[(&'static str, u64)]) -> Planted {
        Planted {
            registry: "r".into(),
            artifacts: None,
            violations: counts.iter().copied().collect(),
            runs_without_id: 0,
            rows: BTreeMap::new(),
        }
    }

    fn checked(violations: u64, errors: &[&str]) -> Outcome {
        let errors = errors.iter().map(ToString::to_string).collect();
        Outcome::Checked { violations, examined: None, sample: vec![], errors }
    }

    fn report(outcomes: Vec<(&str, Outcome)>) -> Report {
        let evaluation = |(id, outcome)| fixture::evaluation(id, Severity::Warning, outcome);
        fixture::run("2025-11-06T07:00:03Z", outcomes.into_iter().map(evaluation).collect())
    }

    fn agrees(counts: &[(&'static str, u64)], outcomes: Vec<(&str, Outcome)>) -> bool {
        compare(&planted(counts), &report(outcomes)).iter().all(Line::agrees)
    }

    #[test]
    fn only_the_exact_count_wholly_checked_agrees() {
        assert!(agrees(&[("a", 3)], vec![("a", checked(3, &[]))]));
        assert!(agrees(&[("a", 0)], vec![("a", checked(0, &[]))]));
        for outcome in [
            checked(2, &[]),
            checked(4, &[]),
            checked(3, &["timed out"]),
            Outcome::Failed { errors: vec!["no such column".into()] },
            Outcome::Skipped { reason: "too old".into() },
        ] {
            assert!(!agrees(&[("a", 3)], vec![("a", outcome.clone())]), "{outcome:?}");
        }
    }

    #[test]
    fn what_was_planted_and_not_asked_is_missed_and_what_was_not_planted_is_too_much() {
        assert!(!agrees(&[("a", 0)], vec![]));
        assert!(!agrees(&[], vec![("a", checked(0, &[]))]));
        assert!(agrees(&[], vec![("a", Outcome::Skipped { reason: "too old".into() })]));
    }

    #[test]
    fn the_table_marks_each_count_and_says_what_it_comes_to() {
        let outcomes = vec![("lane_overrides", checked(3, &[])), ("a", checked(1, &["timed\nout"]))];
        let lines = compare(&planted(&[("a", 2), ("lane_overrides", 3)]), &report(outcomes));
        let want = "\
invariant       planted  found
lane_overrides        3      3  ✓
a                     2      1  ✗ timed\\nout
1 of 2 counts differ from what was planted.
";
        assert_eq!(table(&lines), want);
    }
}
