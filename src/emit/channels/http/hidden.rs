//! How does a far end that echoes a secret not make us print it?

use std::fmt;

const MARK: &str = "…";
/// Shorter pieces of a path are words such as `v2`, and hiding them hides the sense of a sentence.
const SHORTEST_PIECE: usize = 8;

/// What no word of a far end, and no error, may show.
#[derive(Clone, Default)]
pub struct Hidden(Vec<String>);

impl Hidden {
    /// Hides this secret, whole.
    pub fn add(&mut self, secret: &str) {
        if !secret.is_empty() && !self.0.iter().any(|known| known == secret) {
            self.0.push(secret.to_owned());
            // A secret may hold another one: the longest goes first.
            self.0.sort_by_key(|known| std::cmp::Reverse(known.len()));
        }
    }

    /// Hides path and query of a URL, and whatever of them is long enough to be of use to anybody.
    pub fn add_path(&mut self, path: &str) {
        if path.len() > 1 {
            self.add(path);
            self.add(path.trim_matches('/'));
        }
        for piece in path.split(['/', '?', '&', '=', '#']).filter(|piece| piece.len() >= SHORTEST_PIECE) {
            self.add(piece);
        }
    }

    /// The text without any of them.
    #[must_use]
    pub fn hide(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| text.replace(secret, MARK))
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hidden({})", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::Hidden;

    #[test]
    fn no_piece_of_a_webhook_is_seen_wherever_a_far_end_puts_it() {
        let mut hidden = Hidden::default();
        hidden.add("https://hooks.example/services/T000CANARY/B00/x?token=CANARYTOKEN");
        hidden.add_path("/services/T000CANARY/B00/x?token=CANARYTOKEN");
        for text in [
            "no route for https://hooks.example/services/T000CANARY/B00/x?token=CANARYTOKEN",
            "Cannot POST /services/T000CANARY/B00/x?token=CANARYTOKEN",
            r#"{"path":"\/services\/T000CANARY\/B00\/x"}"#,
            "token CANARYTOKEN of T000CANARY",
        ] {
            assert!(!hidden.hide(text).contains("CANARY"), "{}", hidden.hide(text));
        }
        assert_eq!(hidden.hide("token CANARYTOKEN"), "token …");
        assert_eq!(hidden.hide("nothing to hide"), "nothing to hide");
        assert!(!format!("{hidden:?}").contains("CANARY"));
    }

    #[test]
    fn a_root_path_hides_nothing() {
        let mut hidden = Hidden::default();
        hidden.add_path("/");
        hidden.add("");
        assert_eq!(hidden.hide("a/b"), "a/b");
    }
}
