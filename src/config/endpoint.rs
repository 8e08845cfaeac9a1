//! May a secret go to this URL, and can that be a routing key?

/// Where `PagerDuty` hears of events in the US; the endpoint of the EU must be set.
pub const PD_EVENTS_URL: &str = "https://events.pagerduty.com/v2/enqueue";

/// What an operator is told of a URL that is not [`is_private`].
pub const HTTPS_ONLY: &str = "is no https URL, and only on loopback may it be another";

/// What an operator is told of a key that is not [`is_routing_key`].
pub const ROUTING_KEY: &str = "is no routing key: it must have 32 characters, all of them letters and digits; \
     copy the integration key of an Events API v2 integration";

/// Nobody on the way reads what is sent there.
#[must_use]
pub fn is_private(url: &str) -> bool {
    // To a URL parser `\` is `/`, and a line end is nothing: what is judged here must be where it goes.
    let strange = |c: char| c == '\\' || c.is_whitespace() || c.is_control();
    let on_loopback = |rest: &str| {
        let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = match host.split_once(']') {
            Some((six, _)) => six.trim_start_matches('['),
            None => host.split(':').next().unwrap_or_default(),
        };
        host == "localhost" || host.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    };
    !url.contains(strange)
        && (url.starts_with("https://") || url.strip_prefix("http://").is_some_and(on_loopback))
}

/// `PagerDuty` would take it for a routing key of its Events API v2.
#[must_use]
pub fn is_routing_key(key: &str) -> bool {
    key.len() == 32 && key.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

#[cfg(test)]
mod tests {
    use super::{is_private, is_routing_key};

    #[test]
    fn a_secret_goes_over_https_or_stays_on_this_machine() {
        for url in
            ["https://hooks.example/x", "http://localhost:8080/x", "http://127.0.0.1/", "http://[::1]:1/x"]
        {
            assert!(is_private(url), "{url}");
        }
        for url in [
            "http://hooks.example/x",
            "ftp://x",
            "x",
            "http://localhost@evil.example/",
            "http://127.0.0.1.evil.example/",
            "http://evil.example\\@localhost/",
            "http://evil.example\n@localhost/",
            "https://hooks.example/a b",
        ] {
            assert!(!is_private(url), "{url}");
        }
    }

    #[test]
    fn a_routing_key_has_32_letters_and_digits() {
        assert!(is_routing_key("0123456789abcdefABCDEF0123456789"));
        for key in [
            "",
            "0123456789abcdefABCDEF012345678",
            "0123456789abcdefABCDEF01234567890",
            "-123456789abcdefABCDEF0123456789",
        ] {
            assert!(!is_routing_key(key), "{key}");
        }
        // 32 bytes, and 31 characters.
        assert!(!is_routing_key("ü123456789abcdefABCDEF012345678"));
    }
}
