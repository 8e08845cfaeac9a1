//! How is a systemd reached? The system bus, a user's bus, another machine over ssh, the private socket.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::str::FromStr;
use std::time::Duration;

use zbus::connection::Builder;
use zbus::{Connection, MessageStream};

use super::{Bus, BusError, Stage};
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

impl Bus {
    /// Opens a conversation. `patience` bounds the system bus alone, so that root has time left for the
    /// private socket; the caller's deadline is around all of it.
    ///
    /// # Errors
    /// Nobody there, or nobody who lets us in.
    pub async fn open(target: &Target, stage: Stage, patience: Duration) -> Result<Self, BusError> {
        match target {
            Target::System => Self::open_system(stage, patience).await,
            Target::User => Self::open_user(stage, patience).await,
            Target::Host(host) => Self::open_host(host, stage).await,
        }
    }

    async fn open_system(stage: Stage, patience: Duration) -> Result<Self, BusError> {
        stage.begin("connecting to the system bus");
        let is_root = rustix::process::geteuid().is_root();
        // An operator who names a bus means that one.
        let may_fall_back = is_root && std::env::var_os("DBUS_SYSTEM_BUS_ADDRESS").is_none();
        let on_bus = build(Builder::system(), "the system bus");
        if !may_fall_back {
            return Ok(Self::on_bus(on_bus.await?, "systemd", stage, None));
        }
        let error = match tokio::time::timeout(patience, on_bus).await {
            Ok(Ok(connection)) => return Ok(Self::on_bus(connection, "systemd", stage, None)),
            Ok(Err(error)) => error,
            Err(_) => unreachable("the system bus", &"it does not answer"),
        };
        stage.begin("connecting to systemd's private socket");
        Self::private("/run/systemd/private", stage).await.map_err(|_| error)
    }

    async fn open_user(stage: Stage, patience: Duration) -> Result<Self, BusError> {
        stage.begin("connecting to the user's bus");
        let on_bus = build(Builder::session(), "the user's bus");
        let error = match tokio::time::timeout(patience, on_bus).await {
            Ok(Ok(connection)) => return Ok(Self::on_bus(connection, "the user's systemd", stage, None)),
            Ok(Err(error)) => error,
            Err(_) => unreachable("the user's bus", &"it does not answer"),
        };
        if std::env::var_os("DBUS_SESSION_BUS_ADDRESS").is_some() {
            return Err(error);
        }
        // Users without a bus of their own have this one; systemctl --user asks there, too.
        let runtime = std::env::var("XDG_RUNTIME_DIR");
        let runtime =
            runtime.unwrap_or_else(|_| format!("/run/user/{}", rustix::process::geteuid().as_raw()));
        stage.begin("connecting to the user's systemd");
        Self::private(&format!("{runtime}/systemd/private"), stage).await.map_err(|_| error)
    }

    async fn private(path: &str, stage: Stage) -> Result<Self, BusError> {
        let builder = match super::private::connect(path) {
            Ok(stream) => Builder::unix_stream(stream).p2p(),
            Err(error) => return Err(unreachable("systemd's private socket", &error)),
        };
        let connection = build(builder, "systemd's private socket").await?;
        let bus = Self::on_bus(connection, "systemd", stage, None);
        Ok(Self { destination: None, ..bus })
    }

    async fn open_host(host: &Host, stage: Stage) -> Result<Self, BusError> {
        stage.begin("connecting over ssh");
        let whom = format!("{} over ssh", host.destination);
        let (ours, theirs) = UnixStream::pair().map_err(|error| unreachable(&whom, &error))?;
        let input = theirs.try_clone().map_err(|error| unreachable(&whom, &error))?;
        let mut ssh = Command::new("ssh");
        // systemctl's own words, and never a question to a terminal.
        ssh.args(["-xT", "-o", "BatchMode=yes"]);
        if let Some(port) = host.port {
            ssh.args(["-p", &port.to_string()]);
        }
        ssh.args(["--", &host.destination, "systemd-stdio-bridge"]);
        ssh.stdin(Stdio::from(OwnedFd::from(input))).stdout(Stdio::from(OwnedFd::from(theirs)));
        let child = ssh.spawn().map_err(|error| unreachable(&whom, &format!("cannot start ssh: {error}")))?;
        // The command keeps a copy of their end, without which the end of ssh would go unnoticed.
        drop(ssh);
        let ssh = Ssh(child);
        let connection = build(Builder::unix_stream(ours), &whom).await?;
        Ok(Self::on_bus(connection, &whom, stage, Some(ssh)))
    }

    fn on_bus(connection: Connection, whom: &str, stage: Stage, ssh: Option<Ssh>) -> Self {
        let replies = MessageStream::from(&connection);
        let destination = Some(SYSTEMD);
        Self { connection, replies, destination, whom: whom.to_owned(), stage, ssh }
    }
}

async fn build(builder: Builder<'_>, whom: &str) -> Result<Connection, BusError> {
    builder.build().await.map_err(|error| match error {
        zbus::Error::FDO(error) => match *error {
            zbus::fdo::Error::AccessDenied(reason) | zbus::fdo::Error::AuthFailed(reason) => {
                BusError::Denied { whom: whom.to_owned(), reason }
            }
            other => unreachable(whom, &other),
        },
        zbus::Error::Connection(error, _) => unreachable(whom, &error),
        zbus::Error::Handshake(reason) => BusError::Denied { whom: whom.to_owned(), reason },
        other => unreachable(whom, &other),
    })
}

fn unreachable(whom: &str, reason: &impl std::fmt::Display) -> BusError {
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
