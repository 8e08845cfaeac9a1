//! One probe's run: ask systemd, judge, write, all before a deadline.

use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustix::time::ClockId;

use super::probe_units;
use crate::cli::{Output, OutputFormat, was_heard};
use crate::emit::textfile;
use crate::observe::bus::{self, BusError, Names, Stage, Target};
use crate::report::probe::{Probe, ProbeReport, UnitReport};
use crate::report::text::one_line;
use crate::verdict::clock::Clock;
use crate::verdict::ruling::{Ruling, Verdict};
use crate::verdict::zone::Zone;
use crate::verdict::{Finding, State, exit, freshness, timer};

/// What is asked, and what is allowed.
#[derive(Clone, Debug)]
pub enum Question {
    /// Is the timer going to fire again?
    Timer(timer::Limits),
    /// Did the last run succeed?
    Exit(exit::Limits),
    /// Did the job really run in time?
    Freshness {
        /// What is allowed.
        limits: freshness::Limits,
        /// The runner's record.
        status_file: Option<PathBuf>,
        /// Whose clock changes count, where the timer shall not say it.
        zone: Option<Box<Zone>>,
    },
}

impl Question {
    /// The probe that asks it.
    #[must_use]
    pub fn probe(&self) -> Probe {
        match self {
            Self::Timer(_) => Probe::Timer,
            Self::Exit(_) => Probe::Exit,
            Self::Freshness { .. } => Probe::Freshness,
        }
    }
}

/// One call of a probe.
#[derive(Clone, Debug)]
pub struct Request {
    /// What is asked.
    pub question: Question,
    /// Which systemd.
    pub target: Target,
    /// About which units.
    pub names: Names,
    /// The operator named units: each must be there.
    pub is_named: bool,
    /// How many units there must be.
    pub expect: Option<usize>,
    /// Around everything.
    pub timeout: Duration,
    /// Where metrics go.
    pub textfile: Option<PathBuf>,
    /// How the verdict is printed.
    pub output: OutputFormat,
    /// With every rule and everything seen.
    pub explain: bool,
    /// With more lines.
    pub is_verbose: bool,
}

impl Request {
    /// Everything that was seen is printed, too.
    pub(super) fn shows_all(&self) -> bool {
        self.explain || self.output == OutputFormat::Json
    }

    /// Whether anything can take longer than the conversation's own deadline allows: a file that the operator
    /// names, a program that is started. Else a watch would be a tenth of the whole run. Zones lie where the
    /// loader has just found this program's libraries: who hangs there has not come this far.
    fn may_hang(&self) -> bool {
        let reads = matches!(&self.question, Question::Freshness { status_file: Some(_), .. });
        reads || self.textfile.is_some() || matches!(self.target, Target::Host(_))
    }
}

/// Runs the probe, says what it found, and gives its state.
pub fn run(request: &Request, out: &mut Output) -> State {
    let stage = Stage::default();
    stage.begin("starting");
    out.wait_until(Instant::now() + request.timeout);
    let name = request.question.probe().name();
    let speaks = Arc::new(AtomicBool::new(false));
    if request.may_hang()
        && let Err(error) = watch(name, request.timeout, stage.clone(), Arc::clone(&speaks))
    {
        out.say(&format!("{name} UNKNOWN: cannot start a thread: {error}\n"));
        return State::Unknown;
    }
    let (verdict, said) = work(request, &stage);
    if speaks.swap(true, Ordering::SeqCst) {
        // Time is up, and whoever says so ends the process.
        loop {
            std::thread::park();
        }
    }
    out.say(&said);
    if out.is_late() { State::Unknown } else { verdict }
}

/// Beside the deadline of the conversation, one around what nothing else can interrupt: a status file or a
/// textfile on a file system that hangs. Whoever sets `speaks` first has the word.
fn watch(
    name: &'static str,
    timeout: Duration,
    stage: Stage,
    speaks: Arc<AtomicBool>,
) -> std::io::Result<()> {
    let watch = move || {
        let end = Instant::now() + timeout;
        while let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
            std::thread::park_timeout(left);
        }
        if !speaks.swap(true, Ordering::SeqCst) {
            time_is_up(name, timeout, &stage);
        }
    };
    std::thread::Builder::new().stack_size(64 << 10).spawn(watch).map(drop)
}

#[expect(clippy::exit, reason = "the main thread hangs in a system call, and nothing else ends the process")]
fn time_is_up(name: &str, timeout: Duration, stage: &Stage) {
    let limit = crate::verdict::duration::human(timeout);
    let mut out = Output::stdout();
    out.wait_until(Instant::now());
    out.say(&format!("{name} UNKNOWN: no answer within {limit} while {}\n", stage.current()));
    was_heard(name, &mut out);
    std::process::exit(i32::from(State::Unknown.exit_status()));
}

/// The one reading of both clocks, after the last answer: a run that ends meanwhile is not in the future.
fn read_clock(target: &Target) -> Clock {
    let read = |clock| {
        let time = rustix::time::clock_gettime(clock);
        Duration::new(
            u64::try_from(time.tv_sec).unwrap_or_default(),
            u32::try_from(time.tv_nsec).unwrap_or_default(),
        )
    };
    let monotonic = read(ClockId::Monotonic);
    let suspended = read(ClockId::Boottime).saturating_sub(monotonic);
    let is_here = !matches!(target, Target::Host(_));
    Clock { realtime: super::clock(), monotonic: is_here.then_some(monotonic), suspended }
}

