//! How is one request made, within its deadline and to nobody else than whom it is meant for?

use std::cell::RefCell;
use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, HeaderName, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};
use rustls::crypto::{CryptoProvider, ring};
use serde_json::Value;
use tokio::time::timeout_at;

use super::{Reply, Target, Trouble, retry_after, trouble};
use crate::plain::plain;
use crate::verdict::duration::human;

/// What is read of an answer; all that proves anything is far shorter.
const MOST_READ: usize = 64 * 1024;
const USER_AGENT: &str = concat!("plms-invariants/", env!("CARGO_PKG_VERSION"));

/// What a client is made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kind {
    https: bool,
    loopback: bool,
}

/// Sends, one request at a time.
#[derive(Debug, Default)]
pub struct Poster {
    // Reading the system's CAs takes longer than all else here: once will do.
    client: RefCell<Option<(Kind, Client)>>,
}

impl Poster {
    /// One POST; nothing is tried twice, and no redirect is followed.
    ///
    /// # Errors
    /// Where there is no answer by `deadline`, and why. An answer whose body breaks off is one all the same.
    pub async fn post(
        &self,
        target: &Target,
        body: &Value,
        deadline: Instant,
        now: DateTime<Utc>,
    ) -> Result<Reply, Trouble> {
        let began = Instant::now();
        let end = tokio::time::Instant::from_std(deadline);
        let too_late = || format!("within {}", human(deadline.saturating_duration_since(began)));
        let client = self.client(target)?;
        let request =
            client.post(target.url()).header(CONTENT_TYPE, "application/json").body(body.to_string());
        let mut response = match timeout_at(end, request.send()).await {
            Ok(Ok(response)) => response,
            Ok(Err(error)) => return Err(Trouble::of(&error, target)),
            Err(_) => {
                return Err(Trouble::Passing(format!("no answer from {} {}", target.host(), too_late())));
            }
        };
        let mut reply = Reply {
            status: response.status().as_u16(),
            retry_after: asked(response.headers(), now),
            body: Vec::new(),
            torn: None,
        };
        match timeout_at(end, read(&mut response, &mut reply.body)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => reply.torn = Some(trouble::torn(&error, target)),
            Err(_) => reply.torn = Some(format!("the rest of the answer did not come {}", too_late())),
        }
        Ok(reply)
    }

    fn client(&self, target: &Target) -> Result<Client, Trouble> {
        let kind = Kind { https: target.is_https(), loopback: target.is_on_loopback() };
        if let Some((_, client)) = self.client.borrow().as_ref().filter(|(made_for, _)| *made_for == kind) {
            return Ok(client.clone());
        }
        let client = client(kind)?;
        self.client.replace(Some((kind, client.clone())));
        Ok(client)
    }
}

fn client(kind: Kind) -> Result<Client, Trouble> {
    if CryptoProvider::get_default().is_none() {
        // Whoever else installs one meanwhile does as well.
        let _installed = ring::default_provider().install_default();
    }
    let mut builder = Client::builder()
        .user_agent(USER_AGENT)
        .redirect(Policy::none())
        .referer(false)
        .retry(reqwest::retry::never())
        // A connection that is kept may be closed under the next message.
        .pool_max_idle_per_host(0)
        .https_only(kind.https);
    if kind.loopback {
        builder = builder.no_proxy();
    }
    if !kind.https {
        // A host without any CA can still talk to itself.
        builder = builder.tls_certs_only([]);
    }
    builder.build().map_err(|error| {
        let cause = std::error::Error::source(&error).map_or_else(String::new, |cause| plain(&cause));
        Trouble::Lasting(format!(
            "cannot check anybody's certificate: {cause}; is the package ca-certificates installed?"
        ))
    })
}

fn asked(headers: &HeaderMap, now: DateTime<Utc>) -> Option<Duration> {
    let text = |name: HeaderName| headers.get(name)?.to_str().ok();
    retry_after(text(RETRY_AFTER)?, text(DATE), now)
}

/// Reads the body to its end or to the most that is read of one.
async fn read(response: &mut Response, body: &mut Vec<u8>) -> reqwest::Result<()> {
    while let Some(chunk) = response.chunk().await? {
        let room = MOST_READ.saturating_sub(body.len());
        body.extend(chunk.iter().take(room));
        if chunk.len() >= room {
            break;
        }
    }
    Ok(())
}
