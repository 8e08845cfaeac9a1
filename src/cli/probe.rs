//! Which flags do the three probes have, and what do they mean?

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args, Parser};

use super::{Output, OutputFormat};
use crate::observe::bus::{Host, Names, Target, is_glob};
use crate::observe::zone;
use crate::report::probe::Probe;
use crate::run::probe::{Question, Request, refuse, run};
use crate::verdict::duration::parse_positive;
use crate::verdict::freshness::Basis;
use crate::verdict::range::Range;
use crate::verdict::{State, exit, freshness, timer};

macro_rules! after_help {
    ($unit:literal) => {
        concat!(
            "Without --unit: ",
            $unit,
            ".\nExit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; help, version and wrong flags are 3."
        )
    };
}

const AFTER_HELP_TIMER: &str = after_help!("plms-invariants.timer");
const AFTER_HELP_SERVICE: &str = after_help!("plms-invariants.service");

/// Flags that every probe has.
#[derive(Args, Clone, Debug)]
struct Common {
    /// Unit to judge, or a glob over loaded units and unit files; may be repeated.
    #[arg(short, long = "unit", value_name = "UNIT")]
    units: Vec<String>,
    /// Fewer units than N are CRITICAL, more are WARNING.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    expect: Option<u32>,
    /// Ask the calling user's systemd, not the system's.
    #[arg(long, conflicts_with = "host")]
    user: bool,
    /// Ask another machine's systemd over ssh.
    #[arg(short = 'H', long, value_name = "[USER@]HOST")]
    host: Option<Host>,
    /// Time for systemd, and for everything else, before the state is UNKNOWN.
    #[arg(short, long, value_name = "DURATION", default_value = "10", value_parser = parse_positive)]
    timeout: Duration,
    /// Print the verdict for a monitoring system or as JSON.
    #[arg(short, long, value_name = "FORMAT", default_value = "nagios")]
    output: OutputFormat,
    /// Write this machine's metrics to a .prom file, or into a folder; a failure lifts OK to UNKNOWN.
    #[arg(long, value_name = "PATH")]
    textfile: Option<PathBuf>,
    /// Print every rule's outcome and all that was seen.
    #[arg(long)]
    explain: bool,
    /// Also print what is in order.
    #[arg(short, long, action = ArgAction::Count)]
    verbose: u8,
}

/// Is the timer active, enabled, and going to fire again?
#[derive(Parser, Debug)]
#[command(name = "check_plms_timer", version, after_help = AFTER_HELP_TIMER)]
pub struct TimerArgs {
    #[command(flatten)]
    common: Common,
    /// A timer that will not survive a reboot is OK.
    #[arg(long)]
    allow_disabled: bool,
    /// A one-shot timer that has done its work is OK.
    #[arg(long)]
    allow_elapsed: bool,
    /// A job that runs longer blocks its timer: CRITICAL.
    #[arg(long, value_name = "DURATION", default_value = "24h", value_parser = parse_positive)]
    max_runtime: Duration,
}

/// Did the last run succeed?
#[derive(Parser, Debug)]
#[command(name = "check_plms_exit", version, after_help = AFTER_HELP_SERVICE)]
pub struct ExitArgs {
    #[command(flatten)]
    common: Common,
    /// The job's exit status 1, 2, 3 is WARNING, CRITICAL, UNKNOWN.
    #[arg(long)]
    nagios_status: bool,
    /// A longer run is CRITICAL [default: 24h for a service that is still starting].
    #[arg(long, value_name = "DURATION", value_parser = parse_positive)]
    max_runtime: Option<Duration>,
    /// State where no run is on record, or the last was skipped.
    #[arg(long, value_name = "STATE", default_value = "unknown", value_parser = state)]
    never_run: State,
}

/// Did the job really run in time?
#[derive(Parser, Debug)]
#[command(name = "check_plms_freshness", version, after_help = AFTER_HELP_SERVICE)]
pub struct FreshnessArgs {
    #[command(flatten)]
    common: Common,
    /// Age of the last run that is WARNING outside of RANGE.
    #[arg(short, long, value_name = "RANGE")]
    warning: Option<Range>,
    /// Age of the last run that is CRITICAL outside of RANGE; an hour put back and the timer's own delays are added.
    #[arg(short, long, value_name = "RANGE", default_value = "25h")]
    critical: Range,
    /// Which moment of a run counts.
    #[arg(long, value_name = "BASIS", default_value = "finish")]
    basis: Basis,
    /// A longer run is CRITICAL [default: 24h for a service that is still starting].
    #[arg(long, value_name = "DURATION", value_parser = parse_positive)]
    max_runtime: Option<Duration>,
    /// What the runner left (status.json), for one unit of this machine; without --unit it needs no systemd.
    #[arg(long, value_name = "PATH")]
    status_file: Option<PathBuf>,
    /// Zone whose clock changes count [default: the timer's, else this machine's].
    #[arg(long, value_name = "ZONE")]
    timezone: Option<String>,
    /// State where no run is on record.
    #[arg(long, value_name = "STATE", default_value = "unknown", value_parser = state)]
    never_run: State,
}

