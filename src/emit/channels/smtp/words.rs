//! What may people read of what a server said? Never a password, in none of the forms that it was sent in.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::report::text::{cut, one_line};

/// Bytes of a server's words.
const WORDS: usize = 300;
/// So many bytes of a secret in a row give some of it away.
const TELLING: usize = 5;

/// The forms in which a login's secrets pass over the wire.
#[derive(Clone, Default)]
pub(super) struct Forms(Vec<String>);

impl Forms {
    pub(super) fn of(user: &str, password: &str) -> Self {
        let plain = format!("\0{user}\0{password}");
        let encoded = [plain.as_str(), password, user].map(|text| STANDARD.encode(text));
        let forms = std::iter::once(password.to_owned()).chain(encoded);
        Self(forms.map(|form| form.to_ascii_lowercase()).filter(|form| !form.is_empty()).collect())
    }

    /// One line of these words, at most [`WORDS`] bytes; every word that shares a part with a secret is `…`.
    pub(super) fn clean(&self, words: &str) -> String {
        let words = one_line(&cut(words, 8 * WORDS));
        let lower = words.to_ascii_lowercase();
        let mut touched: Vec<(usize, usize)> = vec![];
        for form in &self.0 {
            let form = form.as_bytes();
            for part in form.windows(TELLING.min(form.len())) {
                let found = lower.as_bytes().windows(part.len()).enumerate();
                touched.extend(found.filter(|(_, seen)| *seen == part).map(|(at, _)| (at, at + part.len())));
            }
        }
        let mut kept = String::with_capacity(words.len());
        let mut at = 0;
        for word in words.split_inclusive(' ') {
            let end = at + word.len();
            if touched.iter().any(|(from, to)| *from < end && at < *to) {
                kept.push_str("… ");
            } else {
                kept.push_str(word);
            }
            at = end;
        }
        cut(kept.trim_end(), WORDS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_not_read_back_in_any_form() {
        let forms = Forms::of("alerts", "hunter2-canary");
        // As `printf '\0alerts\0hunter2-canary' | base64` and so on print them.
        let plain = "AGFsZXJ0cwBodW50ZXIyLWNhbmFyeQ==";
        let table = [
            ("535 5.7.8 no: hunter2-canary", "535 5.7.8 no: …"),
            ("you said HUNTER2-CANARY, sir", "you said … sir"),
            (&format!("500 unknown: AUTH PLAIN {plain}"), "500 unknown: AUTH PLAIN …"),
            // Cut off by the server's own limit.
            ("500 unknown: AUTH PLAIN AGFsZXJ0cwBodW50ZX", "500 unknown: AUTH PLAIN …"),
            ("bad base64 aHVudGVyMi1jYW5hcnk=", "bad base64 …"),
            ("no such user YWxlcnRz", "no such user …"),
            ("250 2.0.0 Ok: queued as 4F2A1\r\n", "250 2.0.0 Ok: queued as 4F2A1"),
            ("a\u{202e}b\nc|d", "a?b; c/d"),
        ];
        for (words, want) in table {
            assert_eq!(forms.clean(words), want, "{words}");
        }
    }

    #[test]
    fn a_password_of_several_words_is_not_read_back_either() {
        let forms = Forms::of("u", "a b c d");
        assert_eq!(forms.clean("you sent a b c d as password"), "you sent … … … … as password");
    }

    #[test]
    fn a_short_password_is_worth_no_words() {
        assert_eq!(Forms::of("u", "ab").clean("ab cab dd"), "… … dd");
    }

    #[test]
    fn no_server_talks_people_to_death() {
        assert!(Forms::default().clean(&"ü".repeat(100_000)).len() <= WORDS);
    }
}
