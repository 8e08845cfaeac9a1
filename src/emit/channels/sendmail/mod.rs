//! How is one message handed to a program on this host, and what does its end prove?

mod ended;
#[cfg(test)]
mod tests;
mod words;

use std::fmt;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use thiserror::Error;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, Command};
use tokio::time::{timeout, timeout_at};

use super::Answer;
use super::smtp::Post;
use crate::plain::plain;
use crate::verdict::duration::human;

use words::Words;

/// Where every mail system has one.
const DEFAULT: &str = "/usr/sbin/sendmail";
/// What such a program may need; nothing of our own environment, where secrets may be.
const ENVIRONMENT: [(&str, &str); 2] = [("PATH", "/usr/sbin:/usr/bin:/sbin:/bin"), ("LANG", "C.UTF-8")];
/// The time in which a killed program is buried, taken from that of the attempt.
const BURIAL: Duration = Duration::from_millis(250);
/// A program that has ended may have left another behind, which holds its pipes open.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// `SENDMAIL` names no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("SENDMAIL must be the absolute path of a program, such as /usr/sbin/sendmail, and nothing else")]
pub struct NoProgram;

/// A program that takes mail as sendmail(8) does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sendmail(PathBuf);

impl Default for Sendmail {
    fn default() -> Self {
        Self(PathBuf::from(DEFAULT))
    }
}

impl fmt::Display for Sendmail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Sendmail {
    /// The program at this path.
    ///
    /// # Errors
    /// Where it is not absolute: cron and systemd do not agree on where programs are looked for.
    pub fn parse(text: &str) -> Result<Self, NoProgram> {
        let path = Path::new(text);
        let is_one = path.is_absolute() && !text.chars().any(char::is_control);
        if is_one { Ok(Self(path.to_owned())) } else { Err(NoProgram) }
    }

    /// Whether anything that can be run is there.
    #[must_use]
    pub fn is_there(&self) -> bool {
        self.0.metadata().is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    }

    /// Runs it for one recipient; it is killed where it has not ended by `deadline`.
    pub async fn send(&self, post: Post<'_>, deadline: Instant) -> Answer {
        let mut running = match self.start(post) {
            Ok(running) => running,
            Err(why) => return Answer::Unusable { why },
        };
        let began = Instant::now();
        let end = deadline.checked_sub(BURIAL).unwrap_or(deadline);
        let letter = with_bare_line_ends(post.letter);
        let writing = running.child.stdin.take().map(|mut stdin| {
            // Closed at the end: that is how it knows that this was all.
            tokio::spawn(async move { stdin.write_all(&letter).await })
        });
        let words = Words::of(running.child.stderr.take());
        let status = match timeout_at(end.into(), running.child.wait()).await {
            Ok(Ok(status)) => status,
            Ok(Err(error)) => {
                let why = format!("cannot wait for {self}: {}", plain(&error));
                return Answer::Postponed { why };
            }
            Err(_) => {
                running.kill();
                let _ = timeout(BURIAL, running.child.wait()).await;
                let within = human(deadline.saturating_duration_since(began));
                // It may wait for a server that waits for his alone.
                return Answer::Postponed {
                    why: format!("{}: {self} had not ended after {within}", post.to),
                };
            }
        };
        running.is_over = true;
        let is_all_taken = match writing {
            Some(writing) => matches!(timeout(LAST_WORDS, writing).await, Ok(Ok(Ok(())))),
            None => false,
        };
        self.answer(status, is_all_taken, post, &words.last(LAST_WORDS).await)
    }

    fn start(&self, post: Post<'_>) -> Result<Running, String> {
        let mut command = Command::new(&self.0);
        // `-i`: a lone dot is no end. `--`: no recipient is an option, whatever he is called.
        command.args(["-i", "-f", post.from, "--", post.to]).env_clear().envs(ENVIRONMENT).current_dir("/");
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        // Killed with whatever it has started.
        command.process_group(0).kill_on_drop(true);
        let child = command.spawn().map_err(|error| format!("cannot run {self}: {}", plain(&error)))?;
        Ok(Running { child, is_over: false })
    }

    fn answer(&self, status: ExitStatus, is_all_taken: bool, post: Post<'_>, words: &str) -> Answer {
        let said = if words.is_empty() { String::new() } else { format!(": {words}") };
        if status.success() {
            return if is_all_taken {
                Answer::Accepted(format!("{}: {self} queued it", post.to))
            } else {
                let why = format!("{}: {self} ended without reading the whole message{said}", post.to);
                Answer::Postponed { why }
            };
        }
        ended::answer(status, &format!("{}: {self}", post.to), &said)
    }
}

/// A program that is killed with its kind when nobody waits for it any more.
struct Running {
    child: Child,
    is_over: bool,
}

impl Running {
    fn kill(&self) {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        if let Some(pid) = pid {
            let _ = kill_process_group(pid, Signal::KILL);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.kill();
        }
    }
}

/// What a program reads ends its lines as its host does.
fn with_bare_line_ends(letter: &[u8]) -> Vec<u8> {
    let mut bare = Vec::with_capacity(letter.len());
    for line in letter.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(line) => {
                bare.extend_from_slice(line);
                bare.push(b'\n');
            }
            None => bare.extend_from_slice(line),
        }
    }
    bare
}
