//! How many round trips does a verdict need? One where all is well, and more where something is odd.

use foldhash::{HashMap, HashSet};

use super::properties::{Properties, Value, WholeTimer};
use super::questions::{self, MANAGER, Property, TIMER};
use super::units::{self, Expanded, Listed, Names};
use super::{Answer, Body, Bus, BusError, Call, Refusal};
use crate::verdict::clock::Stamp;
use crate::verdict::freshness::Basis;
use crate::verdict::job::Job;
use crate::verdict::timer::Timer;

/// Which probe asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// `check_plms_timer`.
    Timer,
    /// `check_plms_exit`.
    Exit,
    /// `check_plms_freshness`, with the moment of a run that counts.
    Freshness(Basis),
}

/// A job and its timers.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The unit that is judged: the timer for the timer probe, else the service.
    pub name: String,
    /// The timer, or, for a service, all that start it.
    pub timers: Vec<Timer>,
    /// What they start.
    pub job: Option<Job>,
    /// When systemd came up.
    pub boot: Option<Stamp>,
}

/// What is known of all that was meant.
#[derive(Debug)]
pub struct AllSeen {
    /// How many units the names mean: more than there are rows where two are names of one, or timers of one job.
    pub meant: usize,
    /// Each of them, and each pattern for nothing, or why nothing is known of it.
    pub rows: Vec<Row>,
}

/// A unit, or why nothing is known of it.
pub type Row = (String, Result<Seen, BusError>);

/// So many units are asked for together: of a fleet the questions alone would be a tenth of all memory.
const AT_ONCE: usize = 64;

/// All answers so far, by the name that was asked for.
pub(super) struct Answers {
    pub asked: Asked,
    pub is_remote: bool,
    pub listed: HashMap<String, Listed>,
    pub properties: HashMap<String, Properties>,
    pub failures: HashMap<String, Refusal>,
    pub garbage: HashMap<String, &'static str>,
    pub boot: Properties,
}

/// Asks everything that `asked` needs to know about the units that `names` mean.
///
/// # Errors
/// The conversation as a whole failed; what concerns one unit alone is in its own place.
pub fn observe(bus: &mut Bus, names: &Names, asked: Asked) -> Result<AllSeen, BusError> {
    let Expanded { units, unmatched } = bus.expand(names)?;
    let mut looked = look(bus, &units, asked)?;
    let torn = looked.rows.iter().zip(&looked.of).filter(|(row, _)| is_torn(row));
    let torn: HashSet<usize> = torn.map(|(_, nth)| *nth).collect();
    if !torn.is_empty() {
        looked = look_again(bus, &units, asked, looked, &torn)?;
    }
    let mut rows = merge(looked.rows);
    rows.extend(unmatched.into_iter().map(|pattern| (pattern.clone(), Err(BusError::NoMatch(pattern)))));
    Ok(AllSeen { meant: units.len(), rows })
}

/// The rows of units, and of which of them each is.
#[derive(Default)]
struct Looked {
    rows: Vec<Row>,
    of: Vec<usize>,
}

fn look_again(
    bus: &mut Bus,
    units: &[String],
    asked: Asked,
    before: Looked,
    torn: &HashSet<usize>,
) -> Result<Looked, BusError> {
    let nths: Vec<usize> = (0..units.len()).filter(|nth| torn.contains(nth)).collect();
    let names: Vec<String> = nths.iter().filter_map(|nth| units.get(*nth).cloned()).collect();
    let again = look(bus, &names, asked)?;
    let whole = before.of.into_iter().zip(before.rows).filter(|(nth, _)| !torn.contains(nth));
    let again = again.of.into_iter().filter_map(|nth| nths.get(nth).copied()).zip(again.rows);
    let mut all: Vec<(usize, Row)> = whole.chain(again).collect();
    all.sort_by_key(|(nth, _)| *nth);
    let (of, rows) = all.into_iter().unzip();
    Ok(Looked { rows, of })
}

