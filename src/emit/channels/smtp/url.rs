//! Which server does `SMTP_URL` name, and how is it spoken to?

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;

/// How the connection is kept private.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Privacy {
    /// TLS from the first byte.
    Tls,
    /// STARTTLS, and nothing without it.
    StartTls,
    /// In clear: it does not leave this host, and nobody logs in.
    Loopback,
}

/// A server that takes mail.
#[derive(Clone, PartialEq, Eq)]
pub struct SmtpUrl {
    /// How the connection is kept private.
    pub privacy: Privacy,
    /// Who logs in there, where anybody does.
    pub user: Option<String>,
    /// A name or an address.
    pub host: String,
    /// Its port.
    pub port: u16,
}

/// Why `SMTP_URL` names no server; no sentence holds any of it, since a password may be in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Another scheme, or none.
    #[error("SMTP_URL must begin with smtp:// (STARTTLS, port 25) or smtps:// (TLS, port 465)")]
    Scheme,
    /// `user:password@`.
    #[error("SMTP_URL holds a password, which others would be shown; put it into SMTP_PASSWORD")]
    Password,
    /// A user that cannot be one.
    #[error("SMTP_URL's user is empty, badly escaped or holds control characters")]
    User,
    /// A path, a query or a fragment.
    #[error("SMTP_URL must end after host and port: a path or a query means nothing here")]
    Tail,
    /// No host.
    #[error("SMTP_URL names no valid host; an IPv6 address stands in brackets")]
    Host,
    /// No port.
    #[error("SMTP_URL's port must lie between 1 and 65535")]
    Port,
}

impl SmtpUrl {
    /// The server of this host, as nobody had to name it.
    #[must_use]
    pub fn local() -> Self {
        Self { privacy: Privacy::Loopback, user: None, host: "localhost".to_owned(), port: 25 }
    }

    /// `smtp://[user@]host[:port]` or `smtps://…`.
    ///
    /// # Errors
    /// Where it is anything else.
    pub fn parse(text: &str) -> Result<Self, UrlError> {
        let (scheme, rest) = text.split_once("://").ok_or(UrlError::Scheme)?;
        let is_tls = match scheme.to_ascii_lowercase().as_str() {
            "smtp" => false,
            "smtps" => true,
            _ => return Err(UrlError::Scheme),
        };
        // The user first: whatever stands before the last `@` must not be taken for a host and shown.
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, _)) if user.contains(':') => return Err(UrlError::Password),
            Some((user, place)) => (Some(unescaped(user)?), place),
            None => (None, rest),
        };
        let place = place.strip_suffix('/').unwrap_or(place);
        if place.contains(['/', '?', '#']) {
            return Err(UrlError::Tail);
        }
        let (host, port) = split_port(place)?;
        let port = port.unwrap_or(if is_tls { 465 } else { 25 });
        let privacy = match is_tls {
            true => Privacy::Tls,
            // A password is not even shown to this host: any program may listen on its higher ports.
            false if is_loopback(&host) && user.is_none() => Privacy::Loopback,
            false => Privacy::StartTls,
        };
        Ok(Self { privacy, user, host, port })
    }

    /// Whoever takes the mail there knows the mailboxes of this host.
    #[must_use]
    pub fn is_on_this_host(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The addresses that need no look-up.
    pub(super) fn known_addresses(&self) -> Vec<IpAddr> {
        if self.host.eq_ignore_ascii_case("localhost") {
            return vec![IpAddr::from([127, 0, 0, 1]), IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1])];
        }
        self.host.parse().into_iter().collect()
    }
}

impl fmt::Display for SmtpUrl {
    /// Without the user.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.privacy == Privacy::Tls { "smtps" } else { "smtp" };
        let (open, close) = if self.host.contains(':') { ("[", "]") } else { ("", "") };
        write!(f, "{scheme}://{open}{}{close}:{}", self.host, self.port)
    }
}

impl fmt::Debug for SmtpUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What stays on this host can be read by nobody on the way.
fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
}

fn split_port(place: &str) -> Result<(String, Option<u16>), UrlError> {
    let (host, port) = match place.strip_prefix('[') {
        Some(six) => {
            let (host, after) = six.split_once(']').ok_or(UrlError::Host)?;
            host.parse::<std::net::Ipv6Addr>().map_err(|_| UrlError::Host)?;
            let port = match after.strip_prefix(':') {
                Some(port) => Some(port),
                None if after.is_empty() => None,
                None => return Err(UrlError::Host),
            };
            (host, port)
        }
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':');
    if host.is_empty() || host.starts_with(['-', '.']) || !host.chars().all(is_part) {
        return Err(UrlError::Host);
    }
    let number = |port: &str| {
        // `+25` is a number for Rust.
        let digits = port.bytes().all(|b| b.is_ascii_digit()).then_some(port);
        digits.and_then(|port| port.parse().ok()).filter(|port| *port > 0).ok_or(UrlError::Port)
    };
    Ok((host.to_owned(), port.map(number).transpose()?))
}

