//! How is systemd's private socket spoken to? As a bus, but for the name that systemd answers under.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;

/// The header field "sender", a string, with the name that systemd gives itself there. The D-Bus
/// specification has unique names only in this field, and zbus ends a connection on any other.
const SENDER: &[u8] = b"\x07\x01s\x00\x18\x00\x00\x00org.freedesktop.systemd1\x00";
/// The same field with a unique name of the same length.
const UNIQUE: &[u8] = b"\x07\x01s\x00\x18\x00\x00\x00:1.000000000000000000001\x00";

/// Connects to the private socket at `path`; what comes through the stream has valid senders.
///
/// # Errors
/// Nobody listens there, or not for us.
pub(super) fn connect(path: &str) -> io::Result<UnixStream> {
    let systemd = UnixStream::connect(path)?;
    let (ours, relayed) = UnixStream::pair()?;
    let (mut to_systemd, mut from_us) = (systemd.try_clone()?, relayed.try_clone()?);
    let spawn = |work: Box<dyn FnOnce() + Send>| std::thread::Builder::new().stack_size(64 << 10).spawn(work);
    // Either thread ends with its side of the conversation, and tells the other side.
    spawn(Box::new(move || {
        let _ = relay(&mut from_us, &mut to_systemd, |bytes| bytes.len());
        let _ = to_systemd.shutdown(std::net::Shutdown::Both);
    }))?;
    spawn(Box::new(move || {
        let (mut from_systemd, mut to_us) = (systemd, relayed);
        let _ = relay(&mut from_systemd, &mut to_us, patch);
        let _ = to_us.shutdown(std::net::Shutdown::Both);
    }))?;
    Ok(ours)
}

/// Copies until the end; `ready` says how much of what has come may go on.
fn relay(from: &mut impl Read, to: &mut impl Write, ready: impl Fn(&mut [u8]) -> usize) -> io::Result<()> {
    let mut held = Vec::new();
    let mut chunk = [0; 8192];
    loop {
        let length = match from.read(&mut chunk) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        held.extend_from_slice(chunk.get(..length).unwrap_or_default());
        let count = if length == 0 { held.len() } else { ready(&mut held) };
        to.write_all(held.get(..count).unwrap_or_default())?;
        held.drain(..count);
        if length == 0 {
            return Ok(());
        }
    }
}

/// Gives every complete sender field its unique name; what may be the beginning of one is held back.
fn patch(bytes: &mut [u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = bytes.get_mut(at..).filter(|rest| !rest.is_empty()) {
        if let Some(field) = rest.get_mut(..SENDER.len()).filter(|field| **field == *SENDER) {
            field.copy_from_slice(UNIQUE);
            at += SENDER.len();
        } else if SENDER.starts_with(rest) {
            break;
        } else {
            at += 1;
        }
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out its bytes in pieces of one length, as a socket may.
    struct Pieces<'a>(&'a [u8], usize);

    impl Read for Pieces<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let (now, later) = self.0.split_at(self.1.min(self.0.len()).min(buffer.len()));
            buffer[..now.len()].copy_from_slice(now);
            self.0 = later;
            Ok(now.len())
        }
    }

    #[test]
    fn every_sender_is_patched_however_the_bytes_arrive() {
        assert_eq!(SENDER.len(), UNIQUE.len());
        let text =
            [b"head\x07\x01s", SENDER, b"\x07\x01s\x00\x18\x00", SENDER, SENDER, b"tail\x07\x01"].concat();
        let want =
            [b"head\x07\x01s", UNIQUE, b"\x07\x01s\x00\x18\x00", UNIQUE, UNIQUE, b"tail\x07\x01"].concat();
        for length in 1..=text.len() {
            let mut seen = Vec::new();
            relay(&mut Pieces(&text, length), &mut seen, patch).unwrap();
            assert_eq!(seen, want, "in pieces of {length}");
        }
    }
}
