//! What the fake systemd says on the wire.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::unix::net::UnixStream;

use zbus::connection::Builder;
use zbus::message::Message;
use zbus::{Connection, Guid, MessageStream, OwnedVariant};

use super::{FakeUnit, Manners, Value};

pub(super) fn converse(
    mut stream: UnixStream,
    manners: Manners,
    mut units: BTreeMap<String, FakeUnit>,
    later: &BTreeMap<String, FakeUnit>,
) {
    if manners == Manners::Silent {
        // Reads what comes, for as long as somebody is there.
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        return;
    }
    let raw = match manners {
        Manners::Noise => Some(b"\xff\x00l\x01\r\n| garbage".repeat(1000)),
        Manners::Rejecting => Some(b"REJECTED EXTERNAL\r\n".to_vec()),
        Manners::Rambling => Some(b"OK ".repeat(1000)),
        _ => None,
    };
    if let Some(bytes) = raw {
        let _ = std::io::Write::write_all(&mut stream, &bytes);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        return;
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let server = Builder::unix_stream(stream).server(Guid::generate()).p2p().build().await;
        let Ok(connection) = server else { return };
        let mut messages = MessageStream::from(&connection);
        let mut known = BTreeSet::new();
        loop {
            let next = std::future::poll_fn(|context| {
                futures_core::Stream::poll_next(std::pin::Pin::new(&mut messages), context)
            });
            let Some(Ok(message)) = next.await else { return };
            for name in listed(&message) {
                if !known.insert(name.clone()) {
                    units.extend(later.get(&name).map(|unit| (name, unit.clone())));
                }
            }
            if answer(&connection, &message, manners, &units).await.is_none() {
                return;
            }
        }
    });
}

/// The units whose states are asked for.
fn listed(message: &Message) -> Vec<String> {
    let is_list = message.header().member().is_some_and(|member| member.as_str() == "ListUnitsByNames");
    if is_list { message.body().deserialize().unwrap() } else { Vec::new() }
}

async fn answer(
    connection: &Connection,
    message: &Message,
    manners: Manners,
    units: &BTreeMap<String, FakeUnit>,
) -> Option<()> {
    let header = message.header();
    let member = header.member()?.as_str().to_owned();
    if member == "Hello" {
        return connection.reply(&header, &":1.7").await.ok();
    }
    match manners {
        Manners::SilentAfterHello => return Some(()),
        Manners::HangsUp => return None,
        Manners::Flooding => loop {
            let signal = Message::signal("/x", "org.freedesktop.systemd1.Manager", "UnitNew");
            connection.send(&signal.build(&"x.service").ok()?).await.ok()?;
        },
        Manners::WrongTypes => return connection.reply(&header, &7_u32).await.ok(),
        Manners::Denying => {
            let name = "org.freedesktop.DBus.Error.AccessDenied";
            return connection.reply_error(&header, name, &"Sender is not authorized").await.ok();
        }
        _ => {}
    }
    let body = message.body();
    match member.as_str() {
        "ListUnitsByNames" => {
            let names: Vec<String> = body.deserialize().ok()?;
            // As systemd does, it passes over what is no name in silence.
            let names = names.iter().filter(|name| name.len() <= 255 && !name.contains('!'));
            let rows: Vec<_> = names.map(|name| row(name, units.get(name))).collect();
            connection.reply(&header, &rows).await.ok()
        }
        "ListUnitsByPatterns" => {
            let (_, patterns): (Vec<String>, Vec<String>) = body.deserialize().ok()?;
            let rows = units.iter().filter(|(name, _)| fits(&patterns, name));
            let rows: Vec<_> = rows.map(|(name, unit)| row(name, Some(unit))).collect();
            connection.reply(&header, &rows).await.ok()
        }
        "ListUnitFilesByPatterns" => {
            let (_, patterns): (Vec<String>, Vec<String>) = body.deserialize().ok()?;
            let files = units.iter().filter(|(_, unit)| unit.states[0] != "not-found");
            let files = files.map(|(name, _)| name).filter(|name| fits(&patterns, name));
            let files: Vec<_> =
                files.map(|name| (format!("/etc/systemd/system/{name}"), "enabled")).collect();
            connection.reply(&header, &files).await.ok()
        }
        "GetAll" => {
            let unit = units.get(&unescape(header.path()?.as_str()));
            let all: HashMap<String, OwnedVariant> = unit
                .iter()
                .flat_map(|unit| &unit.properties)
                .map(|(name, value)| (name.clone(), value.on_the_bus()))
                .collect();
            connection.reply(&header, &all).await.ok()
        }
        "Get" => {
            let (_, property): (String, String) = body.deserialize().ok()?;
            let unit = units.get(&unescape(header.path()?.as_str()));
            if let Some(value) = unit.and_then(|unit| unit.properties.get(&property)) {
                return connection.reply(&header, &value.on_the_bus()).await.ok();
            }
            let name = "org.freedesktop.DBus.Error.UnknownProperty";
            connection.reply_error(&header, name, &"Unknown property or interface.").await.ok()
        }
        _ => connection.reply_error(&header, "org.freedesktop.DBus.Error.UnknownMethod", &member).await.ok(),
    }
}

type Row = (
    String,
    String,
    String,
    String,
    String,
    String,
    zbus::OwnedObjectPath,
    u32,
    String,
    zbus::OwnedObjectPath,
);

fn row(name: &str, unit: Option<&FakeUnit>) -> Row {
    let [load, active, sub] =
        unit.map_or_else(|| ["not-found", "inactive", "dead"].map(String::from), |unit| unit.states.clone());
    let path = || zbus::OwnedObjectPath::try_from("/").unwrap();
    let name = match unit.and_then(|unit| unit.properties.get("Id")) {
        Some(Value::Text(id)) => id,
        _ => name,
    };
    (name.into(), String::new(), load, active, sub, String::new(), path(), 0, String::new(), path())
}

fn fits(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| {
        let (head, tail) = pattern.split_once('*').unwrap_or((pattern, ""));
        name.starts_with(head) && name.ends_with(tail)
    })
}

/// `/org/freedesktop/systemd1/unit/ok_2etimer` back to `ok.timer`.
fn unescape(path: &str) -> String {
    let mut bytes = path.rsplit('/').next().unwrap().bytes();
    let mut name = Vec::new();
    while let Some(byte) = bytes.next() {
        if byte == b'_' {
            let hex = String::from_utf8(bytes.by_ref().take(2).collect()).unwrap();
            name.push(u8::from_str_radix(&hex, 16).unwrap());
        } else {
            name.push(byte);
        }
    }
    String::from_utf8(name).unwrap()
}
