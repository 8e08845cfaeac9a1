//! What do all programs share at their edge? Flags that are wrong, panics, an output that nobody reads.

pub mod alert;
mod flags;
pub mod probe;
pub mod runner;
mod stdout;

use std::any::Any;
use std::ffi::OsString;
use std::io::{self, Write as _};
use std::panic::{self, AssertUnwindSafe, PanicHookInfo};
use std::process::ExitCode;
use std::sync::Mutex;

use clap::Parser;
use clap::error::ErrorKind;

pub use stdout::Output;

use crate::plain::plain;
use crate::report::text::one_line;
use crate::verdict::State;

/// How a verdict is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum OutputFormat {
    /// Service output, long output and perfdata of a monitoring plugin.
    #[default]
    Nagios,
    /// One JSON object.
    Json,
}

/// A program from its flags to its exit status, which is 0, 1, 2 or 3 whatever happens.
///
/// `run` writes what it has to say and gives the state. Help, version, wrong flags and a panic are UNKNOWN;
/// so is OK where standard output did not take what was said.
pub fn program<A: Parser>(name: &str, run: impl FnOnce(A, &mut Output) -> State) -> ExitCode {
    panic::set_hook(Box::new(note_panic));
    let mut out = Output::stdout();
    ExitCode::from(guarded(name, std::env::args_os(), &mut out, run))
}

fn guarded<A: Parser>(
    name: &str,
    args: impl IntoIterator<Item = OsString>,
    out: &mut Output,
    run: impl FnOnce(A, &mut Output) -> State,
) -> u8 {
    let state = match A::try_parse_from(args) {
        Ok(args) => panic::catch_unwind(AssertUnwindSafe(|| run(args, out)))
            .unwrap_or_else(|payload| say_panic(name, out, payload)),
        Err(error) => say_usage(name, out, &error),
    };
    if was_heard(name, out) { state.exit_status() } else { state.max(State::Unknown).exit_status() }
}

/// Whether all that was said has arrived; what stood in the way is told to standard error, in a line.
pub(crate) fn was_heard(name: &str, out: &mut Output) -> bool {
    let Err(error) = out.arrived() else { return true };
    // Where standard error is gone, too, the exit status is all that can still be said.
    let _ = writeln!(io::stderr(), "{name}: standard output did not take what was said: {}", plain(&error));
    false
}

/// Help and version are what was asked for; any other error is one line here and clap's own words, with
/// the usage, for the person at the terminal.
fn say_usage(name: &str, out: &mut Output, error: &clap::Error) -> State {
    let text = error.render().to_string();
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        out.say(&text);
        return State::Unknown;
    }
    let paragraph: Vec<&str> = text.lines().map(str::trim).take_while(|line| !line.is_empty()).collect();
    let sentence = paragraph.join(" ");
    out.say(&format!("{name} UNKNOWN: {}\n", one_line(sentence.trim_start_matches("error: "))));
    for line in text.lines() {
        let indent = line.len() - line.trim_start().len();
        let _ = writeln!(io::stderr(), "{:indent$}{}", "", one_line(line));
    }
    State::Unknown
}

/// Where the last panic was. Its message may hold anything, a secret too, and is never shown.
static PANIC_PLACE: Mutex<Option<String>> = Mutex::new(None);

fn note_panic(panic: &PanicHookInfo<'_>) {
    let place = panic.location().map(|at| format!("{}:{}", short_path(at.file()), at.line()));
    let _ = writeln!(io::stderr(), "internal error at {}", place.as_deref().unwrap_or("an unknown place"));
    if let Ok(mut last) = PANIC_PLACE.lock() {
        *last = place;
    }
}

/// `zbus-6.2.1/src/lib.rs`, without the folders of the machine that built the program.
fn short_path(path: &str) -> &str {
    let package = path.rfind("/src/").and_then(|src| path.get(..src)).and_then(|head| head.rfind('/'));
    package.and_then(|slash| path.get(slash + 1..)).unwrap_or(path)
}

