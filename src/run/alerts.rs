//! How do people hear of a run, in the run itself and later?

use std::path::Path;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::cli::alert::Deliver;
use crate::cli::runner::RunFlags;
use crate::config::Settings;
use crate::emit::channels;
use crate::emit::deliver::{Time, deliver};
use crate::emit::lock::Unfinished;
use crate::emit::run::Outputs;
use crate::emit::state::outbox::Outbox;
use crate::emit::state::{StateError, Trace};
use crate::emit::textfile;
use crate::plain::plain;
use crate::report;
use crate::report::notice::Subject;
use crate::report::run_text::counted;
use crate::run::unserved::unserved_now;
use crate::verdict::backlog::UNCLAIMED;
use crate::verdict::invariants::Report;
use crate::verdict::{Finding, State};

/// The default name of the outbox's textfile.
pub const TEXTFILE: &str = "plms_alerts.prom";

/// Whether a run writes a notice: not where nobody is to be told, and not where this run is to tell
/// people by itself and knows no way to.
pub fn tells(flags: &RunFlags, settings: &Settings) -> bool {
    match flags.deliver.unwrap_or_default() {
        Deliver::Off => false,
        Deliver::Spool => true,
        Deliver::Now => settings.channels().into_iter().any(|(_, is_configured)| is_configured),
    }
}

/// Tells people of a run that has just been written down, and of what waits from before; a finding for
/// everything that was not told.
pub fn deliver_run(
    settings: &Settings,
    report: &Report,
    outputs: &Outputs,
    host: &str,
    time: &Time,
) -> Vec<Finding> {
    let channels = channels::open(settings);
    if channels.is_empty() {
        return unserved_now(settings).into_iter().chain(write_metrics(settings)).collect();
    }
    let folder = &settings.state_dir.value;
    let mut findings = vec![];
    let opened = match outputs.notice {
        Some(_) => Outbox::open(folder, time.start).map(|(outbox, aside)| {
            findings.extend(aside.map(|aside| aside.finding()));
            outbox
        }),
        None => without_state(folder, report, outputs, host),
    };
    match opened {
        Ok(outbox) => {
            if outputs.notice.is_none() {
                findings.push(written_elsewhere(THIS_RUN, None, &outbox, State::Unknown));
            }
            let folder = outbox.is_kept().then_some(folder.as_path());
            findings.extend(deliver(outbox, channels, folder, time).findings());
            findings.extend(folder.map(|_| unserved_now(settings)).unwrap_or_default());
        }
        Err(error) => {
            findings.push(Finding::new(State::Unknown, format!("alerts were not delivered: {error}")));
        }
    }
    findings.extend(write_metrics(settings));
    findings
}

const THIS_RUN: &str = "the alert of this run";

/// Leaves to whoever delivers what could not be written into the outbox; what there is to say of that.
pub fn leave_for_delivery(settings: &Settings, report: &Report, outputs: &Outputs, host: &str) -> Finding {
    match without_state(&settings.state_dir.value, report, outputs, host) {
        Ok(outbox) if outbox.is_kept() => written_elsewhere(THIS_RUN, None, &outbox, State::Unknown),
        Ok(_) => Finding::new(State::Unknown, format!("{THIS_RUN} could not be written down anywhere")),
        Err(error) => Finding::new(State::Unknown, format!("{THIS_RUN} could not be written down: {error}")),
    }
}

/// Where the state cannot be written, people are told all the same.
fn without_state(
    folder: &Path,
    report: &Report,
    outputs: &Outputs,
    host: &str,
) -> Result<Outbox, StateError> {
    let notice = report::notice::compose(report, &outputs.streaks, host, outputs.log.as_deref());
    let outbox = Outbox::beside(folder, report.finish)?;
    if outbox.put(&notice).is_ok() {
        return Ok(outbox);
    }
    let memory = Outbox::in_memory(Some(folder))?;
    memory.put(&notice)?;
    Ok(memory)
}

/// That an alert is not in `state.db`, for people to mend that.
#[must_use]
pub fn written_elsewhere(alert: &str, why: Option<&str>, outbox: &Outbox, state: State) -> Finding {
    let why = why.map_or_else(String::new, |why| format!(" ({why})"));
    let sentence = if outbox.is_kept() {
        format!(
            "{alert} could not be written into state.db{why}: it is kept in apart.db beside it until that can be \
             used again"
        )
    } else {
        format!(
            "{alert} could not be written down{why}: it was tried at once, and what was not taken then is lost"
        )
    };
    Finding::new(state, sentence)
}

