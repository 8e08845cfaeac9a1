//! Whom does a failed sendmail concern, and will it go away by itself?

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;

use crate::emit::channels::Answer;

/// sysexits(3), as sendmail, postfix, exim and msmtp use it. What is none of these is neither proof nor
/// refusal.
pub(super) fn answer(status: ExitStatus, who: &str, said: &str) -> Answer {
    let Some(code) = status.code() else {
        let signal = status.signal().unwrap_or_default();
        return Answer::Postponed { why: format!("{who} was killed by signal {signal}{said}") };
    };
    let why = |name: &str| format!("{who} ended with status {code}{name}{said}");
    match code {
        64 => Answer::Unusable { why: why(" (usage); is SENDMAIL a sendmail program?") },
        65 => Answer::Refused { why: why(" (malformed)") },
        66 => Answer::Refused { why: why(" (no input)") },
        67 => Answer::Refused { why: why(" (no such user)") },
        68 => Answer::Refused { why: why(" (no such host)") },
        69 => Answer::Refused { why: why(" (unavailable)") },
        70 => Answer::Postponed { why: why(" (internal error)") },
        71 => Answer::Postponed { why: why(" (system error)") },
        72 => Answer::Unusable { why: why(" (a system file is missing)") },
        73 => Answer::Unusable { why: why(" (cannot create a file)") },
        74 => Answer::Postponed { why: why(" (input or output failed)") },
        75 => Answer::Postponed { why: why(" (try again later)") },
        76 => Answer::Postponed { why: why(" (the protocol failed)") },
        77 => Answer::Unusable { why: why(" (not permitted)") },
        78 => Answer::Unusable { why: why(" (its configuration is wrong)") },
        _ => Answer::Postponed { why: why("") },
    }
}
