//! What do the verbs answer that check nothing?

mod alert;
mod alone;
mod config_check;
mod demo;
mod failed_unit;
mod history;
mod list;
mod status;

use std::io;

use chrono::{DateTime, Utc};
use serde_json::json;
use thiserror::Error;

use super::{note_to_stderr, tell_stderr};
use crate::cli::Output;
use crate::cli::runner::{Common, SelectFlags};
use crate::config::Settings;
use crate::emit::state::StateError;
use crate::invariants::{Catalogue, CatalogueError, SelectionError};
use crate::observe::registry::RowsError;
use crate::plain::plain;
use crate::report::json;
use crate::report::plugin::ServiceOutput;
use crate::report::rows::RowsFormat;
use crate::verdict::State;

pub use alert::alert;
pub use demo::demo;
pub use status::status;

/// The program's name in service output.
const NAME: &str = "PLMS INVARIANTS";

/// What every verb is given.
#[derive(Debug)]
pub struct Asked<'a> {
    /// Flags of every verb.
    pub common: &'a Common,
    /// The settings.
    pub settings: &'a Settings,
    /// The present.
    pub now: DateTime<Utc>,
}

/// Why a verb has no answer.
#[derive(Debug, Error)]
pub enum VerbError {
    /// No catalogue.
    #[error(transparent)]
    Catalogue(#[from] CatalogueError),
    /// An id or tag that is none.
    #[error(transparent)]
    Selection(#[from] SelectionError),
    /// No history.
    #[error(transparent)]
    State(#[from] StateError),
    /// No rows, or not all of them.
    #[error(transparent)]
    Rows(#[from] RowsError),
    /// Who asks to stop would not be heard.
    #[error("cannot listen for signals: {}", plain(.0))]
    Signals(#[source] io::Error),
    /// Nobody takes the output; the program's edge says so.
    #[error("cannot write the output: {}", plain(.0))]
    Output(#[from] io::Error),
}

impl VerbError {
    fn is_broken_pipe(&self) -> bool {
        let (Self::Output(error) | Self::Rows(RowsError::Output(error))) = self else { return false };
        error.kind() == io::ErrorKind::BrokenPipe
    }
}

/// `list`: OK where it could answer.
pub fn list(asked: &Asked<'_>, flags: &SelectFlags, out: &mut Output) -> State {
    answer(asked, out, |out| list::list(asked, flags, out))
}

/// `history`: OK where it could answer.
pub fn history(asked: &Asked<'_>, limit: usize, out: &mut Output) -> State {
    say_notes(asked.settings);
    answer(asked, out, |out| history::history(asked, limit, out))
}

/// `config check`: OK where it could answer.
pub fn config_check(asked: &Asked<'_>, out: &mut Output) -> State {
    answer(asked, out, |out| config_check::config_check(asked, out))
}

/// `explain`: OK where it could answer.
pub fn explain(asked: &Asked<'_>, id: &str, out: &mut Output) -> State {
    alone::explain(asked, id, out)
        .unwrap_or_else(|error| say_unknown(&error.to_string(), asked.common.is_json(), out))
}

/// `rows`: OK where it could answer, whatever the number of rows.
pub fn rows(asked: &Asked<'_>, id: &str, format: RowsFormat, out: &mut Output) -> State {
    match (alone::rows(asked, id, format, out), format) {
        (Ok(()), _) => State::Ok,
        (Err(error), RowsFormat::Table) => say_unknown(&error.to_string(), false, out),
        (Err(error), RowsFormat::Jsonl | RowsFormat::Csv) => {
            // Whoever reads these from standard output reads rows, and nothing else; whoever has stopped
            // reading (`| head`) knows.
            if !error.is_broken_pipe() {
                tell_stderr("UNKNOWN", &error.to_string());
            }
            State::Unknown
        }
    }
}

/// The catalogue that the settings name.
///
/// # Errors
/// Where a file in it is no invariant.
pub fn catalogue(settings: &Settings) -> Result<Catalogue, CatalogueError> {
    let folders = settings.invariants.as_ref().map_or(&[][..], |s| &s.value);
    Catalogue::load(folders)
}

/// What the settings came to, for whoever wonders (`STATE_DIR` where nobody would look for it): a line
/// each on standard error.
pub fn say_notes(settings: &Settings) {
    for note in &settings.notes {
        note_to_stderr(note);
    }
}

/// The verb that was asked for has no answer: service output, or a JSON object, of state UNKNOWN.
pub fn say_unknown(sentence: &str, is_json: bool, out: &mut Output) -> State {
    if is_json {
        out.say(&json::document(&json!({ "state": State::Unknown, "sentence": sentence })));
    } else {
        let sentence = sentence.to_owned();
        let (findings, perfdata) = (vec![], vec![]);
        out.say(&ServiceOutput { name: NAME, state: State::Unknown, sentence, findings, perfdata }.render());
    }
    State::Unknown
}

fn answer(
    asked: &Asked<'_>,
    out: &mut Output,
    verb: impl FnOnce(&mut Output) -> Result<(), VerbError>,
) -> State {
    match verb(out) {
        Ok(()) => State::Ok,
        Err(error) => say_unknown(&error.to_string(), asked.common.is_json(), out),
    }
}
