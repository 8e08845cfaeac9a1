//! What does a monitoring system read? Service output, long output and perfdata of a plugin.

use std::cmp::Reverse;
use std::fmt::Write as _;

use super::text::{cut, one_line};
use crate::verdict::perfdata::Perf;
use crate::verdict::{Finding, State};

/// All of it, the last line end included: Nagios keeps twice as much, and a pager less.
const WHOLE: usize = 4096;
/// The sentence of the service output.
const SENTENCE: usize = 768;
/// The long output. Fixed, so that findings never give way to perfdata; what is left is enough for the
/// perfdata of many units' counts.
const FINDINGS: usize = 2816;
/// One line of the long output.
const FINDING: usize = 400;

/// What a plugin prints on standard output.
#[derive(Clone, Debug, PartialEq)]
pub struct ServiceOutput<'a> {
    /// `PLMS TIMER` and the like.
    pub name: &'a str,
    /// The word after the name.
    pub state: State,
    /// The subject, what was seen, what was allowed.
    pub sentence: String,
    /// Lines of long output, in any order.
    pub findings: Vec<Finding>,
    /// Numbers, the most important first: what does not fit is left out, from the end.
    pub perfdata: Vec<Perf>,
}

impl ServiceOutput<'_> {
    /// `NAME STATE: sentence | perfdata`, then one finding per line, worst first, the rest counted;
    /// at most 4096 bytes, and a raw `|` only before perfdata.
    #[must_use]
    pub fn render(&self) -> String {
        let long_output = long_output(&self.findings);
        let mut text =
            format!("{} {}: {}", self.name, self.state.word(), cut(&harmless(&self.sentence), SENTENCE));
        let mut room = WHOLE.saturating_sub(text.len() + 1 + long_output.len() + " |".len());
        for (nth, perf) in self.perfdata.iter().enumerate() {
            let perf = perf.to_string();
            let Some(left) = room.checked_sub(perf.len() + 1) else { break };
            room = left;
            text.push_str(if nth == 0 { " | " } else { " " });
            text.push_str(&perf);
        }
        text.push('\n');
        text.push_str(&long_output);
        text
    }
}

/// One line, and no `$`: Icinga takes it for a macro and drops the notification (Icinga/icinga2#9186).
fn harmless(text: &str) -> String {
    one_line(text).replace('$', "?")
}

