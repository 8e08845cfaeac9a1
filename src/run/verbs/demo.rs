//! Does the nightly check find what was planted? The whole way, on a registry made for it.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};

use super::{Asked, say_unknown};
use crate::cli::Output;
use crate::cli::alert::Deliver;
use crate::cli::runner::{Common, DemoFlags, RunFlags};
use crate::config::{Flags, KEYS, Settings};
use crate::demo::compare::{Line, compare, table};
use crate::demo::place::Place;
use crate::demo::{Plan, Planted, generate};
use crate::plain::plain;
use crate::report::paint::Paint;
use crate::report::{run_json, run_terminal};
use crate::run::invariants::{Finished, check, terminal_paint, terminal_width};
use crate::run::note_to_stderr;
use crate::verdict::State;

/// Columns where nobody says how many there are.
const WIDTH: usize = 110;

/// `demo`: OK where exactly what was planted was found, CRITICAL where not, UNKNOWN where it could not be
/// made or checked.
pub fn demo(common: &Common, flags: &DemoFlags, now: DateTime<Utc>, out: &mut Output) -> State {
    // It writes into its own folder, and nowhere else: a real installation's record is not a demo's.
    let elsewhere = [
        ("--db", &common.db),
        ("--state-dir", &common.state_dir),
        ("--log-dir", &common.log_dir),
        ("--textfile", &common.textfile),
    ];
    let made = if let Some((flag, _)) = elsewhere.iter().find(|(_, path)| path.is_some()) {
        Err(format!(
            "demo makes a registry of its own: {flag} has no place there, --keep DIR says where all of it goes"
        ))
    } else {
        // They have no say here; but who names a file that is not there has named another than they meant.
        let named = Settings::load(&common.settings(), &|_| None).map(|_| ());
        let named = if common.env_file.is_some() { named } else { Ok(()) };
        named.map_err(|error| error.to_string()).and_then(|()| in_folder(common, flags, now, out))
    };
    made.unwrap_or_else(|sentence| say_unknown(&sentence, common.is_json(), out))
}

fn in_folder(
    common: &Common,
    flags: &DemoFlags,
    now: DateTime<Utc>,
    out: &mut Output,
) -> Result<State, String> {
    if let Some(folder) = &flags.keep {
        let shown = make_and_check(common, flags, folder, now)?;
        shown.say(common, true, out);
        return Ok(shown.state());
    }
    let failed =
        |error| format!("cannot make a folder under {}: {}", std::env::temp_dir().display(), plain(&error));
    let temporary = tempfile::Builder::new().prefix("plms-demo-").tempdir().map_err(failed)?;
    let shown = make_and_check(common, flags, temporary.path(), now)?;
    // Who was not told what was planted will want to look.
    let is_kept = shown.state() != State::Ok;
    if is_kept {
        let _path = temporary.keep();
    }
    shown.say(common, is_kept, out);
    Ok(shown.state())
}

/// A demo that was made and checked.
struct Shown {
    place: Place,
    planted: Planted,
    finished: Finished,
    lines: Vec<Line>,
}

fn make_and_check(
    common: &Common,
    flags: &DemoFlags,
    folder: &Path,
    now: DateTime<Utc>,
) -> Result<Shown, String> {
    let plan = Plan { seed: flags.seed, ..Plan::new(folder, flags.runs) };
    let place = Place::prepare(&plan).map_err(|error| error.to_string())?;
    note_to_stderr(&format!("making a registry of {} runs in {}", flags.runs, place.folder.display()));
    let plan = Plan { folder: place.folder.clone(), ..plan };
    let planted = generate(&plan).map_err(|error| error.to_string())?;
    // Nothing of the user's own installation has a say, and no channel of it hears of this.
    let over = Flags { env_file: Some(place.env_file.clone()), ..common.settings() };
    let settings = Settings::load(&over, &|_| None).map_err(|error| error.to_string())?;
    // Nobody is woken by a demonstration.
    let flags = RunFlags { deliver: Some(Deliver::Off), ..RunFlags::default() };
    let finished = check(&Asked { common, settings: &settings, now }, &flags)?;
    let lines = compare(&planted, &finished.report);
    for line in lines.iter().filter(|line| common.is_json() && !line.agrees()) {
        note_to_stderr(&format!("{}: planted {:?}, found {:?}", line.id, line.planted, line.found));
    }
    Ok(Shown { place, planted, finished, lines })
}

impl Shown {
    fn state(&self) -> State {
        if self.lines.iter().all(Line::agrees) { State::Ok } else { State::Critical }
    }

    fn say(&self, common: &Common, is_kept: bool, out: &mut Output) {
        if common.is_json() {
            out.say(&run_json::render(&self.finished.report));
        } else {
            out.say(&self.text(is_kept));
        }
    }

    fn text(&self, is_kept: bool) -> String {
        let Finished { report, outputs } = &self.finished;
        let (paint, width) = match terminal_width() {
            Some(width) => (terminal_paint(), width),
            None => (Paint::Plain, WIDTH),
        };
        let mut text = run_terminal::render(report, &outputs.streaks, paint, width);
        let _ = write!(text, "\n{}\n{}", paint.heading("Planted and found"), table(&self.lines));
        if !is_kept {
            text.push_str(
                "\nAll of it lay in a temporary folder and is gone; --keep DIR leaves it in DIR.\n",
            );
            return text;
        }
        let _ = writeln!(text, "\n{}", paint.heading("Where everything is"));
        let places = [
            ("registry", Some(&self.planted.registry)),
            ("passports", self.planted.artifacts.as_ref()),
            ("log", outputs.log.as_ref()),
            ("metrics", outputs.textfile.as_ref()),
            ("status", outputs.status_file.as_ref()),
            ("history", outputs.state_db.as_ref()),
            ("settings", Some(&self.place.env_file)),
        ];
        for (name, path) in places {
            let path = path.map_or_else(|| "none".to_owned(), |path| path.display().to_string());
            let _ = writeln!(text, "  {name:9}  {path}");
        }
        let _ = write!(text, "\n{}\n{}", paint.heading("To look further"), self.place.commands(&program()));
        text
    }
}

/// How a person calls this program for the demo's registry: a variable that is set would go over the
/// demo's env file.
fn program() -> String {
    let first = std::env::args_os().next().map(PathBuf::from);
    let program = first.map_or_else(|| "plms-invariants".to_owned(), |path| path.display().to_string());
    let is_set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let unset: Vec<&str> = KEYS.iter().map(|key| key.name).filter(|name| is_set(name)).collect();
    if unset.is_empty() { program } else { format!("env -u {} {program}", unset.join(" -u ")) }
}
