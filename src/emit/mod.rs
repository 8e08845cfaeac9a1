//! Where does a report go? Everything that is written, and the rules by which nothing good is lost.

pub mod replace;
pub mod textfile;
