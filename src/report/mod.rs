//! How is a report said? Pure: a report becomes text, and nothing is written here.

pub mod plugin;
pub mod text;