fn look(bus: &mut Bus, units: &[String], asked: Asked) -> Result<Looked, BusError> {
    if units.is_empty() {
        return Ok(Looked::default());
    }
    bus.stage("asking systemd");
    let mut answers = Answers::new(asked, bus.is_remote());
    // A timer and its job mostly share a name; where they do not, the answer says so.
    let partners = units.iter().filter_map(|unit| match unit.strip_suffix(".timer") {
        Some(stem) => Some(format!("{stem}.service")),
        None if asked == Asked::Exit => None,
        None => Some(format!("{}.timer", unit.strip_suffix(".service").unwrap_or(unit))),
    });
    let partners = partners.filter(|partner| partner.len() <= units::LONGEST);
    let first = units.iter().cloned().chain(partners).collect();
    answers.fetch(bus, units, first)?;
    let related = units.iter().flat_map(|unit| answers.related(unit)).collect();
    answers.fetch(bus, &[], related)?;
    answers.fetch_details(bus)?;
    // Timers tell what a service does not remember, and which they are it has said only now.
    let related = units.iter().flat_map(|unit| answers.related(unit)).collect();
    let mut is_more = answers.fetch(bus, &[], related)?;
    if asked == Asked::Timer {
        // What the timers of a service start has a name of its own where the service was asked for by an alias.
        let services = units.iter().filter(|unit| !units::is_timer(unit));
        let timers = services.flat_map(|service| answers.related(service));
        let jobs = timers.flat_map(|timer| answers.related(&timer)).collect();
        is_more |= answers.fetch(bus, &[], jobs)?;
    }
    if is_more {
        answers.fetch_details(bus)?;
    }
    // Rows of a fleet are large: there is one list of them, of the right size.
    let mut looked = Looked { rows: Vec::with_capacity(units.len()), of: Vec::with_capacity(units.len()) };
    for (nth, unit) in units.iter().enumerate() {
        looked.rows.extend(answers.seen(bus, unit));
        looked.of.resize(looked.rows.len(), nth);
    }
    Ok(looked)
}

/// A job that several timers start is one row, whatever their order; of other rows the judge keeps the worse.
fn merge(all: Vec<Row>) -> Vec<Row> {
    let mut names = HashSet::default();
    if all.iter().all(|(name, _)| names.insert(name.as_str())) {
        return all;
    }
    let mut rows: Vec<Row> = Vec::with_capacity(all.len());
    let mut known: HashMap<String, usize> = HashMap::default();
    for (name, seen) in all {
        let earlier = known.get(&name).and_then(|nth| rows.get_mut(*nth));
        match (earlier, seen) {
            (Some((_, Ok(earlier))), Ok(seen)) if earlier.job == seen.job => {
                let ids: HashSet<String> = earlier.timers.iter().map(|timer| timer.unit.id.clone()).collect();
                earlier.timers.extend(seen.timers.into_iter().filter(|timer| !ids.contains(&timer.unit.id)));
                earlier.timers.sort_by(|a, b| a.unit.id.cmp(&b.unit.id));
            }
            (_, seen) => {
                known.insert(name.clone(), rows.len());
                rows.push((name, seen));
            }
        }
    }
    rows
}

/// States and properties are of two moments: what changed in between makes no sense.
fn is_torn((_, seen): &Row) -> bool {
    seen.as_ref().is_ok_and(Seen::is_torn)
}

impl Seen {
    fn is_torn(&self) -> bool {
        let is_timer_torn = self.timers.iter().any(|timer| {
            let is_waiting = timer.unit.sub_state == "waiting" && timer.unit.active_state == "active";
            let is_set = !timer.calendar.is_empty() || !timer.bases.is_empty();
            is_waiting && is_set && timer.next_realtime.is_none() && timer.next_monotonic.is_none()
        });
        let is_job_torn = self.job.as_ref().is_some_and(|job| {
            let has_begun = job.exec_main_start.is_some() || job.unit.inactive_exit.is_some();
            let is_open = match job.unit.active_state.as_str() {
                "inactive" => has_begun && job.exec_main_exit.is_none(),
                state => state == "failed",
            };
            is_open && job.result.as_deref() == Some("success")
        });
        is_timer_torn || is_job_torn
    }
}

impl Answers {
    fn new(asked: Asked, is_remote: bool) -> Self {
        Self {
            asked,
            is_remote,
            listed: HashMap::default(),
            properties: HashMap::default(),
            failures: HashMap::default(),
            garbage: HashMap::default(),
            boot: Properties::default(),
        }
    }

    /// The first round for units that are not known yet; says whether there were any.
    fn fetch(&mut self, bus: &mut Bus, given: &[String], names: Vec<String>) -> Result<bool, BusError> {
        let mut strangers: Vec<String> =
            names.into_iter().filter(|name| !self.listed.contains_key(name)).collect();
        strangers.sort();
        strangers.dedup();
        let given: HashSet<&str> = given.iter().map(String::as_str).collect();
        for some in strangers.chunks(AT_ONCE) {
            self.fetch_some(bus, &given, some)?;
        }
        Ok(!strangers.is_empty())
    }

