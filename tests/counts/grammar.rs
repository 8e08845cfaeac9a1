//! Is it JSON, by the letter of RFC 8259, and if it is an object, which keys does it have?
//!
//! Written from the grammar so that the counts do not depend on a library that the program uses, too.

/// What a text is.
#[derive(Debug, PartialEq)]
pub enum Text {
    /// No JSON.
    Broken,
    /// JSON, and no object.
    Other,
    /// An object, and its keys in order, unescaped; doubled ones twice.
    Object(Vec<String>),
}

pub fn read(bytes: &[u8]) -> Text {
    let Ok(text) = std::str::from_utf8(bytes) else { return Text::Broken };
    let mut reader = Reader { text, bytes, at: 0, depth: 0, keys: vec![] };
    reader.blanks();
    let is_object = reader.peek() == Some(b'{');
    let whole = reader.value().is_some() && {
        reader.blanks();
        reader.at == bytes.len()
    };
    match (whole, is_object) {
        (false, _) => Text::Broken,
        (true, false) => Text::Other,
        (true, true) => Text::Object(reader.keys),
    }
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    depth: usize,
    keys: Vec<String>,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, wanted: u8) -> Option<()> {
        (self.peek()? == wanted).then(|| self.at += 1)
    }

    fn word(&mut self, wanted: &[u8]) -> Option<()> {
        self.bytes[self.at..].starts_with(wanted).then(|| self.at += wanted.len())
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn value(&mut self) -> Option<()> {
        match self.peek()? {
            b'{' => self.members(b'}'),
            b'[' => self.members(b']'),
            b'"' => self.string().map(drop),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => self.number(),
        }
    }

    fn members(&mut self, close: u8) -> Option<()> {
        self.at += 1;
        self.depth += 1;
        self.blanks();
        if self.take(close).is_none() {
            loop {
                self.blanks();
                if close == b'}' {
                    let key = self.string()?;
                    if self.depth == 1 {
                        self.keys.push(key);
                    }
                    self.blanks();
                    self.take(b':')?;
                    self.blanks();
                }
                self.value()?;
                self.blanks();
                if self.take(b',').is_none() {
                    break self.take(close)?;
                }
            }
        }
        self.depth -= 1;
        Some(())
    }

    fn string(&mut self) -> Option<String> {
        self.take(b'"')?;
        let mut units: Vec<u16> = vec![];
        loop {
            let rest = &self.text[self.at..];
            let char = rest.chars().next()?;
            self.at += char.len_utf8();
            match char {
                '"' => break,
                '\\' => units.push(self.escape()?),
                '\0'..='\u{1f}' => return None,
                _ => units.extend_from_slice(char.encode_utf16(&mut [0; 2])),
            }
        }
        Some(String::from_utf16_lossy(&units))
    }

    fn escape(&mut self) -> Option<u16> {
        let letter = self.peek()?;
        self.at += 1;
        Some(match letter {
            b'"' | b'\\' | b'/' => letter.into(),
            b'b' => 8,
            b'f' => 12,
            b'n' => 10,
            b'r' => 13,
            b't' => 9,
            b'u' => {
                let digits = self.bytes.get(self.at..self.at + 4)?;
                self.at += 4;
                if !digits.iter().all(u8::is_ascii_hexdigit) {
                    return None;
                }
                u16::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?
            }
            _ => return None,
        })
    }

    fn digits(&mut self) -> Option<()> {
        let from = self.at;
        while self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            self.at += 1;
        }
        (self.at > from).then_some(())
    }

    fn number(&mut self) -> Option<()> {
        let _sign = self.take(b'-');
        if self.take(b'0').is_none() {
            self.digits()?;
        }
        if self.take(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }
}

#[test]
fn the_grammar_knows_json_from_what_only_looks_like_it() {
    for text in [
        "",
        " ",
        "{",
        "{}x",
        "{,}",
        "[1,]",
        "01",
        "1.",
        ".5",
        "+1",
        "NaN",
        "'a'",
        "{a:1}",
        "\"\t\"",
        "\"\\x\"",
        "{\"a\" 1}",
        "tru",
        "\u{feff}{}",
    ] {
        assert_eq!(read(text.as_bytes()), Text::Broken, "{text:?}");
    }
    for text in ["null", " [ ] ", "-0.5e+10", "\"\\u00e9\\n\"", "[[[1]],{\"a\":[]}]", "1e999"] {
        assert_eq!(read(text.as_bytes()), Text::Other, "{text:?}");
    }
    let keys = |keys: &[&str]| Text::Object(keys.iter().map(ToString::to_string).collect());
    assert_eq!(read(b" {} "), keys(&[]));
    assert_eq!(read(br#"{"a":{"b":1},"\u0061":[{"c":2}]}"#), keys(&["a", "a"]));
    assert_eq!(read(b"{\"\xff\":1}"), Text::Broken);
}
