//! What can SQL ask beyond SQLite's own functions? Passports, formulas and facts per project.

use std::sync::Arc;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

use super::facts::{HAS_POLLUTING_RUN, HAS_RUN, HAS_UNVALIDATED_RUN};
use super::json::{FormulaFault, formula_fault, object_entries};
use super::memo::Memo;
use super::raw::{Answer, function};
use super::shared::Shared;
use crate::observe::passports::{Fault, Passports};

/// Functions whose answer needs what was read from disk.
pub const ASK_PASSPORTS: [&str; 1] = ["passport_fault"];
/// Functions whose answer needs the pass over the runs.
pub const ASK_FACTS: [&str; 3] = ["project_has_run", "project_is_validated", "project_is_polluted"];

/// Makes the functions known to a connection (CONTRIBUTING.md lists them for operators).
///
/// # Errors
/// None that is known; SQLite's own otherwise.
pub fn register(connection: &Connection, shared: &Arc<Shared>) -> Result<(), Error> {
    let formulas = Memo::new();
    function(connection, c"formula_fault", move |[cell]| formula_of(cell, &formulas).into())?;
    let objects = Memo::new();
    function(connection, c"object_entries", move |[cell]| {
        let entries = match cell {
            ValueRef::Text(text) => objects.of(text, object_entries),
            _ => None,
        };
        entries.map_or(Answer::Null, Answer::Integer)
    })?;
    // Which bits are looked at, and what they must be; a project without a run, as NULL, is not validated.
    let meanings = [
        (c"project_has_run", HAS_RUN, HAS_RUN),
        (c"project_is_validated", HAS_RUN | HAS_UNVALIDATED_RUN, HAS_RUN),
        (c"project_is_polluted", HAS_POLLUTING_RUN, HAS_POLLUTING_RUN),
    ];
    for (name, mask, meaning) in meanings {
        let shared = Arc::clone(shared);
        function(connection, name, move |[project]| match shared.facts.get() {
            Some(Ok(facts)) => (facts.of(project) & mask == meaning).into(),
            Some(Err(words)) => Answer::Error(words.clone()),
            None => Answer::Error("the pass over project_runs is not done".to_owned()),
        })?;
    }
    // Without an argument SQLite asks once per statement, and then no row asks for its passport.
    let files = shared.artifacts.is_some();
    function(connection, c"passports_are_read", move |[]| files.into())?;
    let shared = Arc::clone(shared);
    function(connection, c"passport_fault", move |[project, run]| {
        let Some(artifacts) = &shared.artifacts else { return Answer::Null };
        match artifacts.passports.get() {
            Some(Ok(passports)) => {
                passport_fault(passports, project, run).map(|fault| fault.to_string()).into()
            }
            Some(Err(words)) => Answer::Error(words.clone()),
            None => Answer::Error("the passports are not read".to_owned()),
        }
    })
}

fn passport_fault(passports: &Passports, project: ValueRef<'_>, run: ValueRef<'_>) -> Option<Fault> {
    let mut spelled = [String::new(), String::new()];
    let [project_text, run_text] = &mut spelled;
    match (spelling(project, project_text), spelling(run, run_text)) {
        (Some(project), Some(run)) => passports.fault(project, run),
        _ => Some(Fault::None),
    }
}

/// How a value is spelled in a file's name; NULL is not.
fn spelling<'a>(value: ValueRef<'a>, text: &'a mut String) -> Option<&'a [u8]> {
    match value {
        ValueRef::Null => return None,
        ValueRef::Integer(number) => *text = number.to_string(),
        ValueRef::Real(number) => *text = number.to_string(),
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => return Some(bytes),
    }
    Some(text.as_bytes())
}

/// A number in a text column is its own JSON; a blob is no text, and so no JSON by RFC 8259.
fn formula_of(value: ValueRef<'_>, formulas: &Memo<Option<String>>) -> Option<String> {
    let judge = |text: &[u8]| formula_fault(text).map(|fault| fault.to_string());
    match value {
        ValueRef::Null => None,
        ValueRef::Text(text) => formulas.of(text, judge),
        ValueRef::Integer(number) => judge(number.to_string().as_bytes()),
        ValueRef::Real(number) => judge(number.to_string().as_bytes()),
        ValueRef::Blob(_) => Some(FormulaFault::NotJson.to_string()),
    }
}
