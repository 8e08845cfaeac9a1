//! One run over the registry: deadline, observe, judge, emit.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::io::IsTerminal as _;
use std::thread;
use std::time::{Duration, Instant};

use chrono::{DateTime, TimeDelta, Utc};

use super::progress::Progress;
use super::signals::Signals;
use super::verbs::{self, Asked};
use super::{alerts, note_to_stderr};
use crate::cli::Output;
use crate::cli::alert::Deliver;
use crate::cli::runner::RunFlags;
use crate::config::{Settings, short_host_name};
use crate::emit::deliver::Time;
use crate::emit::run::{Outputs, Targets, run_outputs};
use crate::emit::state::outbox::Outbox;
use crate::emit::state::{EnterError, StateFolder};
use crate::invariants::{Invariant, Selection};
use crate::observe::cancel::{Cancel, Stop};
use crate::observe::registry::{EvaluateError, Evaluated, Question, evaluate};
use crate::plain::plain;
use crate::report::paint::Paint;
use crate::report::{run_json, run_terminal, run_text};
use crate::verdict::duration;
use crate::verdict::invariants::{Evaluation, Outcome, Report};
use crate::verdict::{Finding, State};

/// A finished run: what was seen, and where it was written.
#[derive(Debug)]
pub struct Finished {
    /// What was seen.
    pub report: Report,
    /// What was written.
    pub outputs: Outputs,
}

/// `run`: checks the registry, writes every output, prints the verdict, and gives its state.
pub fn run(asked: &Asked<'_>, flags: &RunFlags, out: &mut Output) -> State {
    verbs::say_notes(asked.settings);
    match check(asked, flags) {
        Ok(finished) => {
            print(asked, &finished, out);
            finished.report.state()
        }
        Err(sentence) => verbs::say_unknown(&sentence, asked.common.is_json(), out),
    }
}

/// Checks the registry and writes every output.
///
/// # Errors
/// One sentence, where nothing may be touched: wrong settings, or another run that holds the lock.
pub fn check(asked: &Asked<'_>, flags: &RunFlags) -> Result<Finished, String> {
    let began = Instant::now();
    let signals =
        Signals::install().map_err(|error| format!("cannot listen for signals: {}", plain(&error)))?;
    let catalogue = verbs::catalogue(asked.settings).map_err(|error| error.to_string())?;
    for note in &catalogue.notes {
        note_to_stderr(note);
    }
    let choice = flags.select.choice(&asked.settings.invariant_tags);
    let selection = catalogue.select(&choice).map_err(|error| error.to_string())?;
    let partial = [selection.partial.clone(), asked.settings.other_database()];
    let partial: Vec<_> = partial.into_iter().flatten().collect();
    let partial = (!partial.is_empty()).then(|| partial.join(", "));

    let invocation_id = invocation_id();
    let mut findings = vec![];
    let mut state = match partial {
        Some(_) => None,
        None => match enter(asked, &invocation_id) {
            Ok(folder) => Some(folder),
            Err(error @ EnterError::Held(_)) => return Err(error.to_string()),
            Err(error) => {
                findings.push(Finding::new(State::Unknown, error.to_string()));
                None
            }
        },
    };
    let host = short_host_name();
    if let Some(folder) = &mut state {
        findings.extend(note_dead(asked, flags, folder, &host));
    }
    let end = began.checked_add(asked.common.timeout).unwrap_or(began);
    let cancel = Cancel::new(signals.asked(), end);
    let mut report = match observe(asked, flags, &selection, &cancel) {
        Ok(report) => report,
        Err(refused) => {
            if let Some(folder) = state {
                folder.ended();
            }
            return Err(refused);
        }
    };
    report.invocation_id = invocation_id;
    report.partial = partial;
    report.findings.splice(0..0, findings);
    report.incomplete = match cancel.stop() {
        Some(Stop::Asked) => Some(format!("stopped by {}", signals.name())),
        Some(_) => Some(format!("the run's time of {} was over", duration::human(asked.common.timeout))),
        None => None,
    }
    .filter(|_| report.evaluations.iter().any(|evaluation| !evaluation.errors().is_empty()));
    report.finish = after(asked.now, began.elapsed());

    let targets = Targets {
        state: state.as_ref(),
        log_folder: &asked.settings.log_dir.value,
        textfile: asked.settings.textfile.as_ref().map(|setting| setting.value.as_path()),
        version: env!("CARGO_PKG_VERSION"),
        tell_from: alerts::tells(flags, asked.settings).then_some(&host),
    };
    let mut written = run_outputs(&mut report, &targets, asked.now);
    if report.partial.is_none() {
        let budget = flags.deliver_budget.unwrap_or(asked.settings.deliver_budget.value);
        let time = Time::within(report.finish, budget, Some(end), signals.asked());
        let findings = tell(asked.settings, flags, &report, &written.outputs, &host, &time);
        written.add(&mut report, findings);
    }
    let outputs = written.outputs;
    if let Some(folder) = state {
        folder.ended();
    }
    Ok(Finished { report, outputs })
}

/// Writes down what the lock file says of earlier runs; a finding where that cannot be done, or where it cannot be
/// read.
fn note_dead(asked: &Asked<'_>, flags: &RunFlags, folder: &mut StateFolder, host: &str) -> Vec<Finding> {
    let mut findings: Vec<_> = folder.left().doubt.as_deref().map(alerts::lock_doubt).into_iter().collect();
    if !alerts::tells(flags, asked.settings) || folder.left().runs.is_empty() {
        return findings;
    }
    // A state file that is set aside for it is told with the record of this run.
    let noted = Outbox::open(&asked.settings.state_dir.value, asked.now).and_then(|(outbox, _)| {
        alerts::note_deaths(&outbox, asked.settings, &folder.left().runs, host, asked.now)
    });
    match noted {
        Ok(()) => folder.reported(),
        Err(error) => {
            let sentence = format!("that an earlier check died could not be written down: {error}");
            findings.push(Finding::new(State::Unknown, sentence));
        }
    }
    findings
}

