//! Why was there no answer, in our words?

use std::error::Error;
use std::io;

use hyper_util::client::proxy::matcher::Matcher;
use rustls::CertificateError;

use super::Target;
use crate::emit::channels::Answer;
use crate::plain::plain;
use crate::report::text::{cut, one_line};

const MOST_WORDS: usize = 300;

/// Why there was no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// It may well go away by itself.
    Passing(String),
    /// It stays until somebody mends the settings of the channel or of the host.
    Lasting(String),
}

impl From<Trouble> for Answer {
    fn from(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Passing(why) => Self::Later { why, after: None },
            Trouble::Lasting(why) => Self::Unusable { why },
        }
    }
}

impl Trouble {
    /// What the client says of an attempt; the URL that its errors carry is left out.
    pub(super) fn of(error: &reqwest::Error, target: &Target) -> Self {
        let (mut host, cause) = (target.host().to_owned(), cause(error));
        if error.is_builder() {
            return Self::Lasting(clean(&format!("cannot ask {host}: {cause}"), target));
        }
        // The one that does not answer may be the proxy.
        if let Some(proxy) = proxy(target) {
            host = format!("{host} through the proxy {proxy}");
        }
        let wanted = if error.is_dns() {
            format!("cannot resolve {host}")
        } else if error.is_connect() {
            format!("cannot reach {host}")
        } else {
            format!("no answer from {host}")
        };
        Self::Passing(clean(&format!("{wanted}: {cause}"), target))
    }
}

/// Host and port of the proxy that the environment names for this target: a user and a password stay behind.
fn proxy(target: &Target) -> Option<String> {
    if target.is_on_loopback() {
        return None;
    }
    let target = target.url().as_str().parse().ok()?;
    let proxy = Matcher::from_env().intercept(&target)?;
    let host = proxy.uri().host()?;
    Some(proxy.uri().port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
}

/// What broke off the reading of a body.
pub(super) fn torn(error: &reqwest::Error, target: &Target) -> String {
    clean(&format!("the rest of the answer is missing: {}", cause(error)), target)
}

fn clean(text: &str, target: &Target) -> String {
    cut(&target.hidden().hide(&one_line(text)), MOST_WORDS)
}

/// The innermost cause; what lies around it says only which layer passed it on.
fn cause(error: &reqwest::Error) -> String {
    // The error itself may hold the URL and is never shown.
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    let mut innermost = "internal error of the client".to_owned();
    while let Some(error) = next {
        if let Some(tls) = error.downcast_ref::<rustls::Error>() {
            return of_tls(tls);
        }
        if let Some(system) = error.downcast_ref::<io::Error>() {
            if let Some(tls) = tls_within(system) {
                return of_tls(tls);
            }
            if system.kind() == io::ErrorKind::UnexpectedEof {
                return "it closed the connection".to_owned();
            }
        }
        if !error.is::<reqwest::Error>() {
            innermost = plain(&error);
        }
        next = error.source();
    }
    // getaddrinfo's own words are behind it.
    match innermost.strip_prefix("failed to lookup address information: ") {
        Some(words) => plain(&words),
        None => innermost,
    }
}

/// An error of TLS travels in one of the system, or in two; `source` steps over it.
fn tls_within(error: &io::Error) -> Option<&rustls::Error> {
    let inner = error.get_ref()?;
    inner.downcast_ref().or_else(|| tls_within(inner.downcast_ref()?))
}

/// What is wrong with their TLS.
pub(in crate::emit::channels) fn of_tls(error: &rustls::Error) -> String {
    match error {
        rustls::Error::InvalidCertificate(fault) => of_certificate(fault),
        rustls::Error::InvalidMessage(_) => "it does not speak TLS there".to_owned(),
        rustls::Error::NoCertificatesPresented => "it shows no certificate".to_owned(),
        other => format!("TLS failed: {}", plain(other)),
    }
}

fn of_certificate(fault: &CertificateError) -> String {
    match fault {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "its certificate is not for this host".to_owned()
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "its certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "its certificate is not valid yet; is the clock of this host right?".to_owned()
        }
        // A bad signature: a CA of that name is trusted, but with another key, as after a company renewed its own.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "its certificate is from a CA that this host does not trust; is that CA in the system's store?"
                .to_owned()
        }
        CertificateError::Revoked => "its certificate is revoked".to_owned(),
        other => format!("its certificate is not accepted: {}", plain(other)),
    }
}
