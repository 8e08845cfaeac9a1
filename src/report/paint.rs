//! Where do colours stand? Only on a terminal that wants them, and only around our own words.

use std::ffi::OsStr;

use anstyle::{AnsiColor, Style};

use crate::verdict::State;

/// Whether escape codes are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// None: a pipe, a unit, `NO_COLOR`.
    Plain,
    /// A terminal.
    Colour,
}

impl Paint {
    /// For a terminal, given `NO_COLOR` (no-color.org: any value but an empty one means none) and `TERM`.
    #[must_use]
    pub fn for_terminal(no_color: Option<&OsStr>, term: Option<&OsStr>) -> Self {
        let is_unwanted = no_color.is_some_and(|value| !value.is_empty());
        if is_unwanted || term.is_some_and(|term| term == "dumb") { Self::Plain } else { Self::Colour }
    }

    /// `text` in the colour of a state; `None` is a skipped invariant.
    #[must_use]
    pub fn state(self, state: Option<State>, text: &str) -> String {
        self.styled(
            match state {
                Some(State::Ok) => AnsiColor::Green.on_default(),
                Some(State::Unknown) => AnsiColor::Magenta.on_default().bold(),
                Some(State::Warning) => AnsiColor::Yellow.on_default().bold(),
                Some(State::Critical) => AnsiColor::Red.on_default().bold(),
                None => Style::new().dimmed(),
            },
            text,
        )
    }

    /// A heading.
    #[must_use]
    pub fn heading(self, text: &str) -> String {
        self.styled(Style::new().bold(), text)
    }

    /// What stands back behind the rest.
    #[must_use]
    pub fn faint(self, text: &str) -> String {
        self.styled(Style::new().dimmed(), text)
    }

    fn styled(self, style: Style, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Colour => format!("{style}{text}{style:#}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_or_a_dumb_terminal_that_wants_no_colour_gets_none() {
        let paint = |no_color: Option<&str>, term: &str| {
            Paint::for_terminal(no_color.map(OsStr::new), Some(OsStr::new(term)))
        };
        assert_eq!(paint(None, "xterm"), Paint::Colour);
        assert_eq!(paint(Some(""), "xterm"), Paint::Colour);
        assert_eq!(paint(Some("0"), "xterm"), Paint::Plain);
        assert_eq!(paint(None, "dumb"), Paint::Plain);
    }
}
