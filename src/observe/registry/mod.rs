//! What does the registry hold? One snapshot of a live SQLite file, asked by several readers at once.

mod ahead;
mod alone;
mod ask;
mod board;
pub mod error;
mod evaluate;
mod facts;
mod files;
mod functions;
mod json;
mod memo;
mod open;
mod owners;
mod passports;
mod plan;
mod raw;
mod reader;
mod readers;
mod schema;
mod session;
mod shared;
mod snapshot;
mod vfs;
mod waiting;
mod work;

pub use alone::{RowsError, explain, rows};
pub use error::RegistryError;
pub use evaluate::{EvaluateError, Evaluated, Question, evaluate};
pub use plan::Refused;