/// What waits, for the metrics; a finding where they could not be written.
pub fn write_metrics(settings: &Settings) -> Option<Finding> {
    let place = &settings.textfile.as_ref()?.value;
    // A `.prom` file is the runner's own: that of the outbox lies beside it.
    let is_file = place.extension().is_some_and(|e| e == "prom");
    let beside = place.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let place = if is_file { beside } else { place };
    let written = Outbox::open_to_read(&settings.state_dir.value)
        .and_then(|outbox| outbox.counts())
        .map_err(|error| error.to_string())
        .and_then(|counts| {
            let Some(exposition) = report::alerts_exposition::render(&counts) else { return Ok(()) };
            textfile::write(place, TEXTFILE, &exposition).map(|_| ()).map_err(|error| plain(&error))
        });
    let why = written.err()?;
    Some(Finding::new(State::Unknown, format!("the metrics of the alerts were not written: {why}")))
}

/// Writes down that earlier runs were started and left no record, once each. Where that cannot be done it
/// is tried again by the next run.
///
/// # Errors
/// Some may be written down, and not all.
pub fn note_deaths(
    outbox: &Outbox,
    settings: &Settings,
    unfinished: &[Unfinished],
    host: &str,
    now: DateTime<Utc>,
) -> Result<(), StateError> {
    let db_path = settings.registry().display().to_string();
    for run in unfinished {
        let left = match outbox.knows(run)? {
            Trace::Left => continue,
            Trace::Missing => "a check died and left no record".to_owned(),
            Trace::NotKnown(why) => {
                format!("a check died, and whether it left a record is not known ({why})")
            }
        };
        let since = run.since.to_rfc3339_opts(SecondsFormat::Secs, true);
        // The start stands for the id where an older program left none.
        let invocation_id = run.invocation_id.as_deref().unwrap_or(&since);
        let env = &settings.env_name.value;
        let subject = Subject { env, db_path: &db_path, host, invocation_id };
        let sentence = format!(
            "{env}: {left}: process {}, begun at {since}; was it killed, or short of memory? see the journal, or \
             cron's log, of that time",
            run.pid
        );
        outbox.put(&report::notice::died(&subject, &sentence, now))?;
    }
    Ok(())
}

/// What is said where the lock file may name runs that could not be read.
#[must_use]
pub fn lock_doubt(why: &str) -> Finding {
    let sentence = format!("whether an earlier check died without a record is not known: {why}");
    Finding::new(State::Unknown, sentence)
}

/// People should have heard within this time: a network that was away for a while is no alarm.
const PATIENCE: TimeDelta = TimeDelta::hours(1);

/// A finding for every channel that has not been told for too long, or nobody knows for how long, since a clock was
/// ahead; for `status`.
pub fn overdue(settings: &Settings, now: DateTime<Utc>) -> Vec<Finding> {
    let opened = Outbox::open_to_read(&settings.state_dir.value);
    let backlogs = match opened.and_then(|outbox| outbox.counts()) {
        Ok(backlogs) => backlogs,
        // Nothing was ever to be told.
        Err(StateError::Absent { .. }) => return vec![],
        Err(error) => {
            let sentence = format!("it is not known whether alerts wait: {error}");
            return vec![Finding::new(State::Unknown, sentence)];
        }
    };
    let instant = |time: DateTime<Utc>| time.to_rfc3339_opts(SecondsFormat::Secs, true);
    let late = backlogs.into_iter().filter(|backlog| backlog.pending > 0).filter_map(|backlog| {
        let since = match backlog.oldest_pending {
            Some(oldest) if (now - oldest).abs() <= PATIENCE => return None,
            Some(oldest) if oldest > now => {
                format!("{}, which is still to come: by a clock that was wrong", instant(oldest))
            }
            Some(oldest) => instant(oldest),
            None => "a time that cannot be read".to_owned(),
        };
        let waits = counted(backlog.pending, "alert");
        Some(match backlog.channel.as_str() {
            UNCLAIMED => {
                format!("nobody has picked up {waits}, the oldest of {since}; does `alert flush` run?")
            }
            channel => format!("{channel} has not taken {waits}, the oldest of {since}; see `alert pending`"),
        })
    });
    late.map(|sentence| Finding::new(State::Unknown, sentence)).collect()
}
