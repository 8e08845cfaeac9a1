//! What does a program read of an invariant?

use serde_json::{Value, json};

use crate::invariants::{Body, Invariant, OnMissing};

/// Everything that an invariant's file says, by the names of contract 7.
#[must_use]
pub fn object(i: &Invariant) -> Value {
    let needs: Vec<String> = i.needs.iter().map(|c| format!("{}.{}", c.table, c.column)).collect();
    let mut object = json!({
        "id": i.id, "title": i.title, "severity": i.severity, "tags": i.tags, "key": i.key,
        "sample": i.sample, "timeout_seconds": i.timeout.as_secs_f64(), "runbook": i.runbook,
        "owner": i.owner, "description": i.description, "show": i.show, "redact": i.redact,
        "min_examined": i.min_examined, "needs": needs,
        "on_missing": match i.on_missing { OnMissing::Error => "error", OnMissing::Skip => "skip" },
        "source": i.source.to_string(),
    });
    let question = match &i.body {
        Body::Rows { table, violates, reason } => {
            json!({ "table": table, "violates": violates, "reason": reason })
        }
        Body::Query { sql } => json!({ "sql": sql }),
    };
    if let (Value::Object(object), Value::Object(question)) = (&mut object, question) {
        object.extend(question);
    }
    object
}
