//! Which man pages and shell completions follow from the flags? `cargo run --example assets -- FOLDER`
//! writes them below FOLDER as they lie below a system's share/.

use std::error::Error;
use std::ffi::OsStr;
use std::fs::{OpenOptions, create_dir_all};
use std::io::Write as _;
use std::path::Path;

use clap::{Command, CommandFactory as _};
use clap_complete::{Shell, generate_to};
use clap_mangen::Man;
use plms_invariants::cli::{probe, runner};
use plms_invariants::config::{KEYS, Kind};

const SOURCE: &str = concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"));

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("say where to: cargo run --example assets -- FOLDER")?;
    for program in programs() {
        man_pages(&program, Path::new(&folder))?;
        completions(program, Path::new(&folder))?;
    }
    Ok(())
}

fn programs() -> Vec<Command> {
    vec![
        runner::Invocation::command(),
        probe::TimerArgs::command(),
        probe::ExitArgs::command(),
        probe::FreshnessArgs::command(),
    ]
}

/// One page for the program and one for each verb, as `plms-invariants-explain(1)`.
fn man_pages(program: &Command, share: &Path) -> Result<(), Box<dyn Error>> {
    let folder = share.join("man/man1");
    create_dir_all(&folder)?;
    let mut program = program.clone().disable_help_subcommand(true);
    program.build();
    let mut commands = vec![&program];
    while let Some(command) = commands.pop() {
        commands.extend(command.get_subcommands().filter(|verb| !verb.is_hide_set()));
        // The page of a day says nothing that its version does not, and would differ from build to build; an
        // empty date is left out by roff, and the next argument would be taken for it.
        let page = Man::new(command.clone()).date(" ").source(SOURCE).manual("PLMS Invariants");
        page.generate_to(&folder)?;
        if command.get_name() == env!("CARGO_PKG_NAME") {
            let file = folder.join(page.get_filename());
            OpenOptions::new().append(true).open(file)?.write_all(variables().as_bytes())?;
        }
    }
    Ok(())
}

/// The variables that the program reads, as the last section of its page.
fn variables() -> String {
    let intro = ".SH ENVIRONMENT\nThese variables, or lines of the env file (/etc/default/plms\\-invariants); a flag \
                 stands over a variable, and a variable over that file. A secret may also be a systemd credential of \
                 its name in lower case, or lie in the file that NAME_FILE names.\n";
    let lines = KEYS.iter().map(|key| {
        let secret = if key.kind == Kind::Secret { " (secret)" } else { "" };
        format!(".TP\n\\fB{}\\fR\n{}{secret}\n", key.name, key.about.replace('-', "\\-"))
    });
    intro.to_owned() + &lines.collect::<String>()
}

/// Each shell looks in its own folder, for its own file name.
fn completions(mut program: Command, share: &Path) -> Result<(), Box<dyn Error>> {
    let name = program.get_name().to_owned();
    for (shell, folder, file) in [
        (Shell::Bash, "bash-completion/completions", name.clone()),
        (Shell::Zsh, "zsh/site-functions", format!("_{name}")),
        (Shell::Fish, "fish/vendor_completions.d", format!("{name}.fish")),
    ] {
        let folder = share.join(folder);
        create_dir_all(&folder)?;
        let written = generate_to(shell, &mut program, &name, &folder)?;
        if written.file_name() != Some(OsStr::new(&file)) {
            std::fs::rename(written, folder.join(file))?;
        }
    }
    Ok(())
}
