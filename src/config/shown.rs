//! What may be shown of each setting? Never a secret.

use std::path::PathBuf;

use super::endpoint::PD_EVENTS_URL;
use super::keys::{KEYS, Kind};
use super::{Origin, Setting, Settings};
use crate::verdict::duration;

/// One line of `config check`; `value` is `None` where nothing is set, and never a secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// The variable.
    pub name: &'static str,
    /// What may be shown of it.
    pub value: Option<String>,
    /// Where it was set, or what setting nothing means.
    pub origin: String,
}

impl Settings {
    /// Every variable, as it may be shown.
    #[must_use]
    pub fn shown(&self) -> Vec<Shown> {
        KEYS.into_iter().map(|key| self.show(key.name, key.kind)).collect()
    }

    fn show(&self, name: &'static str, kind: Kind) -> Shown {
        let path = |s: &Setting<PathBuf>| (Some(s.value.display().to_string()), s.origin.to_string());
        let (value, origin) = match name {
            _ if kind == Kind::Secret => (None, self.secret(name).to_string()),
            "DB_PATH" => path(&self.db_path),
            "STATE_DIR" => path(&self.state_dir),
            "LOG_DIR" => path(&self.log_dir),
            "ENV_NAME" => (Some(self.env_name.value.clone()), self.env_name.origin.to_string()),
            "TEXTFILE_DIR" => self.textfile.as_ref().map_or_else(unset, path),
            "ARTIFACTS_DIR" => self.artifacts_dir.as_ref().map_or_else(unset, path),
            "INVARIANTS_DIR" => self.invariants.as_ref().map_or_else(unset, |s| {
                let all: Vec<_> = s.value.iter().map(|p| p.display().to_string()).collect();
                (Some(all.join(" ")), s.origin.to_string())
            }),
            "DELIVER_BUDGET" => {
                (Some(duration::human(self.deliver_budget.value)), self.deliver_budget.origin.to_string())
            }
            _ => match (self.text(name), default_text(name)) {
                (Some(s), _) if kind == Kind::Url => (Some(without_user(s.value)), s.origin.to_string()),
                (Some(s), _) => (Some(s.value.to_owned()), s.origin.to_string()),
                (None, Some(default)) => (Some(default), Origin::Default.to_string()),
                (None, None) => unset(),
            },
        };
        Shown { name, value, origin }
    }
}

fn unset() -> (Option<String>, String) {
    (None, "not set".into())
}

fn default_text(name: &str) -> Option<String> {
    match name {
        "SLACK_NOTIFY" => Some("always".into()),
        "PD_EVENTS_URL" => Some(PD_EVENTS_URL.into()),
        "MAIL_FROM" => Some("plms-invariants@FQDN".into()),
        _ => None,
    }
}

/// `smtp://user:password@host` as `smtp://…@host`.
fn without_user(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let host = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    let separator = if scheme.is_empty() { "" } else { "://" };
    let hidden = if host.len() < rest.len() { "…@" } else { "" };
    format!("{scheme}{separator}{hidden}{host}")
}
