//! What went wrong between us and a server, whom does it concern, and what is to be done?

use std::error::Error;
use std::io;

use lettre::transport::smtp::Error as SmtpError;
use lettre::transport::smtp::response::Response;

use super::words::Forms;
use super::{Post, SmtpUrl};
use crate::emit::channels::Answer;
use crate::emit::channels::http::of_tls;
use crate::plain::plain;

/// How far a conversation has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Stage {
    Connect,
    Greeting,
    Tls,
    Login,
    From,
    Recipient,
    Data,
    /// The message was sent, and the answer to it is to come.
    End,
}

/// What stood in the way.
pub(super) enum Fault {
    Unresolved(String),
    Unreached(String),
    NobodyListens(String),
    /// It offers no STARTTLS, or did not keep it.
    NoStartTls,
    /// This host's own store of CAs.
    NoTrust(SmtpError),
    Tls(SmtpError),
    /// It knows no way to log in that we know.
    NoMechanism,
    /// It said no, or broke off.
    Smtp(SmtpError),
    /// It said something else than yes or no.
    OutOfTurn,
}

impl Stage {
    /// What we were doing.
    fn doing(self) -> &'static str {
        match self {
            Self::Connect => "while connecting",
            Self::Greeting => "while it greets",
            Self::Tls => "while TLS begins",
            Self::Login => "while logging in",
            Self::From => "while naming the sender",
            Self::Recipient => "while naming the recipient",
            Self::Data => "before the message",
            Self::End => "after the message",
        }
    }

    /// Something that may go away by itself. From the recipient on it may be about him alone (a server that asks
    /// another one whether he is there, and waits), so that it must keep nobody else from being told.
    pub(super) fn passing(self, to: &str, why: String) -> Answer {
        if self >= Self::Recipient {
            Answer::Postponed { why: format!("{to}: {why}") }
        } else {
            Answer::Later { why, after: None }
        }
    }

    /// What we were doing, where an answer did not come.
    pub(super) fn waiting(self) -> &'static str {
        match self {
            Self::End => "after the message was sent: it may have been taken, and may so come twice",
            other => other.doing(),
        }
    }
}

impl Fault {
    pub(super) fn answer(self, url: &SmtpUrl, post: Post<'_>, stage: Stage, forms: &Forms) -> Answer {
        let later = |why: String| stage.passing(post.to, forms.clean(&why));
        let unusable = |why: String| Answer::Unusable { why };
        match self {
            Self::Unresolved(why) => {
                let words = why.strip_prefix("failed to lookup address information: ").unwrap_or(&why);
                later(format!("cannot resolve {}: {}", url.host, plain(&words)))
            }
            Self::Unreached(why) | Self::NobodyListens(why) => later(format!("cannot reach {url}: {why}")),
            Self::NoStartTls => unusable(format!(
                "{url} offers no STARTTLS, and nothing is sent there in clear; if it speaks TLS from the first \
                 byte, SMTP_URL must begin with smtps://"
            )),
            Self::NoTrust(error) => unusable(format!(
                "cannot check anybody's certificate: {}; is the package ca-certificates installed?",
                forms.clean(&cause(&error).0)
            )),
            Self::NoMechanism => {
                unusable(format!("{url} offers neither AUTH PLAIN nor AUTH LOGIN, and SMTP_URL names a user"))
            }
            Self::OutOfTurn => later(format!("{url} answered out of turn {}", stage.doing())),
            Self::Smtp(error) | Self::Tls(error) => match error.status() {
                Some(code) => refused(&error, code.into(), url, post, stage, forms),
                None => broken(&error, url, post, stage, forms),
            },
        }
    }
}

/// A server that said no.
fn refused(
    error: &SmtpError,
    code: u16,
    url: &SmtpUrl,
    post: Post<'_>,
    stage: Stage,
    forms: &Forms,
) -> Answer {
    let words = error.source().map(ToString::to_string).unwrap_or_default();
    let said = forms.clean(&format!("{code} {words}"));
    let is_passing = code / 100 == 4;
    let to = post.to;
    let later = |why: String| stage.passing(to, why);
    // Postfix, unless told otherwise, judges the sender only when it hears of a recipient.
    let is_about_sender = said.contains(&format!("<{}>", post.from)) && post.from != to;
    let hint = if is_about_sender { "; set MAIL_FROM to one that it takes" } else { "" };
    match stage {
        // It closes, whatever was asked.
        _ if code == 421 => later(format!("{url} answered {said}")),
        Stage::Recipient | Stage::Data | Stage::End if is_passing => {
            Answer::Postponed { why: format!("{to}: {url} answered {said}{hint}") }
        }
        Stage::Recipient | Stage::Data | Stage::End => {
            Answer::Refused { why: format!("{to}: {url} answered {said}{hint}") }
        }
        _ if is_passing => later(format!("{url} answered {said} {}", stage.doing())),
        Stage::Login => Answer::Unusable {
            why: format!(
                "{url} answered {said} while logging in; are SMTP_URL's user and SMTP_PASSWORD right?"
            ),
        },
        Stage::From => Answer::Unusable {
            why: format!(
                "{url} answered {said} to the sender {}; set MAIL_FROM to one that it takes",
                post.from
            ),
        },
        _ => Answer::Unusable { why: format!("{url} answered {said} {}; is SMTP_URL right?", stage.doing()) },
    }
}

/// A connection that broke, or that no mail server is at the end of.
fn broken(error: &SmtpError, url: &SmtpUrl, post: Post<'_>, stage: Stage, forms: &Forms) -> Answer {
    let (words, is_certificate) = cause(error);
    let why = format!("{url} {}: {}", stage.doing(), forms.clean(&words));
    if is_certificate { Answer::Unusable { why } } else { stage.passing(post.to, why) }
}

/// The innermost cause, and whether it is one of trust: that stays until somebody mends it.
fn cause(error: &SmtpError) -> (String, bool) {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    let mut innermost = None;
    while let Some(error) = next {
        if let Some(tls) = tls(error) {
            return (of_tls(tls), matches!(tls, rustls::Error::InvalidCertificate(_)));
        }
        if error.downcast_ref::<io::Error>().is_some_and(|e| e.kind() == io::ErrorKind::UnexpectedEof) {
            return ("it closed the connection".to_owned(), false);
        }
        if !error.is::<SmtpError>() {
            innermost = Some(plain(&error));
        }
        next = error.source();
    }
    let words = match innermost.as_deref() {
        Some("incomplete response") => "it closed the connection".to_owned(),
        Some(words) if error.is_response() => format!("it does not speak SMTP there ({words})"),
        Some(words) => words.to_owned(),
        None => plain(error),
    };
    (words, false)
}

fn tls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let inside = |error: &'a io::Error| error.get_ref()?.downcast_ref::<rustls::Error>();
    error.downcast_ref::<rustls::Error>().or_else(|| error.downcast_ref::<io::Error>().and_then(inside))
}

impl Forms {
    /// What a server said, for people.
    pub(super) fn say(&self, response: &Response) -> String {
        let words: Vec<&str> = response.message().collect();
        self.clean(&format!("{} {}", u16::from(response.code()), words.join(" ")))
    }
}
