//! What is in a text of metrics? Read by a few lines of its own, for comparing a file with what is served of it.

use std::collections::{BTreeMap, BTreeSet};

/// Series, types and helps of one text in the Prometheus text format.
#[derive(Debug, Default, PartialEq)]
pub struct Exposition {
    /// Value by name and sorted labels: the order of labels carries no meaning.
    pub series: BTreeMap<String, f64>,
    /// Type by name of the family.
    pub types: BTreeMap<String, String>,
    /// Help by name of the family.
    pub helps: BTreeMap<String, String>,
}

impl Exposition {
    /// Reads a text.
    ///
    /// # Panics
    /// On a line that is none of the format, and on a series that is there twice.
    pub fn read(text: &str) -> Self {
        let mut read = Self::default();
        for line in text.lines().filter(|line| !line.is_empty()) {
            if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
                read.types.insert(name.to_owned(), kind.to_owned());
            } else if let Some((name, help)) =
                line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' '))
            {
                read.helps.insert(name.to_owned(), help.to_owned());
            } else if !line.starts_with('#') {
                let (series, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("no value: {line}"));
                let value = value.parse().unwrap_or_else(|_| panic!("no number: {line}"));
                let twice = read.series.insert(sorted(series), value);
                assert!(twice.is_none(), "twice there: {line}");
            }
        }
        read
    }

    /// The families, by the names of their series.
    pub fn families(&self) -> BTreeSet<&str> {
        self.series.keys().map(|series| family(series)).collect()
    }
}

fn family(series: &str) -> &str {
    series.split_once('{').map_or(series, |(name, _)| name)
}

/// `name{b="2",a="1"}` with its labels in order.
fn sorted(series: &str) -> String {
    let Some((name, labels)) = series.strip_suffix('}').and_then(|text| text.split_once('{')) else {
        return series.to_owned();
    };
    let mut pairs = Vec::new();
    let (mut pair, mut quoted, mut escaped) = (String::new(), false, false);
    for character in labels.chars() {
        if character == ',' && !quoted {
            pairs.push(std::mem::take(&mut pair));
            continue;
        }
        quoted ^= character == '"' && !escaped;
        escaped = character == '\\' && !escaped;
        pair.push(character);
    }
    pairs.extend((!pair.is_empty()).then_some(pair));
    pairs.sort();
    format!("{name}{{{}}}", pairs.join(","))
}
