//! How does a value of a violating row read, for people and in JSON?

use serde_json::Value;

use crate::verdict::invariants::{Cell, SampleRow};

/// A value as people read it; text is still hostile.
#[must_use]
pub fn words(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".into(),
        Cell::Integer(n) => n.to_string(),
        Cell::Real(x) => format!("{x:?}"),
        Cell::Text(text) => text.clone(),
        Cell::Blob(bytes) => format!("(blob, {bytes} bytes)"),
        Cell::Redacted => "(redacted)".into(),
    }
}

/// A value in JSON: numbers are numbers and NULL is null; what JSON cannot hold is said in words.
#[must_use]
pub fn json(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Integer(n) => (*n).into(),
        Cell::Real(x) => serde_json::Number::from_f64(*x).map_or_else(|| words(cell).into(), Value::Number),
        Cell::Text(_) | Cell::Blob(_) | Cell::Redacted => words(cell).into(),
    }
}

/// A violating row on one line, `id=7 run_id=NULL: reason`, every text in it hostile still.
#[must_use]
pub fn row(row: &SampleRow) -> String {
    with_reason(row.cells.iter().map(|(name, cell)| format!("{name}={}", words(cell))), row.reason.as_deref())
}

/// `id=7 lane=3: why`
pub(super) fn with_reason(cells: impl Iterator<Item = String>, reason: Option<&str>) -> String {
    let cells = cells.collect::<Vec<_>>().join(" ");
    match reason {
        Some(reason) if cells.is_empty() => reason.to_owned(),
        Some(reason) => format!("{cells}: {reason}"),
        None => cells,
    }
}

/// A violating row as a JSON object: key columns first, `reason` last.
#[must_use]
pub fn object(row: &SampleRow) -> Value {
    let mut object = serde_json::Map::new();
    for (name, cell) in &row.cells {
        object.entry(name.clone()).or_insert_with(|| json(cell));
    }
    if let Some(reason) = &row.reason {
        // The invariant's reason, should a column have that name too.
        object.shift_remove("reason");
        object.insert("reason".into(), reason.clone().into());
    }
    Value::Object(object)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::fixture::row as sample;

    #[test]
    fn every_kind_of_value_is_told_apart() {
        let seen = sample(
            &[
                ("reason", Cell::Text("a column".into())),
                ("n", Cell::Null),
                ("i", Cell::Integer(i64::MIN)),
                ("r", Cell::Real(1.0)),
                ("inf", Cell::Real(f64::NEG_INFINITY)),
                ("t", Cell::Text("NULL".into())),
                ("b", Cell::Blob(16)),
                ("s", Cell::Redacted),
                ("n", Cell::Integer(2)),
            ],
            Some("why"),
        );
        assert_eq!(
            row(&seen),
            "reason=a column n=NULL i=-9223372036854775808 r=1.0 inf=-inf t=NULL b=(blob, 16 bytes) s=(redacted) \
             n=2: why"
        );
        assert_eq!(
            object(&seen).to_string(),
            r#"{"n":null,"i":-9223372036854775808,"r":1.0,"inf":"-inf","t":"NULL","b":"(blob, 16 bytes)","s":"(redacted)","reason":"why"}"#
        );
    }
}
