//! Do alerts reach people, what waits, and can it go out now?

use std::sync::Arc;
use std::time::Instant;

use chrono::SecondsFormat;
use serde_json::json;

use super::{Asked, NAME, VerbError, answer, say_notes, say_unknown};
use crate::cli::Output;
use crate::cli::alert::{AlertVerb, FlushFlags, TestFlags};
use crate::config::short_host_name;
use crate::emit::channels::{self, Answer, Channel, ChannelName};
use crate::emit::deliver::{Delivery, Passed, Time, deliver, try_each};
use crate::emit::state::outbox::{Outbox, Pending};
use crate::emit::state::{Aside, StateError};
use crate::report::json;
use crate::report::notice::{self, Subject};
use crate::report::plugin::ServiceOutput;
use crate::report::run_json::instant;
use crate::report::run_text::counted;
use crate::report::table::{Align, Table};
use crate::run::alerts::{write_metrics, written_elsewhere};
use crate::run::signals::Signals;
use crate::run::unserved::{how_to_give_up, missing, unserved};
use crate::verdict::backlog::UNCLAIMED;
use crate::verdict::notice::Occasion;
use crate::verdict::telling::{Message, Telling, Word};
use crate::verdict::{Finding, State};

/// `alert test|flush|pending`.
pub fn alert(asked: &Asked<'_>, verb: &AlertVerb, out: &mut Output) -> State {
    say_notes(asked.settings);
    match verb {
        AlertVerb::Test(flags) => test(asked, flags, out),
        AlertVerb::Flush(flags) => flush(asked, flags, out)
            .unwrap_or_else(|sentence| say_unknown(&sentence, asked.common.is_json(), out)),
        AlertVerb::Pending => answer(asked, out, |out| pending(asked, out)),
    }
}

/// OK where all channels took a test, CRITICAL where one did not, UNKNOWN where there is none.
fn test(asked: &Asked<'_>, flags: &TestFlags, out: &mut Output) -> State {
    let mut channels = channels::open(asked.settings);
    channels.retain(|channel| flags.channel.is_empty() || flags.channel.contains(&channel.name()));
    if channels.is_empty() {
        let sentence = "no channel is configured: set SLACK_WEBHOOK_URL, ALERT_EMAIL or PD_ROUTING_KEY";
        return say_unknown(sentence, asked.common.is_json(), out);
    }
    let (db_path, host) = (asked.settings.registry().display().to_string(), short_host_name());
    let env = &asked.settings.env_name.value;
    let subject = Subject { env, db_path: &db_path, host: &host, invocation_id: "test" };
    let notice = notice::test(&subject, asked.now);
    let telling = Telling { word: Word::Ok, turns: vec![] };
    let message = Message { notice: &notice, telling: &telling, now: asked.now };
    if flags.dry_run {
        for channel in &channels {
            out.say(&format!("{}:\n{}\n", channel.name().word(), channel.preview(&message)));
        }
        return State::Ok;
    }
    let deadline = Instant::now().checked_add(asked.common.timeout).unwrap_or_else(Instant::now);
    let findings: Vec<(ChannelName, Finding)> = try_each(&channels, &message, deadline)
        .into_iter()
        .map(|(name, answer)| (name, tested(name, answer)))
        .collect();
    let failed = findings.iter().filter(|(_, finding)| finding.state != State::Ok).count();
    let all = counted(channels.len() as u64, "channel");
    let sentence = match failed {
        0 => format!("{env}: {all} took a test"),
        _ => format!("{env}: {failed} of {all} did not take a test"),
    };
    let state = if failed == 0 { State::Ok } else { State::Critical };
    say(asked, state, sentence, findings.into_iter().map(|(_, finding)| finding).collect(), out)
}