/// A user with `%40` for `@` and the like.
fn unescaped(text: &str) -> Result<String, UrlError> {
    let mut bytes = text.bytes();
    let mut user = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            user.push(byte);
            continue;
        }
        let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16));
        let (high, low) = (digit().ok_or(UrlError::User)?, digit().ok_or(UrlError::User)?);
        user.push(u8::try_from(high * 16 + low).map_err(|_| UrlError::User)?);
    }
    let user = String::from_utf8(user).map_err(|_| UrlError::User)?;
    if user.is_empty() || user.chars().any(char::is_control) { Err(UrlError::User) } else { Ok(user) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_scheme_user_host_and_port() {
        let table = [
            ("smtp://mail.example", Privacy::StartTls, None, "mail.example", 25),
            ("smtp://mail.example:587/", Privacy::StartTls, None, "mail.example", 587),
            ("SMTPS://mail.example", Privacy::Tls, None, "mail.example", 465),
            ("smtps://alerts@mail.example:4650", Privacy::Tls, Some("alerts"), "mail.example", 4650),
            ("smtp://a%40b.example@mail.example", Privacy::StartTls, Some("a@b.example"), "mail.example", 25),
            ("smtp://a@b.example@mail.example", Privacy::StartTls, Some("a@b.example"), "mail.example", 25),
            ("smtp://localhost", Privacy::Loopback, None, "localhost", 25),
            ("smtp://LocalHost:2525", Privacy::Loopback, None, "LocalHost", 2525),
            ("smtp://127.0.0.9", Privacy::Loopback, None, "127.0.0.9", 25),
            ("smtp://[::1]:26", Privacy::Loopback, None, "::1", 26),
            ("smtp://[2001:db8::1]", Privacy::StartTls, None, "2001:db8::1", 25),
            ("smtp://localhost.evil.example", Privacy::StartTls, None, "localhost.evil.example", 25),
            ("smtp://127.0.0.1.evil.example", Privacy::StartTls, None, "127.0.0.1.evil.example", 25),
            ("smtps://localhost", Privacy::Tls, None, "localhost", 465),
            ("smtp://alerts@localhost:587", Privacy::StartTls, Some("alerts"), "localhost", 587),
        ];
        for (text, privacy, user, host, port) in table {
            let user = user.map(str::to_owned);
            let want = SmtpUrl { privacy, user, host: host.to_owned(), port };
            assert_eq!(SmtpUrl::parse(text), Ok(want), "{text}");
        }
    }

    #[test]
    fn what_is_no_such_url_is_refused_by_name_and_never_shown() {
        let table = [
            ("mail.example:25", UrlError::Scheme),
            ("http://hunter2.example", UrlError::Scheme),
            ("smtp://u:hunter2@mail.example", UrlError::Password),
            ("smtp://u:hunt/er2@mail.example", UrlError::Password),
            ("smtp://u:hunter2@mail.example?tls=required", UrlError::Password),
            ("smtp://:hunter2@mail.example", UrlError::Password),
            ("smtp://mail.example?tls=opportunistic", UrlError::Tail),
            ("smtp://mail.example/hunter2", UrlError::Tail),
            ("smtp://mail.example#hunter2", UrlError::Tail),
            ("smtp://@mail.example", UrlError::User),
            ("smtp://a%zz@mail.example", UrlError::User),
            ("smtp://a%4@mail.example", UrlError::User),
            ("smtp://a%0d%0ab@mail.example", UrlError::User),
            ("smtp://", UrlError::Host),
            ("smtp://:25", UrlError::Host),
            ("smtp://-oQ", UrlError::Host),
            ("smtp://ma il", UrlError::Host),
            ("smtp://[::1", UrlError::Host),
            ("smtp://[hunter2]", UrlError::Host),
            ("smtp://[::1]25", UrlError::Host),
            ("smtp://mail.example:0", UrlError::Port),
            ("smtp://mail.example:+25", UrlError::Port),
            ("smtp://mail.example:65536", UrlError::Port),
            ("smtp://::1", UrlError::Host),
        ];
        for (text, want) in table {
            assert_eq!(SmtpUrl::parse(text), Err(want), "{text}");
            assert!(!want.to_string().contains("hunter2"), "{want}");
        }
    }

    #[test]
    fn a_server_is_shown_without_its_user() {
        let url = SmtpUrl::parse("smtps://canary@[2001:db8::1]:4650").unwrap();
        assert_eq!(format!("{url} {url:?}"), "smtps://[2001:db8::1]:4650 smtps://[2001:db8::1]:4650");
    }
}
