//! Is every value of the front matter one that its key may have?

use std::ops::Range;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::format::Problem;
use super::sql::{self, SqlError};
use super::{Body, Column, Invariant, OnMissing, Source};
use crate::verdict::duration;
use crate::verdict::invariants::Severity;

const DEFAULT_SAMPLE: usize = 10;
const MOST_SAMPLE: i64 = 1000;
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// Front matter as TOML types have it; every value with its place.
#[derive(Deserialize)]
pub(super) struct Front {
    id: Option<Spanned<String>>,
    title: Option<Spanned<String>>,
    severity: Option<Spanned<String>>,
    #[serde(default)]
    tags: Vec<Spanned<String>>,
    key: Option<Spanned<Vec<Spanned<String>>>>,
    sample: Option<Spanned<i64>>,
    timeout: Option<Spanned<toml::Value>>,
    runbook: Option<Spanned<String>>,
    owner: Option<Spanned<String>>,
    description: Option<String>,
    #[serde(default)]
    show: Vec<Spanned<String>>,
    #[serde(default)]
    redact: Vec<Spanned<String>>,
    min_examined: Option<Spanned<i64>>,
    #[serde(default)]
    needs: Vec<Spanned<String>>,
    on_missing: Option<Spanned<String>>,
    table: Option<Spanned<String>>,
    violates: Option<Spanned<String>>,
    reason: Option<Spanned<String>>,
}

/// Which part of the file a problem's offset counts from: front matter, or the whole file.
pub(super) enum Place {
    Front(Range<usize>, Problem),
    Body(usize, Problem),
}

type Checked<T> = Result<T, Place>;

fn refuse<T>(span: Range<usize>, key: &'static str, want: impl Into<String>) -> Checked<T> {
    Err(Place::Front(span, Problem::Value { key, want: want.into() }))
}

fn missing(key: &'static str) -> Place {
    Place::Front(0..0, Problem::Missing(key))
}

impl Front {
    pub(super) fn build(self, body: &str, source: Source) -> Checked<Invariant> {
        let id = self.id.ok_or_else(|| missing("id"))?;
        if !is_id(id.get_ref()) {
            return refuse(id.span(), "id", "must be a lower-case letter and up to 63 of a-z, 0-9 and _");
        }
        let key = self.key.ok_or_else(|| missing("key"))?;
        if key.get_ref().is_empty() {
            return refuse(key.span(), "key", "must name at least one column");
        }
        let key = columns("key", key.into_inner())?;
        let show = columns("show", self.show)?;
        let hidden = self.redact.iter().find(|c| !key.contains(c.get_ref()) && !show.contains(c.get_ref()));
        if let Some(column) = hidden {
            // A misspelt column would be shown to everybody.
            return refuse(column.span(), "redact", "names a column that is neither in `key` nor in `show`");
        }
        if let (Some(word), true) = (&self.on_missing, self.needs.is_empty()) {
            return refuse(word.span(), "on_missing", "says nothing without `needs`");
        }
        Ok(Invariant {
            title: line("title", Some(self.title.ok_or_else(|| missing("title"))?))?.unwrap_or_default(),
            severity: severity(&self.severity.ok_or_else(|| missing("severity"))?)?,
            tags: self.tags.into_iter().map(tag).collect::<Checked<_>>()?,
            key,
            sample: self.sample.map_or(Ok(DEFAULT_SAMPLE), |s| sample(&s))?,
            timeout: self.timeout.map_or(Ok(DEFAULT_TIMEOUT), |t| timeout(&t))?,
            runbook: line("runbook", self.runbook)?,
            owner: line("owner", self.owner)?,
            description: self.description.map(|d| d.trim().to_owned()).filter(|d| !d.is_empty()),
            show,
            redact: self.redact.into_iter().map(Spanned::into_inner).collect(),
            min_examined: self.min_examined.map(|n| min_examined(&n)).transpose()?,
            needs: self.needs.iter().map(needed).collect::<Checked<_>>()?,
            on_missing: self.on_missing.map_or(Ok(OnMissing::Error), |m| on_missing(&m))?,
            body: question(self.table, self.violates, self.reason, body)?,
            id: id.into_inner(),
            source,
        })
    }
}

