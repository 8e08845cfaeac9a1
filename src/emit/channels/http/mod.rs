//! How does one POST of JSON reach a far end, and what does it answer? Bounded in time and in size.

mod client;
mod hidden;
mod reply;
mod retry_after;
mod target;
mod trouble;

pub use client::Poster;
pub use hidden::Hidden;
pub use reply::Reply;
pub use retry_after::retry_after;
pub use target::Target;
pub use trouble::Trouble;
pub(super) use trouble::of_tls;

/// Statuses with which every far end asks to be tried again: it was slow, busy or broken.
#[must_use]
pub fn is_passing(status: u16) -> bool {
    matches!(status, 408 | 425 | 429 | 500..=599)
}