fn tested(name: ChannelName, answer: Answer) -> Finding {
    let name = name.word();
    match answer {
        Answer::Accepted(words) => Finding::new(State::Ok, format!("{name} took it: {words}")),
        Answer::Later { why, .. }
        | Answer::Postponed { why }
        | Answer::Refused { why }
        | Answer::Unusable { why } => Finding::new(State::Critical, format!("{name} did not take it: {why}")),
    }
}

fn flush(asked: &Asked<'_>, flags: &FlushFlags, out: &mut Output) -> Result<State, String> {
    let folder = &asked.settings.state_dir.value;
    let text = |error: StateError| error.to_string();
    if flags.dry_run {
        return rehearse(asked, flags.failed_unit.as_deref(), out);
    }
    let signals = Signals::install().map_err(|error| format!("cannot listen for signals: {error}"))?;
    let time = Time::within(asked.now, asked.common.timeout, None, Arc::clone(&signals.asked()));
    let (outbox, aside) = match (Outbox::open(folder, asked.now), &flags.failed_unit) {
        (Err(why), Some(unit)) => {
            let findings = tell_at_once(asked, unit, &why.to_string(), &time)?;
            return Ok(say(asked, State::Critical, why.to_string(), findings, out));
        }
        (opened, _) => opened.map_err(text)?,
    };
    let damage = aside.map(|aside| tell_of_damage(asked, &aside, &outbox)).transpose().map_err(text)?;
    if let Some(channel) = flags.discard {
        return discard(asked, &outbox, channel, out).map_err(text);
    }
    let (mut unwritten, mut doubt) = (vec![], None);
    if let Some(unit) = &flags.failed_unit {
        match super::failed_unit::tell(asked, unit, &outbox) {
            Err(why) => unwritten = tell_at_once(asked, unit, &why, &time)?,
            Ok(told) => doubt = told,
        }
    }
    let channels = channels::open(asked.settings);
    let is_told_to_nobody = channels.is_empty();
    let delivery = deliver(outbox, channels, Some(folder), &time);
    let mut findings = delivery.findings();
    findings.extend(damage);
    findings.extend(asked.settings.refused.as_deref().map(refused));
    let all_written = unwritten.is_empty();
    findings.extend(unwritten.into_iter().chain(doubt));
    findings.extend(write_metrics(asked.settings));
    let counts = Outbox::open_to_read(folder).and_then(|outbox| outbox.counts()).map_err(text)?;
    let waiting: u64 = counts.iter().map(|count| count.pending).sum();
    // What came at the very end waits, too, and a channel will take it on.
    if is_told_to_nobody && counts.iter().any(|count| count.channel == UNCLAIMED && count.pending > 0) {
        let sentence = "no channel is configured here: who is to hear of it?";
        findings.push(Finding::new(State::Critical, sentence));
    }
    findings.extend(unserved(&counts, asked.settings));
    let told = delivery.passed.iter().map(|passed| passed.told as u64).sum::<u64>();
    findings.extend(taken(&delivery));
    let is_done = waiting == 0 && delivery.errors.is_empty() && all_written;
    // Done, a flush is as good as the worst that it has to say: what could not be written or known is unknown.
    let worst = findings.iter().map(|finding| finding.state).max().unwrap_or(State::Ok);
    let state = if is_done { worst } else { State::Critical };
    let left = if waiting == 0 {
        "nothing waits".to_owned()
    } else {
        format!("still waiting: {}", counted(waiting, "alert"))
    };
    Ok(say(asked, state, format!("{} delivered, {left}", counted(told, "alert")), findings, out))
}

/// Nobody waits any more for a channel that is no longer used; the metrics must not say that somebody does.
fn discard(
    asked: &Asked<'_>,
    outbox: &Outbox,
    channel: ChannelName,
    out: &mut Output,
) -> Result<State, StateError> {
    let given_up = outbox.discard(channel)?;
    let sentence = format!("{} for {} given up", counted(given_up, "alert"), channel.word());
    let unwritten = write_metrics(asked.settings);
    let state = unwritten.as_ref().map_or(State::Ok, |finding| finding.state);
    Ok(say(asked, state, sentence, unwritten.into_iter().collect(), out))
}

