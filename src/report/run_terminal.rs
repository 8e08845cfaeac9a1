//! What does a person at a terminal see of a run? A table of all invariants, then the rows to mend.

use std::fmt::Write as _;

use super::cell;
use super::paint::Paint;
use super::run_text::{counted, key, sentence, since};
use super::table::cut_columns;
use super::text::one_line;
use crate::verdict::State;
use crate::verdict::invariants::{Cell, Evaluation, Outcome, Report, SampleRow};
use crate::verdict::streaks::Streaks;

/// The widest that the columns before the title may become.
const ID: usize = 40;

/// The whole report for a terminal of `width` columns; the sample is cut there, what a person must know
/// is not.
#[must_use]
pub fn render(report: &Report, streaks: &Streaks, paint: Paint, width: usize) -> String {
    let mut text = String::new();
    let state = report.state();
    let head = format!("PLMS INVARIANTS {}", state.word());
    let _ = writeln!(text, "{}: {}", paint.state(Some(state), &head), one_line(&sentence(report)));
    about(&mut text, report, paint);
    if !report.evaluations.is_empty() {
        text.push('\n');
        table(&mut text, report, paint, width);
    }
    for evaluation in report.worst_first() {
        details(&mut text, evaluation, report, streaks, (paint, width));
    }
    text
}

fn about(text: &mut String, report: &Report, paint: Paint) {
    let size =
        report.database_size.map(|bytes| format!(" ({})", bytes_for_people(bytes))).unwrap_or_default();
    let mut line = |name: &str, words: &str| {
        let _ = writeln!(text, "{} {}", paint.faint(&format!("{name:>8}")), one_line(words));
    };
    line("registry", &format!("{}{size}", report.db_path));
    let took = (report.finish - report.start).as_seconds_f64();
    let reading = report.reading.as_ref().map(|reading| format!(", {reading}")).unwrap_or_default();
    line("run", &format!("{} in {took:.2} s{reading}", report.finish.format("%Y-%m-%d %H:%M:%S UTC")));
    for finding in &report.findings {
        let word = paint.state(Some(finding.state), &format!("{:>8}", finding.state.word()));
        let _ = writeln!(text, "{word} {}", one_line(&finding.sentence));
    }
}

fn table(text: &mut String, report: &Report, paint: Paint, width: usize) {
    let id = |evaluation: &Evaluation| cut_columns(&one_line(&evaluation.id), ID);
    let ids =
        report.evaluations.iter().map(|e| id(e).chars().count()).max().unwrap_or(0).max("invariant".len());
    let most = report.evaluations.iter().filter_map(Evaluation::examined).max().unwrap_or(0);
    let examined = most.to_string().len().max("examined".len());
    let before_title = 8 + 2 + ids + 2 + 10 + 2 + examined + 2 + 7 + 2;
    let room = width.saturating_sub(before_title).max(10);
    let heading = format!(
        "{:8}  {:ids$}  {:>10}  {:>examined$}  {:>7}  rule",
        "state", "invariant", "violations", "examined", "seconds"
    );
    let _ = writeln!(text, "{}", paint.heading(&heading));
    let known = |number: Option<u64>| number.map_or_else(|| "-".to_owned(), |n| n.to_string());
    for evaluation in report.worst_first() {
        let state = evaluation.state();
        let word = format!("{:8}", state.map_or("skipped", State::word));
        let _ = writeln!(
            text,
            "{}  {:ids$}  {:>10}  {:>examined$}  {:>7}  {}",
            paint.state(state, &word),
            id(evaluation),
            known(evaluation.violations()),
            known(evaluation.examined()),
            evaluation.duration.map_or_else(|| "-".to_owned(), |took| format!("{:.3}", took.as_secs_f64())),
            cut_columns(&one_line(&evaluation.title), room),
        );
    }
}

