//! What do dashboards and alert rules learn from a run? Contract 6: `plms_invariants.prom`.

use super::gauges::{Gauges, Number, seconds};
use crate::verdict::State;
use crate::verdict::invariants::{Evaluation, Report};
use crate::verdict::streaks::{Streak, Streaks};

/// The exposition of a full run, whatever its state; `streaks` is the history, this run included.
#[must_use]
pub fn render(report: &Report, streaks: &Streaks, version: &str) -> String {
    let mut gauges = Gauges::default();
    run(&mut gauges, report, streaks, version);
    invariants(&mut gauges, report, streaks);
    gauges.render()
}

fn run(gauges: &mut Gauges, report: &Report, streaks: &Streaks, version: &str) {
    let env = ("env", report.env.as_str());
    gauges
        .family(
            "plms_invariants_state",
            "State of the last full run: 0 ok, 1 warning, 2 critical, 3 unknown.",
        )
        .set(&[env], number(report.state()));
    gauges
        .family(
            "plms_invariants_status",
            "1 if the last full run checked everything and found no violation, else 0.",
        )
        .set(&[env], u64::from(report.is_success()));
    let sum = report.summary();
    let checks =
        gauges.family("plms_invariants_checks", "Invariants of the last full run, by what they came to.");
    for (word, count) in
        [("passed", sum.passed), ("failed", sum.failed), ("error", sum.error), ("skipped", sum.skipped)]
    {
        checks.set(&[env, ("result", word)], count as u64);
    }
    gauges
        .family("plms_invariants_last_run_timestamp_seconds", "When the last full run ended, in any state.")
        .set(&[env], seconds(report.finish));
    let success = gauges.family(
        "plms_invariants_last_success_timestamp_seconds",
        "When the last full run ended that was ok.",
    );
    if let Some(time) = streaks.last_success {
        success.set(&[env], seconds(time));
    }
    let duration = gauges.family("plms_invariants_duration_seconds", "How long the last full run took.");
    if let Ok(took) = (report.finish - report.start).to_std() {
        duration.set(&[env], took.as_secs_f64());
    }
    let size =
        gauges.family("plms_invariants_database_size_bytes", "Size of the registry and its write-ahead log.");
    if let Some(bytes) = report.database_size {
        size.set(&[env], bytes);
    }
    gauges
        .family(
            "plms_invariants_build_info",
            "1, with the version of the program that made the last full run.",
        )
        .set(&[env, ("version", version)], 1_u64);
}

/// A family with one series per invariant: name, help, and the number where it is known.
type PerInvariant = (&'static str, &'static str, fn(&Evaluation, Streak) -> Option<Number>);

const PER_INVARIANT: [PerInvariant; 5] = [
    (
        "plms_invariants_invariant_state",
        "State of each invariant that was not skipped: 0 ok, 1 warning, 2 critical, 3 unknown.",
        |evaluation, _| evaluation.state().map(|state| number(state).into()),
    ),
    (
        "plms_invariants_invariant_duration_seconds",
        "How long it took; invariants that share a scan share its time.",
        |evaluation, _| evaluation.duration.map(|took| took.as_secs_f64().into()),
    ),
    ("plms_invariants_examined_rows", "Rows that were looked at.", |evaluation, _| {
        evaluation.examined().map(Number::from)
    }),
    (
        "plms_invariants_failing_since_timestamp_seconds",
        "When the first run ended that saw the violations which still last.",
        |_, streak| streak.failing_since.map(|time| seconds(time).into()),
    ),
    (
        "plms_invariants_last_time_to_fix_seconds",
        "From first failure to recovery, the last time.",
        |_, streak| streak.last_time_to_fix.map(|time| time.as_secs_f64().into()),
    ),
];

fn invariants(gauges: &mut Gauges, report: &Report, streaks: &Streaks) {
    let env = ("env", report.env.as_str());
    let violations = gauges.family(
        "plms_invariants_violations",
        "Rows that violate an invariant; absent where they could not be counted.",
    );
    for evaluation in &report.evaluations {
        if let Some(count) = evaluation.violations() {
            let severity = ("severity", evaluation.severity.word());
            violations.set(&[env, ("invariant", &evaluation.id), severity], count);
        }
    }
    for (name, help, read) in PER_INVARIANT {
        let family = gauges.family(name, help);
        for evaluation in &report.evaluations {
            if let Some(known) = read(evaluation, streaks.of(&evaluation.id)) {
                family.set(&[env, ("invariant", &evaluation.id)], known);
            }
        }
    }
}