/// Mended soon: until then whatever else they hold is not used.
fn refused(why: &str) -> Finding {
    let sentence = format!("the settings are refused, and only what else is set was used: {why}");
    Finding::new(State::Unknown, sentence)
}

/// People must hear of it as of a run that died: alerts may be lost with it.
fn tell_of_damage(asked: &Asked<'_>, aside: &Aside, outbox: &Outbox) -> Result<Finding, StateError> {
    let db_path = asked.settings.registry().display().to_string();
    let (env, host) = (&asked.settings.env_name.value, short_host_name());
    let name = aside.path.file_name().unwrap_or_default().to_string_lossy();
    let subject = Subject { env, db_path: &db_path, host: &host, invocation_id: &name };
    let finding = aside.finding();
    outbox.put_damage(&notice::died(&subject, &format!("{env}: {}", finding.sentence), asked.now))?;
    Ok(finding)
}

/// That a run died cannot be written down where it belongs: people are told all the same.
fn tell_at_once(asked: &Asked<'_>, unit: &str, why: &str, time: &Time) -> Result<Vec<Finding>, String> {
    let folder = &asked.settings.state_dir.value;
    let outbox = Outbox::beside(folder, asked.now).map_err(|error| error.to_string())?;
    let (outbox, doubt) = if let Ok(doubt) = super::failed_unit::tell(asked, unit, &outbox) {
        (outbox, doubt)
    } else {
        let memory = Outbox::in_memory(Some(folder)).map_err(|error| error.to_string())?;
        let doubt = super::failed_unit::tell(asked, unit, &memory)?;
        (memory, doubt)
    };
    let mut findings =
        vec![written_elsewhere("the alert of a unit that failed", Some(why), &outbox, State::Critical)];
    findings.extend(doubt);
    let folder = outbox.is_kept().then_some(folder.as_path());
    let delivery = deliver(outbox, channels::open(asked.settings), folder, time);
    findings.extend(delivery.findings());
    findings.extend(taken(&delivery));
    Ok(findings)
}

/// What each channel took, and what ended without it.
fn taken(delivery: &Delivery) -> Vec<Finding> {
    let took = |passed: &Passed| {
        let words = passed.words.as_deref().unwrap_or_default();
        format!("{} took {}: {words}", passed.channel.word(), counted(passed.told as u64, "alert"))
    };
    let moot = |passed: &Passed| {
        let alerts = counted(passed.moot as u64, "alert");
        let name = passed.channel.word();
        format!(
            "{alerts} needed no telling to {name} any more: overtaken, or nobody is left who is to be told"
        )
    };
    let took = delivery.passed.iter().filter(|passed| passed.told > 0).map(took);
    let moot = delivery.passed.iter().filter(|passed| passed.moot > 0).map(moot);
    took.chain(moot).map(|sentence| Finding::new(State::Ok, sentence)).collect()
}

/// What a flush would send, from a copy of the outbox: a person who looks takes nothing on.
fn rehearse(asked: &Asked<'_>, failed_unit: Option<&str>, out: &mut Output) -> Result<State, String> {
    let text = |error: StateError| error.to_string();
    let outbox = Outbox::copy_of(&asked.settings.state_dir.value).map_err(text)?;
    let doubt = match failed_unit {
        Some(unit) => super::failed_unit::tell(asked, unit, &outbox)?,
        None => None,
    };
    let state = preview(asked, &outbox, &channels::open(asked.settings), out).map_err(text)?;
    let Some(doubt) = doubt else { return Ok(state) };
    Ok(say(asked, State::Unknown, doubt.sentence, vec![], out))
}

