//! Does the harness keep its promises: a real systemd, and nothing left behind?

mod common;

use common::finish;
use common::real::beside_systemd;
use std::path::Path;

#[test]
fn a_private_systemd_runs_services_and_leaves_nothing() {
    let Some(mut command) = beside_systemd(&["--env", "WORD=hello"], "bash") else { return };
    let trace = "/etc/systemd/system/plms-sandbox-trace.service";
    let script = format!(
        "set -eu
         test $(cat /proc/1/comm) = systemd
         printf '[Service]\\nType=oneshot\\nExecStart=/bin/sh -c \"exit 3\"\\n' > {trace}
         systemctl start plms-sandbox-trace.service || true
         echo $WORD $(systemctl show -P Result -P ExecMainStatus plms-sandbox-trace.service)
         exit 7"
    );
    finish(command.args(["-c", &script])).expect_status(7).expect_stdout("hello exit-code 3\n");
    assert!(!Path::new(trace).exists(), "the sandbox wrote to this machine");
}

#[test]
fn nobody_inside_can_set_the_clock_of_this_machine() {
    let Some(mut command) = beside_systemd(&[], "cat") else { return };
    let seen = finish(command.args(["/proc/1/status", "/proc/self/status"])).expect_status(0);
    let sets: Vec<&str> = seen.stdout.lines().filter_map(|line| line.strip_prefix("CapEff:\t")).collect();
    assert_eq!(sets.len(), 2, "{seen:#}");
    for set in sets {
        let set = u64::from_str_radix(set, 16).expect("a hexadecimal set");
        assert_eq!(set & (1 << 25), 0, "CAP_SYS_TIME is there: {set:x}"); // capability(7): number 25
    }
}
