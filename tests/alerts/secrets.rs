//! Fault 22: is a secret anywhere it must not be, when everything goes wrong?

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::common::{Finished, finish};
use super::stage::{HOOK, KEY, Stage, library};
use crate::fault_server::{FaultServer, Step};

const PASSWORD: &str = "pwCANARYpw";

/// Everything that a command says; the command line is the test's own.
fn said(seen: &Finished) -> String {
    format!("{}{}", seen.stdout, seen.stderr)
}

/// Fails where any file but those that hold the secrets, or the registry, has one in its name or its bytes.
#[track_caller]
fn search(folder: &Path, held: &[&str]) -> usize {
    let mut searched = 0;
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        assert!(!name.contains("CANARY"), "{}", path.display());
        if held.contains(&name.as_str()) {
            continue;
        }
        if path.is_dir() {
            searched += search(&path, held);
        } else {
            let bytes = fs::read(&path).unwrap();
            let found = bytes.windows(6).position(|six| six == b"CANARY");
            let around = found.map(|at| {
                String::from_utf8_lossy(&bytes[at.saturating_sub(200)..bytes.len().min(at + 60)]).into_owned()
            });
            assert_eq!(around, None, "{}", path.display());
            searched += 1;
        }
    }
    searched
}

/// Where the secrets are.
#[derive(Clone, Copy, Debug)]
enum Held {
    Variables,
    Files,
    Credentials,
    EnvFile,
}

/// Far ends that refuse and say everything that they were told.
fn echoes() -> [FaultServer; 2] {
    let echo = format!("cannot POST {HOOK} with {KEY} and {PASSWORD}; xxCANARYxx T00CANARY B00CANARY");
    // Slack's far end knows the webhook, PagerDuty's the key; neither knows the other's, and cannot echo it.
    let slack = echo.replace(KEY, "").replace(PASSWORD, "");
    let pagerduty = format!("{{\"errors\":[\"routing_key {KEY} is wrong\"]}}");
    [
        FaultServer::start(vec![Step::answer(403, slack)]),
        FaultServer::start(vec![Step::answer(400, pagerduty)]),
    ]
}

fn stage(held: Held, slack: &FaultServer, pagerduty: &FaultServer, smtp: &FaultServer) -> Stage {
    let mut stage = Stage::new();
    stage.violate(1);
    stage.set("PD_EVENTS_URL", pagerduty.at("/v2/enqueue")).set("ALERT_EMAIL", "ops@example.org");
    stage.set("SMTP_URL", smtp.url().replace("http://", "smtp://user@"));
    let secrets = [
        ("SLACK_WEBHOOK_URL", slack.at(HOOK)),
        ("PD_ROUTING_KEY", KEY.to_owned()),
        ("SMTP_PASSWORD", PASSWORD.to_owned()),
    ];
    let folder = stage.path("secrets");
    fs::create_dir(&folder).unwrap();
    for (name, value) in &secrets {
        let file = folder.join(name.to_lowercase());
        match held {
            Held::Variables => drop(stage.set(name, value)),
            Held::EnvFile => {
                let path = folder.join("env");
                let text = fs::read_to_string(&path).unwrap_or_default();
                fs::write(&path, format!("{text}{name}={value}\n")).unwrap();
            }
            Held::Files => {
                fs::write(&file, value).unwrap();
                stage.set(&format!("{name}_FILE"), file.to_str().unwrap());
            }
            Held::Credentials => {
                fs::write(&file, value).unwrap();
                stage.set("CREDENTIALS_DIRECTORY", folder.to_str().unwrap());
            }
        }
    }
    stage
}