/// Tells people of a full run, or leaves it for the delivery; what could not be done.
fn tell(
    settings: &Settings,
    flags: &RunFlags,
    report: &Report,
    outputs: &Outputs,
    host: &str,
    time: &Time,
) -> Vec<Finding> {
    match flags.deliver.unwrap_or_default() {
        Deliver::Now => alerts::deliver_run(settings, report, outputs, host, time),
        Deliver::Spool => {
            let is_kept = outputs.notice.is_some();
            let left = (!is_kept).then(|| alerts::leave_for_delivery(settings, report, outputs, host));
            // Who delivers may be dead: what waits is counted by whoever adds to it.
            left.into_iter().chain(alerts::write_metrics(settings)).collect()
        }
        Deliver::Off => vec![],
    }
}

fn enter(asked: &Asked<'_>, invocation_id: &str) -> Result<StateFolder, EnterError> {
    StateFolder::enter(&asked.settings.state_dir.value, std::process::id(), asked.now, invocation_id)
}

fn observe(
    asked: &Asked<'_>,
    flags: &RunFlags,
    selection: &Selection,
    cancel: &Cancel,
) -> Result<Report, String> {
    let settings = asked.settings;
    let database = settings.registry();
    let question = Question {
        database: &database,
        catalogue: &selection.invariants,
        artifacts: settings.artifacts_dir.as_ref().map(|setting| setting.value.clone()),
        jobs: flags.jobs.map_or_else(processors, usize::from),
        cancel: cancel.clone(),
    };
    let mut report = Report {
        db_path: database.to_string_lossy().into_owned(),
        env: settings.env_name.value.clone(),
        strict: selection.strict,
        partial: None,
        incomplete: None,
        start: asked.now,
        finish: asked.now,
        invocation_id: String::new(),
        evaluations: vec![],
        findings: vec![],
        reading: None,
        database_size: None,
    };
    let mut progress = Progress::new();
    let evaluated = evaluate(&question, &mut |done, all| progress.show(done, all));
    progress.clear();
    match evaluated {
        Ok(Evaluated { evaluations, reading, database_size, is_empty }) => {
            report.evaluations = evaluations;
            report.reading = Some(reading);
            report.database_size = Some(database_size);
            if is_empty && !flags.allow_empty {
                let sentence = "all four PLMS tables are empty: is this the right registry? \
                                (--allow-empty, if it is a new one)";
                report.findings.push(Finding::new(State::Unknown, sentence));
            }
        }
        Err(EvaluateError::Registry(error)) => {
            let error = error.to_string();
            report.evaluations = selection.invariants.iter().map(|i| not_checked(i, &error)).collect();
            report.findings.push(Finding::new(State::Unknown, error));
        }
        Err(error @ EvaluateError::Refused(_)) => return Err(error.to_string()),
    }
    Ok(report)
}

fn not_checked(invariant: &Invariant, error: &str) -> Evaluation {
    let errors = vec![error.to_owned()];
    invariant.evaluation(Outcome::Failed { errors }, None)
}

fn print(asked: &Asked<'_>, finished: &Finished, out: &mut Output) {
    let Finished { report, outputs } = finished;
    if asked.common.is_json() {
        out.say(&run_json::render(report));
    } else if let Some(width) = terminal_width() {
        out.say(&run_terminal::render(report, &outputs.streaks, terminal_paint(), width));
    } else {
        out.say(&run_text::output(report, &outputs.streaks).render());
    }
    if asked.common.verbose > 0 {
        say_where(report, outputs);
    }
}

/// With `--verbose`: how the registry was read, and what was written where.
fn say_where(report: &Report, outputs: &Outputs) {
    if let Some(reading) = &report.reading {
        note_to_stderr(&format!("read {} as {reading}", report.db_path));
    }
    let written = [&outputs.log, &outputs.state_db, &outputs.status_file, &outputs.textfile];
    for path in written.into_iter().flatten() {
        note_to_stderr(&format!("wrote {}", path.display()));
    }
}

/// The columns of a terminal on standard output; `None` for a pipe, a file or the journal.
pub(super) fn terminal_width() -> Option<usize> {
    let stdout = std::io::stdout();
    let size = stdout.is_terminal().then(|| rustix::termios::tcgetwinsize(&stdout).ok())?;
    // A terminal that does not tell its size has the usual one.
    Some(size.map_or(80, |size| usize::from(size.ws_col)).clamp(40, 500))
}

/// Whether the terminal is one for colours, and its person wants them.
pub(super) fn terminal_paint() -> Paint {
    let [no_color, term] = ["NO_COLOR", "TERM"].map(std::env::var_os);
    Paint::for_terminal(no_color.as_deref(), term.as_deref())
}

pub(super) fn processors() -> usize {
    thread::available_parallelism().map_or(1, usize::from).min(8)
}

fn after(start: DateTime<Utc>, elapsed: Duration) -> DateTime<Utc> {
    TimeDelta::from_std(elapsed).ok().and_then(|elapsed| start.checked_add_signed(elapsed)).unwrap_or(start)
}

/// Systemd's own id of this start, which its journal knows, too; else one of our own.
fn invocation_id() -> String {
    let given = std::env::var("INVOCATION_ID").unwrap_or_default();
    if given.len() == 32 && given.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return given;
    }
    // The standard library's hasher begins from the system's random numbers.
    let random = || RandomState::new().build_hasher().finish();
    format!("{:016x}{:016x}", random(), random())
}
