//! How is text from elsewhere shown on one line, so that it harms neither parser nor terminal nor reader?

/// Makes hostile text fit for one line of plugin output, log or terminal.
///
/// Line ends become `; `, `|` becomes `/` (it separates perfdata), a tab a blank; control characters and
/// those that hide or reorder text (bidi marks, zero-width, fillers, tags) become `?`, to be seen.
/// Text of our own with an emoji's variation selector must be added afterwards.
#[must_use]
pub fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    let mut at_line_end = false;
    for c in text.trim_matches(|c: char| is_line_end(c) || c == ' ').chars() {
        if is_line_end(c) {
            at_line_end = true;
            continue;
        }
        if at_line_end && c == ' ' {
            continue;
        }
        if at_line_end {
            line.push_str("; ");
            at_line_end = false;
        }
        line.push(match c {
            '|' => '/',
            '\t' => ' ',
            c if c.is_control() || is_invisible(c) => '?',
            c => c,
        });
    }
    line
}

/// At most `bytes` bytes of `text`; where something is left out, it ends in `…`.
#[must_use]
pub fn cut(text: &str, bytes: usize) -> String {
    const MARK: char = '…';
    if text.len() <= bytes {
        return text.to_owned();
    }
    let Some(room) = bytes.checked_sub(MARK.len_utf8()) else { return String::new() };
    let end = (0..=room).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    format!("{}{MARK}", text.get(..end).unwrap_or_default())
}

fn is_line_end(c: char) -> bool {
    matches!(c, '\n' | '\r' | '\u{b}' | '\u{c}' | '\u{85}' | '\u{2028}' | '\u{2029}')
}

/// Unicode's `Default_Ignorable_Code_Point`, and the interlinear marks: drawn as nothing, or moving what
/// is drawn.
pub(crate) fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn hostile_text_stays_on_its_line_and_can_be_seen() {
        let table = [
            ("plain text, ümlaut 漢字", "plain text, ümlaut 漢字"),
            ("a|b=c", "a/b=c"),
            ("one\ntwo\r\n\n three\n", "one; two; three"),
            ("\n\n", ""),
            ("a\tb", "a b"),
            ("\x1b[31mred\x07\0", "?[31mred??"),
            ("abc\u{202e}def\u{2066}", "abc?def?"),
            ("ze\u{200b}ro\u{feff}", "ze?ro?"),
            ("u\u{2028}v\u{2029}w\u{85}x", "u; v; w; x"),
            ("tag\u{e0041}", "tag?"),
            ("\u{9b}31m", "?31m"),
        ];
        for (text, want) in table {
            assert_eq!(one_line(text), want, "{text:?}");
        }
    }

    #[test]
    fn a_cut_falls_between_characters_and_is_marked() {
        assert_eq!(cut("short", 5), "short");
        assert_eq!(cut("longer", 5), "lo…");
        assert_eq!(cut("äöüäöü", 8), "äö…");
        assert_eq!(cut("äöü", 3), "…");
        assert_eq!(cut("äöü", 2), "");
    }

    proptest! {
        #[test]
        fn no_text_breaks_a_line(text in any::<String>(), bytes in 0_usize..200) {
            let line = one_line(&text);
            prop_assert!(!line.contains(|c: char| c == '|' || c.is_control() || is_invisible(c)));
            prop_assert_eq!(&one_line(&line), &line);
            let short = cut(&line, bytes);
            prop_assert!(short.len() <= bytes);
        }
    }
}
