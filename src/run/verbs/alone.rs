//! What does one invariant ask, and which rows violate it?

use std::time::Instant;

use super::super::invariants::processors;
use super::super::note_to_stderr;
use super::super::signals::Signals;
use super::{Asked, VerbError, catalogue};
use crate::cli::Output;
use crate::invariants::Invariant;
use crate::observe::cancel::Cancel;
use crate::observe::registry::{self, Question};
use crate::report::explain::{self, Explanation};
use crate::report::json;
use crate::report::rows::{RowsFormat, RowsWriter};
use crate::verdict::State;

/// UNKNOWN where the registry did not answer; what is known without it is said all the same.
pub(super) fn explain(asked: &Asked<'_>, id: &str, out: &mut Output) -> Result<State, VerbError> {
    let catalogue = catalogue(asked.settings)?;
    let invariant = catalogue.named(id)?;
    let database = asked.settings.registry();
    let explanation = registry::explain(&question(asked, &database, invariant)?, invariant)
        .unwrap_or_else(|error| Explanation::unanswered(invariant, error.to_string()));
    out.say(&if asked.common.is_json() {
        json::document(&explain::object(&explanation))
    } else {
        explain::text(&explanation)
    });
    Ok(if explanation.errors.is_empty() { State::Ok } else { State::Unknown })
}

/// Writes rows as they are found: a million of them take no more memory than one.
pub(super) fn rows(
    asked: &Asked<'_>,
    id: &str,
    format: RowsFormat,
    out: &mut Output,
) -> Result<(), VerbError> {
    let catalogue = catalogue(asked.settings)?;
    let invariant = catalogue.named(id)?;
    let database = asked.settings.registry();
    let mut writer = RowsWriter::new(format, invariant, out);
    let question = question(asked, &database, invariant)?;
    let found = registry::rows(&question, invariant, &mut |row| writer.row(row));
    match found {
        Ok(notes) => {
            writer.finish()?;
            for note in &notes {
                note_to_stderr(note);
            }
            Ok(())
        }
        Err(error) => {
            writer.stop()?;
            Err(error.into())
        }
    }
}

fn question<'a>(
    asked: &Asked<'_>,
    database: &'a std::path::Path,
    invariant: &'a Invariant,
) -> Result<Question<'a>, VerbError> {
    let began = Instant::now();
    let signals = Signals::install_for_reading().map_err(VerbError::Signals)?;
    Ok(Question {
        database,
        catalogue: std::slice::from_ref(invariant),
        artifacts: asked.settings.artifacts_dir.as_ref().map(|setting| setting.value.clone()),
        jobs: processors(),
        cancel: Cancel::new(signals.asked(), began.checked_add(asked.common.timeout).unwrap_or(began)),
    })
}
