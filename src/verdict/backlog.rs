//! How much is still to be told, and since when?

use chrono::{DateTime, Utc};

/// Stands where a channel's word stands, for notices that no channel has taken on.
pub const UNCLAIMED: &str = "unclaimed";

/// What one channel has still to tell of one environment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// `ENV_NAME`.
    pub env: String,
    /// The channel's word, or [`UNCLAIMED`].
    pub channel: String,
    /// Notices that are not settled; a true zero where there are none.
    pub pending: u64,
    /// When the run of the oldest of them ended.
    pub oldest_pending: Option<DateTime<Utc>>,
    /// When the channel last took a part of a notice; `None` where it never did.
    pub last_delivery: Option<DateTime<Utc>>,
}
