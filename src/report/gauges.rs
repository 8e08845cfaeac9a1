//! How do numbers become a file that the textfile collector takes whole? Gauges only, in a fixed order.

use chrono::{DateTime, Utc};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric, text::encode};
use prometheus_client::metrics::{MetricType, gauge::ConstGauge};
use prometheus_client::registry::Registry;

use super::text::{cut, one_line};

/// The longest label value in bytes: it is kept by every Prometheus that ever scrapes it.
const LABEL: usize = 256;

/// Seconds since 1970, to the millisecond.
#[must_use]
pub fn seconds(at: DateTime<Utc>) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "exact for 285,000 years")]
    let seconds = at.timestamp_millis() as f64 / 1000.0;
    seconds
}

/// The families of one textfile, in the order in which they were begun.
#[derive(Debug, Default)]
pub struct Gauges {
    families: Vec<Family>,
}

/// One family: a name, one line of help, and its series.
#[derive(Debug)]
pub struct Family {
    name: &'static str,
    help: &'static str,
    series: Vec<(Vec<(&'static str, String)>, Number)>,
}

/// The value of a series.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A count, a size, a state.
    Whole(u64),
    /// Seconds; one that is not finite is not known, and then there is no series.
    Real(f64),
}

impl From<u64> for Number {
    fn from(number: u64) -> Self {
        Self::Whole(number)
    }
}

impl From<f64> for Number {
    fn from(number: f64) -> Self {
        Self::Real(number)
    }
}

impl Gauges {
    /// Begins a family. `help` is one line; without a series the family is not written at all.
    pub fn family(&mut self, name: &'static str, help: &'static str) -> &mut Family {
        self.families.push(Family { name, help, series: Vec::new() });
        let last = self.families.len() - 1;
        #[expect(clippy::indexing_slicing, reason = "pushed in the line above")]
        &mut self.families[last]
    }

    /// The exposition; `# EOF` and the like are comments to its reader.
    #[must_use]
    pub fn render(self) -> String {
        let mut registry = Registry::default();
        registry.register_collector(Box::new(self));
        let mut text = String::new();
        // Writing into a String does not fail; a torn text is refused by the textfile's writer.
        if encode(&mut text, &registry).is_err() {
            text.clear();
        }
        text
    }
}

impl Family {
    /// Adds a series. What is not known must not come here as a zero: leave it out. Label values may be
    /// hostile; of two series with the same labels the first stays, as a scraper would have it.
    pub fn set(&mut self, labels: &[(&'static str, &str)], value: impl Into<Number>) -> &mut Self {
        let value = value.into();
        let labels: Vec<_> =
            labels.iter().map(|(name, value)| (*name, cut(&one_line(value), LABEL))).collect();
        let is_known = !matches!(value, Number::Real(x) if !x.is_finite());
        if is_known && !self.series.iter().any(|(other, _)| *other == labels) {
            self.series.push((labels, value));
        }
        self
    }
}

impl Collector for Gauges {
    // Not Family<…> of the library: it keeps series in a HashMap, and the file's order would change from
    // run to run. A collector's help is written as it is, without a second full stop.
    fn encode(&self, mut encoder: DescriptorEncoder) -> std::fmt::Result {
        for family in self.families.iter().filter(|family| !family.series.is_empty()) {
            let mut metric = encoder.encode_descriptor(family.name, family.help, None, MetricType::Gauge)?;
            for (labels, value) in &family.series {
                let series = metric.encode_family(labels)?;
                match value {
                    Number::Whole(number) => ConstGauge::new(*number).encode(series)?,
                    Number::Real(number) => ConstGauge::new(*number).encode(series)?,
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn series_stand_in_their_order_and_what_is_not_known_is_absent() {
        let mut gauges = Gauges::default();
        let family = gauges.family("plms_x_seconds", "Seconds of x.");
        family.set(&[("unit", "b")], 0.25).set(&[("unit", "a")], 3_u64);
        family.set(&[("unit", "c")], f64::NAN).set(&[("unit", "b")], 9_u64);
        gauges.family("plms_empty", "Nothing is known.").set(&[], f64::INFINITY);
        gauges.family("plms_y", "Y.").set(&[("env", "e")], 1_762_412_403.412);
        assert_eq!(
            gauges.render(),
            "# HELP plms_x_seconds Seconds of x.\n# TYPE plms_x_seconds gauge\n\
             plms_x_seconds{unit=\"b\"} 0.25\nplms_x_seconds{unit=\"a\"} 3\n\
             # HELP plms_y Y.\n# TYPE plms_y gauge\nplms_y{env=\"e\"} 1762412403.412\n# EOF\n"
        );
    }

    proptest! {
        #[test]
        fn a_hostile_label_stays_between_its_quotes(label in any::<String>(), quotes in "[\"\\\\\n{}]{0,9}") {
            let mut gauges = Gauges::default();
            let label = label + &quotes;
            gauges.family("plms_x", "X.").set(&[("env", &label)], 1_u64);
            let text = gauges.render();
            let lines: Vec<&str> = text.lines().collect();
            prop_assert_eq!(lines.len(), 4, "{}", text);
            let value = lines[2].strip_prefix("plms_x{env=\"").and_then(|l| l.strip_suffix("\"} 1")).unwrap();
            // As the parser of prometheus/common reads it: no quote without a backslash, no other escape.
            let mut chars = value.chars();
            let mut read = String::new();
            while let Some(c) = chars.next() {
                prop_assert_ne!(c, '"');
                if c == '\\' {
                    let escaped = chars.next();
                    prop_assert!(matches!(escaped, Some('"' | '\\')));
                    read.extend(escaped);
                } else {
                    read.push(c);
                }
            }
            prop_assert!(!read.contains(char::is_control));
            prop_assert_eq!(read, cut(&one_line(&label), LABEL));
        }
    }
}
