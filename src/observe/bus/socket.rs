//! How do bytes go to a bus and come back? Over one socket, until a moment after which nobody waits.

use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{self, RecvFlags, SendFlags, SocketAddrUnix, SocketFlags, sockopt};

/// Holds most answers whole, and those of a fleet as they come.
const CHUNK: usize = 16 << 10;

pub(super) struct Socket {
    connection: OwnedFd,
    /// What has come and is not used yet begins at `used`.
    came: Vec<u8>,
    used: usize,
    /// Nobody waits for longer.
    pub end: Instant,
}

impl Socket {
    /// # Errors
    /// Nobody listens there, or not for us, or is too busy to let us in until `end`.
    pub fn connect(address: &SocketAddrUnix, end: Instant) -> io::Result<Self> {
        let (unix, stream) = (net::AddressFamily::UNIX, net::SocketType::STREAM);
        let connection = net::socket_with(unix, stream, SocketFlags::CLOEXEC, None)?;
        // The kernel has this bound a connection that waits for its turn, too.
        sockopt::set_socket_timeout(&connection, sockopt::Timeout::Send, Some(left(end)?))?;
        again(|| net::connect(&connection, address))?;
        Ok(Self::new(connection, end))
    }

    pub fn new(connection: OwnedFd, end: Instant) -> Self {
        Self { connection, came: Vec::new(), used: 0, end }
    }

    /// # Errors
    /// The other side is gone, or takes nothing until the end.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        while !rest.is_empty() {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match again(|| net::send(&self.connection, rest, flags)) {
                Ok(length) => rest = rest.get(length..).unwrap_or_default(),
                Err(Errno::AGAIN) => self.wait(PollFlags::OUT)?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// What has come and is not used yet.
    pub fn came(&self) -> &[u8] {
        self.came.get(self.used..).unwrap_or_default()
    }

    /// The first so many bytes of it are done with.
    pub fn use_up(&mut self, length: usize) {
        self.used = self.came.len().min(self.used + length);
    }

    /// Waits until more has come.
    ///
    /// # Errors
    /// The other side is gone, or says nothing until the end.
    pub fn more(&mut self) -> io::Result<()> {
        self.came.drain(..self.used);
        self.used = 0;
        self.came.reserve_exact(CHUNK);
        self.wait(PollFlags::IN)?;
        let flags = RecvFlags::DONTWAIT;
        match again(|| net::recv(&self.connection, spare_capacity(&mut self.came), flags)) {
            Ok((_, 0)) => Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::AGAIN) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    fn wait(&self, what: PollFlags) -> io::Result<()> {
        let ready = again(|| {
            let timeout = Timespec::try_from(left(self.end)?).map_err(|_| Errno::INVAL)?;
            poll(&mut [PollFd::new(&self.connection, what)], Some(&timeout))
        })?;
        if ready == 0 { Err(io::ErrorKind::TimedOut.into()) } else { Ok(()) }
    }
}

fn left(end: Instant) -> Result<Duration, Errno> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(Errno::TIMEDOUT) } else { Ok(left) }
}

fn again<T>(mut call: impl FnMut() -> Result<T, Errno>) -> Result<T, Errno> {
    loop {
        match call() {
            Err(Errno::INTR) => {}
            other => return other,
        }
    }
}
