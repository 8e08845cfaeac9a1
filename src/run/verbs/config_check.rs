//! Which settings hold, where were they made, and is anything about them odd?

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use super::{Asked, VerbError, catalogue};
use crate::cli::Output;
use crate::config::endpoint::{HTTPS_ONLY, ROUTING_KEY, is_private, is_routing_key};
use crate::config::{EnvFile, KEYS, Kind, Origin, SecretSource, Settings};
use crate::emit::channels::mail;
use crate::observe::leftovers::leftovers;
use crate::report::json;
use crate::report::table::{Align, Table, visible};

pub(super) fn config_check(asked: &Asked<'_>, out: &mut Output) -> Result<(), VerbError> {
    let settings = asked.settings;
    let catalogue = catalogue(settings)?;
    catalogue.select(&crate::cli::runner::SelectFlags::default().choice(&settings.invariant_tags))?;
    let mut notes = settings.notes.clone();
    notes.extend(catalogue.notes.iter().cloned());
    notes.extend(oddities(settings));
    notes.extend(leftovers(Path::new("/")));
    let env_file = match &settings.env_file {
        EnvFile::Read(path) => format!("{} (read)", path.display()),
        EnvFile::Absent(path) => format!("{} (not there)", path.display()),
        EnvFile::Unreadable(path, _) => format!("{} (not readable)", path.display()),
    };
    if asked.common.is_json() {
        out.say(&json::document(&object(settings, &env_file, catalogue.invariants.len(), &notes)));
        return Ok(());
    }
    out.say(&format!("env file: {}\n\n", visible(&env_file)));
    let mut table = Table::new(&mut *out, &["SETTING", "VALUE", "FROM"].map(|h| (h, Align::Left)));
    for s in settings.shown() {
        let unset = if settings.secret(s.name).is_configured() { "(secret)" } else { "-" };
        table.row([s.name, s.value.as_deref().unwrap_or(unset), &s.origin])?;
    }
    table.finish()?;
    out.say("\n");
    let mut table = Table::new(&mut *out, &["CHANNEL", "STATE"].map(|h| (h, Align::Left)));
    for (channel, configured) in settings.channels() {
        let way = if channel == "mail" { mail::way(settings) } else { None };
        let state = match (configured, way) {
            (true, Some(way)) => format!("configured: {way}"),
            (true, None) if channel == "mail" => "configured, and cannot be used".to_owned(),
            (true, None) => "configured".to_owned(),
            (false, _) => "not configured".to_owned(),
        };
        table.row([channel, &state])?;
    }
    table.finish()?;
    out.say(&format!("\n{} invariants\n", catalogue.invariants.len()));
    for note in notes {
        out.say(&format!("note: {}\n", visible(&note)));
    }
    Ok(())
}

fn object(settings: &Settings, env_file: &str, invariants: usize, notes: &[String]) -> Value {
    let shown = settings.shown().into_iter().map(|s| {
        let secret = KEYS.iter().any(|k| k.name == s.name && k.kind == Kind::Secret);
        let mut object = json!({ "value": s.value, "from": s.origin });
        if let (true, Value::Object(object)) = (secret, &mut object) {
            object.insert("configured".into(), settings.secret(s.name).is_configured().into());
        }
        (s.name.to_owned(), object)
    });
    let channels = settings.channels().map(|(name, on)| (name.to_owned(), on.into()));
    let unknown: Vec<&String> = settings.unknown_keys.iter().map(|(name, _)| name).collect();
    json!({
        "env_file": env_file,
        "settings": shown.collect::<serde_json::Map<_, _>>(),
        "mail_goes": mail::way(settings),
        "channels": channels.into_iter().collect::<serde_json::Map<String, Value>>(),
        "unknown_keys": unknown,
        "invariants": invariants,
        "notes": notes,
    })
}

/// What an operator would want to know before the night.
fn oddities(settings: &Settings) -> Vec<String> {
    let known: Vec<&str> = KEYS.iter().map(|k| k.name).collect();
    let unknown = settings.unknown_keys.iter().map(|(name, line)| {
        let near = crate::near::nearest(name, known.iter().copied());
        format!("line {line} of the env file: unknown key {name}{near}")
    });
    let mut notes: Vec<String> = unknown.collect();
    let secrets = KEYS.into_iter().filter(|k| k.kind == Kind::Secret);
    for (name, source) in secrets.map(|k| (k.name, settings.secret(k.name))) {
        match source.read() {
            Err(error) => notes.push(format!("{name} is configured and cannot be used: {error}")),
            Ok(Some(secret)) if name.ends_with("_URL") && !is_private(secret.expose()) => {
                notes.push(format!("{name} {HTTPS_ONLY}"));
            }
            Ok(Some(secret)) if name == "PD_ROUTING_KEY" && !is_routing_key(secret.expose()) => {
                notes.push(format!("{name} {ROUTING_KEY}"));
            }
            Ok(_) => {}
        }
        if let SecretSource::Value { origin: Origin::File { path, .. }, .. } = source
            && is_readable_by_all(path)
        {
            notes.push(format!("everybody can read {}, which holds {name}: chmod o-r it", path.display()));
        }
    }
    let events = settings.shown().into_iter().find(|s| s.name == "PD_EVENTS_URL").and_then(|s| s.value);
    if events.is_some_and(|url| !is_private(&url)) {
        notes.push(format!("PD_EVENTS_URL {HTTPS_ONLY}"));
    }
    notes.extend(mail::faults(settings));
    let paths = [
        ("DB_PATH", Some(&settings.db_path)),
        ("ARTIFACTS_DIR", settings.artifacts_dir.as_ref()),
        ("LOG_DIR", Some(&settings.log_dir)),
        ("TEXTFILE_DIR", settings.textfile.as_ref()),
    ];
    for (name, setting) in paths {
        let Some(path) = setting.map(|s| &s.value).filter(|p| !is_there(p)) else { continue };
        notes.push(format!("{name}: {} is not there", path.display()));
    }
    notes
}

/// A `.prom` file need not be there yet; its folder must.
fn is_there(path: &Path) -> bool {
    let file = path.extension().is_some_and(|e| e == "prom");
    let folder =
        path.parent().filter(|_| file).map(|p| if p.as_os_str().is_empty() { Path::new(".") } else { p });
    folder.unwrap_or(path).exists()
}

fn is_readable_by_all(path: &Path) -> bool {
    path.metadata().is_ok_and(|m| m.permissions().mode() & 0o004 != 0)
}
