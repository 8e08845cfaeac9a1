//! Which way does mail go by these settings, and what is wrong with them?

use thiserror::Error;

use super::{Mail, Way, host};
use crate::config::Settings;
use crate::config::address::{NO_ADDRESS, is_mailable, recipients};
use crate::emit::channels::sendmail::{NoProgram, Sendmail};
use crate::emit::channels::smtp::{Smtp, SmtpUrl, UrlError};
use crate::report::run_text::counted;
use crate::report::table::visible;

/// Why nobody can be mailed.
#[derive(Debug, Error)]
pub enum MailError {
    /// Nobody stands in `ALERT_EMAIL`.
    #[error("ALERT_EMAIL names nobody")]
    Nobody,
    /// `MAIL_FROM` is no address.
    #[error("MAIL_FROM: {} {NO_ADDRESS}", visible(.0))]
    From(String),
    /// `SMTP_URL` names no server.
    #[error(transparent)]
    Url(#[from] UrlError),
    /// `SENDMAIL` names no program.
    #[error(transparent)]
    Program(#[from] NoProgram),
}

impl Mail {
    /// The channel as it is configured; `None` where `ALERT_EMAIL` is not set.
    ///
    /// # Errors
    /// Where nobody could be mailed with these settings.
    pub fn from_settings(settings: &Settings) -> Result<Option<Self>, MailError> {
        let Some(list) = settings.text("ALERT_EMAIL") else { return Ok(None) };
        let to: Vec<String> = recipients(list.value).into_iter().map(str::to_owned).collect();
        if to.is_empty() {
            return Err(MailError::Nobody);
        }
        let host = host::full_name();
        let from = match settings.text("MAIL_FROM") {
            Some(from) if is_mailable(from.value) => from.value.to_owned(),
            Some(from) => return Err(MailError::From(from.value.to_owned())),
            None => format!("plms-invariants@{host}"),
        };
        let way = Self::way(settings, &host)?;
        Ok(Some(Self { to, from, host, way }))
    }

    fn way(settings: &Settings, host: &str) -> Result<Way, MailError> {
        let smtp = |url| Smtp::new(url, settings.secret("SMTP_PASSWORD").clone(), host);
        if let Some(url) = settings.text("SMTP_URL") {
            return Ok(Way::Server(smtp(SmtpUrl::parse(url.value)?)));
        }
        if let Some(program) = settings.text("SENDMAIL") {
            return Ok(Way::Program(Sendmail::parse(program.value)?));
        }
        Ok(Way::ThisHost(smtp(SmtpUrl::local()), Sendmail::default()))
    }
}

/// From whom to how many and by which way mail goes, for people; `None` where it goes nowhere.
#[must_use]
pub fn way(settings: &Settings) -> Option<String> {
    let mail = Mail::from_settings(settings).ok()??;
    let to = mail.to.iter().filter(|word| mail.why_not(word).is_none()).count();
    let to = counted(to as u64, "recipient");
    Some(format!("to {to} by {}, from {}", mail.way.shown(), mail.from))
}

/// What is wrong with the settings of mail, before anything is sent; a sentence each.
#[must_use]
pub fn faults(settings: &Settings) -> Vec<String> {
    let is_set = |name: &str| settings.text(name).is_some();
    let mail = match Mail::from_settings(settings) {
        Ok(Some(mail)) => mail,
        Ok(None) => {
            let unused = ["SMTP_URL", "SENDMAIL", "MAIL_FROM"].into_iter().filter(|name| is_set(name));
            return unused
                .map(|name| format!("{name} is set, and nobody is mailed: ALERT_EMAIL is not"))
                .collect();
        }
        Err(error) => return vec![format!("nobody can be mailed: {error}")],
    };
    let mut faults: Vec<String> = mail.to.iter().filter_map(|word| mail.why_not(word)).collect();
    if is_set("SMTP_URL") && is_set("SENDMAIL") {
        faults.push("SENDMAIL is not used: SMTP_URL stands over it".to_owned());
    }
    if !is_set("MAIL_FROM") && !mail.host.contains('.') {
        faults.push(format!(
            "MAIL_FROM is not set, and {} has no domain: a mail server may refuse such a sender",
            mail.from
        ));
    }
    let has_password = settings.secret("SMTP_PASSWORD").is_configured();
    let user = match &mail.way {
        Way::Server(smtp) => smtp.url().user.is_some(),
        Way::Program(program) => {
            faults.extend((!program.is_there()).then(|| format!("SENDMAIL: {program} is no program")));
            false
        }
        Way::ThisHost(..) => false,
    };
    match (user, has_password) {
        (true, false) => faults.push("SMTP_URL names a user, and SMTP_PASSWORD is not set".to_owned()),
        (false, true) => faults.push(
            "SMTP_PASSWORD is set and never used: SMTP_URL names nobody who logs in (smtp://user@host)"
                .to_owned(),
        ),
        _ => {}
    }
    faults
}