fn long_output(findings: &[Finding]) -> String {
    let mut worst_first: Vec<&Finding> = findings.iter().collect();
    worst_first.sort_by_key(|finding| Reverse(finding.state));
    let lines: Vec<String> = worst_first
        .iter()
        .map(|f| format!("{}: {}\n", f.state.word(), cut(&harmless(&f.sentence), FINDING)))
        .collect();
    let whole: usize = lines.iter().map(String::len).sum();
    if whole <= FINDINGS {
        return lines.concat();
    }
    let mut text = String::new();
    let mut shown = 0;
    for line in &lines {
        // 80 bytes are kept for the line that counts the rest.
        if text.len() + line.len() > FINDINGS - 80 {
            break;
        }
        text.push_str(line);
        shown += 1;
    }
    let rest = worst_first.get(shown..).unwrap_or_default();
    let mut counts = String::new();
    for state in [State::Critical, State::Warning, State::Unknown, State::Ok] {
        let count = rest.iter().filter(|f| f.state == state).count();
        if count > 0 {
            let comma = if counts.is_empty() { "" } else { ", " };
            let _ = write!(counts, "{comma}{count} {}", state.word());
        }
    }
    let _ = writeln!(text, "and {} more ({counts})", rest.len());
    text
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::verdict::perfdata::{Unit, Value};

    fn output(findings: Vec<Finding>, perfdata: Vec<Perf>) -> ServiceOutput<'static> {
        ServiceOutput {
            name: "PLMS TIMER",
            state: State::Critical,
            sentence: "a.timer is masked".into(),
            findings,
            perfdata,
        }
    }

    fn count(label: &str) -> Perf {
        Perf { min: None, ..Perf::new(label, Value::Integer(1), Unit::Count) }
    }

    #[test]
    fn findings_stand_worst_first_below_the_service_output() {
        let findings = vec![
            Finding::new(State::Ok, "b.timer is fine"),
            Finding::new(State::Unknown, "c.timer did not answer"),
            Finding::new(State::Critical, "a.timer is masked"),
            Finding::new(State::Warning, "d.timer is not enabled"),
        ];
        assert_eq!(
            output(findings, vec![count("critical"), count("ok")]).render(),
            "PLMS TIMER CRITICAL: a.timer is masked | 'critical'=1 'ok'=1\n\
             CRITICAL: a.timer is masked\n\
             WARNING: d.timer is not enabled\n\
             UNKNOWN: c.timer did not answer\n\
             OK: b.timer is fine\n"
        );
    }

    #[test]
    fn without_perfdata_there_is_no_separator() {
        assert_eq!(output(vec![], vec![]).render(), "PLMS TIMER CRITICAL: a.timer is masked\n");
    }

    #[test]
    fn a_sentence_with_separators_and_macros_starts_no_perfdata_and_no_macro() {
        let mut hostile = output(vec![Finding::new(State::Ok, "x|y=1\n|z")], vec![]);
        hostile.sentence = "unit 'a|b=3' of $USER$\n\x1b[2J".into();
        let want = "PLMS TIMER CRITICAL: unit 'a/b=3' of ?USER?; ?[2J\nOK: x/y=1; /z\n";
        assert_eq!(hostile.render(), want);
    }

    #[test]
    fn five_hundred_findings_are_capped_the_rest_counted_and_the_counts_kept() {
        let findings = (0..500)
            .map(|n| {
                Finding::new(
                    if n % 2 == 0 { State::Critical } else { State::Warning },
                    format!("unit {n} fails"),
                )
            })
            .collect();
        let text = output(findings, vec![count("ok"), count("warning"), count("critical"), count("unknown")])
            .render();
        assert!(text.len() <= WHOLE);
        assert!(
            text.contains("| 'ok'=1 'warning'=1 'critical'=1 'unknown'=1\nCRITICAL: unit 0 fails\n"),
            "{text}"
        );
        let last = text.lines().last().unwrap();
        let shown = text.lines().count() - 2;
        assert_eq!(last, format!("and {} more ({} CRITICAL, 250 WARNING)", 500 - shown, 250 - shown));
    }

    #[test]
    fn perfdata_gives_way_before_a_finding_does() {
        let findings: Vec<_> = (0..7).map(|_| Finding::new(State::Critical, "x".repeat(380))).collect();
        let many = (0..100).map(|n| count(&format!("a-long-label-for-unit-{n}"))).collect();
        let text = output(findings, many).render();
        assert!(text.len() <= WHOLE);
        assert_eq!(text.lines().filter(|l| l.starts_with("CRITICAL: xxx")).count(), 7);
        assert!(text.contains("'a-long-label-for-unit-0'=1 ") && !text.contains("unit-99'"));
    }

    fn state() -> impl Strategy<Value = State> {
        prop_oneof![Just(State::Ok), Just(State::Unknown), Just(State::Warning), Just(State::Critical)]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn nothing_that_is_said_breaks_the_protocol(
            sentence in any::<String>(),
            long in "(\\PC|\n|\\|){0,2000}",
            findings in vec((state(), any::<String>()), 0..60),
            numbers in vec((any::<String>(), any::<f64>()), 0..60),
            state in state(),
        ) {
            let mut findings: Vec<_> = findings.into_iter().map(|(s, t)| Finding::new(s, t)).collect();
            findings.push(Finding::new(State::Ok, long));
            let lines = findings.len();
            let perfdata: Vec<_> =
                numbers.into_iter().map(|(l, n)| Perf::new(l, Value::Real(n), Unit::Seconds)).collect();
            let has_perfdata = !perfdata.is_empty();
            let text = ServiceOutput { name: "PLMS EXIT", state, sentence, findings, perfdata }.render();
            prop_assert!(text.len() <= WHOLE, "{} bytes", text.len());
            let head = format!("PLMS EXIT {}: ", state.word());
            prop_assert!(text.starts_with(&head));
            prop_assert!(text.ends_with('\n') && text.lines().count() <= lines + 1);
            let separators = text.matches('|').count();
            prop_assert!(separators <= usize::from(has_perfdata));
            let first = text.lines().next().unwrap_or_default();
            prop_assert_eq!(first.matches('|').count(), separators);
            prop_assert!(!text.contains(|c: char| c.is_control() && c != '\n'));
        }
    }
}
