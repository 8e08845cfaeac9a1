//! What does a command cost? `measure COMMAND ARG…` prints its wall and CPU time in milliseconds, the most memory
//! that it had resident in KiB, and its exit status. Its standard output goes nowhere.
//!
//! Memory is the kernel's own account of the child (`wait4`): nothing is sampled, so no peak is missed.

use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut words = std::env::args_os().skip(1);
    let mut command = Command::new(words.next().ok_or("which command?")?);
    command.args(words).stdin(Stdio::null()).stdout(Stdio::null());
    let begin = Instant::now();
    let child = command.spawn()?;
    let pid = i32::try_from(child.id())?;
    let (status, usage) = wait(pid)?;
    let wall = begin.elapsed().as_secs_f64() * 1e3;
    let cpu = (duration(usage.ru_utime)? + duration(usage.ru_stime)?).as_secs_f64() * 1e3;
    let exit = if libc::WIFEXITED(status) { libc::WEXITSTATUS(status) } else { -1 };
    writeln!(std::io::stdout(), "{wall:.2} {cpu:.2} {} {exit}", usage.ru_maxrss)?;
    Ok(())
}

fn duration(time: libc::timeval) -> Result<Duration, std::num::TryFromIntError> {
    Ok(Duration::from_secs(time.tv_sec.try_into()?) + Duration::from_micros(time.tv_usec.try_into()?))
}

#[expect(unsafe_code, reason = "no safe crate that we have gives the usage of one child")]
fn wait(pid: i32) -> std::io::Result<(i32, libc::rusage)> {
    let mut status = 0;
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: both pointers are to live memory of the right type; a zeroed rusage is a valid one.
    let (waited, usage) =
        unsafe { (libc::wait4(pid, &raw mut status, 0, usage.as_mut_ptr()), usage.assume_init()) };
    if waited == pid { Ok((status, usage)) } else { Err(std::io::Error::last_os_error()) }
}
