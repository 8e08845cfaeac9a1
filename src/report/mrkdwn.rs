//! How does text from elsewhere stand in a message to Slack, so that it neither pings, nor links, nor
//! breaks the format, and still reads as it is?

use super::table::visible;
use super::text::cut;

/// For objects of type `plain_text`, where nothing but the three characters of Slack's own has a meaning.
#[must_use]
pub fn plain(text: &str, bytes: usize) -> String {
    bounded(text, bytes, |_, c, _| entity(c))
}

/// For text between backticks: nothing ends them before we do.
#[must_use]
pub fn code(text: &str, bytes: usize) -> String {
    bounded(text, bytes, |_, c, _| if c == '`' { Some("ˋ") } else { entity(c) })
}

/// For running text: marks of format, names, links and emoji are replaced by characters that look alike,
/// but only where Slack would see one, so that `lane_overrides` and `07:00` can be copied.
#[must_use]
pub fn prose(text: &str, bytes: usize) -> String {
    let is_word = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    bounded(text, bytes, |before, c, next| match c {
        '`' => Some("ˋ"),
        '*' => Some("∗"),
        '~' => Some("∼"),
        '_' if !(is_word(before) && is_word(next)) => Some("ˍ"),
        // `:emoji:` and `https://`, not `07:00`.
        ':' if next.is_some_and(|c| !c.is_whitespace()) && !before.is_some_and(|c| c.is_ascii_digit()) => {
            Some("∶")
        }
        // `@here`, not the one of the subject, by which people search.
        '@' if next.is_some_and(|c| !c.is_whitespace()) => Some("＠"),
        '#' if is_word(next) => Some("＃"),
        c => entity(c),
    })
}

/// Lines in a fence that is closed, whatever is in them; those that do not fit are left out. Returns how many
/// lines are shown, too; nothing where none are.
#[must_use]
pub fn fence(lines: &[String], line: usize, bytes: usize) -> (String, usize) {
    const MARK: &str = "```";
    let mut room = bytes.saturating_sub(2 * MARK.len() + 1);
    let mut text = String::new();
    let mut shown = 0;
    for words in lines.iter().map(|words| code(words, line)) {
        let Some(left) = room.checked_sub(words.len() + 1) else { break };
        room = left;
        text.push_str(&words);
        text.push('\n');
        shown += 1;
    }
    if shown == 0 { (String::new(), 0) } else { (format!("{MARK}\n{text}{MARK}"), shown) }
}

/// Slack decodes these three, and no other (its "Formatting text for app surfaces").
fn entity(c: char) -> Option<&'static str> {
    match c {
        '&' => Some("&amp;"),
        '<' => Some("&lt;"),
        '>' => Some("&gt;"),
        _ => None,
    }
}

/// At most that many bytes, which is at most that many characters however Slack counts them; no escape is
/// cut in two.
fn bounded(
    text: &str,
    bytes: usize,
    escape: impl Fn(Option<char>, char, Option<char>) -> Option<&'static str>,
) -> String {
    const MARK: char = '…';
    let text = visible(&cut(text, bytes));
    let mut clean = String::with_capacity(text.len());
    // Where the mark still fits.
    let mut end = 0;
    let mut before = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if clean.len() + MARK.len_utf8() <= bytes {
            end = clean.len();
        }
        match escape(before, c, chars.peek().copied()) {
            Some(escaped) => clean.push_str(escaped),
            None => clean.push(c),
        }
        if clean.len() > bytes {
            clean.truncate(end);
            if clean.len() + MARK.len_utf8() <= bytes {
                clean.push(MARK);
            }
            break;
        }
        before = Some(c);
    }
    clean
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_reads_as_it_is_and_means_nothing_to_slack() {
        let table = [
            ("A lane override changes the lane", "A lane override changes the lane"),
            ("lane_overrides: 12 rows @ 07:00:03", "lane_overrides: 12 rows @ 07:00:03"),
            ("<!channel> <@U1> &lt;", "&lt;!channel&gt; &lt;＠U1&gt; &amp;lt;"),
            ("*bold* _it_ ~no~ `x` ```", "∗bold∗ ˍitˍ ∼no∼ ˋxˋ ˋˋˋ"),
            ("see https://evil.example :smile:", "see https∶//evil.example ∶smile:"),
            ("@here #general # 1", "＠here ＃general # 1"),
            ("a\nb\u{202e}c\0", "a\\nb\\u{202e}c\\u{0}"),
        ];
        for (text, want) in table {
            assert_eq!(prose(text, 200), want, "{text:?}");
        }
        assert_eq!(code("`a` *b* <c>\n```", 200), "ˋaˋ *b* &lt;c&gt;\\nˋˋˋ");
        assert_eq!(plain("`a` *b* <!c>|\u{202e}", 200), "`a` *b* &lt;!c&gt;|\\u{202e}");
    }

    #[test]
    fn no_escape_is_cut_in_two() {
        assert_eq!(plain("<<<<", 16), "&lt;&lt;&lt;&lt;");
        assert_eq!(plain("<<<<", 15), "&lt;&lt;&lt;…");
        assert_eq!(plain("<<<<", 14), "&lt;&lt;…");
        assert_eq!(plain("<", 3), "…");
        assert_eq!(plain("<", 2), "");
        assert_eq!(plain("漢漢漢", 8), "漢…");
    }

    #[test]
    fn a_fence_is_closed_and_leaves_out_whole_lines() {
        let lines = ["one".to_owned(), "```".into(), "three".into()];
        assert_eq!(fence(&lines, 100, 100), ("```\none\nˋˋˋ\nthree\n```".to_owned(), 3));
        assert_eq!(fence(&lines, 100, 20), ("```\none\nˋˋˋ\n```".to_owned(), 2));
        assert_eq!(fence(&lines, 100, 9), (String::new(), 0));
    }

    proptest! {
        #[test]
        fn no_text_breaks_out(text in "(?s)[<>&`*_~:@#!|a-z\n\\u{202e}漢🔴]{0,60}", bytes in 0_usize..80) {
            for clean in [plain(&text, bytes), code(&text, bytes), prose(&text, bytes)] {
                prop_assert!(clean.len() <= bytes);
                let marks = ['<', '>', '\n', '\u{202e}'];
                prop_assert!(!clean.contains(marks));
                let entities = clean.matches("&amp;").chain(clean.matches("&lt;")).chain(clean.matches("&gt;"));
                prop_assert_eq!(clean.matches('&').count(), entities.count());
            }
            prop_assert!(!code(&text, bytes).contains('`'));
            let prose = prose(&text, bytes);
            prop_assert!(!prose.contains(['`', '*', '~']) && !prose.contains("://"));
            prop_assert!(prose.split('@').skip(1).all(|rest| rest.is_empty() || rest.starts_with([' ', '…'])));
            let (fence, _) = fence(&[text.clone(), text], 40, bytes);
            prop_assert!(fence.len() <= bytes && fence.matches("```").count() % 2 == 0);
        }
    }
}
