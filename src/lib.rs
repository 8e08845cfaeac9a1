//! A suite that checks a production registry every night and tells the truth about it.
//!
//! ```text
//! probe:       argv → Args → (Target, Limits) → Observation | ObserveError → Verdict → Report → { .prom, stdout, exit status }
//! invariants:  argv → Args → Catalogue → Snapshot → Vec<Evaluation> → Verdict → Report → { Option<Notice> → outbox → Vec<Delivery>, log, state, .prom, stdout, exit status }
//! ```
//!
//! Arrows point one way: `bin → run → {observe, emit} → {report, verdict}`.

/// The flags of the four programs; a wrong one is UNKNOWN.
pub mod cli;
/// Flags over variables over the env file; secrets.
pub mod config;
/// A registry made up for a demonstration, with violations whose number is known.
pub mod demo;
/// Output: textfile, log, state and outbox; delivery through channels.
pub mod emit;
/// The catalogue: the format of an invariant's file, the loader, the built-in files.
pub mod invariants;
/// The one known word that is nearest to an unknown one.
pub mod near;
/// Input: the registry in one snapshot, passports on disk, systemd over its bus.
pub mod observe;
/// The system's errors in an operator's words.
pub mod plain;
/// Pure: a report becomes text, JSON, metrics, a log; a notice becomes a message.
pub mod report;
/// One invocation; the only place where an error becomes a state, and where the clock is read.
pub mod run;
/// Pure: states, findings, thresholds, perfdata; no clock, no input, no output.
pub mod verdict;
