//! How is a systemd reached? The system bus, a user's bus, another machine over ssh, the private socket.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::{Duration, Instant};

use rustix::net::SocketAddrUnix;

use super::opening::Opening;
use super::socket::Socket;
use super::{Bus, BusError, Stage, address};
use crate::plain::plain;

const SYSTEMD: &str = "org.freedesktop.systemd1";

/// Which systemd is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// This machine's.
    System,
    /// This user's.
    User,
    /// Another machine's, over ssh.
    Host(Host),
}

/// `[USER@]HOST[:PORT]`, as `systemctl -H` takes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host {
    destination: String,
    port: Option<u16>,
}

/// Not a host.
#[derive(Debug, thiserror::Error)]
#[error("'{0}' is no host; write [USER@]HOST[:PORT]")]
pub struct HostError(String);

impl FromStr for Host {
    type Err = HostError;

    fn from_str(text: &str) -> Result<Self, HostError> {
        let error = || HostError(text.to_owned());
        // An IPv6 address has colons of its own, and stands in brackets where a port follows.
        let (destination, port) = match text.rsplit_once(':') {
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, Some(port.parse().map_err(|_| error())?))
            }
            _ => (text, None),
        };
        let destination = destination.replace(['[', ']'], "");
        let is_plain = |c: char| c.is_ascii_graphic() && !"'\"`$;&|<>(){}*?!\\".contains(c);
        if destination.is_empty() || destination.starts_with('-') || !destination.chars().all(is_plain) {
            return Err(error());
        }
        Ok(Self { destination, port })
    }
}

/// The ssh that carries a conversation; ends with it.
pub(super) struct Ssh(Child);

impl Drop for Ssh {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// One way to a systemd.
enum Way<'a> {
    /// Addresses of a bus, its name in sentences, and that of the systemd behind it.
    Bus { addresses: String, whom: &'static str, behind: &'static str, stage: &'static str },
    /// Where systemd itself listens, for root or for its own user.
    Private { path: String },
    /// A bus at the other end of ssh.
    Ssh(&'a Host),
}

impl Target {
    /// The ways to it, the best first.
    fn ways(&self, asks_much: bool) -> Vec<Way<'_>> {
        match self {
            Self::Host(host) => vec![Way::Ssh(host)],
            Self::System => ways_to_system(asks_much),
            Self::User => ways_to_user(),
        }
    }
}

fn named(variable: &str) -> Option<String> {
    Some(std::env::var_os(variable)?.to_string_lossy().into_owned())
}

/// Where an operator names a bus, there alone, else to systemd's own socket, too, where we are let in. There a
/// question is answered in half of the time, but systemd prepares a millisecond for a new visitor: many questions
/// go there first, a few come to the bus.
fn ways_to_system(asks_much: bool) -> Vec<Way<'static>> {
    let (whom, stage) = ("the system bus", "connecting to the system bus");
    let bus = |addresses| Way::Bus { addresses, whom, behind: "systemd", stage };
    if let Some(addresses) = named("DBUS_SYSTEM_BUS_ADDRESS") {
        return vec![bus(addresses)];
    }
    let mut ways = vec![bus("unix:path=/var/run/dbus/system_bus_socket".to_owned())];
    if rustix::process::geteuid().is_root() {
        ways.push(Way::Private { path: "/run/systemd/private".to_owned() });
    }
    if asks_much {
        ways.reverse();
    }
    ways
}

/// As systemctl goes (`bus_connect_user_systemd` in its source): a session's bus need not be the one that the
/// user's systemd is at.
fn ways_to_user() -> Vec<Way<'static>> {
    let (whom, stage) = ("the user's bus", "connecting to the user's bus");
    let bus = |addresses| Way::Bus { addresses, whom, behind: "the user's systemd", stage };
    let (runtime, session) = (named("XDG_RUNTIME_DIR"), named("DBUS_SESSION_BUS_ADDRESS"));
    if let (None, Some(addresses)) = (&runtime, &session) {
        return vec![bus(addresses.clone())];
    }
    let of_user = || format!("/run/user/{}", rustix::process::geteuid().as_raw());
    let runtime = runtime.unwrap_or_else(of_user);
    let private = Way::Private { path: format!("{runtime}/systemd/private") };
    vec![private, bus(session.unwrap_or_else(|| format!("unix:path={runtime}/bus")))]
}

