//! Where does a message go, and may it go there?

use reqwest::Url;

use super::Hidden;
use crate::config::endpoint::{HTTPS_ONLY, is_private};

/// A URL that a secret may be sent to. Only its host is ever shown.
#[derive(Clone)]
pub struct Target {
    url: Url,
    host: String,
    hidden: Hidden,
}

impl Target {
    /// Takes the value of the setting `name`.
    ///
    /// # Errors
    /// Where it is no URL, or not a private one; the sentence names the setting and never the value.
    pub fn parse(name: &str, value: &str) -> Result<Self, String> {
        let value = value.trim();
        if value.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(format!("{name} holds a blank or a line end: it must be one URL"));
        }
        if !is_private(value) {
            return Err(format!("{name} {HTTPS_ONLY}"));
        }
        let url = Url::parse(value).map_err(|error| format!("{name} is no URL: {error}"))?;
        let host = url.host_str().unwrap_or_default().to_owned();
        let mut hidden = Hidden::default();
        hidden.add(value);
        hidden.add(url.as_str());
        for part in [url.username(), url.password().unwrap_or_default()] {
            hidden.add(part);
        }
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        hidden.add_path(&format!("{}{query}", url.path()));
        let target = Self { url, host, hidden };
        // The same question, asked of what the URL was understood to be.
        if !target.is_https() && !target.is_on_loopback() {
            return Err(format!("{name} {HTTPS_ONLY}"));
        }
        Ok(target)
    }

    /// The host, which may be shown.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// All of it that may be shown.
    #[must_use]
    pub fn shown(&self) -> String {
        format!("{}://{}/…", self.url.scheme(), self.host)
    }

    /// What may not be shown.
    #[must_use]
    pub fn hidden(&self) -> &Hidden {
        &self.hidden
    }

    /// Hides a further secret that is sent there.
    pub fn hide(&mut self, secret: &str) {
        self.hidden.add(secret);
    }

    pub(super) fn url(&self) -> Url {
        self.url.clone()
    }

    pub(super) fn is_https(&self) -> bool {
        self.url.scheme() == "https"
    }

    pub(super) fn is_on_loopback(&self) -> bool {
        let name = self.host.trim_start_matches('[').trim_end_matches(']');
        name == "localhost" || name.parse().is_ok_and(|ip: std::net::IpAddr| ip.is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::Target;

    #[test]
    fn a_url_that_cannot_be_used_is_named_by_its_setting_alone() {
        let table = [
            ("CANARY", "HOOK is no https URL, and only on loopback may it be another"),
            ("http://hooks.example/CANARY", "HOOK is no https URL, and only on loopback may it be another"),
            ("https://hooks.example/CAN\nARY", "HOOK holds a blank or a line end: it must be one URL"),
            ("https://[CANARY/x", "HOOK is no URL: invalid IPv6 address"),
            ("https://", "HOOK is no URL: empty host"),
            ("https://hooks.example:CANARY/x", "HOOK is no URL: invalid port number"),
        ];
        for (value, why) in table {
            assert_eq!(Target::parse("HOOK", value).map(|_| ()), Err(why.to_owned()), "{value}");
        }
    }

    #[test]
    fn a_url_on_loopback_is_known_in_every_spelling() {
        for url in ["http://localhost:1/x", "http://127.0.0.1:1/x", "http://[::1]:1/x", "https://127.9.9.9/"]
        {
            assert!(Target::parse("HOOK", url).unwrap().is_on_loopback(), "{url}");
        }
        let far = Target::parse("HOOK", " https://user:CANARY@hooks.example/x\n").unwrap();
        assert!(!far.is_on_loopback());
        assert_eq!((far.host(), far.hidden().hide("user CANARY").as_str()), ("hooks.example", "… …"));
    }
}
