//! What does the shipped dashboard ask Prometheus for?

use std::path::Path;

use serde_json::Value;

/// `deployment/grafana/plms-invariants.json`.
pub fn shipped() -> Value {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("deployment/grafana/plms-invariants.json");
    serde_json::from_str(&std::fs::read_to_string(file).expect("it is shipped")).expect("it is JSON")
}

/// The elements of an array; none where there is no array.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Every expression of every panel, with all variables meaning everything, as Grafana fills them in.
pub fn expressions(dashboard: &Value) -> Vec<String> {
    let mut found = Vec::new();
    for panel in list(&dashboard["panels"]) {
        for target in list(&panel["targets"]) {
            let expression = target["expr"].as_str().expect("a target has an expression");
            found.push(expression.replace("$env", ".*").replace("$instance", ".*"));
        }
    }
    found
}