fn work(request: &Request, stage: &Stage) -> (State, String) {
    let begun = Instant::now();
    let answers = converse(request, stage);
    let now = read_clock(&request.target);
    let took = begun.elapsed();
    let probe = request.question.probe();
    stage.begin("judging");
    let meant = answers.as_ref().map(|all| all.meant).ok();
    let (units, findings) = probe_units::judge_all(request, answers, &now);
    let mut report = ProbeReport { probe, now: now.realtime, took, units, findings };
    report.findings.extend(unexpected(request, meant));
    if let Some(finding) = write_textfile(request, &report, stage) {
        report.findings.push(finding);
    }
    if request.is_verbose {
        let _ = writeln!(std::io::stderr(), "asked about {} units in {took:?}", report.units.len());
    }
    let mut text = match request.output {
        OutputFormat::Nagios => report.plugin_text(request.is_verbose),
        OutputFormat::Json => report.json_text(),
    };
    if request.explain && request.output == OutputFormat::Nagios {
        text.push_str(&report.explanation());
    }
    (report.state(), text)
}

/// Time that is kept for judging and writing when systemd does not answer.
fn patience(timeout: Duration) -> Duration {
    timeout.saturating_sub((timeout / 4).min(Duration::from_secs(1)))
}

pub(super) type Answers = Result<bus::AllSeen, ObserveError>;

/// Why nothing is known of any unit.
#[derive(Debug, thiserror::Error)]
pub(super) enum ObserveError {
    #[error(transparent)]
    Bus(#[from] BusError),
    #[error("no answer within {limit} while {stage}")]
    Timeout { limit: String, stage: &'static str },
}

fn converse(request: &Request, stage: &Stage) -> Answers {
    let asked = match request.question {
        Question::Timer(_) => bus::Asked::Timer,
        Question::Exit(_) => bus::Asked::Exit,
        Question::Freshness { ref limits, .. } => bus::Asked::Freshness(limits.basis),
    };
    let (names, patience) = (&request.names, patience(request.timeout));
    let answers = bus::converse(&request.target, names.are_many(), stage, patience, |bus| {
        bus::observe(bus, names, asked)
    });
    answers.map_err(|error| match error {
        BusError::Silent => {
            let limit = crate::verdict::duration::human(request.timeout);
            ObserveError::Timeout { limit, stage: stage.current() }
        }
        other => other.into(),
    })
}

/// `have`: how many units were found; where that is not known, why is a finding already.
fn unexpected(request: &Request, have: Option<usize>) -> Option<Finding> {
    let (want, have) = (request.expect?, have?);
    let sentence = format!("expected {want} units, found {have}");
    match have.cmp(&want) {
        std::cmp::Ordering::Equal => None,
        // A unit that is gone is as bad as one that was asked for by its name.
        std::cmp::Ordering::Less => Some(Finding::new(State::Critical, sentence)),
        std::cmp::Ordering::Greater => Some(Finding::new(State::Warning, sentence)),
    }
}

fn write_textfile(request: &Request, report: &ProbeReport, stage: &Stage) -> Option<Finding> {
    let place = request.textfile.as_ref()?;
    stage.begin("writing metrics");
    let written = textfile::write(place, &textfile_name(request), &report.exposition());
    written.err().map(|error| Finding::new(State::Unknown, error.to_string()))
}

/// `plms_timer.prom`, with the unit's name in it where units were named. Two calls that ask otherwise write two
/// files: where a name does not tell all, a hash does.
fn textfile_name(request: &Request) -> String {
    let probe = request.question.probe().word();
    let names = request.names.as_slice();
    let whose = match request.target {
        Target::User => format!("_user-{}", rustix::process::geteuid().as_raw()),
        Target::System | Target::Host(_) => String::new(),
    };
    let Some(first) = names.first().filter(|_| request.is_named) else {
        return format!("plms_{probe}{whose}.prom");
    };
    let plain = |c: char| if c.is_ascii_alphanumeric() || "@._-".contains(c) { c } else { '_' };
    let shown: String = one_line(first).chars().map(plain).take(160).collect();
    let more = match names.len() {
        1 if shown == *first => String::new(),
        1 => format!("_{:016x}", hash(names)),
        many => format!("_and_{}_more_{:016x}", many - 1, hash(names)),
    };
    format!("plms_{probe}_{shown}{more}{whose}.prom")
}

/// FNV-1a, the same in every version: a file with another name would be a second one of the same metrics.
fn hash(names: &[String]) -> u64 {
    let bytes = names.iter().flat_map(|name| name.bytes().chain([b'\n']));
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// A unit of which nothing is known.
pub(super) fn unanswered(unit: &str, error: &str) -> UnitReport {
    let ruling = Ruling::new(State::Unknown, "no-answer", error);
    UnitReport {
        unit: unit.to_owned(),
        verdict: Verdict { rulings: vec![ruling], when_ok: String::new() },
        observation: serde_json::json!({}),
        perfdata: Vec::new(),
        metrics: Vec::new(),
    }
}

/// Says what was wrong with the question itself: a bad name, a zone that does not exist.
pub fn refuse(probe: Probe, error: &dyn std::error::Error, out: &mut Output) -> State {
    out.say(&format!("{} UNKNOWN: {}\n", probe.name(), one_line(&error.to_string())));
    State::Unknown
}
