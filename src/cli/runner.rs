//! What was `plms-invariants` asked to do? Its flags and verbs (contract 2).

use std::num::NonZeroUsize;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory, FromArgMatches, Parser, Subcommand};

use super::alert::AlertVerb;
use super::flags::Folders;
pub use super::flags::{Common, DemoFlags, RunFlags, SelectFlags};
pub use crate::report::rows::RowsFormat;

/// One invocation: what holds for every verb, and the verb.
#[derive(Clone, Debug)]
pub struct Invocation {
    /// Flags that stand before or after any verb.
    pub common: Common,
    /// What to do; a run where no verb was given.
    pub verb: Verb,
}

/// What to do.
#[derive(Clone, Debug)]
pub enum Verb {
    /// Check the registry.
    Run(RunFlags),
    /// Name the invariants.
    List(SelectFlags),
    /// Tell everything about one invariant.
    Explain {
        /// Its id.
        id: String,
    },
    /// Print every row that violates one invariant.
    Rows {
        /// Its id.
        id: String,
        /// As what.
        format: RowsFormat,
    },
    /// Print the last run's verdict.
    Status,
    /// Print past runs and incidents.
    History {
        /// How many runs.
        limit: NonZeroUsize,
    },
    /// Test the channels, deliver what waits, or print it.
    Alert(AlertVerb),
    /// Print settings and where they come from.
    ConfigCheck,
    /// Make a registry with planted violations and check it.
    Demo(DemoFlags),
}

/// What the exit status of a verdict means.
const STATES: &str =
    "Exit status: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN; help, version and wrong flags are 3.";
/// And that of a verb which is asked for something else.
pub(super) const ANSWERS: &str = "Exit status: 0 where it could answer, whatever the answer is, else 3.";

#[derive(Parser)]
#[command(
    name = "plms-invariants",
    version,
    about = "Check a production registry (SQLite) against its invariants",
    long_about = "Check a production registry (SQLite) against its invariants, and tell the truth about it: \
                  what could not be checked is UNKNOWN, never OK. Without a verb, `run` is meant.",
    after_help = STATES
)]
struct CommandLine {
    #[command(flatten)]
    common: Common,
    #[command(flatten)]
    folders: Folders,
    #[command(flatten)]
    run: RunFlags,
    #[command(subcommand)]
    verb: Option<Subverb>,
}

/// As clap knows the verbs.
#[derive(Subcommand)]
enum Subverb {
    /// Check the registry and leave log, metrics, status.json and history (the default)
    #[command(after_help = STATES)]
    Run {
        #[command(flatten)]
        folders: Folders,
        #[command(flatten)]
        flags: RunFlags,
    },
    /// Name the invariants, their severity, groups and files
    #[command(after_help = ANSWERS)]
    List {
        #[command(flatten)]
        folders: Folders,
        #[command(flatten)]
        flags: SelectFlags,
    },
    /// Tell everything about one invariant: front matter, SQL, query plan, and the index that would help
    #[command(after_help = ANSWERS)]
    Explain {
        /// The invariant, as `list` names it
        id: String,
        #[command(flatten)]
        folders: Folders,
    },
    /// Print every row that violates one invariant
    #[command(after_help = ANSWERS)]
    Rows {
        /// The invariant, as `list` names it
        id: String,
        /// Aligned columns, JSON lines or CSV [default: table, and jsonl with --output json]
        #[arg(short, long, value_enum)]
        format: Option<RowsFormat>,
        #[command(flatten)]
        folders: Folders,
    },
    /// Print the last full run's verdict without running anything; one older than 25 h is CRITICAL
    #[command(after_help = STATES)]
    Status,
    /// Print past runs, and per invariant the time from first failure to recovery
    #[command(after_help = ANSWERS)]
    History {
        /// Print at most this many runs, the newest first
        #[arg(short = 'n', long, value_name = "N", default_value = "30")]
        limit: NonZeroUsize,
    },
    /// Test the channels, deliver what waits, or print it
    #[command(subcommand)]
    Alert(AlertVerb),
    /// Look at the settings
    #[command(subcommand)]
    Config(ConfigVerb),
    /// Make a registry with planted violations, check it, and see whether they were found
    #[command(after_help = "Exit status: 0 where exactly what was planted was found, else 3.")]
    Demo(DemoFlags),
}

#[derive(Subcommand)]
enum ConfigVerb {
    /// Print each setting and where it comes from, and which channels are configured; never a secret
    #[command(after_help = ANSWERS)]
    Check(Folders),
}

impl CommandLine {
    fn resolve(self) -> Result<Invocation, clap::Error> {
        let Self { mut common, folders, run, verb } = self;
        let json = common.is_json();
        common.invariants = folders.invariants;
        let mut add = |after: Folders| common.invariants.extend(after.invariants);
        let verb = match verb {
            None => Verb::Run(run),
            Some(Subverb::Run { folders, flags }) => {
                add(folders);
                Verb::Run(run.with(flags)?)
            }
            // `plms-invariants --tag night list` asks what `list --tag night` does.
            Some(Subverb::List { folders, flags })
                if run == (RunFlags { select: run.select.clone(), ..RunFlags::default() }) =>
            {
                add(folders);
                Verb::List(run.select.with(flags)?)
            }
            Some(_) if run != RunFlags::default() => {
                return Err(usage("flags of `run` stand before another verb"));
            }
            Some(Subverb::List { folders, flags }) => {
                add(folders);
                Verb::List(flags)
            }
            Some(Subverb::Explain { id, folders }) => {
                add(folders);
                Verb::Explain { id }
            }
            Some(Subverb::Rows { id, format, folders }) => {
                add(folders);
                let default = if json { RowsFormat::Jsonl } else { RowsFormat::Table };
                Verb::Rows { id, format: format.unwrap_or(default) }
            }
            Some(Subverb::Status) => Verb::Status,
            Some(Subverb::History { limit }) => Verb::History { limit },
            Some(Subverb::Alert(verb)) => Verb::Alert(verb),
            Some(Subverb::Config(ConfigVerb::Check(folders))) => {
                add(folders);
                Verb::ConfigCheck
            }
            Some(Subverb::Demo(flags)) => Verb::Demo(flags),
        };
        Ok(Invocation { common, verb })
    }
}

