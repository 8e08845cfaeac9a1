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
    /// What it sets, for its line in the man page; the README has the defaults.
    pub about: &'static str,
}

const fn key(name: &'static str, kind: Kind, about: &'static str) -> Key {
    Key { name, kind, about }
}

/// All of them, in the order in which people are shown them.
pub const KEYS: [Key; 18] = [
    key("DB_PATH", Kind::Path, "the registry; relative to the working directory"),
    key("ENV_NAME", Kind::Text, "which installation this is, in every alert, metric and log"),
    key("STATE_DIR", Kind::Path, "status.json, history and waiting alerts"),
    key("LOG_DIR", Kind::Path, "a log per run"),
    key("TEXTFILE_DIR", Kind::Path, "metrics for node_exporter's textfile collector; unset: none"),
    key(
        "ARTIFACTS_DIR",
        Kind::Path,
        "where passports lie; unset: files are not looked at, and every report says so",
    ),
    key("INVARIANTS_DIR", Kind::Path, "the operator's own invariants; unset: only the built-in ones"),
    key("INVARIANT_TAGS", Kind::Text, "what a full run is: only invariants with one of these tags"),
    key("SLACK_WEBHOOK_URL", Kind::Secret, "where Slack is told"),
    key("SLACK_NOTIFY", Kind::Text, "always, changes or failures"),
    key("PD_ROUTING_KEY", Kind::Secret, "which PagerDuty integration is told"),
    key("PD_EVENTS_URL", Kind::Url, "PagerDuty's endpoint, where it is not that of the US"),
    key("ALERT_EMAIL", Kind::Text, "who is mailed"),
    key("MAIL_FROM", Kind::Text, "in whose name"),
    key("SMTP_URL", Kind::Url, "the mail server: smtp://[user@]host[:port] or smtps://"),
    key("SMTP_PASSWORD", Kind::Secret, "of SMTP_URL's user"),
    key("SENDMAIL", Kind::Text, "a program that takes mail instead"),
    key("DELIVER_BUDGET", Kind::Text, "how long a run may take to tell people"),
];

/// Every name that means something: the variables, and `NAME_FILE` of each secret.
pub(super) fn names() -> impl Iterator<Item = String> {
    KEYS.into_iter().flat_map(|k| {
        let file = (k.kind == Kind::Secret).then(|| format!("{}_FILE", k.name));
        std::iter::once(k.name.to_owned()).chain(file)
    })
}
