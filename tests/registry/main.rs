//! Does the real program tell the truth about a registry that lives, is damaged, or is hostile, and leave it as
//! it was?
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]

#[path = "../common/mod.rs"]
mod common;

mod bad_registry;
mod build_flags;
mod changing;
mod damage;
mod giving_way;
mod listing;
mod odd_rows;
mod one_run;
mod one_snapshot;
mod operators;
mod passports;
mod reading;
mod stage;
mod traps;
mod unanswered;
mod writer;
