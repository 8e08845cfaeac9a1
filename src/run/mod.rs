//! What does one invocation do, from its flags to its state? The only place where an error becomes a state.

mod alerts;
pub mod invariants;
pub mod probe;
#[cfg(test)]
mod probe_golden;
mod probe_record;
mod probe_units;
mod progress;
mod signals;
mod unserved;
pub mod verbs;

use std::io::{self, Write as _};

use chrono::{DateTime, Utc};

use crate::cli::Output;
use crate::cli::runner::{Invocation, Verb};
use crate::config::Settings;
use crate::report::text::one_line;
use crate::verdict::State;

/// The program `plms-invariants`: one verb, from its flags to its state.
pub fn runner(invocation: &Invocation, out: &mut Output) -> State {
    let Invocation { common, verb } = invocation;
    let now = clock();
    // Before the settings: a demo has its own, and broken ones are no reason not to show one.
    if let Verb::Demo(flags) = verb {
        return verbs::demo(common, flags, now, out);
    }
    let (flags, var) = (common.settings(), |name: &str| std::env::var_os(name));
    let loaded = match verb {
        Verb::Alert(verb) if verb.tells_of_a_failed_unit() => Settings::load_usable(&flags, &var),
        _ => Settings::load(&flags, &var),
    };
    let settings = match loaded {
        Ok(settings) => settings,
        Err(error) => return verbs::say_unknown(&error.to_string(), common.is_json(), out),
    };
    let asked = verbs::Asked { common, settings: &settings, now };
    match verb {
        Verb::Run(flags) => invariants::run(&asked, flags, out),
        Verb::List(flags) => verbs::list(&asked, flags, out),
        Verb::Explain { id } => verbs::explain(&asked, id, out),
        Verb::Rows { id, format } => verbs::rows(&asked, id, *format, out),
        Verb::Status => verbs::status(&asked, out),
        Verb::History { limit } => verbs::history(&asked, limit.get(), out),
        Verb::Alert(verb) => verbs::alert(&asked, verb, out),
        Verb::ConfigCheck => verbs::config_check(&asked, out),
        Verb::Demo(_) => State::Unknown,
    }
}

/// The one reading of the clock; what lasts is measured from here by the monotonic clock.
#[expect(clippy::disallowed_methods, reason = "the clock is read here, once, and passed down")]
fn clock() -> DateTime<Utc> {
    Utc::now()
}

/// A line for the person at the terminal or the journal; nobody may be listening.
fn note_to_stderr(note: &str) {
    tell_stderr("note", note);
}

fn tell_stderr(kind: &str, sentence: &str) {
    let _ = writeln!(io::stderr(), "{kind}: {}", one_line(sentence));
}