fn say_panic(name: &str, out: &mut Output, payload: Box<dyn Any + Send>) -> State {
    // Whatever was thrown may panic again when it is dropped.
    std::mem::forget(payload);
    let place = PANIC_PLACE.lock().ok().and_then(|mut place| place.take());
    let place = place.map(|place| format!(" at {place}")).unwrap_or_default();
    out.end_line();
    out.say(&format!("{name} UNKNOWN: internal error{place}; please report it\n"));
    State::Unknown
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    #[derive(Parser)]
    #[command(name = "check_x", version)]
    struct Args {
        /// A number.
        #[arg(long, default_value = "1")]
        number: u32,
    }

    #[derive(Clone, Default)]
    struct Screen(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Screen {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn run(args: &[&str], run: impl FnOnce(Args, &mut Output) -> State) -> (u8, String) {
        let screen = Screen::default();
        let mut out = Output::new(screen.clone());
        let args = [&["check_x"], args].concat();
        let status = guarded("PLMS X", args.into_iter().map(OsString::from), &mut out, run);
        let text = screen.0.lock().unwrap().clone();
        (status, String::from_utf8(text).unwrap())
    }

    #[test]
    fn a_state_becomes_the_exit_status_and_what_was_said_is_on_stdout() {
        let seen = run(&["--number", "2"], |args, out| {
            out.say(&format!("number {}\n", args.number));
            State::Critical
        });
        assert_eq!(seen, (2, "number 2\n".into()));
    }

    #[test]
    fn help_version_and_a_wrong_flag_are_unknown() {
        let (status, text) = run(&["--help"], |_, _| State::Ok);
        assert!(status == 3 && text.contains("Usage: check_x"), "{status} {text}");
        let (status, text) = run(&["-V"], |_, _| State::Ok);
        assert!(status == 3 && text.starts_with("check_x "), "{status} {text}");
        let (status, text) = run(&["--no\nsuch|flag"], |_, _| State::Ok);
        assert_eq!(status, 3);
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(
            text.starts_with("PLMS X UNKNOWN: unexpected argument '--no") && !text.contains('|'),
            "{text}"
        );
        let (status, text) = run(&["--number", "foo"], |_, _| State::Ok);
        assert_eq!(status, 3);
        assert!(text.starts_with("PLMS X UNKNOWN: invalid value 'foo' for '--number <NUMBER>': "), "{text}");
    }

    #[test]
    fn a_panic_is_unknown_and_does_not_tell_its_message() {
        let (status, text) = run(&[], |_, out| {
            out.say("half a li");
            panic!("hooks.example/SECRET")
        });
        assert_eq!(status, 3);
        assert!(text.starts_with("half a li\nPLMS X UNKNOWN: internal error"), "{text}");
        assert!(!text.contains("SECRET"), "{text}");
    }

    #[test]
    fn a_payload_that_panics_when_dropped_is_still_unknown() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("again")
            }
        }
        let (status, _) = run(&[], |_, _| panic::panic_any(Bomb));
        assert_eq!(status, 3);
    }

    #[test]
    fn an_output_that_cannot_be_written_lifts_ok_to_unknown_and_nothing_else() {
        for (state, want) in [(State::Ok, 3), (State::Warning, 1), (State::Critical, 2), (State::Unknown, 3)]
        {
            let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
            let mut out = Output::new(full);
            let status = guarded("PLMS X", ["x".into()], &mut out, |_: Args, out: &mut Output| {
                out.say("text\n");
                state
            });
            assert_eq!(status, want, "{state:?}");
        }
    }

    #[test]
    fn the_place_of_a_panic_names_no_builder() {
        let path = "/home/someone/.cargo/registry/src/index.crates.io-1/zbus-6.2.1/src/connection/mod.rs";
        assert_eq!(short_path(path), "zbus-6.2.1/src/connection/mod.rs");
        assert_eq!(short_path("src/cli/mod.rs"), "src/cli/mod.rs");
        assert_eq!(short_path("/rustc/abc/library/core/src/str/mod.rs"), "core/src/str/mod.rs");
    }
}
