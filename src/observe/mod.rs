//! What is there to see? Everything that reads the outside world, and nothing that judges it.

pub mod bus;
pub mod cancel;
pub mod leftovers;
pub mod passports;
pub mod registry;
pub mod status_file;
pub mod zone;
