//! Under which name does mail know this host?

use std::net::IpAddr;

use rustix::system::uname;

/// The full name of this host (`hostname -f`) as far as it knows it by itself: asking the name service could
/// take longer than the mail.
pub(super) fn full_name() -> String {
    let name = uname().nodename().to_string_lossy().into_owned();
    let hosts = std::fs::read_to_string("/etc/hosts").unwrap_or_default();
    full(&name, &hosts)
}

fn full(name: &str, hosts: &str) -> String {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let is_name = |name: &str| {
        let is_label = |label: &str| !label.is_empty() && label.len() < 64 && !label.starts_with('-');
        name.chars().all(is_part) && name.split('.').all(is_label)
    };
    let known = hosts.lines().find_map(|line| {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        words.next()?.parse::<IpAddr>().ok()?;
        let names: Vec<&str> = words.collect();
        let full = names.iter().find(|other| other.strip_prefix(name).is_some_and(|d| d.starts_with('.')))?;
        (names.contains(&name)).then(|| (*full).to_owned())
    });
    let full = if name.contains('.') { None } else { known }.unwrap_or_else(|| name.to_owned());
    if is_name(&full) { full } else { "localhost".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::full;

    #[test]
    fn a_host_is_known_by_its_full_name_where_it_is_written_down() {
        let hosts =
            "127.0.0.1 localhost\n# 10.0.0.9 plms1.old.example plms1\n127.0.1.1\tplms1.example.org plms1\n";
        let table = [
            ("plms1", hosts, "plms1.example.org"),
            ("plms1.other.example", hosts, "plms1.other.example"),
            ("plms2", hosts, "plms2"),
            ("plms1", "x plms1.example.org plms1\n", "plms1"),
            ("plms1", "", "plms1"),
            ("localhost", "127.0.0.1 localhost.localdomain localhost", "localhost.localdomain"),
            ("a_b", "", "localhost"),
            ("", "", "localhost"),
            ("a\r\nb", "", "localhost"),
        ];
        for (name, hosts, want) in table {
            assert_eq!(full(name, hosts), want, "{name:?}");
        }
    }
}