/// What would be sent, channel by channel.
fn preview(
    asked: &Asked<'_>,
    outbox: &Outbox,
    channels: &[Box<dyn Channel>],
    out: &mut Output,
) -> Result<State, StateError> {
    for channel in channels {
        outbox.claim(channel.name(), asked.now)?;
        let mut last = 0;
        while let Some(waiting) = outbox.next(channel.name(), last)? {
            last = waiting.id;
            let telling = waiting
                .telling
                .or_else(|| crate::verdict::telling::tell(channel.wish(), &waiting.told, &waiting.notice));
            let Some(telling) = telling else { continue };
            let message = Message { notice: &waiting.notice, telling: &telling, now: asked.now };
            out.say(&format!(
                "{}, alert {}:\n{}\n",
                channel.name().word(),
                waiting.id,
                channel.preview(&message)
            ));
        }
    }
    Ok(State::Ok)
}

fn pending(asked: &Asked<'_>, out: &mut Output) -> Result<(), VerbError> {
    let outbox = match Outbox::open_to_read(&asked.settings.state_dir.value) {
        // Nothing was ever to be told.
        Err(StateError::Absent { .. }) => None,
        other => Some(other?),
    };
    let mut lines = vec![];
    let mut left = vec![];
    if let Some(outbox) = &outbox {
        outbox.pending(|line| lines.push(line))?;
        left = missing(&outbox.counts()?, asked.settings);
    }
    if asked.common.is_json() {
        let all: Vec<_> = lines.iter().map(object).collect();
        out.say(&json::document(&json!({ "pending": all })));
        return Ok(());
    }
    if outbox.is_none() {
        // A mistyped folder must not look like peace.
        let folder = asked.settings.state_dir.value.display();
        out.say(&format!(
            "nothing waits: there is no state.db in {folder}; is that where runs keep theirs?\n"
        ));
        return Ok(());
    }
    if lines.is_empty() {
        out.say("nothing waits\n");
        return Ok(());
    }
    let headings = ["ALERT", "SINCE", "ENV", "ABOUT", "CHANNEL", "TRIES", "WHY"];
    let mut table = Table::new(&mut *out, &headings.map(|heading| (heading, Align::Left)));
    for line in &lines {
        let since =
            line.at.map_or_else(|| "not known".into(), |at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let about = if line.occasion == Occasion::Died { "a run that died" } else { "a run" };
        let why =
            line.why.as_deref().unwrap_or(if line.channel.is_some() { "not tried yet" } else { NOBODY });
        let until = line.not_before.filter(|until| *until > asked.now);
        let why = match until {
            Some(until) => format!("{why}; not before {}", until.to_rfc3339_opts(SecondsFormat::Secs, true)),
            None => why.to_owned(),
        };
        let (id, tries) = (line.id.to_string(), line.attempts.to_string());
        table.row([&id, &since, &line.env, about, channel_word(line), &tries, &why])?;
    }
    table.finish()?;
    for (channel, _) in left {
        // Whoever looks has seldom the credentials of the delivery.
        let give_up = how_to_give_up(channel);
        out.say(&format!(
            "{channel} is not configured here, though the delivery may have its credential; {give_up}\n"
        ));
    }
    Ok(())
}

/// Why a notice waits that no channel has taken on.
const NOBODY: &str = "nobody who holds a channel's settings has looked since";

fn channel_word(line: &Pending) -> &str {
    line.channel.as_deref().unwrap_or(UNCLAIMED)
}

fn object(line: &Pending) -> serde_json::Value {
    let channel = channel_word(line);
    json!({ "id": line.id, "env": line.env, "db_path": line.db_path, "occasion": line.occasion,
            "at": line.at.map(instant), "channel": channel, "attempts": line.attempts, "why": line.why,
            "not_before": line.not_before.map(instant) })
}

fn say(asked: &Asked<'_>, state: State, sentence: String, findings: Vec<Finding>, out: &mut Output) -> State {
    if asked.common.is_json() {
        out.say(&json::document(&json!({ "state": state, "sentence": sentence, "findings": findings })));
    } else {
        out.say(&ServiceOutput { name: NAME, state, sentence, findings, perfdata: vec![] }.render());
    }
    state
}
