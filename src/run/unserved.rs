//! Does anything wait for a channel that whoever delivers here knows nothing of?

use crate::config::Settings;
use crate::emit::state::StateError;
use crate::emit::state::outbox::Outbox;
use crate::verdict::backlog::Backlog;
use crate::verdict::{Finding, State};

/// Each channel that alerts wait for and that is not configured here, and how many they are: its secret is gone, or
/// it was given up. Nobody else would name it.
pub fn missing(counts: &[Backlog], settings: &Settings) -> Vec<(&'static str, u64)> {
    let missing = settings.channels().into_iter().filter(|(_, is_configured)| !is_configured);
    let waiting = missing.map(|(channel, _)| {
        let of_channel = counts.iter().filter(|count| count.channel == channel);
        (channel, of_channel.map(|count| count.pending).sum())
    });
    waiting.filter(|(_, pending)| *pending > 0).collect()
}

/// A finding for each of them, where alerts are delivered.
pub fn unserved(counts: &[Backlog], settings: &Settings) -> Vec<Finding> {
    let missing = missing(counts, settings).into_iter();
    missing
        .map(|(channel, pending)| {
            let alerts = match pending {
                1 => "1 alert waits".to_owned(),
                _ => format!("{pending} alerts wait"),
            };
            let sentence =
                format!("{channel} is not configured here, and {alerts} for it; {}", how_to_give_up(channel));
            Finding::new(State::Unknown, sentence)
        })
        .collect()
}

/// What to do about a channel that is gone for good.
pub fn how_to_give_up(channel: &str) -> String {
    format!("if nobody uses it any more: plms-invariants alert flush --discard {channel}")
}

/// As [`unserved`], of the outbox as it lies there now.
pub fn unserved_now(settings: &Settings) -> Vec<Finding> {
    match Outbox::open_to_read(&settings.state_dir.value).and_then(|outbox| outbox.counts()) {
        Ok(counts) => unserved(&counts, settings),
        // Nothing was ever to be told.
        Err(StateError::Absent { .. }) => vec![],
        Err(error) => {
            vec![Finding::new(State::Unknown, format!("it is not known whether alerts wait: {error}"))]
        }
    }
}