fn question(
    table: Option<Spanned<String>>,
    violates: Option<Spanned<String>>,
    reason: Option<Spanned<String>>,
    body: &str,
) -> Checked<Body> {
    let alone = |span, what| Err(Place::Front(span, Problem::Contradiction(what)));
    match (table, violates) {
        (None, None) => {
            if let Some(reason) = reason {
                return alone(
                    reason.span(),
                    "`reason` goes with `violates`; a query returns its own columns",
                );
            }
            let sql = sql::statement(body).map_err(|(at, error)| Place::Body(at, error.into()))?;
            Ok(Body::Query { sql: sql.to_owned() })
        }
        (Some(table), None) => alone(table.span(), "`table` without `violates`"),
        (None, Some(violates)) => alone(violates.span(), "`violates` without `table`"),
        (Some(table), Some(violates)) => {
            if !matches!(sql::statement(body), Err((_, SqlError::Empty))) {
                let at = body.find(|c: char| !c.is_whitespace()).unwrap_or(0);
                let what = "a statement after a row predicate: `violates` is the whole question";
                return Err(Place::Body(at, Problem::Contradiction(what)));
            }
            let table = columns("table", vec![table])?.pop().unwrap_or_default();
            let violates = expression("violates", violates)?;
            let reason = reason.map(|r| expression("reason", r)).transpose()?;
            Ok(Body::Rows { table, violates, reason })
        }
    }
}

/// An expression, ended so that a remark at its end cannot swallow what is put after it.
fn expression(key: &'static str, text: Spanned<String>) -> Checked<String> {
    if let Err((_, error)) = sql::expression(text.get_ref()) {
        return Err(Place::Front(text.span(), Problem::Expression { key, error }));
    }
    let text = text.into_inner().trim().to_owned();
    let remark = text.lines().last().is_some_and(|l| l.contains("--"));
    Ok(if remark { text + "\n" } else { text })
}

fn is_id(id: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    id.starts_with(|c: char| c.is_ascii_lowercase()) && id.len() <= 64 && id.chars().all(rest)
}

/// One line that people read.
fn line(key: &'static str, text: Option<Spanned<String>>) -> Checked<Option<String>> {
    let Some(text) = text else { return Ok(None) };
    if text.get_ref().trim().is_empty() || text.get_ref().chars().any(char::is_control) {
        return refuse(text.span(), key, "must be one line of text");
    }
    Ok(Some(text.into_inner().trim().to_owned()))
}

fn severity(word: &Spanned<String>) -> Checked<Severity> {
    let all = [Severity::Warning, Severity::Critical];
    all.into_iter()
        .find(|s| s.word() == word.get_ref())
        .map_or_else(|| refuse(word.span(), "severity", "must be \"warning\" or \"critical\""), Ok)
}

fn on_missing(word: &Spanned<String>) -> Checked<OnMissing> {
    match word.get_ref().as_str() {
        "error" => Ok(OnMissing::Error),
        "skip" => Ok(OnMissing::Skip),
        _ => refuse(word.span(), "on_missing", "must be \"error\" or \"skip\""),
    }
}

fn tag(tag: Spanned<String>) -> Checked<String> {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_' || c == '-';
    let text = tag.get_ref();
    if text.is_empty() || text.len() > 64 || !text.chars().all(rest) {
        return refuse(tag.span(), "tags", "must be words of a-z, 0-9, _ and -");
    }
    Ok(tag.into_inner())
}

fn sample(rows: &Spanned<i64>) -> Checked<usize> {
    let within = Some(*rows.get_ref()).filter(|n| *n <= MOST_SAMPLE).and_then(|n| usize::try_from(n).ok());
    within.map_or_else(|| refuse(rows.span(), "sample", format!("must be 0 to {MOST_SAMPLE} rows")), Ok)
}

fn min_examined(rows: &Spanned<i64>) -> Checked<u64> {
    u64::try_from(*rows.get_ref())
        .or_else(|_| refuse(rows.span(), "min_examined", "must be a number of rows, 0 or more"))
}

fn timeout(value: &Spanned<toml::Value>) -> Checked<Duration> {
    let text = match value.get_ref() {
        toml::Value::Integer(seconds) => seconds.to_string(),
        toml::Value::String(text) => text.clone(),
        _ => String::new(),
    };
    duration::parse_positive(&text).or_else(|_| {
        refuse(value.span(), "timeout", "must be a duration above zero, such as \"30s\" or \"1m30s\"")
    })
}

fn columns(key: &'static str, names: Vec<Spanned<String>>) -> Checked<Vec<String>> {
    let mut known: Vec<String> = Vec::with_capacity(names.len());
    for name in names {
        let span = name.span();
        let text = name.into_inner();
        if text.trim() != text || text.is_empty() || text.chars().any(char::is_control) {
            return refuse(span, key, "must be a name, without blanks around it");
        }
        if known.contains(&text) {
            return refuse(span, key, format!("names {text} twice"));
        }
        known.push(text);
    }
    Ok(known)
}

fn needed(name: &Spanned<String>) -> Checked<Column> {
    let is_name = |n: &str| !n.is_empty() && n.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '$');
    match name.get_ref().split_once('.') {
        Some((table, column)) if is_name(table) && is_name(column) => {
            Ok(Column { table: table.into(), column: column.into() })
        }
        _ => refuse(name.span(), "needs", "must be columns as \"table.column\""),
    }
}
