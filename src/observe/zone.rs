//! Which rules has a time zone? Read from the system's zoneinfo, as systemd reads them.

use std::io::Read as _;
use std::path::Path;

use crate::verdict::zone::{Zone, ZoneError};

const ZONEINFO: &str = "/usr/share/zoneinfo";
/// Every zone in the IANA database is far smaller.
const LARGEST: u64 = 1 << 20;

/// Why a zone's rules are not known.
#[derive(Debug, thiserror::Error)]
pub enum ZoneFileError {
    /// No such zone here.
    #[error("there is no time zone '{0}' in /usr/share/zoneinfo; write it as in Europe/Berlin")]
    Unknown(String),
    /// The file is no zone.
    #[error(transparent)]
    Garbage(#[from] ZoneError),
}

/// A zone by its name: `America/New_York`.
///
/// # Errors
/// No such zone, or a file that is none.
pub fn named(name: &str) -> Result<Zone, ZoneFileError> {
    if name == "UTC" {
        return Ok(Zone::utc());
    }
    let unknown = || ZoneFileError::Unknown(name.to_owned());
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_+-/".contains(c);
    if name.is_empty() || name.starts_with('/') || name.ends_with('/') || !name.chars().all(is_plain) {
        return Err(unknown());
    }
    let bytes = read(&Path::new(ZONEINFO).join(name)).map_err(|_| unknown())?;
    Ok(Zone::parse(name, &bytes)?)
}

/// This host's zone. Without /etc/localtime it is UTC (localtime(5)); the variable TZ is the tester's
/// own and not systemd's.
#[must_use]
pub fn host() -> Zone {
    let bytes = read(Path::new("/etc/localtime")).unwrap_or_default();
    Zone::parse("the host's zone", &bytes).unwrap_or_else(|_| Zone::utc())
}

fn read(path: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    std::fs::File::open(path)?.take(LARGEST).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_are_found_by_name_and_nothing_else_is_read() {
        assert_eq!(named("Europe/Berlin").unwrap().name, "Europe/Berlin");
        assert_eq!(named("UTC").unwrap(), Zone::utc());
        for name in [
            "",
            "Mars/Olympus",
            "Europe",
            "../../../etc/passwd",
            "/etc/localtime",
            "tzdata.zi",
            "a b",
            "Europe/",
        ] {
            assert!(named(name).is_err(), "{name}");
        }
    }
}