/// Has `talk` converse with a systemd before `patience` is at its end. A way on which nobody answers is left
/// for the next one; where nobody answers at all, what is said is what was said of the bus.
///
/// # Errors
/// Nobody there, nobody who lets us in, or what `talk` made of the answers.
pub fn converse<T>(
    target: &Target,
    asks_much: bool,
    stage: &Stage,
    patience: Duration,
    mut talk: impl FnMut(&mut Bus) -> Result<T, BusError>,
) -> Result<T, BusError> {
    let end = Instant::now() + patience;
    let ways = target.ways(asks_much);
    let last = ways.len().saturating_sub(1);
    let mut unheard = None;
    for (nth, way) in ways.into_iter().enumerate() {
        // Who says nothing leaves half of the time to the next.
        let first_answer = if nth == last { end } else { Instant::now() + patience / 2 };
        let error = match open(&way, stage, Times { first_answer, end }) {
            Ok(mut bus) => match talk(&mut bus) {
                // Where time is left, the others are asked, and the silence is an error like any other.
                Err(BusError::Silent) if !bus.has_answered() && nth != last => {
                    bus.opening.failed(&"it does not answer")
                }
                Err(error) if !bus.has_answered() => error,
                said => return said,
            },
            Err(error) => error,
        };
        if unheard.is_none() || !matches!(way, Way::Private { .. }) {
            unheard = Some(error);
        }
    }
    Err(unheard.unwrap_or(BusError::Silent))
}

/// Until when the other side must have said something, and everything.
#[derive(Clone, Copy)]
struct Times {
    first_answer: Instant,
    end: Instant,
}

fn open(way: &Way<'_>, stage: &Stage, times: Times) -> Result<Bus, BusError> {
    let (socket, door, whom, is_bus, ssh) = match way {
        Way::Bus { addresses, whom, behind, stage: connecting } => {
            stage.begin(connecting);
            let sockets = address::sockets(addresses);
            (connect(&sockets, whom, times)?, (*whom).to_owned(), (*behind).to_owned(), true, None)
        }
        Way::Private { path } => {
            stage.begin("connecting to systemd's private socket");
            let door = "systemd's private socket";
            let sockets: Vec<_> = SocketAddrUnix::new(path.as_str()).into_iter().collect();
            (connect(&sockets, door, times)?, door.to_owned(), "systemd".to_owned(), false, None)
        }
        Way::Ssh(host) => {
            stage.begin("connecting over ssh");
            let whom = format!("{} over ssh", host.destination);
            let (ours, ssh) = start_ssh(host, &whom)?;
            (Socket::new(ours, times.first_answer), whom.clone(), whom, true, Some(ssh))
        }
    };
    Ok(Bus {
        opening: Opening::new(door, is_bus, times.end),
        socket,
        unsent: Vec::new(),
        serial: 0,
        destination: is_bus.then_some(SYSTEMD),
        whom,
        stage: stage.clone(),
        ssh,
    })
}

fn connect(sockets: &[SocketAddrUnix], whom: &str, times: Times) -> Result<Socket, BusError> {
    let mut outcome = Err(unreachable(whom, &"its address names no socket of this machine"));
    for socket in sockets {
        outcome = Socket::connect(socket, times.first_answer).map_err(|error| unreachable(whom, &error));
        if outcome.is_ok() {
            break;
        }
    }
    outcome
}

fn start_ssh(host: &Host, whom: &str) -> Result<(OwnedFd, Ssh), BusError> {
    let (ours, theirs) = UnixStream::pair().map_err(|error| unreachable(whom, &error))?;
    let input = theirs.try_clone().map_err(|error| unreachable(whom, &error))?;
    let mut ssh = Command::new("ssh");
    // systemctl's own words, and never a question to a terminal.
    ssh.args(["-xT", "-o", "BatchMode=yes"]);
    if let Some(port) = host.port {
        ssh.args(["-p", &port.to_string()]);
    }
    ssh.args(["--", &host.destination, "systemd-stdio-bridge"]);
    ssh.stdin(Stdio::from(OwnedFd::from(input))).stdout(Stdio::from(OwnedFd::from(theirs)));
    let child = ssh.spawn().map_err(|error| unreachable(whom, &format!("cannot start ssh: {error}")))?;
    // The command keeps a copy of their end, without which the end of ssh would go unnoticed.
    drop(ssh);
    Ok((OwnedFd::from(ours), Ssh(child)))
}

pub(super) fn unreachable(whom: &str, reason: &impl std::fmt::Display) -> BusError {
    let remedy = if whom == "the system bus" { "; is dbus running?" } else { "" };
    BusError::Unreachable { whom: whom.to_owned(), reason: plain(reason), remedy }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_written_as_for_systemctl() {
        let host = |destination: &str, port| Host { destination: destination.into(), port };
        let table = [
            ("db1", host("db1", None)),
            ("nagios@db1.example", host("nagios@db1.example", None)),
            ("root@db1:2222", host("root@db1", Some(2222))),
            ("fe80::1", host("fe80::1", None)),
            ("[fe80::1]:22", host("fe80::1", Some(22))),
        ];
        for (text, want) in table {
            assert_eq!(text.parse::<Host>().unwrap(), want, "{text}");
        }
        for text in ["", "-oProxyCommand=x", "a b", "a;b", "db1:port", "db1:99999", "$(x)", "a\nb"] {
            assert!(text.parse::<Host>().is_err(), "{text}");
        }
    }
}
