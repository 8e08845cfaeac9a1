//! Which words has a mail for itself? The others are those of all channels.

use crate::report::message;
use crate::verdict::duration::human;
use crate::verdict::telling::Message;

/// `[PLMS][production] Invariants FAIL @ 2025-11-06T07:00:03Z`, and whether that was long ago: one line without
/// anything that cannot be seen, at most 160 bytes.
pub(super) fn subject(message: &Message<'_>) -> String {
    let late = message.late().map(|late| format!(" ({} late)", human(late))).unwrap_or_default();
    message::subject(message) + &late
}