    fn fetch_some(
        &mut self,
        bus: &mut Bus,
        given: &HashSet<&str>,
        strangers: &[String],
    ) -> Result<(), BusError> {
        let mut asking = vec![Asking::List(strangers)];
        for unit in strangers {
            asking.extend(units::is_timer(unit).then_some(Asking::Timer(unit)));
            let first = questions::first(unit, self.asked, given.contains(unit.as_str()));
            self.properties.entry(unit.clone()).or_default().make_room(first.len());
            asking.extend(first.into_iter().map(|property| Asking::Property(unit, property)));
        }
        if self.asked != Asked::Timer && self.listed.is_empty() {
            asking.extend(["UserspaceTimestamp", "UserspaceTimestampMonotonic"].map(Asking::Boot));
        }
        let mut list = None;
        bus.ask(&asking, Asking::call, |question, reply| match question {
            Asking::List(_) => list = Some(reply.map(|answer| units::read_list(&answer))),
            Asking::Timer(unit) => self.take(unit, None, reply),
            Asking::Property(unit, property) => self.take(unit, Some(*property), reply),
            Asking::Boot(name) => {
                let value = reply.ok().and_then(|answer| variant(&answer));
                if let Some(value) = value {
                    self.boot.insert(name, value);
                }
            }
        })?;
        let list = list.ok_or_else(|| bus.garbage("units"))?;
        let list = list.map_err(|refusal| match refusal.name.as_str() {
            "org.freedesktop.DBus.Error.InvalidArgs" => BusError::BadName(strangers.join("', '")),
            _ => bus.refused("units", &refusal),
        })?;
        let list = list.filter(|list| list.len() == strangers.len()).ok_or_else(|| bus.garbage("units"))?;
        self.listed.extend(strangers.iter().cloned().zip(list));
        Ok(())
    }

    fn take(&mut self, unit: &str, property: Option<Property>, reply: Result<Answer<'_>, Refusal>) {
        let Some(properties) = self.properties.get_mut(unit) else { return };
        match (reply, property) {
            (Ok(answer), Some(property)) => match variant(&answer) {
                Some(value) => properties.insert(property.name, value),
                None => drop(self.garbage.insert(unit.to_owned(), property.name)),
            },
            (Ok(answer), None) => match answer.read::<WholeTimer>() {
                Some(WholeTimer(wanted)) => properties.extend(wanted),
                None => drop(self.garbage.insert(unit.to_owned(), "Timer")),
            },
            // A unit of another type, or an older systemd: missed where it is needed.
            (Err(refusal), _) if refusal.is_absence() => {}
            (Err(refusal), _) => drop(self.failures.insert(unit.to_owned(), refusal)),
        }
    }

    /// What a unit starts, or what starts it.
    pub fn related(&self, unit: &str) -> Vec<String> {
        let Some(properties) = self.properties.get(unit) else { return Vec::new() };
        if units::is_timer(unit) {
            return properties.text("Unit").filter(|name| !name.is_empty()).into_iter().collect();
        }
        properties.texts("TriggeredBy").into_iter().filter(|name| units::is_timer(name)).collect()
    }

    /// What the first answers about a unit call for.
    pub fn details(&self, unit: &str) -> Vec<Property> {
        let Some((listed, seen)) = self.listed.get(unit).zip(self.properties.get(unit)) else {
            return vec![];
        };
        let job = seen.text("Unit").and_then(|job| self.properties.get(&job));
        let is_dated = job.is_some_and(|job| questions::is_dated(job, self.asked));
        questions::details(listed, seen, unit, self.asked, self.is_remote, is_dated)
    }

    /// What the first answers call for, as far as it was not asked yet.
    fn fetch_details(&mut self, bus: &mut Bus) -> Result<(), BusError> {
        let mut wanted = Vec::new();
        for unit in self.listed.keys() {
            let Some(seen) = self.properties.get(unit) else { continue };
            let details = self.details(unit).into_iter().filter(|property| !seen.has(property.name));
            wanted.extend(details.map(|property| (unit.clone(), property)));
        }
        if wanted.is_empty() {
            return Ok(());
        }
        bus.stage("asking systemd for details");
        let call = |(unit, property): &(String, Property)| Asking::Property(unit, *property).call();
        bus.ask(&wanted, call, |(unit, property), reply| self.take(unit, Some(*property), reply))
    }
}

/// A question before it is written: of a fleet there are thousands.
enum Asking<'a> {
    /// The states of these units.
    List(&'a [String]),
    /// All of a timer.
    Timer(&'a str),
    /// One property of a unit.
    Property(&'a str, Property),
    /// One property of systemd.
    Boot(&'static str),
}

impl Asking<'_> {
    fn call(&self) -> Call {
        let ask =
            |path, member, body| Call { path, interface: "org.freedesktop.DBus.Properties", member, body };
        match self {
            Self::List(names) => units::by_names(names.to_vec()),
            Self::Timer(unit) => ask(units::path_of(unit), "GetAll", Body::Text(TIMER)),
            Self::Property(unit, property) => {
                ask(units::path_of(unit), "Get", Body::Property(property.interface, property.name))
            }
            Self::Boot(name) => ask(units::MANAGER_PATH.to_owned(), "Get", Body::Property(MANAGER, name)),
        }
    }
}

fn variant(answer: &Answer<'_>) -> Option<Value> {
    Value::of(&answer.read::<zbus::Variant<'_>>()?)
}
