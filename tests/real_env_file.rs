//! Does a real systemd hand on from an env file what the program reads there itself?
#![allow(clippy::unwrap_used, clippy::panic, reason = "a helper that fails fails its test")]

mod common;

use std::fs;
use std::path::Path;

use common::finish;
use common::real::beside_systemd;
use serde_json::Value;

const ENV_FILE: &str = r#"# a remark with $HOME and `signs`
  DB_PATH='/tmp/a b/registry $x `y` \z "q".db'
ENV_NAME="x; 'y'  z"
LOG_DIR=/tmp/logs#1~x
STATE_DIR=/tmp/Zürich

INVARIANT_TAGS='standard strict'
ALERT_EMAIL=a@b.example,c@d.example
PD_EVENTS_URL=https://h.example/x?a=1%20=
TEXTFILE_DIR=
"#;

#[test]
fn systemd_hands_on_what_the_program_reads_itself() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let file = folder.path().join("env");
    fs::write(&file, ENV_FILE).unwrap();
    let Some(mut command) = beside_systemd(&[], "bash") else { return };
    let (file, program) = (file.display(), env!("CARGO_BIN_EXE_plms-invariants"));
    let folder = folder.path().display();
    let script = format!(
        "set -eu
         cp {program} /usr/bin/plms
         plms --env-file {file} config check -o json >{folder}/own
         systemd-run -q --wait --pipe -p EnvironmentFile={file} \
           plms --env-file /dev/null config check -o json >{folder}/systemd"
    );
    finish(command.args(["-c", &script])).expect_status(0);
    let values = |name: &str| -> Vec<(String, Value)> {
        let text = fs::read_to_string(Path::new(&folder.to_string()).join(name)).unwrap();
        let shown: Value = serde_json::from_str(&text).unwrap();
        let settings = shown["settings"].as_object().unwrap().iter();
        settings.map(|(name, setting)| (name.clone(), setting["value"].clone())).collect()
    };
    let (own, systemd) = (values("own"), values("systemd"));
    assert_eq!(own, systemd);
    let db_path = own.iter().find(|(name, _)| name == "DB_PATH").unwrap();
    assert_eq!(db_path.1, r#"/tmp/a b/registry $x `y` \z "q".db"#);
}