#[test]
fn fault_22_no_secret_is_in_any_output_file_or_database_wherever_it_was_held_and_whatever_failed() {
    for held in [Held::Variables, Held::Files, Held::Credentials, Held::EnvFile] {
        let [slack, pagerduty] = echoes();
        let smtp = FaultServer::start(vec![Step::raw(format!("500 {PASSWORD} CANARY\r\n"))]);
        let stage = stage(held, &slack, &pagerduty, &smtp);
        let verbs = [
            "run -v --deliver-budget 1",
            "run -vvv --json --deliver-budget 1",
            "alert flush -v -t 1",
            "alert test -v -t 1",
            "alert test --dry-run",
            "alert flush --dry-run -vv",
            "alert pending -v",
            "alert pending --json",
            "config check -v",
            "config check --json",
            "status -v",
            "history -v",
            "list -v",
        ];
        for verb in verbs {
            let mut command = stage.command(verb);
            if matches!(held, Held::EnvFile) {
                let args: Vec<_> = command.get_args().map(ToOwned::to_owned).collect();
                let env = command
                    .get_envs()
                    .map(|(n, v)| (n.to_owned(), v.map(ToOwned::to_owned)))
                    .collect::<Vec<_>>();
                command = super::common::program(super::stage::PROGRAM, stage.folder.path());
                command.args(args.iter().filter(|arg| *arg != "/dev/null" && *arg != "--env-file"));
                command.arg("--env-file").arg(stage.path("secrets/env"));
                command.envs(env.into_iter().filter_map(|(name, value)| Some((name, value?))));
            }
            let seen = finish(&mut command);
            assert!(!said(&seen).contains("CANARY"), "{held:?} {verb}: {}", said(&seen));
        }
        // All three were really tried with their secrets, and said so.
        assert!(slack.requests().len() >= 3 && slack.requests()[0].path == HOOK, "{held:?}");
        assert!(pagerduty.requests().len() >= 3 && pagerduty.requests()[0].text().contains(KEY), "{held:?}");
        assert!(smtp.connections() >= 3, "{held:?}");
        assert!(search(stage.folder.path(), &["secrets"]) >= 6);
    }
}

#[test]
fn fault_22_a_panic_shows_no_secret() {
    let [slack, pagerduty] = echoes();
    let stage = stage(Held::Variables, &slack, &pagerduty, &slack);
    for verb in ["run -vv", "alert flush", "alert test"] {
        let mut command = stage.command(verb);
        command.env("LD_PRELOAD", library("clock")).env("TEST_NO_CLOCK", "1").env("RUST_BACKTRACE", "full");
        let seen = finish(&mut command).expect_status(3);
        assert!(said(&seen).contains("internal error") || said(&seen).contains("panicked"), "{seen}");
        assert!(!said(&seen).contains("CANARY"), "{}", said(&seen));
    }
    search(stage.folder.path(), &["secrets"]);
}

/// Whoever may run `ps`, or is started by the program, learns nothing.
#[test]
fn fault_22_no_secret_is_in_arguments_and_none_is_handed_to_a_child() {
    let [_, pagerduty] = echoes();
    let slack = FaultServer::start(vec![Step::hang_before_answering()]);
    let mut stage = stage(Held::Variables, &slack, &pagerduty, &slack);
    let (script, dump) = (stage.path("sendmail"), stage.path("dump"));
    let text = format!(
        "#!/bin/sh\n{{ env; tr '\\0' '\\n' </proc/self/environ; echo \"$0 $*\"; cat; }} >{}\n",
        dump.display()
    );
    fs::write(&script, text).unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    stage.set("SMTP_URL", "").set("SENDMAIL", script.to_str().unwrap());
    let mut child = stage.command("run").stdout(std::process::Stdio::null()).spawn().unwrap();
    slack.wait_for(1);
    let arguments = fs::read(format!("/proc/{}/cmdline", child.id())).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!String::from_utf8_lossy(&arguments).contains("CANARY") && arguments.len() > 10);
    stage.plms("alert flush -t 2").expect_status(2).expect_stdout("slack was not told");
    let dump = fs::read_to_string(dump).unwrap();
    assert!(dump.contains("Invariants FAIL") && dump.contains("PATH="), "{dump}");
    assert!(!dump.contains("CANARY"), "{dump}");
}
