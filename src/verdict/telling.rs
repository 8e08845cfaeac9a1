//! Who is told what, and when? A function of what was last told and of what there is to tell.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::State;
use super::invariants::Severity;
use super::notice::{Matter, Notice, Occasion, Standing};

/// What an incident is about.
///
/// The words ([`Topic::word`]) are those of the state file, where a topic is a key, too.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(into = "String", from = "String")]
pub enum Topic {
    /// A run was started and left no record.
    Died,
    /// A run could not check everything, or write down everywhere what it saw.
    NotChecked,
    /// An invariant is violated; its id.
    Invariant(String),
}

impl Topic {
    /// The topic in one word. An id of an invariant has no `-`, so the others cannot be taken for one.
    #[must_use]
    pub fn word(&self) -> &str {
        match self {
            Self::Died => "check-died",
            Self::NotChecked => "not-checked",
            Self::Invariant(id) => id,
        }
    }
}

impl From<Topic> for String {
    fn from(topic: Topic) -> Self {
        topic.word().to_owned()
    }
}

impl From<String> for Topic {
    fn from(word: String) -> Self {
        match word.as_str() {
            "check-died" => Self::Died,
            "not-checked" => Self::NotChecked,
            _ => Self::Invariant(word),
        }
    }
}

/// What a channel was last told of one registry.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Told {
    /// The state of the last notice; `None` where it was never told anything.
    pub state: Option<State>,
    /// What it was told is wrong, and not yet that it is mended.
    pub open: BTreeMap<Topic, Extent>,
}

/// How far what is wrong reaches; another extent is news.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "StoredExtent")]
pub struct Extent {
    /// Violating rows, or invariants that were not checked.
    pub count: Option<u64>,
    /// Of a violated invariant.
    pub severity: Option<Severity>,
    /// Which invariants were not checked.
    pub ids: BTreeSet<String>,
}

/// As it lies in the state file; an older program kept the count alone.
#[derive(Deserialize)]
#[serde(untagged)]
enum StoredExtent {
    Count(Option<u64>),
    Whole { count: Option<u64>, severity: Option<Severity>, ids: BTreeSet<String> },
}

impl From<StoredExtent> for Extent {
    fn from(stored: StoredExtent) -> Self {
        match stored {
            StoredExtent::Count(count) => Self { count, ..Self::default() },
            StoredExtent::Whole { count, severity, ids } => Self { count, severity, ids },
        }
    }
}

/// When a channel wants to hear of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wish {
    /// Of every run.
    Always,
    /// Of what is new, changed or mended.
    Changes,
    /// Of every failing run, and once of each recovery.
    Failures,
}

/// What has become of a topic since the channel was last told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Turn {
    /// Wrong, and not told before.
    New,
    /// Wrong as before, to another extent.
    Changed,
    /// Wrong as before.
    Persists,
    /// Told as wrong, and seen to be right now.
    Recovered,
    /// Told as wrong, and not looked at this time: it stays open.
    Unseen,
}

/// What a channel is to be told, made once per notice and kept with it: a later attempt tells the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Telling {
    /// What a subject says.
    pub word: Word,
    /// Every topic that is or was open: what is wrong, worst first, what is mended, what was not looked at.
    pub turns: Vec<(Topic, Turn)>,
}

/// The word of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Nothing is wrong.
    Ok,
    /// Nothing is wrong any more.
    Recovered,
    /// Something is violated.
    Fail,
    /// Nothing was seen to be violated, and not everything was checked.
    CouldNotCheck,
}

/// What one channel is to be told of one notice, at one time.
#[derive(Clone, Copy, Debug)]
pub struct Message<'a> {
    /// What there is to tell.
    pub notice: &'a Notice,
    /// What of it this channel is told.
    pub telling: &'a Telling,
    /// The present.
    pub now: DateTime<Utc>,
}

impl Message<'_> {
    /// How late it is, where that is worth a word: a message of five minutes ago is none.
    #[must_use]
    pub fn late(&self) -> Option<Duration> {
        const LATE: Duration = Duration::from_secs(5 * 60);
        (self.now - self.notice.at).to_std().ok().filter(|age| *age > LATE)
    }
}

