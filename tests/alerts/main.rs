//! Do alerts reach people through the real program, whatever breaks on the way, and is none ever lost? Numbers of
//! faults are those of the project's list of them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a helper that fails fails its test"
)]
#![allow(clippy::print_stdout, reason = "figures that a reader may want: how often was it killed?")]
#![allow(clippy::disallowed_methods, reason = "the program under test reads the real clock")]

#[path = "../common/mod.rs"]
mod common;
#[path = "../common/fault_server/mod.rs"]
mod fault_server;

mod budget;
mod crash;
mod faults;
mod hardship;
mod said;
mod secrets;
mod stage;
mod telling;
mod together;
mod verbs;
