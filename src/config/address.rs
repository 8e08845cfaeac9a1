//! Is this somebody whom mail can be sent to?

/// What an operator is told of a word that is not [`is_mailable`].
pub const NO_ADDRESS: &str = "is no address such as ops@example.org (letters, digits and .!#$%&'*+/=?^_`{|}~- \
     before the @; a name outside ASCII in its xn-- form)";
/// What an operator is told of a name of this host where mail does not stay on it.
pub const NO_DOMAIN: &str = "has no domain, which only mail that is handed over on this host can do without";

/// The recipients of a list: commas, semicolons, blanks or several of them between two, each once.
#[must_use]
pub fn recipients(list: &str) -> Vec<&str> {
    let mut words: Vec<&str> = vec![];
    for word in list.split(|c: char| matches!(c, ',' | ';') || c.is_whitespace()) {
        if !word.is_empty() && !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// An address that is the same in a header, in an envelope and in an argument, without any quoting.
///
/// RFC 5321, 4.1.2, without its quoted strings: nobody has such an address.
#[must_use]
pub fn is_mailable(word: &str) -> bool {
    word.rsplit_once('@').is_some_and(|(user, domain)| is_local_name(user) && is_domain(domain))
        && word.len() <= 254
}

/// The name of a mailbox on this host, such as `root`.
#[must_use]
pub fn is_local_name(word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+/=?^_`{|}~-".contains(c);
    word.len() <= 64 && word.split('.').all(|atom| !atom.is_empty() && atom.chars().all(is_part))
}

fn is_domain(domain: &str) -> bool {
    let literal = domain.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(ip) = literal {
        let ip = ip.strip_prefix("IPv6:").unwrap_or(ip);
        return ip.parse::<std::net::IpAddr>().is_ok();
    }
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'))
    };
    domain.len() <= 253 && domain.split('.').all(is_label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_people_write_it() {
        assert_eq!(recipients("a@x, b@x;c@x\n d@x,,a@x "), ["a@x", "b@x", "c@x", "d@x"]);
        assert!(recipients(" ,; ").is_empty());
    }

    #[test]
    fn an_address_is_one_that_needs_no_quoting_anywhere() {
        for word in [
            "ops@example.org",
            "o'neil+plms@mail.example.org",
            "a@localhost",
            "a.b@xn--bcher-kva.example",
            "-oQ/tmp@example.com",
            "a@[127.0.0.1]",
            "a@[IPv6:::1]",
        ] {
            assert!(is_mailable(word), "{word}");
        }
        for word in [
            "root",
            "",
            "@x",
            "a@",
            "a@b@c",
            "a b@x",
            "a@x>",
            "<a@x>",
            "a@x\r\nBcc: b@y",
            "\"a\"@x",
            "a..b@x",
            ".a@x",
            "a@-x",
            "a@x..y",
            "ü@x",
            "a@bücher.example",
            "a@[127.0.0.1",
            "a@[x]",
            "a\0@x",
        ] {
            assert!(!is_mailable(word), "{word:?}");
        }
        assert!(!is_mailable(&format!("{}@x", "a".repeat(65))));
        assert!(is_local_name("root") && !is_local_name("ro ot") && !is_local_name(""));
    }
}
