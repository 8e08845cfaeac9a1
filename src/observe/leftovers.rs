//! What of an older installation still acts on this host, beside or in place of the one that is asked?

use std::fs;
use std::path::{Path, PathBuf};

/// Where systemd looks for units, the first file of a name wins: of folders that installations write to.
const FOLDERS: [&str; 4] =
    ["etc/systemd/system", "usr/local/lib/systemd/system", "usr/lib/systemd/system", "lib/systemd/system"];

const UNITS: [&str; 6] = [
    "plms-invariants.service",
    "plms-invariants.timer",
    "plms-deliver.service",
    "plms-deliver.timer",
    "plms-probes.service",
    "plms-probes.timer",
];

const PROGRAMS: [&str; 4] =
    ["plms-invariants", "check_plms_timer", "check_plms_exit", "check_plms_freshness"];

/// Every crontab of the system, and root's own where it may be read.
const CRONTABS: [&str; 2] = ["etc/crontab", "var/spool/cron/crontabs/root"];

/// A crontab larger than this is none.
const LARGEST: u64 = 1 << 20;

/// A sentence per thing that an operator should remove or undo. `root` is `/`, but in tests.
#[must_use]
pub fn leftovers(root: &Path) -> Vec<String> {
    let mut notes: Vec<String> = UNITS.iter().filter_map(|unit| hidden(root, unit)).collect();
    notes.extend(PROGRAMS.iter().filter_map(|program| twice(root, program)));
    // Without systemd a crontab is how the check is started.
    if root.join("run/systemd/system").is_dir() {
        notes.extend(crontabs(root).iter().flat_map(|crontab| started_by(root, crontab)));
    }
    notes
}

/// Does another file of this name win over the one that was installed?
fn hidden(root: &Path, unit: &str) -> Option<String> {
    let files = FOLDERS.iter().map(|folder| root.join(folder).join(unit));
    let mut there = files.filter(|file| file.symlink_metadata().is_ok());
    let first = there.next()?;
    let [name, shown] = [&first, &there.find(|other| !is_same(&first, other))?].map(|file| shown(root, file));
    if first.canonicalize().is_ok_and(|file| file == Path::new("/dev/null")) {
        return Some(format!("{unit} is masked, so it never starts: systemctl unmask {unit}"));
    }
    let again =
        if unit.ends_with(".timer") { format!("systemctl reenable {unit}") } else { RELOAD.to_owned() };
    Some(format!(
        "{name} hides {shown}: the older one holds, whatever is installed or upgraded; rm {name} && {again}"
    ))
}

const RELOAD: &str = "systemctl daemon-reload";

/// On Debian /lib is a link, and `systemctl link` makes some: one file by two names hides nothing.
fn is_same(one: &Path, other: &Path) -> bool {
    matches!((one.canonicalize(), other.canonicalize()), (Ok(one), Ok(other)) if one == other)
}

/// `make install` puts programs where PATH finds them before those of a package.
fn twice(root: &Path, program: &str) -> Option<String> {
    let [first, second] = ["usr/local/bin", "usr/bin"].map(|folder| root.join(folder).join(program));
    let is_twice = first.is_file() && second.is_file() && !is_same(&first, &second);
    let [first, second] = [&first, &second].map(|file| shown(root, file));
    is_twice.then(|| {
        format!(
            "{first} is found before {second}: people and cron start the first, units the second; remove one"
        )
    })
}