/// What a channel with this wish is to be told of this notice; `None` where there is nothing to tell it.
#[must_use]
pub fn tell(wish: Wish, told: &Told, notice: &Notice) -> Option<Telling> {
    if notice.occasion == Occasion::Test {
        return Some(Telling { word: Word::Ok, turns: vec![] });
    }
    let turns = turns(told, notice);
    let has = |wanted: &[Turn]| turns.iter().any(|(_, turn)| wanted.contains(turn));
    let is_wrong = has(&[Turn::New, Turn::Changed, Turn::Persists]);
    let word = match notice.state {
        State::Critical | State::Warning => Word::Fail,
        // Never OK, whatever the state says.
        _ if notice.matters.iter().any(is_violated) => Word::Fail,
        State::Unknown => Word::CouldNotCheck,
        State::Ok if is_wrong => Word::CouldNotCheck,
        State::Ok if has(&[Turn::Recovered]) && !has(&[Turn::Unseen]) => Word::Recovered,
        State::Ok => Word::Ok,
    };
    let is_other_state = told.state.is_some_and(|state| state != notice.state);
    let is_told = match wish {
        Wish::Always => true,
        // A second death is no news of a state, and yet news: each is told once.
        Wish::Changes => {
            has(&[Turn::New, Turn::Changed, Turn::Recovered])
                || is_other_state
                || notice.occasion == Occasion::Died
        }
        Wish::Failures => is_wrong || has(&[Turn::Recovered]),
    };
    is_told.then_some(Telling { word, turns })
}

/// What the channel knows once it was told, or had no need to be.
#[must_use]
pub fn after(told: &Told, notice: &Notice) -> Told {
    if notice.occasion == Occasion::Test {
        return told.clone();
    }
    let mut open = told.open.clone();
    for topic in mended(notice) {
        open.remove(&topic);
    }
    open.extend(open_now(notice));
    Told { state: Some(notice.state), open }
}

/// What is wrong, worst first; then what is mended, then what was not looked at.
fn turns(told: &Told, notice: &Notice) -> Vec<(Topic, Turn)> {
    let now = open_now(notice);
    let holds = mended(notice);
    let is_now: BTreeSet<&Topic> = now.iter().map(|(topic, _)| topic).collect();
    let before = told.open.keys().filter(|topic| !is_now.contains(topic));
    let (recovered, unseen): (Vec<&Topic>, Vec<&Topic>) = before.partition(|topic| holds.contains(*topic));
    let mut turns: Vec<(Topic, Turn)> = vec![];
    turns.extend(now.iter().map(|(topic, extent)| {
        let turn = match told.open.get(topic) {
            None => Turn::New,
            Some(before) if before == extent => Turn::Persists,
            Some(_) => Turn::Changed,
        };
        (topic.clone(), turn)
    }));
    turns.extend(recovered.into_iter().map(|topic| (topic.clone(), Turn::Recovered)));
    turns.extend(unseen.into_iter().map(|topic| (topic.clone(), Turn::Unseen)));
    turns
}

/// What this notice says is wrong, worst first.
fn open_now(notice: &Notice) -> Vec<(Topic, Extent)> {
    let of = |severity: Severity| {
        let violated = notice.matters.iter().filter(|matter| is_violated(matter));
        violated.filter(move |matter| matter.severity == severity).map(move |matter| {
            let extent = Extent { count: matter.violations, severity: Some(severity), ..Extent::default() };
            (Topic::Invariant(matter.id.clone()), extent)
        })
    };
    match notice.occasion {
        Occasion::Test => vec![],
        Occasion::Died => vec![(Topic::Died, Extent::default())],
        Occasion::Run => {
            // That not all is known is worse than what can wait for the morning.
            let unknown = not_checked(notice).map(|extent| (Topic::NotChecked, extent));
            of(Severity::Critical).chain(unknown).chain(of(Severity::Warning)).collect()
        }
    }
}

/// What this notice proves to be right: never what was not looked at.
fn mended(notice: &Notice) -> BTreeSet<Topic> {
    if notice.occasion != Occasion::Run {
        return BTreeSet::new();
    }
    let holds = notice.matters.iter().filter(|matter| matter.standing == Standing::Holds);
    let mut mended: BTreeSet<Topic> = holds.map(|matter| Topic::Invariant(matter.id.clone())).collect();
    mended.insert(Topic::Died);
    if not_checked(notice).is_none() {
        mended.insert(Topic::NotChecked);
    }
    mended
}

/// Which invariants were not checked in full, where the run did not look at everything or could not say so
/// everywhere; `None` where it did.
fn not_checked(notice: &Notice) -> Option<Extent> {
    let is_unsure = |matter: &&Matter| matter.standing == Standing::NotChecked || !matter.errors.is_empty();
    let unsure = || notice.matters.iter().filter(is_unsure);
    let (ids, count): (BTreeSet<_>, _) =
        (unsure().map(|matter| matter.id.clone()).collect(), unsure().count());
    let is_said = notice.findings.iter().any(|said| said.state != State::Ok);
    let is_unexplained = notice.state != State::Ok && !notice.matters.iter().any(is_violated);
    let extent = Extent { count: Some(count as u64), severity: None, ids };
    (count > 0 || is_said || is_unexplained || notice.state == State::Unknown).then_some(extent)
}

fn is_violated(matter: &Matter) -> bool {
    matter.standing == Standing::Violated
}

#[cfg(test)]
mod tests;
