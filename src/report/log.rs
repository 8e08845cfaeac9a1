//! What does the log of a run say? Contract 5: other software greps it, so no text from the registry may
//! look like a line of ours.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};

use super::cell;
use super::text::{cut, one_line};
use crate::verdict::State;
use crate::verdict::invariants::{Evaluation, Outcome, Report};

/// One line, in bytes; a person reads it, and the exact text is in the JSON.
const LINE: usize = 2000;

/// The whole log of a run.
#[must_use]
pub fn render(report: &Report) -> String {
    let mut text = String::new();
    head(&mut text, report);
    for evaluation in report.worst_first() {
        text.push('\n');
        describe(&mut text, evaluation);
    }
    if report.is_success() {
        text.push_str("\n✓ All invariants passed\n");
    }
    text
}

fn head(text: &mut String, report: &Report) {
    let sum = report.summary();
    let seconds = (report.finish - report.start).as_seconds_f64();
    line(text, "", &format!("PLMS INVARIANTS {} in {}", report.state().word(), report.env));
    line(text, "registry: ", &report.db_path);
    let (start, finish) = (instant(report.start), instant(report.finish));
    line(
        text,
        "run: ",
        &format!("{start} to {finish} ({seconds:.1} s), invocation {}", report.invocation_id),
    );
    if let Some(reading) = &report.reading {
        line(text, "reading: ", reading);
    }
    if let Some(incomplete) = &report.incomplete {
        line(text, "incomplete: ", incomplete);
    }
    for finding in &report.findings {
        line(text, &format!("{}: ", finding.state.word()), &finding.sentence);
    }
    let _ = writeln!(
        text,
        "invariants: {} selected, {} passed, {} violated, {} not checked, {} skipped",
        sum.total, sum.passed, sum.failed, sum.error, sum.skipped
    );
    let _ = writeln!(text, "Total violations: {}", sum.violations);
}

fn describe(text: &mut String, evaluation: &Evaluation) {
    let title = format!("{}: {}", evaluation.id, evaluation.title);
    let count = evaluation.violations().unwrap_or(0);
    let rows = if count == 1 { "violation" } else { "violations" };
    let counted = format!("{}: {count} {rows}: {}", evaluation.id, evaluation.title);
    match evaluation.state() {
        Some(State::Critical) => line(text, "🔴 ", &counted),
        Some(State::Warning) => line(text, "⚠️ ", &counted),
        Some(State::Unknown) => line(text, "UNKNOWN ", &title),
        Some(State::Ok) => line(text, "passed ", &title),
        None => line(text, "skipped ", &title),
    }
    if let Outcome::Skipped { reason } = &evaluation.outcome {
        line(text, "  because: ", reason);
    }
    for error in evaluation.errors() {
        line(text, "  error: ", error);
    }
    for row in evaluation.sample() {
        line(text, "  row: ", &cell::row(row));
    }
    let more = count.saturating_sub(evaluation.sample().len() as u64);
    if more > 0 {
        let _ = writeln!(text, "  and {more} more");
    }
    if let Some(runbook) = evaluation.runbook.as_ref().filter(|_| is_bad(evaluation)) {
        line(text, "  runbook: ", runbook);
    }
    if let Some(owner) = evaluation.owner.as_ref().filter(|_| is_bad(evaluation)) {
        line(text, "  owner: ", owner);
    }
    for note in &evaluation.notes {
        line(text, "  note: ", note);
    }
    let Some(took) = evaluation.duration else { return };
    let seconds = took.as_secs_f64();
    let examined = evaluation.examined().map(|rows| format!(", {rows} rows examined")).unwrap_or_default();
    let _ = writeln!(text, "  took {seconds:.3} s{examined}");
}

fn is_bad(evaluation: &Evaluation) -> bool {
    evaluation.state().is_some_and(|state| state != State::Ok)
}

fn instant(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// One line of ours; `words` may hold anything. Cleaned as a whole, since two harmless texts may make a
/// forged line together.
fn line(text: &mut String, ours: &str, words: &str) {
    let _ = writeln!(text, "{ours}{}", cut(&unforged(&one_line(words)), LINE));
}

/// Without the marks and the phrase by which other software reads this log.
fn unforged(words: &str) -> String {
    words.replace(['✓', '⚠', '🔴'], "?").replace("Total violations:", "Total violations;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{clean, evaluation, failed, hostile_run, mixed, row, run};
    use crate::report::golden;
    use crate::verdict::Finding;
    use crate::verdict::invariants::{Cell, Severity};

    /// As the operations API reads a log.
    fn grep(log: &str, text: &str) -> usize {
        log.lines().filter(|line| line.contains(text)).count()
    }

    fn marked(log: &str) -> usize {
        log.lines().map(str::trim_start).filter(|l| l.starts_with("⚠️") || l.starts_with("🔴")).count()
    }

    #[test]
    fn a_clean_and_a_mixed_log_read_as_contracted() {
        golden::compare("run_clean.log", &render(&clean()));
        golden::compare("run_mixed.log", &render(&mixed()));
    }

    #[test]
    fn only_a_run_that_is_ok_says_that_all_passed() {
        let passed = |report: &Report| grep(&render(report), "✓ All invariants passed");
        assert_eq!(passed(&clean()), 1);
        let mut lifted = clean();
        lifted.findings.push(Finding::new(State::Unknown, "no room for the textfile"));
        assert_eq!(passed(&lifted), 0);
        let unknown = vec![evaluation("x", Severity::Warning, failed("locked"))];
        for report in [mixed(), hostile_run(), run("2025-11-06T07:00:03Z", unknown)] {
            assert_eq!(passed(&report), 0);
            assert_eq!(grep(&render(&report), "Total violations: "), 1);
        }
    }

    #[test]
    fn each_violated_invariant_has_one_marked_line_and_no_data_forges_another() {
        assert_eq!(marked(&render(&clean())), 0);
        assert_eq!(marked(&render(&mixed())), 2);
        let log = render(&hostile_run());
        assert_eq!(marked(&log), 1);
        assert_eq!(grep(&log, "Total violations:"), 1);
        assert_eq!(grep(&log, "✓"), 0);
        assert!(!log.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}' || c == '\u{2066}'));
        assert!(log.lines().all(|line| line.len() <= LINE + 20));
    }

    #[test]
    fn two_harmless_cells_forge_nothing_together() {
        let mut report = mixed();
        let pair = row(&[("x", Cell::Text("Total violations".into()))], Some("0"));
        if let Outcome::Checked { sample, .. } = &mut report.evaluations[1].outcome {
            sample.push(pair);
        }
        assert_eq!(grep(&render(&report), "Total violations:"), 1);
    }
}
