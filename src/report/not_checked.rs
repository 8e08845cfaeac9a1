//! What stood in the way of which invariants? The same thing is said once.

use crate::verdict::{Finding, State};

/// Fewer than so many are named even where they are all that there are.
const MANY: usize = 3;

/// An invariant that was not checked, and no violation of it seen.
#[derive(Debug)]
pub struct NotChecked<'a> {
    /// Its id.
    pub id: &'a str,
    /// What stood in the way.
    pub errors: &'a [String],
    /// ` for 5d, since …` where it was failing before.
    pub failing: String,
}

/// Adds what is to be said of `not_checked`, out of `total` invariants, to what is said already: to the
/// finding that gives the same reason, or else as a line of its own.
pub fn add(findings: &mut Vec<Finding>, not_checked: &[NotChecked<'_>], total: usize) {
    let mut groups: Vec<(&[String], Vec<&NotChecked<'_>>)> = Vec::new();
    for one in not_checked {
        match groups.iter_mut().find(|(errors, _)| *errors == one.errors) {
            Some((_, group)) => group.push(one),
            None => groups.push((one.errors, vec![one])),
        }
    }
    for (errors, group) in groups {
        let reason = errors.join("; ");
        if let Some(said) = findings.iter_mut().find(|finding| finding.sentence == reason) {
            said.sentence = format!("{reason}; {}{}", were_not_checked(group.len()), were_failing(&group));
        } else if group.len() == total && total >= MANY {
            let sentence = format!("{}: {reason}{}", were_not_checked(total), were_failing(&group));
            findings.push(Finding::new(State::Unknown, sentence));
        } else {
            let name = |one: &&NotChecked<'_>| match one.failing.as_str() {
                "" => one.id.to_owned(),
                failing => format!("{} (was failing{failing})", one.id),
            };
            let names: Vec<String> = group.iter().map(name).collect();
            let sentence = format!("{}: not checked: {reason}", names.join(", "));
            findings.push(Finding::new(State::Unknown, sentence));
        }
    }
}

/// `8 invariants were not checked`.
pub(super) fn were_not_checked(count: usize) -> String {
    let were = if count == 1 { "invariant was" } else { "invariants were" };
    format!("{count} {were} not checked")
}

fn were_failing(group: &[&NotChecked<'_>]) -> String {
    let failing = group.iter().filter(|one| !one.failing.is_empty());
    let parts: Vec<String> = failing.map(|one| format!("; {} was failing{}", one.id, one.failing)).collect();
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(of: &[(&str, &str, &str)], total: usize, before: &[&str]) -> Vec<String> {
        let errors: Vec<Vec<String>> = of.iter().map(|(_, error, _)| vec![(*error).to_owned()]).collect();
        let not_checked: Vec<NotChecked<'_>> = of
            .iter()
            .zip(&errors)
            .map(|((id, _, failing), errors)| NotChecked { id, errors, failing: (*failing).to_owned() })
            .collect();
        let mut findings: Vec<Finding> = before.iter().map(|s| Finding::new(State::Unknown, *s)).collect();
        add(&mut findings, &not_checked, total);
        findings.into_iter().map(|finding| finding.sentence).collect()
    }

    #[test]
    fn a_reason_that_is_said_already_gets_the_count_and_who_was_failing() {
        let of = [("a", "no file", ""), ("b", "no file", " for 5d, since noon")];
        let want = "no file; 2 invariants were not checked; b was failing for 5d, since noon";
        assert_eq!(said(&of, 2, &["no log", "no file"]), ["no log", want]);
    }

    #[test]
    fn what_stood_in_the_way_of_all_is_one_sentence_without_their_names() {
        let of = [("a", "stopped", ""), ("b", "stopped", ""), ("c", "stopped", " for 2d, since noon")];
        let want = "3 invariants were not checked: stopped; c was failing for 2d, since noon";
        assert_eq!(said(&of, 3, &[]), [want]);
    }

    #[test]
    fn what_stood_in_the_way_of_some_names_them() {
        let of = [("a", "no table", ""), ("b", "timed out", " for 2d, since noon"), ("c", "no table", "")];
        let want =
            ["a, c: not checked: no table", "b (was failing for 2d, since noon): not checked: timed out"];
        assert_eq!(said(&of, 4, &[]), want);
    }
}