/// What the table has no room for: since when, why, which rows.
fn details(
    text: &mut String,
    evaluation: &Evaluation,
    report: &Report,
    streaks: &Streaks,
    (paint, width): (Paint, usize),
) {
    let state = evaluation.state();
    let mut lines: Vec<String> = Vec::new();
    if let Outcome::Skipped { reason } = &evaluation.outcome {
        lines.push(format!("skipped: {reason}"));
    }
    let prefix = if state == Some(State::Unknown) { "not checked" } else { "not all was checked" };
    let is_said = |error: &String| report.findings.iter().any(|finding| finding.sentence == *error);
    let errors = evaluation.errors().iter().filter(|error| !is_said(error));
    lines.extend(errors.map(|error| format!("{prefix}: {error}")));
    lines.extend(evaluation.notes.iter().cloned());
    if state.is_some_and(|state| state != State::Ok) && (!lines.is_empty() || state > Some(State::Unknown)) {
        lines.extend(evaluation.owner.iter().map(|owner| format!("owner: {owner}")));
        lines.extend(evaluation.runbook.iter().map(|runbook| format!("runbook: {runbook}")));
    }
    if lines.is_empty() && evaluation.sample().is_empty() {
        return;
    }
    let count = evaluation.violations().filter(|count| *count > 0);
    let count = count.map(|count| counted(count, "violation")).unwrap_or_default();
    let since = since(evaluation, report, streaks);
    let about = match (count.as_str(), since.strip_prefix(' ')) {
        ("", Some(age)) => format!(": was failing {age}"),
        ("", None) => String::new(),
        (count, Some(age)) => format!(": {count}, failing {age}"),
        (count, None) => format!(": {count}{since}"),
    };
    let id = paint.state(state, &one_line(&evaluation.id));
    let _ = writeln!(text, "\n{id}{about}");
    for line in lines {
        let _ = writeln!(text, "  {}", one_line(&line));
    }
    for row in evaluation.sample() {
        let row = one_line(&shown(evaluation, row));
        let _ = writeln!(text, "  {}", cut_columns(&row, width.saturating_sub(2).max(20)));
    }
    let more = evaluation.violations().unwrap_or(0).saturating_sub(evaluation.sample().len() as u64);
    if more > 0 {
        let id = one_line(&evaluation.id);
        let _ = writeln!(text, "  {}", paint.faint(&format!("and {more} more: plms-invariants rows {id}")));
    }
}

/// Which row and why, then what else the invariant shows of it: a narrow terminal cuts the end.
fn shown(evaluation: &Evaluation, row: &SampleRow) -> String {
    let is_further = |(name, _): &&(String, Cell)| !evaluation.key.contains(name);
    let cells: Vec<_> = row.cells.iter().filter(is_further).cloned().collect();
    if cells.is_empty() || cells.len() == row.cells.len() {
        return cell::row(row);
    }
    format!("{} ({})", key(evaluation, row), cell::row(&SampleRow { cells, reason: None }))
}

fn bytes_for_people(bytes: u64) -> String {
    let mut whole = bytes;
    for unit in ["B", "kB", "MB", "GB"] {
        if whole < 10_000 {
            return format!("{whole} {unit}");
        }
        whole /= 1000;
    }
    format!("{whole} TB")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::{at, clean, hostile_run, mixed};
    use crate::report::golden;
    use crate::verdict::streaks::Streak;

    fn streaks() -> Streaks {
        let streak = Streak { failing_since: Some(at("2025-11-01T07:00:03Z")), last_time_to_fix: None };
        Streaks { last_success: None, invariants: [("lane_overrides".to_owned(), streak)].into() }
    }

    #[test]
    fn a_clean_and_a_mixed_run_read_well() {
        golden::compare("run_clean.terminal", &render(&clean(), &Streaks::default(), Paint::Plain, 100));
        golden::compare("run_mixed.terminal", &render(&mixed(), &streaks(), Paint::Plain, 100));
    }

    /// Drops `ESC [ … m`.
    fn unpainted(text: &str) -> String {
        let mut parts = text.split('\u{1b}');
        let first = parts.next().unwrap().to_owned();
        first + &parts.map(|part| part.split_once('m').unwrap().1).collect::<String>()
    }

    #[test]
    fn colour_changes_no_column_and_plain_text_has_no_escape() {
        let plain = render(&mixed(), &streaks(), Paint::Plain, 100);
        let coloured = render(&mixed(), &streaks(), Paint::Colour, 100);
        assert!(!plain.contains('\u{1b}'));
        assert!(coloured.contains("\u{1b}[1m\u{1b}[31mCRITICAL"), "{coloured:?}");
        assert_eq!(unpainted(&coloured), plain);
    }

    #[test]
    fn the_table_and_the_sample_fit_the_terminal() {
        let mut report = mixed();
        report.evaluations[1].title = "ü".repeat(500);
        for width in [80, 100] {
            let text = render(&report, &streaks(), Paint::Plain, width);
            let (table, _) = text.split_once("\nstate ").unwrap().1.split_once("\n\n").unwrap();
            assert!(table.lines().all(|line| line.chars().count() <= width), "{table}");
        }
        let narrow = render(&report, &streaks(), Paint::Plain, 0);
        assert!(narrow.contains("lane_overrides"), "{narrow}");
    }

    #[test]
    fn hostile_text_paints_nothing_and_breaks_no_line() {
        let report = hostile_run();
        let text = render(&report, &Streaks::default(), Paint::Plain, 120);
        assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'));
        let quiet = Report { evaluations: mixed().evaluations, ..report };
        let lines = |report: &Report| render(report, &Streaks::default(), Paint::Plain, 120).lines().count();
        assert_eq!(lines(&quiet), lines(&Report { findings: quiet.findings.clone(), ..mixed() }));
    }
}
