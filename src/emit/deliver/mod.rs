//! How do all channels hear of what waits for them, each by itself and all within one time?

mod company;
mod lock;
mod pace;
mod pass;
mod teller;
#[cfg(test)]
mod tests;
mod time;
mod trial;

use std::path::Path;
use std::rc::Rc;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::task::LocalSet;

use super::channels::Channel;
use super::state::outbox::Outbox;
use crate::plain::plain;
use crate::verdict::{Finding, State};

use company::{Company, Place};
use lock::DeliveryLock;
use pass::Pass;
pub use pass::Passed;
pub use time::Time;
pub use trial::try_each;

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
/// not the end of the others. One that is done tells what comes meanwhile, for as long as another is at work:
/// whoever wants to deliver just then may find this delivery in his way.
///
/// `folder` is the state folder, whose delivery locks are taken so that nobody is told by two at once; `None`
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
        let outbox = Rc::new(outbox);
        let places = Company::of(channels.len());
        let all: Vec<_> = channels
            .into_iter()
            .zip(places)
            .map(|(channel, place)| {
                let (outbox, time, folder) =
                    (Rc::clone(&outbox), time.clone(), folder.map(Path::to_path_buf));
                tokio::task::spawn_local(async move {
                    let mut pass = Pass::new(&outbox, channel.as_ref(), &time);
                    let worked = match &folder {
                        Some(folder) => work(&mut pass, channel.as_ref(), folder, &time, &place).await,
                        None => pass.go().await.map_err(|error| error.to_string()),
                    };
                    (pass.end(), worked)
                })
            })
            .collect();
        for (one, name) in all.into_iter().zip(names) {
            let worked = match one.await {
                Ok((passed, worked)) => {
                    delivery.passed.push(passed);
                    worked
                }
                Err(_) => Err("internal error".to_owned()),
            };
            delivery.errors.extend(worked.err().map(|why| format!("{}: {why}", name.word())));
        }
    });
    // A name resolution that hangs must not keep the program.
    runtime.shutdown_timeout(Duration::ZERO);
    delivery
}

/// One channel's work, while it holds that channel's lock; and again where anything has come.
async fn work(
    pass: &mut Pass<'_>,
    channel: &dyn Channel,
    folder: &Path,
    time: &Time,
    place: &Place,
) -> Result<(), String> {
    let mut lock = DeliveryLock::take(folder, channel.name(), time).await?;
    loop {
        pass.go().await.map_err(|error| error.to_string())?;
        // Where that cannot be read it is not known, and seen when the outbox is counted.
        let has_news = |pass: &Pass<'_>| pass.has_news().unwrap_or_default();
        if pass.is_over() {
            return Ok(());
        }
        if has_news(pass) {
            continue;
        }
        drop(lock);
        place.rest();
        lock = loop {
            if !place.is_kept().await {
                return Ok(());
            }
            if has_news(pass)
                && let Some(free) = DeliveryLock::take_if_free(folder, channel.name())?
            {
                break free;
            }
        };
        place.resume();
    }
}
