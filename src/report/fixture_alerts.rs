//! What do the tests of all channels tell? Notices of nights that were good, bad, hostile or too much.

use chrono::TimeDelta;

use super::fixture::{at, checked, clean, evaluation, failed, hostile, hostile_run, mixed, run};
use super::notice::{Subject, compose, died, test};
use crate::verdict::invariants::{Outcome, Report, Severity};
use crate::verdict::notice::Notice;
use crate::verdict::streaks::{Streak, Streaks};
use crate::verdict::telling::{Message, Telling, Told, Wish, after, tell};

/// A notice, and what a channel is told of it.
pub struct Night {
    pub notice: Notice,
    pub telling: Telling,
    /// How long after the run.
    pub age: TimeDelta,
}

impl Night {
    pub fn message(&self) -> Message<'_> {
        Message { notice: &self.notice, telling: &self.telling, now: self.notice.at + self.age }
    }

    pub fn late(self, age: TimeDelta) -> Self {
        Self { age, ..self }
    }
}

/// Told after those nights.
pub fn night(before: &[&Notice], notice: Notice) -> Night {
    let told = before.iter().fold(Told::default(), |told, notice| after(&told, notice));
    let telling = tell(Wish::Always, &told, &notice).unwrap();
    Night { notice, telling, age: TimeDelta::seconds(2) }
}

pub fn notice(report: &Report) -> Notice {
    let since = |id: &str, time: &str| {
        (id.to_owned(), Streak { failing_since: Some(at(time)), last_time_to_fix: None })
    };
    let invariants = [
        since("lane_overrides", "2025-11-01T07:00:03Z"),
        since("provider_snapshots", "2025-11-06T07:00:03.412Z"),
    ];
    let streaks = Streaks { last_success: None, invariants: invariants.into() };
    let log = std::path::Path::new("/opt/plms/logs/plms/invariants_2025-11-06T07:00:00Z.log");
    compose(report, &streaks, "plms1", Some(log))
}

pub fn ok() -> Night {
    night(&[], notice(&clean()))
}

/// One is new, one is known, one was not checked.
pub fn fail() -> Night {
    let before =
        run("2025-11-05T07:00:03Z", vec![evaluation("lane_overrides", Severity::Warning, checked(12_000))]);
    night(&[&notice(&before)], notice(&mixed()))
}

pub fn recovered() -> Night {
    let before = run(
        "2025-11-05T07:00:03Z",
        vec![
            evaluation("kpi_formulas", Severity::Warning, checked(3)),
            evaluation("provider_snapshots", Severity::Critical, checked(1)),
        ],
    );
    night(&[&notice(&before)], notice(&clean()))
}

/// The registry could not be opened; something was violated the night before.
pub fn could_not_check() -> Night {
    let before =
        run("2025-11-05T07:00:03Z", vec![evaluation("lane_overrides", Severity::Warning, checked(3))]);
    let error = "cannot open registry /srv/registry.db: permission denied; is the unit's user in the registry's group?";
    let unknown =
        ["lane_overrides", "provider_snapshots"].map(|id| evaluation(id, Severity::Critical, failed(error)));
    night(&[&notice(&before)], notice(&run("2025-11-06T07:00:03.412Z", unknown.into())))
}

pub fn subject() -> Subject<'static> {
    Subject {
        env: "production",
        db_path: "/opt/lnsp-phase-4/artifacts/registry/registry.db",
        host: "plms1",
        invocation_id: "fedcba9876543210fedcba9876543210",
    }
}

pub fn dead() -> Night {
    let before =
        run("2025-11-05T07:00:03Z", vec![evaluation("lane_overrides", Severity::Warning, checked(3))]);
    let sentence = "production: the check died and left no record: plms-invariants.service was killed by SIGKILL \
                    (oom-kill); see journalctl -u plms-invariants.service";
    night(&[&notice(&before)], died(&subject(), sentence, at("2025-11-06T07:00:09Z")))
}

pub fn tested() -> Night {
    night(&[], test(&subject(), at("2025-11-06T09:30:00Z")))
}

/// Hostile text in every place, and some that is meant for Slack.
pub fn hostile_night() -> Night {
    let mut report = hostile_run();
    let attack =
        "<!channel> <@U012> <https://evil.example|click> *b* _i_ ~s~ ```x``` &lt; :smile: @here #general";
    let mut attacked = evaluation("attacked", Severity::Critical, checked(2));
    attacked.title = attack.into();
    attacked.owner = Some(attack.into());
    attacked.runbook = Some("https://evil.example/><!channel>".into());
    if let Outcome::Checked { sample, errors, .. } = &mut attacked.outcome {
        for row in sample.iter_mut() {
            row.reason = Some(attack.into());
        }
        errors.push(attack.into());
    }
    report.evaluations.insert(0, attacked);
    report.env = format!("prod<!here>\n{}", hostile());
    night(&[], notice(&report))
}

/// Five thousand violated invariants with megabytes of text.
pub fn far_too_much() -> Night {
    let text = "ü漢🔴".repeat(70);
    let many = (0..5000).map(|n| {
        let mut one = evaluation(&format!("rule_{n:04}"), Severity::Warning, checked(3));
        one.title.clone_from(&text);
        if let Outcome::Checked { violations, .. } = &mut one.outcome {
            *violations = 5000 - n;
        }
        one
    });
    let mut report = run("2025-11-06T07:00:03.412Z", many.collect());
    report.evaluations.push(evaluation("the_worst", Severity::Critical, checked(1)));
    night(&[], notice(&report))
}
