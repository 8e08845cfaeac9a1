//! How do all channels hear of what waits for them, each by itself and all within one time?

mod lock;
mod pace;
mod pass;
#[cfg(test)]
mod tests;

use std::future::poll_fn;
use std::path::Path;
use std::rc::Rc;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::task::LocalSet;
use tokio::time::timeout_at;

use super::channels::{Answer, Attempt, Channel, ChannelName};
use super::state::outbox::Outbox;
use crate::plain::plain;
use crate::verdict::telling::Message;
use crate::verdict::{Finding, State};

use lock::DeliveryLock;
use pass::ATTEMPT;
pub use pass::{Passed, Time};

/// What delivery came to.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Delivery {
    /// One per channel that could be tried.
    pub passed: Vec<Passed>,
    /// What kept channels from being tried at all.
    pub errors: Vec<String>,
}

impl Delivery {
    /// A sentence per channel that was not told everything.
    #[must_use]
    pub fn findings(&self) -> Vec<Finding> {
        let waiting = self.passed.iter().flat_map(|passed| {
            let name = passed.channel.word();
            let why = passed
                .why_waiting
                .iter()
                .map(move |why| format!("{name} was not told: {why}; kept for the next try"));
            let unrecorded = passed
                .not_recorded
                .iter()
                .map(move |why| format!("what {name} was told may be told again: {why}"));
            why.chain(unrecorded)
        });
        let errors = self.errors.iter().map(|why| format!("alerts were not delivered: {why}"));
        errors.chain(waiting).map(|sentence| Finding::new(State::Unknown, sentence)).collect()
    }
}

/// Tells every channel what waits for it. Channels do not wait for each other, and the panic of one is
/// not the end of the others.
///
/// `folder` is the state folder, whose delivery lock is taken so that nobody is told by two at once; `None`
/// for an outbox in memory.
#[must_use]
pub fn deliver(
    outbox: Outbox,
    channels: Vec<Box<dyn Channel>>,
    folder: Option<&Path>,
    time: &Time,
) -> Delivery {
    let mut delivery = Delivery::default();
    if channels.is_empty() {
        return delivery;
    }
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            delivery.errors.push(format!("cannot begin: {}", plain(&error)));
            return delivery;
        }
    };
    let names: Vec<_> = channels.iter().map(|channel| channel.name()).collect();
    let set = LocalSet::new();
    set.block_on(&runtime, async {
        let _lock = match folder {
            None => None,
            Some(folder) => match DeliveryLock::take(folder, time).await {
                Ok(lock) => Some(lock),
                Err(why) => {
                    delivery.errors.push(why);
                    return;
                }
            },
        };
        let outbox = Rc::new(outbox);
        let passes: Vec<_> = channels
            .into_iter()
            .map(|channel| {
                let (outbox, time) = (Rc::clone(&outbox), time.clone());
                tokio::task::spawn_local(async move { pass::pass(&outbox, channel.as_ref(), &time).await })
            })
            .collect();
        for (pass, name) in passes.into_iter().zip(names) {
            match pass.await {
                Ok(Ok(passed)) => delivery.passed.push(passed),
                Ok(Err(error)) => delivery.errors.push(format!("{}: {error}", name.word())),
                Err(_) => delivery.errors.push(format!("{}: internal error", name.word())),
            }
        }
    });
    // A name resolution that hangs must not keep the program.
    runtime.shutdown_timeout(Duration::ZERO);
    delivery
}

/// Tries one message on each channel once, without the outbox; what each made of its last part, or of the
/// first that it did not take.
#[must_use]
pub fn try_each(
    channels: &[Box<dyn Channel>],
    message: &Message<'_>,
    deadline: Instant,
) -> Vec<(ChannelName, Answer)> {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            let why = format!("cannot begin: {}", plain(&error));
            let names = channels.iter().map(|channel| channel.name());
            return names.map(|name| (name, Answer::Unusable { why: why.clone() })).collect();
        }
    };
    // All at once: one that hangs does not take the others' time.
    let attempts =
        channels.iter().map(|channel| Box::pin(try_one(channel.as_ref(), message, deadline)) as Attempt<'_>);
    let answers = runtime.block_on(all(attempts.collect()));
    let answers = channels.iter().map(|channel| channel.name()).zip(answers).collect();
    runtime.shutdown_timeout(Duration::ZERO);
    answers
}

/// The answers of all attempts, which run at once.
async fn all(mut attempts: Vec<Attempt<'_>>) -> Vec<Answer> {
    let mut answers: Vec<Option<Answer>> = attempts.iter().map(|_| None).collect();
    poll_fn(|context| {
        for (attempt, answer) in attempts.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none())
        {
            if let Poll::Ready(said) = attempt.as_mut().poll(context) {
                *answer = Some(said);
            }
        }
        if answers.iter().all(Option::is_some) { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    answers.into_iter().flatten().collect()
}

async fn try_one(channel: &dyn Channel, message: &Message<'_>, deadline: Instant) -> Answer {
    let mut said = Answer::Refused { why: "nobody is to be told".to_owned() };
    let mut not_taken = None;
    for part in channel.parts(message) {
        let deadline = deadline.min(Instant::now() + ATTEMPT);
        let sent = channel.send(message, &part, deadline);
        said = match timeout_at(deadline.into(), sent).await {
            Ok(answer) => answer,
            Err(_) => Answer::Later { why: "no answer in time".to_owned(), after: None },
        };
        match &said {
            Answer::Accepted(_) => {}
            // The other parts may be taken.
            Answer::Refused { .. } | Answer::Postponed { .. } => {
                not_taken.get_or_insert_with(|| said.clone());
            }
            Answer::Later { .. } | Answer::Unusable { .. } => break,
        }
    }
    not_taken.unwrap_or(said)
}
