//! Does the registry keep its invariants?

use std::process::ExitCode;

use plms_invariants::cli::runner::{Invocation, Verb};
use plms_invariants::config::Settings;
use plms_invariants::run::verbs::{self, Asked};

fn main() -> ExitCode {
    plms_invariants::cli::program::<Invocation>("PLMS INVARIANTS", |invocation, out| {
        let common = &invocation.common;
        let settings = match Settings::load(&common.settings(), &|name| std::env::var_os(name)) {
            Ok(s) => s,
            Err(e) => return verbs::say_unknown(&e.to_string(), common.is_json(), out),
        };
        #[allow(clippy::disallowed_methods)]
        let asked = Asked { common, settings: &settings, now: chrono::Utc::now() };
        match &invocation.verb {
            Verb::List(f) => verbs::list(&asked, f, out),
            Verb::History { limit } => verbs::history(&asked, *limit, out),
            Verb::Status => verbs::status(&asked, out),
            Verb::ConfigCheck => verbs::config_check(&asked, out),
            _ => verbs::say_unknown("later", false, out),
        }
    })
}