pub(super) fn usage(sentence: &str) -> clap::Error {
    CommandLine::command().error(ErrorKind::ArgumentConflict, sentence)
}

impl CommandFactory for Invocation {
    fn command() -> clap::Command {
        CommandLine::command()
    }

    fn command_for_update() -> clap::Command {
        CommandLine::command_for_update()
    }
}

impl FromArgMatches for Invocation {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        CommandLine::from_arg_matches(matches)?.resolve()
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Parser for Invocation {}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};
    use std::time::Duration;

    use super::*;

    fn parse(line: &str) -> Result<Invocation, String> {
        let words = std::iter::once("plms-invariants").chain(line.split_whitespace());
        Invocation::try_parse_from(words).map_err(|e| e.to_string())
    }

    fn run(line: &str) -> RunFlags {
        match parse(line).unwrap().verb {
            Verb::Run(flags) => flags,
            verb => panic!("{line}: {verb:?}"),
        }
    }

    #[test]
    fn the_definition_is_sound() {
        Invocation::command().debug_assert();
    }

    #[test]
    fn without_a_verb_a_run_is_meant_and_its_flags_may_stand_on_either_side() {
        assert_eq!(run(""), RunFlags::default());
        assert_eq!(run("run"), RunFlags::default());
        let expected = run("--strict --only a --only b --jobs 2 --allow-empty");
        assert_eq!(
            (&expected.select.only[..], expected.jobs, expected.allow_empty),
            (&["a".into(), "b".into()][..], Some(2), true)
        );
        assert_eq!(run("run --strict --only a --only b --jobs 2 --allow-empty"), expected);
        assert_eq!(run("--strict --only a run --only b --jobs 2 --allow-empty"), expected);
    }

    #[test]
    fn flags_of_every_verb_may_stand_before_or_after_it() {
        let flags = "--db d --env-file e --state-dir s --log-dir l --textfile t \
                     --artifacts-dir a -o json -v -t 90s";
        for line in [
            format!("{flags} status"),
            format!("status {flags}"),
            flags.to_owned(),
            format!("run {flags}"),
            format!("config {flags} check"),
        ] {
            let common = parse(&line).unwrap().common;
            let settings = common.settings();
            assert_eq!(settings.db.as_deref(), Some(Path::new("d")), "{line}");
            assert_eq!(settings.env_file.as_deref(), Some(Path::new("e")));
            assert_eq!(settings.state_dir.as_deref(), Some(Path::new("s")));
            assert_eq!(settings.log_dir.as_deref(), Some(Path::new("l")));
            assert_eq!(settings.textfile.as_deref(), Some(Path::new("t")));
            assert_eq!(settings.artifacts_dir.as_deref(), Some(Path::new("a")));
            assert_eq!(
                (common.is_json(), common.verbose, common.timeout),
                (true, 1, Duration::from_secs(90))
            );
        }
        let common = parse("status").unwrap().common;
        assert_eq!((common.is_json(), common.verbose, common.timeout), (false, 0, Duration::from_secs(600)));
        assert!(
            parse("--json status").unwrap().common.is_json()
                && parse("status --json").unwrap().common.is_json()
        );
    }

    #[test]
    fn a_folder_before_the_verb_is_not_lost_to_one_after_it() {
        for verb in ["run", "list", "explain x", "rows x", "config check"] {
            let common = parse(&format!("--invariants a {verb} --invariants b")).unwrap().common;
            assert_eq!(common.settings().invariants, [PathBuf::from("a"), PathBuf::from("b")], "{verb}");
        }
        assert_eq!(parse("--invariants a").unwrap().common.invariants, [PathBuf::from("a")]);
    }

    #[test]
    fn rows_are_json_lines_where_json_was_asked_for() {
        let format = |line| match parse(line).unwrap().verb {
            Verb::Rows { format, .. } => format,
            verb => panic!("{verb:?}"),
        };
        assert_eq!(format("rows x"), RowsFormat::Table);
        assert_eq!(format("rows x -o json"), RowsFormat::Jsonl);
        assert_eq!(format("rows x --json --format csv"), RowsFormat::Csv);
    }

    #[test]
    fn the_selection_of_list_is_that_of_a_run() {
        for line in ["list --tag a --skip b", "--tag a list --skip b"] {
            let Verb::List(flags) = parse(line).unwrap().verb else { panic!("{line}") };
            assert_eq!((flags.tag, flags.skip), (vec!["a".to_owned()], vec!["b".to_owned()]));
        }
    }

    #[test]
    fn contradictions_and_strays_are_usage_errors() {
        for line in [
            "--standard --strict",
            "--standard run --strict",
            "--jobs 2 run --jobs 3",
            "--jobs 0",
            "--jobs 300",
            "--jobs x",
            "-t 0",
            "-t soon",
            "-o xml",
            "--only a status",
            "--strict explain x",
            "--allow-empty list",
            "explain",
            "rows",
            "rows x --format xml",
            "config",
            "config what",
            "history -n -1",
            "demo --runs -1",
            "nonsense",
            "--nonsense",
            "run extra",
            "--db",
        ] {
            assert!(parse(line).is_err(), "{line}");
        }
    }
}