fn crontabs(root: &Path) -> Vec<PathBuf> {
    let own = fs::read_dir(root.join("etc/cron.d")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut all: Vec<_> = CRONTABS.iter().map(|file| root.join(file)).chain(own).collect();
    all.sort();
    all
}

/// The lines of a crontab that start the check although systemd is there to do it.
fn started_by(root: &Path, crontab: &Path) -> Vec<String> {
    let is_small = crontab.metadata().is_ok_and(|file| file.is_file() && file.len() <= LARGEST);
    let Some(text) = is_small.then(|| fs::read(crontab).ok()).flatten() else { return vec![] };
    let text = String::from_utf8_lossy(&text);
    let starts = |line: &str| {
        !line.trim_start().starts_with('#')
            && (line.contains("run_invariants") || line.contains("plms-invariants"))
            // As the line of ours is, which does nothing here.
            && !line.contains("/run/systemd/system")
    };
    let lines = text.lines().zip(1..).filter(|(line, _)| starts(line));
    // Only where it stands: a line of a crontab may hold a secret.
    let note = |(_, number): (&str, u32)| {
        let name = shown(root, crontab);
        format!(
            "line {number} of {name} starts the check, too: where plms-invariants.timer does it, remove that line"
        )
    };
    lines.map(note).collect()
}

/// The path as this host knows it.
fn shown(root: &Path, file: &Path) -> String {
    Path::new("/").join(file.strip_prefix(root).unwrap_or(file)).display().to_string()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// A host with these files, each holding its text; a text that begins with `->` is a link.
    fn host(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = root.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            match text.strip_prefix("->") {
                Some(target) => symlink(target, file).unwrap(),
                None => fs::write(file, text).unwrap(),
            }
        }
        root
    }

    const PACKAGED: (&str, &str) = ("usr/lib/systemd/system/plms-invariants.service", "[Service]");
    const PACKAGED_TIMER: (&str, &str) = ("usr/lib/systemd/system/plms-invariants.timer", "[Timer]");
    const SYSTEMD: (&str, &str) = ("run/systemd/system/other.service", "");

    #[track_caller]
    fn expect(files: &[(&str, &str)], notes: &[&str]) {
        assert_eq!(leftovers(host(files).path()), notes);
    }

    #[test]
    fn an_older_copy_of_a_unit_is_named_with_what_to_remove() {
        expect(
            &[
                PACKAGED,
                PACKAGED_TIMER,
                ("etc/systemd/system/plms-invariants.service", "[Service]"),
                ("usr/local/lib/systemd/system/plms-invariants.timer", "[Timer]"),
            ],
            &[
                "/etc/systemd/system/plms-invariants.service hides /usr/lib/systemd/system/plms-invariants.service: \
                 the older one holds, whatever is installed or upgraded; \
                 rm /etc/systemd/system/plms-invariants.service && systemctl daemon-reload",
                "/usr/local/lib/systemd/system/plms-invariants.timer hides \
                 /usr/lib/systemd/system/plms-invariants.timer: the older one holds, whatever is installed or \
                 upgraded; rm /usr/local/lib/systemd/system/plms-invariants.timer && \
                 systemctl reenable plms-invariants.timer",
            ],
        );
    }

    #[test]
    fn a_host_as_it_should_be_has_no_leftovers() {
        expect(&[], &[]);
        let dropin = ("etc/systemd/system/plms-invariants.service.d/own.conf", "[Service]");
        let enabled = "etc/systemd/system/timers.target.wants/plms-invariants.timer";
        let enabled = (enabled, "->/usr/lib/systemd/system/plms-invariants.timer");
        expect(&[PACKAGED, PACKAGED_TIMER, dropin, enabled], &[]);
        // Only copied, with nothing installed: that is the installation.
        expect(&[("etc/systemd/system/plms-invariants.service", "")], &[]);
        // One file, and /lib is a link to it, as is what `systemctl link` makes.
        expect(&[PACKAGED, ("lib", "->usr/lib")], &[]);
        let linked = "->../../../usr/lib/systemd/system/plms-invariants.service";
        expect(&[PACKAGED, ("etc/systemd/system/plms-invariants.service", linked)], &[]);
    }

    #[test]
    fn a_masked_unit_is_no_copy_to_remove() {
        expect(
            &[PACKAGED_TIMER, ("etc/systemd/system/plms-invariants.timer", "->/dev/null")],
            &["plms-invariants.timer is masked, so it never starts: systemctl unmask plms-invariants.timer"],
        );
        // A link to nowhere hides, too: systemd finds no unit then.
        let nowhere = host(&[PACKAGED, ("etc/systemd/system/plms-invariants.service", "->/no/such")]);
        assert_eq!(leftovers(nowhere.path()).len(), 1);
    }

    #[test]
    fn a_program_that_is_there_twice_is_named() {
        let program = ("usr/bin/check_plms_exit", "");
        let note = "/usr/local/bin/check_plms_exit is found before /usr/bin/check_plms_exit: people and \
                    cron start the first, units the second; remove one";
        expect(&[program, ("usr/local/bin/check_plms_exit", "")], &[note]);
        expect(&[program, ("usr/local/bin/check_plms_exit", "->../../bin/check_plms_exit")], &[]);
        expect(&[("usr/local/bin/check_plms_exit", "")], &[]);
    }

    #[test]
    fn crontab_lines_that_start_the_check_beside_its_timer_are_named_and_not_shown() {
        let crontab =
            "PATH=/bin\n# run_invariants.sh was here\n0 2 * * * root SECRET=1 /opt/run_invariants.sh\n";
        let files = [
            ("etc/crontab", crontab),
            ("etc/cron.d/plms", "0 3 * * * plms /usr/bin/plms-invariants"),
            ("etc/cron.d/ours", "0 * * * * plms [ -d /run/systemd/system ] || plms-invariants run"),
            ("var/spool/cron/crontabs/root", "\n@daily /opt/run_invariants.sh\n"),
        ];
        let line = |number, file| {
            format!(
                "line {number} of {file} starts the check, too: where plms-invariants.timer does it, remove that \
                 line"
            )
        };
        let want =
            [line(1, "/etc/cron.d/plms"), line(3, "/etc/crontab"), line(2, "/var/spool/cron/crontabs/root")];
        assert_eq!(leftovers(host(&[&files[..], &[SYSTEMD]].concat()).path()), want);
        // Where systemd does not run, that is how it is started.
        assert!(leftovers(host(&files).path()).is_empty());
    }
}
