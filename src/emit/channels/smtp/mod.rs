//! How is one message handed to an SMTP server for one recipient, and when has the server taken it?

mod connection;
mod fault;
mod stream;
mod url;
mod words;

use std::cell::{Cell, OnceCell};
use std::time::Instant;

use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Auth, Data};
use lettre::transport::smtp::extension::ClientId;
use lettre::transport::smtp::response::Response;
use tokio::time::{Duration, timeout, timeout_at};

use super::Answer;
use crate::config::SecretSource;
use crate::verdict::duration::human;

use fault::{Fault, Stage};
pub use url::{Privacy, SmtpUrl, UrlError};
use words::Forms;

const PASSWORD: &str = "SMTP_PASSWORD";
/// A server that has taken the message need not be heard to the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// What goes to whom; addresses are in plain ASCII and hold neither blanks nor angle brackets.
#[derive(Clone, Copy, Debug)]
pub struct Post<'a> {
    /// The sender of the envelope.
    pub from: &'a str,
    /// The recipient of the envelope.
    pub to: &'a str,
    /// The message, its lines ended by CRLF.
    pub letter: &'a [u8],
}

/// A server that takes mail.
pub struct Smtp {
    url: SmtpUrl,
    password: SecretSource,
    hello: ClientId,
    // Reading the system's CAs takes longer than all else here: once will do.
    tls: OnceCell<TlsParameters>,
}

/// Nobody listens there, so nothing was said to anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NobodyListens(pub String);

impl Smtp {
    /// Speaks to this server in the name of `host`.
    #[must_use]
    pub fn new(url: SmtpUrl, password: SecretSource, host: &str) -> Self {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
        let hello = if !host.is_empty() && host.chars().all(is_name) {
            ClientId::Domain(host.to_owned())
        } else {
            ClientId::default()
        };
        Self { url, password, hello, tls: OnceCell::new() }
    }

    /// The server, without its user.
    #[must_use]
    pub fn url(&self) -> &SmtpUrl {
        &self.url
    }

    /// One transaction, for one recipient: what the server says to others is none of his business.
    ///
    /// # Errors
    /// Where nobody listens there.
    pub async fn send(&self, post: Post<'_>, deadline: Instant) -> Result<Answer, NobodyListens> {
        let (credentials, forms) = match self.credentials() {
            Ok(both) => both,
            Err(why) => return Ok(Answer::Unusable { why }),
        };
        let (began, stage) = (Instant::now(), Cell::new(Stage::Connect));
        let conversation = self.converse(post, credentials, &stage);
        match timeout_at(deadline.into(), conversation).await {
            Ok(Ok(response)) => Ok(Answer::Accepted(format!("{}: {}", post.to, forms.say(&response)))),
            Ok(Err(Fault::NobodyListens(why))) => Err(NobodyListens(self.cannot_reach(&why))),
            Ok(Err(fault)) => Ok(fault.answer(&self.url, post, stage.get(), &forms)),
            Err(_) => {
                let within = human(deadline.saturating_duration_since(began));
                let why = format!("no answer from {} within {within}, {}", self.url, stage.get().waiting());
                Ok(stage.get().passing(post.to, why))
            }
        }
    }

    fn cannot_reach(&self, why: &str) -> String {
        format!("cannot reach {}: {why}", self.url)
    }

    /// Who logs in, and what nobody may read of it.
    fn credentials(&self) -> Result<(Option<Credentials>, Forms), String> {
        let Some(user) = &self.url.user else { return Ok((None, Forms::default())) };
        let password = match self.password.read() {
            Ok(Some(password)) => password,
            Ok(None) => return Err(format!("SMTP_URL names a user, and {PASSWORD} is not set")),
            Err(error) => return Err(format!("{PASSWORD} cannot be used: {error}")),
        };
        let forms = Forms::of(user, password.expose());
        Ok((Some(Credentials::new(user.clone(), password.expose().to_owned())), forms))
    }

    async fn converse(
        &self,
        post: Post<'_>,
        credentials: Option<Credentials>,
        stage: &Cell<Stage>,
    ) -> Result<Response, Fault> {
        let mut connection = self.connect(stage).await?;
        if let Some(credentials) = credentials {
            stage.set(Stage::Login);
            log_in(&mut connection, credentials).await?;
        }
        stage.set(Stage::From);
        say(&mut connection, &format!("MAIL FROM:<{}>\r\n", post.from), 2).await?;
        stage.set(Stage::Recipient);
        say(&mut connection, &format!("RCPT TO:<{}>\r\n", post.to), 2).await?;
        stage.set(Stage::Data);
        let go_on = connection.command(Data).await.map_err(Fault::Smtp)?;
        expect(go_on, 3)?;
        stage.set(Stage::End);
        let taken = connection.message(post.letter).await.map_err(Fault::Smtp)?;
        // Anything else than 2xx is no proof: to lettre, 354 once more is an answer as good as 250.
        let taken = expect(taken, 2)?;
        let _ = timeout(GOODBYE, connection.quit()).await;
        Ok(taken)
    }
}

async fn log_in(connection: &mut AsyncSmtpConnection, credentials: Credentials) -> Result<(), Fault> {
    let mechanisms = [Mechanism::Plain, Mechanism::Login];
    let mechanism = connection.server_info().get_auth_mechanism(&mechanisms).ok_or(Fault::NoMechanism)?;
    let first = Auth::new(mechanism, credentials.clone(), None).map_err(Fault::Smtp)?;
    let mut response = connection.command(first).await.map_err(Fault::Smtp)?;
    // LOGIN asks twice.
    for _ in 0..2 {
        if !response.has_code(334) {
            break;
        }
        let next = Auth::new_from_response(mechanism, credentials.clone(), &response);
        response = connection.command(next.map_err(Fault::Smtp)?).await.map_err(Fault::Smtp)?;
    }
    expect(response, 2).map(|_| ())
}

async fn say(connection: &mut AsyncSmtpConnection, command: &str, wanted: u16) -> Result<Response, Fault> {
    expect(connection.command(command).await.map_err(Fault::Smtp)?, wanted)
}

/// Only an answer of this hundred is a yes.
fn expect(response: Response, wanted: u16) -> Result<Response, Fault> {
    if u16::from(response.code()) / 100 == wanted { Ok(response) } else { Err(Fault::OutOfTurn) }
}
