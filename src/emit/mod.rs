//! Where does a report go? Everything that is written, and the rules by which nothing good is lost.

mod alive;
pub mod channels;
pub mod deliver;
pub mod lock;
pub mod log;
mod owner;
pub mod replace;
pub mod run;
pub mod state;
pub mod textfile;
