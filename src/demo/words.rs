//! What would a person, an executor or a clock have written into this cell?

use chrono::{DateTime, SecondsFormat};
use fastrand::Rng;

/// The newest registry row is about this old: 2025-11-06T06:00:00Z.
pub(super) const NEWEST: i64 = 1_762_408_800;
/// The registry covers about this many seconds: two years.
pub(super) const SPAN: i64 = 63_072_000;

const PRODUCTS: [&str; 12] = [
    "billing",
    "search",
    "onboarding",
    "ledger",
    "catalogue",
    "telemetry",
    "identity",
    "scheduler",
    "mailer",
    "warehouse",
    "consent",
    "pricing",
];
const CHANGES: [&str; 12] = [
    "migration",
    "retry budget",
    "rate limits",
    "audit trail",
    "read replica",
    "import",
    "nightly export",
    "schema clean-up",
    "latency work",
    "accessibility pass",
    "SSO",
    "rewrite",
];
const VERBS: [&str; 12] = [
    "Write",
    "Review",
    "Refactor",
    "Benchmark",
    "Document",
    "Migrate",
    "Backfill",
    "Test",
    "Deprecate",
    "Measure",
    "Index",
    "Wire up",
];
const OBJECTS: [&str; 12] = [
    "the parser",
    "edge weights",
    "table loader",
    "OpenAPI schema",
    "retry policy",
    "vector store",
    "login form",
    "row counts",
    "dead letters",
    "feature flags",
    "the report",
    "graph edges",
];
const PEOPLE: [&str; 8] =
    ["amara.okafor", "j.lindqvist", "wei.zhang", "m-garcía", "o'brien", "priya.n", "t.novák", "sara.haddad"];
/// Text as people and programs really leave it: an output must survive each.
const HOSTILE: [&str; 6] = [
    "Load a|b|c export",
    "Split \"quoted\" names; DROP TABLE",
    "two\nlines\tand a tab",
    "\u{1b}[31mred\u{1b}[0m from a terminal",
    "\u{202e}txt.gnp right to left",
    "emoji 🦀 and NUL-ish \u{1}",
];

/// One of `choices`, each as likely; they are never empty.
pub(super) fn pick<'a, T: ?Sized>(rng: &mut Rng, choices: &[&'a T]) -> &'a T
where
    &'a T: Default,
{
    rng.choice(choices).copied().unwrap_or_default()
}

/// True once in `n`.
pub(super) fn once_in(rng: &mut Rng, n: u32) -> bool {
    rng.u32(..n.max(1)) == 0
}

/// The moment when this share of all runs was over, give or take.
pub(super) fn moment(rng: &mut Rng, done: i64, of: i64) -> i64 {
    NEWEST - SPAN + SPAN * done / of.max(1) + rng.i64(0..7_200)
}

/// `2025-11-06T07:00:03Z`.
pub(super) fn iso(seconds: i64) -> String {
    DateTime::from_timestamp(seconds, 0)
        .map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true))
        .unwrap_or_default()
}

/// A random UUID (version 4).
pub(super) fn uuid(rng: &mut Rng) -> String {
    let bits = rng.u128(..) & !(0xf000 << 64) & !(0xc000 << 48) | (0x4000 << 64) | (0x8000 << 48);
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        bits >> 96,
        bits >> 80 & 0xffff,
        bits >> 64 & 0xffff,
        bits >> 48 & 0xffff,
        bits & 0xffff_ffff_ffff
    )
}

/// So many random hexadecimal digits, at most 64.
pub(super) fn hex(rng: &mut Rng, digits: usize) -> String {
    let mut text = format!("{:032x}{:032x}", rng.u128(..), rng.u128(..));
    text.truncate(digits);
    text
}

/// A number with two decimals, as a person reads costs and shares.
pub(super) fn cents(rng: &mut Rng, range: std::ops::Range<u32>) -> f64 {
    f64::from(rng.u32(range)) / 100.0
}

pub(super) fn project_name(rng: &mut Rng, id: i64) -> String {
    if once_in(rng, 97) {
        return format!("{} {id}", pick(rng, &HOSTILE));
    }
    format!("{} {} {id}", pick(rng, &PRODUCTS), pick(rng, &CHANGES))
}

pub(super) fn task_name(rng: &mut Rng) -> String {
    if once_in(rng, 499) {
        return pick(rng, &HOSTILE).to_owned();
    }
    format!("{} {}", pick(rng, &VERBS), pick(rng, &OBJECTS))
}

pub(super) fn person(rng: &mut Rng) -> &'static str {
    pick(rng, &PEOPLE)
}

pub(super) fn tags(rng: &mut Rng) -> String {
    format!(r#"["{}","q{}"]"#, pick(rng, &PRODUCTS), rng.u8(1..=4))
}

/// Which models a run used, as the executor notes it.
pub(super) fn provider_matrix(rng: &mut Rng) -> String {
    let coder = pick(rng, &["openai:gpt-4o", "anthropic:claude-3-5-sonnet", "ollama:llama3.1:8b"]);
    let planner = pick(rng, &["openai:o1", "anthropic:claude-3-opus"]);
    format!(r#"{{"planner":"{planner}","coder":"{coder}","temperature":0.{}}}"#, rng.u8(0..=9))
}

pub(super) fn capabilities(rng: &mut Rng) -> &'static str {
    pick(
        rng,
        &[
            r#"{"shell":true,"web":false}"#,
            r#"{"shell":true,"web":true,"lanes":[1,2,4]}"#,
            r#"{"shell":false}"#,
        ],
    )
}

/// Kinds of fault that take turns, so that a small registry has each of them, too.
pub(super) struct Turns<T: 'static> {
    kinds: &'static [T],
    next: usize,
}

impl<T: Copy> Turns<T> {
    pub(super) fn new(kinds: &'static [T]) -> Self {
        Self { kinds, next: 0 }
    }

    pub(super) fn next(&mut self) -> Option<T> {
        let kind = self.kinds.get(self.next % self.kinds.len().max(1)).copied();
        self.next += 1;
        kind
    }
}