fn state(word: &str) -> Result<State, String> {
    let known = [State::Ok, State::Warning, State::Critical, State::Unknown];
    let found = known.into_iter().find(|state| state.word().eq_ignore_ascii_case(word));
    found.ok_or_else(|| format!("'{word}' is no state; write ok, warning, critical or unknown"))
}

/// `check_plms_timer`.
pub fn timer(args: TimerArgs, out: &mut Output) -> State {
    let TimerArgs { common, allow_disabled, allow_elapsed, max_runtime } = args;
    common.run(Question::Timer(timer::Limits { allow_disabled, allow_elapsed, max_runtime }), out)
}

/// `check_plms_exit`.
pub fn exit(args: ExitArgs, out: &mut Output) -> State {
    let ExitArgs { common, nagios_status, max_runtime, never_run } = args;
    common.run(Question::Exit(exit::Limits { nagios_status, max_runtime, never_run }), out)
}

/// `check_plms_freshness`.
pub fn freshness(args: FreshnessArgs, out: &mut Output) -> State {
    let zone = match args.timezone.as_deref().map(zone::named).transpose() {
        Ok(zone) => zone,
        Err(error) => return refuse(Probe::Freshness, &error, out),
    };
    let limits = freshness::Limits {
        warn: args.warning,
        crit: args.critical,
        basis: args.basis,
        max_runtime: args.max_runtime,
        never_run: args.never_run,
    };
    args.common
        .run(Question::Freshness { limits, status_file: args.status_file, zone: zone.map(Box::new) }, out)
}

/// Flags that contradict each other, where what they would lead to must be told.
#[derive(Debug, thiserror::Error)]
enum Contradiction {
    #[error("--status-file is a file of this machine and says nothing of another; leave it away with --host")]
    FileOfThisMachine,
    #[error(
        "--status-file is the record of one job and says nothing of others; give it with one --unit and no pattern, or with none"
    )]
    FileOfOneJob,
    #[error(
        "--textfile with --host is refused: its metrics name no host and would pass for this machine's; have that machine write its own"
    )]
    MetricsOfThisMachine,
}

impl Common {
    fn contradiction(&self, question: &Question) -> Option<Contradiction> {
        let has_file = matches!(question, Question::Freshness { status_file: Some(_), .. });
        let are_many = self.units.len() > 1 || self.units.iter().any(|unit| is_glob(unit));
        match self.host {
            Some(_) if has_file => Some(Contradiction::FileOfThisMachine),
            Some(_) if self.textfile.is_some() => Some(Contradiction::MetricsOfThisMachine),
            _ => (has_file && are_many).then_some(Contradiction::FileOfOneJob),
        }
    }

    fn run(self, question: Question, out: &mut Output) -> State {
        if let Some(contradiction) = self.contradiction(&question) {
            return refuse(question.probe(), &contradiction, out);
        }
        let (suffix, default) = match question {
            Question::Timer(_) => (".timer", "plms-invariants.timer"),
            Question::Exit(_) | Question::Freshness { .. } => (".service", "plms-invariants.service"),
        };
        let is_named = !self.units.is_empty();
        let given = if is_named { self.units } else { vec![default.to_owned()] };
        let names = match Names::new(&given, suffix) {
            Ok(names) => names,
            Err(error) => return refuse(question.probe(), &error, out),
        };
        let target = match (self.host, self.user) {
            (Some(host), _) => Target::Host(host),
            (None, true) => Target::User,
            (None, false) => Target::System,
        };
        let request = Request {
            question,
            target,
            names,
            is_named,
            expect: self.expect.and_then(|expect| usize::try_from(expect).ok()),
            timeout: self.timeout,
            textfile: self.textfile,
            output: self.output,
            explain: self.explain,
            is_verbose: self.verbose > 0,
        };
        run(&request, out)
    }
}