/// A state as monitoring plugins number it.
fn number(state: State) -> u64 {
    state.exit_status().into()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use proptest::prelude::*;

    use super::*;
    use crate::report::fixture::{at, clean, hostile_run, mixed};
    use crate::report::golden;

    fn streaks() -> Streaks {
        let failing = Streak {
            failing_since: Some(at("2025-11-01T07:00:02.5Z")),
            last_time_to_fix: Some(Duration::from_secs(172_800)),
        };
        let unknown = Streak { failing_since: Some(at("2025-11-02T07:00:00Z")), last_time_to_fix: None };
        let invariants = [("lane_overrides".into(), failing), ("calibration_pollution".into(), unknown)];
        Streaks { last_success: Some(at("2025-10-31T07:00:00Z")), invariants: invariants.into() }
    }

    #[test]
    fn a_mixed_run_reads_as_contracted() {
        golden::compare_file("textfile/plms_invariants.prom", &render(&mixed(), &streaks(), "0.1.0"));
    }

    #[test]
    fn a_run_that_could_not_look_says_so_and_counts_nothing() {
        let mut report = mixed();
        for evaluation in &mut report.evaluations {
            evaluation.outcome = crate::report::fixture::failed("cannot open the registry");
        }
        report.database_size = None;
        let text = render(&report, &Streaks::default(), "0.1.0");
        assert!(text.contains("plms_invariants_state{env=\"production\"} 3\n"), "{text}");
        assert!(text.contains("plms_invariants_checks{env=\"production\",result=\"error\"} 5\n"), "{text}");
        for absent in
            ["_violations", "_examined_rows", "_failing_since", "_last_success", "_size_bytes", "_to_fix"]
        {
            assert!(!text.contains(absent), "{absent}: {text}");
        }
    }

    #[test]
    fn only_a_run_that_is_ok_has_status_1() {
        let status = |report: &Report| {
            let text = render(report, &Streaks::default(), "0");
            text.lines().find(|l| l.starts_with("plms_invariants_status{")).unwrap().to_owned()
        };
        assert_eq!(status(&clean()), "plms_invariants_status{env=\"production\"} 1");
        assert_eq!(status(&mixed()), "plms_invariants_status{env=\"production\"} 0");
        let mut lifted = clean();
        lifted.findings.push(crate::verdict::Finding::new(State::Unknown, "no room for the log"));
        assert_eq!(status(&lifted), "plms_invariants_status{env=\"production\"} 0");
    }

    /// Reads one sample line as prometheus/common does, as far as this program writes any.
    fn is_sample(line: &str) -> bool {
        let Some((name, rest)) = line.split_once('{') else { return false };
        let Some((labels, value)) = rest.rsplit_once("} ") else { return false };
        let name_is_plain = name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        let mut quoted = false;
        let mut escaped = false;
        for c in labels.chars() {
            match c {
                _ if escaped => escaped = !matches!(c, '"' | '\\' | 'n'),
                '\\' => escaped = true,
                '"' => quoted = !quoted,
                _ if c.is_control() => return false,
                _ => {}
            }
        }
        name_is_plain && !quoted && !escaped && value.parse::<f64>().is_ok_and(f64::is_finite)
    }

    fn is_valid(text: &str) -> bool {
        text.ends_with("\n# EOF\n")
            && text.lines().all(|l| {
                l == "# EOF" || l.starts_with("# HELP plms_") || l.starts_with("# TYPE plms_") || is_sample(l)
            })
    }

    #[test]
    fn a_hostile_run_makes_a_valid_file_without_a_forged_family() {
        let text = render(&hostile_run(), &streaks(), "0.1.0");
        assert!(is_valid(&text), "{text}");
        assert!(!text.lines().any(|line| line.starts_with("plms_forged")));
        assert!(text.lines().all(|line| line.len() < 1000));
    }

    proptest! {
        #[test]
        fn any_environment_name_makes_a_valid_file(env in any::<String>()) {
            let text = render(&Report { env, ..mixed() }, &streaks(), "0.1.0");
            prop_assert!(is_valid(&text), "{}", text);
        }
    }
}
