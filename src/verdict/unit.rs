//! Is there such a unit at all, and do we know the words in which systemd speaks of it?

use serde::Serialize;

use super::clock::Stamp;
use super::ruling::Ruling;
use super::state::State;

/// What every unit tells of itself; names are systemd's own (org.freedesktop.systemd1(5)).
///
/// A field without a value was not asked for, or systemd has nothing on record; it is not shown.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Unit {
    /// The primary name.
    pub id: String,
    /// `loaded`, `not-found`, `masked`, …: an open set.
    pub load_state: String,
    /// Systemd's own sentence where it is not loaded.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub load_error: Option<String>,
    /// `active`, `inactive`, `failed`, …: an open set.
    pub active_state: String,
    /// An open set, too.
    pub sub_state: String,
    /// Id of a queued job; 0: none.
    pub job: u32,
    /// `enabled`, `static`, …: an open set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub unit_file_state: Option<String>,
    /// A unit of systemd's starts it: at boot, most likely.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_wanted: Option<bool>,
    /// Its file changed on disk since systemd read it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub need_daemon_reload: Option<bool>,
    /// When it last became active; a oneshot never does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_enter: Option<Stamp>,
    /// When it last ceased to be active; asked where it stops.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub active_exit: Option<Stamp>,
    /// When its activation last began.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_exit: Option<Stamp>,
    /// When it last ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inactive_enter: Option<Stamp>,
}

/// All that systemd 257 knows; a word that is not among them is from a newer one.
const ACTIVE_STATES: [&str; 8] =
    ["active", "reloading", "inactive", "failed", "activating", "deactivating", "maintenance", "refreshing"];

const SUB_STATES: [&str; 33] = [
    "dead",
    "waiting",
    "running",
    "elapsed",
    "failed",
    "condition",
    "start-pre",
    "start",
    "start-post",
    "exited",
    "reload",
    "reload-signal",
    "reload-notify",
    "reload-post",
    "refresh-extensions",
    "refresh-credentials",
    "mounting",
    "stop",
    "stop-watchdog",
    "stop-sigterm",
    "stop-sigkill",
    "stop-post",
    "final-watchdog",
    "final-sigterm",
    "final-sigkill",
    "dead-before-auto-restart",
    "failed-before-auto-restart",
    "dead-resources-pinned",
    "auto-restart",
    "auto-restart-queued",
    "cleaning",
    "active",
    "inactive",
];

impl Unit {
    /// The ruling where the unit is not loaded as it should be; `who` begins the sentence and names it.
    #[must_use]
    pub fn load_ruling(&self, who: &str) -> Option<Ruling> {
        let because = self.load_error.as_deref().map(|text| format!(": {text}")).unwrap_or_default();
        let ruling = match self.load_state.as_str() {
            "loaded" => return None,
            "masked" => Ruling::new(State::Critical, "masked", format!("{who} is masked")),
            "not-found" => Ruling::new(State::Critical, "not-found", format!("{who} does not exist")),
            "bad-setting" | "error" => {
                Ruling::new(State::Critical, "bad-unit", format!("{who} cannot be loaded{because}"))
            }
            other => Ruling::new(
                State::Unknown,
                "unknown-word",
                format!("{who} has an unknown load state '{other}'"),
            ),
        };
        Some(ruling)
    }

    /// Neither a service nor a timer: a target, a socket, a mount, … that a timer starts.
    #[must_use]
    pub fn is_of_another_type(&self) -> bool {
        !self.id.ends_with(".service") && !self.id.ends_with(".timer")
    }

    /// The ruling where systemd uses words that we cannot judge.
    #[must_use]
    pub fn word_ruling(&self, who: &str) -> Option<Ruling> {
        let (active, sub) = (self.active_state.as_str(), self.sub_state.as_str());
        let sentence = if !ACTIVE_STATES.contains(&active) {
            format!("{who} is in a state that this probe does not know: '{active}'")
        // Other types have words of their own (`listening`, `mounted`), and only the first says whether they end.
        } else if !SUB_STATES.contains(&sub) && !self.is_of_another_type() {
            format!("{who} is {active}, in a state that this probe does not know: '{sub}'")
        } else {
            return None;
        };
        Some(Ruling::new(State::Unknown, "unknown-word", sentence))
    }

    /// The ruling where the unit's file is newer than what systemd goes by.
    #[must_use]
    pub fn reload_ruling(&self) -> Option<Ruling> {
        let sentence =
            format!("{} changed on disk; systemd goes by the old one until systemctl daemon-reload", self.id);
        (self.need_daemon_reload == Some(true)).then(|| Ruling::new(State::Warning, "needs-reload", sentence))
    }
}
