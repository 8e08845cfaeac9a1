//! What can SQL ask beyond SQLite's own functions? Passports, formulas and facts per project.

use std::sync::Arc;

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

use super::facts::{Facts, HAS_POLLUTING_RUN, HAS_RUN, HAS_UNVALIDATED_RUN};
use super::json::{FormulaFault, formula_fault, object_entries};
use super::memo::Memo;
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
    let pure =
        FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    let formulas = Memo::new();
    connection.create_scalar_function("formula_fault", 1, pure, move |context| {
        Ok(formula_of(context.get_raw(0), &formulas))
    })?;
    let objects = Memo::new();
    connection.create_scalar_function("object_entries", 1, pure, move |context| {
        Ok(match context.get_raw(0) {
            ValueRef::Text(text) => objects.of(text, object_entries),
            _ => None,
        })
    })?;
    // Which bits are looked at, and what they must be; a project without a run, as NULL, is not validated.
    let meanings = [
        (HAS_RUN, HAS_RUN),
        (HAS_RUN | HAS_UNVALIDATED_RUN, HAS_RUN),
        (HAS_POLLUTING_RUN, HAS_POLLUTING_RUN),
    ];
    for (name, (mask, meaning)) in ASK_FACTS.into_iter().zip(meanings) {
        let shared = Arc::clone(shared);
        connection.create_scalar_function(name, 1, pure, move |context| {
            let facts = shared.facts.get().ok_or_else(|| told("the pass over project_runs is not done"))?;
            let facts: &Facts = facts.as_ref().map_err(told)?;
            Ok(facts.of(context.get_raw(0)) & mask == meaning)
        })?;
    }
    // Without an argument SQLite asks once per statement, and then no row asks for its passport.
    let files = shared.artifacts.is_some();
    connection.create_scalar_function("passports_are_read", 0, pure, move |_| Ok(files))?;
    let shared = Arc::clone(shared);
    connection.create_scalar_function("passport_fault", 2, pure, move |context| {
        let Some(artifacts) = &shared.artifacts else { return Ok(None) };
        let passports = artifacts.passports.get().ok_or_else(|| told("the passports are not read"))?;
        let passports: &Passports = passports.as_ref().map_err(told)?;
        Ok(passport_fault(passports, context).map(|fault| fault.to_string()))
    })
}

fn passport_fault(passports: &Passports, context: &Context<'_>) -> Option<Fault> {
    let mut spelled = [String::new(), String::new()];
    let [project_text, run_text] = &mut spelled;
    match (spelling(context.get_raw(0), project_text), spelling(context.get_raw(1), run_text)) {
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

fn told(words: &(impl ToString + ?Sized)) -> Error {
    Error::UserFunctionError(words.to_string().into())
}
