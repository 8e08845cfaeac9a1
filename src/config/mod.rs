//! What did the operator set, and where? Flags over variables over a file (contract 3).

pub mod file;
