//! A suite that checks a production registry every night and tells the truth about it.
//!
//! ```text
//! probe:       argv → Args → (Target, Limits) → Observation | ObserveError → Verdict → Report → { .prom, stdout, exit status }
//! invariants:  argv → Args → Catalogue → Snapshot → Vec<Evaluation> → Verdict → Report → { Option<Notice> → outbox → Vec<Delivery>, log, state, .prom, stdout, exit status }
//! ```
//!
//! Arrows point one way: `bin → run → {observe, emit} → {report, verdict}`.

pub mod cli;
pub mod config;
pub mod demo;
pub mod emit;
pub mod invariants;
pub mod near;
pub mod observe;
pub mod plain;
pub mod report;
pub mod run;
pub mod verdict;
