//! Are we let in? Authentication, and the Hello of a bus.
//!
//! Nothing that we say depends on what is answered to it, so it is sent together with the first questions: who
//! asks once would wait longer for doors than for answers.

use std::time::Instant;

use super::connect::unreachable;
use super::wire::{self, Came};
use super::{Body, Bus, BusError, Call};

/// Longer than any line of the authentication that we understand.
const LONGEST_LINE: usize = 1024;

/// What is still to be heard before answers come.
pub(super) struct Opening {
    awaits: Awaits,
    /// Who lets us in.
    door: String,
    is_bus: bool,
    /// The stage that begins when we are in.
    pub next_stage: &'static str,
    /// Until when answers may come from then on.
    end: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Awaits {
    Begin,
    Authentication,
    Hello,
    Nothing,
}

impl Opening {
    pub fn new(door: String, is_bus: bool, end: Instant) -> Self {
        Self { awaits: Awaits::Begin, door, is_bus, next_stage: "asking systemd", end }
    }

    pub fn failed(&self, reason: &impl std::fmt::Display) -> BusError {
        unreachable(&self.door, reason)
    }

    fn denied(&self, reason: &str) -> BusError {
        BusError::Denied { whom: self.door.clone(), reason: reason.to_owned() }
    }
}

impl Bus {
    /// Whether anybody let us in.
    pub(super) fn has_answered(&self) -> bool {
        self.opening.awaits == Awaits::Nothing
    }

    /// Writes what opens a conversation, once.
    pub(super) fn begin(&mut self) {
        if self.opening.awaits != Awaits::Begin {
            return;
        }
        self.opening.awaits = Awaits::Authentication;
        let user = rustix::process::geteuid().as_raw().to_string();
        self.unsent.extend(b"\0AUTH EXTERNAL ");
        // In the hexadecimal form of its decimal form.
        self.unsent.extend(user.bytes().flat_map(|digit| [b'3', digit]));
        self.unsent.extend(b"\r\nBEGIN\r\n");
        if self.opening.is_bus {
            let (path, interface) = ("/org/freedesktop/DBus".to_owned(), "org.freedesktop.DBus");
            let hello = Call { path, interface, member: "Hello", body: Body::Nothing };
            self.serial += 1;
            wire::write(&mut self.unsent, self.serial, Some(interface), &hello);
        }
    }

    /// Takes what has come of it; whether answers may follow now.
    pub(super) fn let_in(&mut self) -> Result<bool, BusError> {
        if self.opening.awaits == Awaits::Authentication && self.is_authenticated()? {
            self.opening.awaits = Awaits::Hello;
        }
        if self.opening.awaits == Awaits::Hello && (!self.opening.is_bus || self.is_welcome()?) {
            self.opening.awaits = Awaits::Nothing;
            self.socket.end = self.opening.end;
            self.stage.begin(self.opening.next_stage);
        }
        Ok(self.has_answered())
    }

    fn is_authenticated(&mut self) -> Result<bool, BusError> {
        let came = self.socket.came();
        let Some(length) = came.windows(2).take(LONGEST_LINE).position(|end| end == b"\r\n") else {
            let is_too_long = came.len() > LONGEST_LINE;
            return if is_too_long { Err(self.opening.failed(&"what came is no D-Bus")) } else { Ok(false) };
        };
        let line = String::from_utf8_lossy(came.get(..length).unwrap_or_default()).into_owned();
        self.socket.use_up(length + 2);
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("OK", _) => Ok(true),
            ("REJECTED", _) => Err(self.opening.denied("it does not take us for the user who we are")),
            _ => Err(self.opening.failed(&"what came is no D-Bus")),
        }
    }

    /// The bus answers to its Hello before anything else; what it tells besides is no concern of ours.
    fn is_welcome(&mut self) -> Result<bool, BusError> {
        loop {
            let (length, answer) = match wire::read(self.socket.came()) {
                Came::Part => return Ok(false),
                Came::Garbage => return Err(self.opening.failed(&"what came is no D-Bus")),
                Came::Message(frame, length) if frame.answers == Some(1) => {
                    (length, Some(frame.answer().map(drop)))
                }
                Came::Message(_, length) => (length, None),
            };
            self.socket.use_up(length);
            match answer {
                Some(Ok(())) => return Ok(true),
                Some(Err(refusal)) if refusal.is_denial() => return Err(self.opening.denied(&refusal.text)),
                Some(Err(refusal)) => return Err(self.opening.failed(&refusal.text)),
                None => {}
            }
        }
    }
}
