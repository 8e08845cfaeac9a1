//! Which variables are there, and what kind of value does each have?

/// What a variable's value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A file or folder; any bytes.
    Path,
    /// UTF-8.
    Text,
    /// A URL, whose user and password are never shown.
    Url,
    /// Never shown; may also come from a credential or from the file that `NAME_FILE` names.
    Secret,
}

/// A variable of contract 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// Its name.
    pub name: &'static str,
    /// What its value is.
    pub kind: Kind,
}

const fn key(name: &'static str, kind: Kind) -> Key {
    Key { name, kind }
}

/// All of them, in the order in which people are shown them.
pub const KEYS: [Key; 18] = [
    key("DB_PATH", Kind::Path),
    key("ENV_NAME", Kind::Text),
    key("STATE_DIR", Kind::Path),
    key("LOG_DIR", Kind::Path),
    key("TEXTFILE_DIR", Kind::Path),
    key("ARTIFACTS_DIR", Kind::Path),
    key("INVARIANTS_DIR", Kind::Path),
    key("INVARIANT_TAGS", Kind::Text),
    key("SLACK_WEBHOOK_URL", Kind::Secret),
    key("SLACK_NOTIFY", Kind::Text),
    key("PD_ROUTING_KEY", Kind::Secret),
    key("PD_EVENTS_URL", Kind::Url),
    key("ALERT_EMAIL", Kind::Text),
    key("MAIL_FROM", Kind::Text),
    key("SMTP_URL", Kind::Url),
    key("SMTP_PASSWORD", Kind::Secret),
    key("SENDMAIL", Kind::Text),
    key("DELIVER_BUDGET", Kind::Text),
];

/// Every name that means something: the variables, and `NAME_FILE` of each secret.
pub(super) fn names() -> impl Iterator<Item = String> {
    KEYS.into_iter().flat_map(|k| {
        let file = (k.kind == Kind::Secret).then(|| format!("{}_FILE", k.name));
        std::iter::once(k.name.to_owned()).chain(file)
    })
}
