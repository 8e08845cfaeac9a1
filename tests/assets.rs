//! Does every program have its man page and completions?

mod common;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use common::finish;

#[test]
fn every_program_has_a_man_page_and_completions_for_three_shells() {
    let share = Path::new(env!("CARGO_TARGET_TMPDIR")).join("assets");
    let _ = fs::remove_dir_all(&share);
    let mut assets = Command::new(env!("CARGO"));
    assets.args(["run", "--quiet", "--locked", "--example", "assets", "--"]).arg(&share);
    finish(assets.current_dir(env!("CARGO_MANIFEST_DIR")).stdin(Stdio::null())).expect_status(0);

    // Whoever reads the page of a verb in a script needs to know what its exit status means.
    for page in fs::read_dir(share.join("man/man1")).unwrap() {
        let page = page.unwrap().path();
        let text = fs::read_to_string(&page).unwrap();
        let is_verb = !text.contains(".SH SUBCOMMANDS");
        assert!(!is_verb || text.contains("Exit status: 0 "), "{}", page.display());
    }
    let page = fs::read_to_string(share.join("man/man1/plms-invariants.1")).unwrap();
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let variables = readme.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next());
    let variables: Vec<_> =
        variables.filter(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).collect();
    assert!(variables.len() > 15, "{variables:?}");
    for name in variables {
        assert!(page.contains(&format!("\\fB{name}\\fR\n")), "{name} is not in the man page");
    }

    let mut abouts = BTreeSet::new();
    for source in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("bin")).unwrap() {
        let source = source.unwrap().path();
        let name = source.file_stem().unwrap().to_str().unwrap();
        for file in [
            format!("man/man1/{name}.1"),
            format!("bash-completion/completions/{name}"),
            format!("zsh/site-functions/_{name}"),
            format!("fish/vendor_completions.d/{name}.fish"),
        ] {
            let text =
                fs::read_to_string(share.join(&file)).unwrap_or_else(|error| panic!("{file}: {error}"));
            // A man page escapes its dashes, fish names a long flag without them.
            assert!(text.contains("timeout"), "{file} does not know --timeout:\n{text}");
        }
        let page = fs::read_to_string(share.join(format!("man/man1/{name}.1"))).unwrap();
        let about = page.lines().nth(4).unwrap().split_once(" \\- ").unwrap().1;
        assert!(abouts.insert(about.to_owned()), "{name} describes itself as another does: {about}");
        let bash = share.join(format!("bash-completion/completions/{name}"));
        finish(common::program("bash", Path::new("/")).arg("-n").arg(bash)).expect_status(0);
    }
}
