//! Does each channel take a message that nobody waits for?

use std::future::poll_fn;
use std::task::Poll;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;
use tokio::time::{sleep_until, timeout_at};

use super::pace::back_off;
use super::time::ATTEMPT;
use crate::emit::channels::{Answer, Attempt, Channel, ChannelName};
use crate::plain::plain;
use crate::verdict::telling::Message;

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
    let (mut not_taken, mut is_opened) = (None, false);
    for part in channel.parts(message) {
        let opens = channel.opens(&part).map(|(_, opens)| opens);
        let closes = opens == Some(false) && is_opened;
        said = if closes {
            close(channel, message, &part, deadline).await
        } else {
            attempt(channel, message, &part, deadline).await
        };
        match &said {
            Answer::Accepted(_) => is_opened = opens == Some(true),
            // The other parts may be taken.
            Answer::Refused { .. } | Answer::Postponed { .. } => {
                not_taken.get_or_insert_with(|| said.clone());
            }
            Answer::Later { .. } | Answer::Unusable { .. } => break,
        }
    }
    not_taken.unwrap_or(said)
}

/// Tries until there is no time left: what a test has opened must not stay open, or somebody must know that it
/// does.
async fn close(channel: &dyn Channel, message: &Message<'_>, part: &str, deadline: Instant) -> Answer {
    let mut said = attempt(channel, message, part, deadline).await;
    for failed in 1_u32.. {
        let Answer::Later { after, .. } = &said else { break };
        let again = Instant::now().checked_add(back_off(failed, *after, fastrand::f64()));
        let Some(again) = again.filter(|again| *again < deadline) else { break };
        sleep_until(again.into()).await;
        said = attempt(channel, message, part, deadline).await;
    }
    let stays = |why: String| {
        format!(
            "{why}; the incident of this test, \"{}\", stays open: close it there",
            message.notice.sentence
        )
    };
    match said {
        Answer::Accepted(words) => Answer::Accepted(words),
        Answer::Later { why, after } => Answer::Later { why: stays(why), after },
        Answer::Postponed { why } => Answer::Postponed { why: stays(why) },
        Answer::Refused { why } => Answer::Refused { why: stays(why) },
        Answer::Unusable { why } => Answer::Unusable { why: stays(why) },
    }
}

async fn attempt(channel: &dyn Channel, message: &Message<'_>, part: &str, deadline: Instant) -> Answer {
    let deadline = deadline.min(Instant::now() + ATTEMPT);
    match timeout_at(deadline.into(), channel.send(message, part, deadline)).await {
        Ok(answer) => answer,
        Err(_) => Answer::Later { why: "no answer in time".to_owned(), after: None },
    }
}
