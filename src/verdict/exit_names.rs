//! What does systemd call an exit status or a signal?

/// `203/EXEC`, `1/FAILURE`, `4`: systemd.exec(5), "Process Exit Codes"; other classes have no single name.
#[must_use]
pub fn exit_status(status: i32) -> String {
    const FROM_200: [&str; 46] = [
        "CHDIR",
        "NICE",
        "FDS",
        "EXEC",
        "MEMORY",
        "LIMITS",
        "OOM_ADJUST",
        "SIGNAL_MASK",
        "STDIN",
        "STDOUT",
        "CHROOT",
        "IOPRIO",
        "TIMERSLACK",
        "SECUREBITS",
        "SETSCHEDULER",
        "CPUAFFINITY",
        "GROUP",
        "USER",
        "CAPABILITIES",
        "CGROUP",
        "SETSID",
        "CONFIRM",
        "STDERR",
        "",
        "PAM",
        "NETWORK",
        "NAMESPACE",
        "NO_NEW_PRIVILEGES",
        "SECCOMP",
        "SELINUX_CONTEXT",
        "PERSONALITY",
        "APPARMOR",
        "ADDRESS_FAMILIES",
        "RUNTIME_DIRECTORY",
        "",
        "CHOWN",
        "SMACK_PROCESS_LABEL",
        "KEYRING",
        "STATE_DIRECTORY",
        "CACHE_DIRECTORY",
        "LOGS_DIRECTORY",
        "CONFIGURATION_DIRECTORY",
        "NUMA_POLICY",
        "CREDENTIALS",
        "BPF",
        "KSM",
    ];
    let nth = usize::try_from(status - 200).ok();
    match nth.and_then(|nth| FROM_200.get(nth)) {
        Some(name) if !name.is_empty() => format!("{status}/{name}"),
        _ if status == 1 => "1/FAILURE".into(),
        _ => status.to_string(),
    }
}

/// An exit status by which systemd says that it could not even start the program.
#[must_use]
pub fn is_not_started(status: i32) -> bool {
    (200..=245).contains(&status)
}

/// `SIGKILL`; `signal 63` where there is no name.
#[must_use]
pub fn signal(number: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
        "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
        "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
    ];
    let nth = usize::try_from(number - 1).ok();
    nth.and_then(|nth| NAMES.get(nth)).map_or_else(|| format!("signal {number}"), |name| format!("SIG{name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_and_signals_have_the_names_that_systemd_prints() {
        let statuses =
            [(0, "0"), (1, "1/FAILURE"), (4, "4"), (199, "199"), (200, "200/CHDIR"), (203, "203/EXEC")];
        let more = [(217, "217/USER"), (223, "223"), (226, "226/NAMESPACE"), (238, "238/STATE_DIRECTORY")];
        let last = [(243, "243/CREDENTIALS"), (245, "245/KSM"), (246, "246"), (255, "255"), (-1, "-1")];
        for (status, want) in statuses.into_iter().chain(more).chain(last) {
            assert_eq!(exit_status(status), want);
        }
        for (number, want) in
            [(1, "SIGHUP"), (9, "SIGKILL"), (11, "SIGSEGV"), (15, "SIGTERM"), (31, "SIGSYS")]
        {
            assert_eq!(signal(number), want);
        }
        assert_eq!(signal(0), "signal 0");
        assert_eq!(signal(40), "signal 40");
    }
}
