//! What does a far end do wrong? A web server on loopback that errs just as a test says.
//!
//! ```text
//! let server = FaultServer::start(vec![Step::answer(429, "").header("Retry-After", "1"), Step::answer(200, "ok")]);
//! … SLACK_WEBHOOK_URL = server.at("/services/T0/B0/secret") …
//! assert_eq!(server.requests().len(), 2);
//! ```
//!
//! Each connection gets the next step and one answer; the last step goes on for ever.
#![allow(dead_code, reason = "each test file uses its own part")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

mod ca;
mod request;
mod step;
mod wire;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustls::ServerConfig;

pub use ca::{Ca, Certificate};
pub use request::Request;
pub use step::Step;
use wire::Wire;

/// A server that errs; it ends, and lets go of whoever hangs, when it is dropped.
pub struct FaultServer {
    address: SocketAddr,
    scheme: &'static str,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

/// What its threads know.
#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    news: Condvar,
}

#[derive(Default)]
struct Seen {
    over: bool,
    begun: usize,
    connections: usize,
    /// From where the last one came.
    last: Option<SocketAddr>,
    open: BTreeMap<usize, TcpStream>,
    requests: Vec<Request>,
}

impl FaultServer {
    /// A server without TLS.
    pub fn start(steps: Vec<Step>) -> Self {
        Self::listen(steps, None)
    }

    /// A server at `localhost` and 127.0.0.1 with this certificate of the CA.
    pub fn start_tls(steps: Vec<Step>, ca: &Ca, certificate: Certificate) -> Self {
        Self::listen(steps, Some(ca.server(certificate)))
    }

    fn listen(steps: Vec<Step>, tls: Option<Arc<ServerConfig>>) -> Self {
        assert!(!steps.is_empty(), "a server needs something to do");
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let shared = Arc::new(Shared::default());
        let known = Arc::clone(&shared);
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                if known.is_over() {
                    return;
                }
                let (known, steps, tls) = (Arc::clone(&known), steps.clone(), tls.clone());
                let number = known.opened(stream.try_clone().unwrap());
                std::thread::spawn(move || {
                    let wire = serve(stream, tls, &steps, &known);
                    // Only the last copy closed ends, or resets, a connection.
                    known.tell(|seen| drop(seen.open.remove(&number)));
                    drop(wire);
                });
            }
        });
        Self { address, scheme, shared, listening: Some(listening) }
    }

    /// `http://127.0.0.1:PORT`; with TLS `https://localhost:PORT`.
    pub fn url(&self) -> String {
        let host = if self.scheme == "https" { "localhost" } else { "127.0.0.1" };
        format!("{}://{host}:{}", self.scheme, self.address.port())
    }

    /// The URL of a path, which begins with `/`.
    pub fn at(&self, path: &str) -> String {
        format!("{}{path}", self.url())
    }

    /// Every request that was read whole, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.shared.seen.lock().unwrap().requests.clone()
    }

    /// How many connections there were, whatever became of them.
    pub fn connections(&self) -> usize {
        self.shared.seen.lock().unwrap().connections
    }

    /// Waits until so many requests were read, and fails after ten seconds.
    #[track_caller]
    pub fn wait_for(&self, requests: usize) -> Vec<Request> {
        let (seen, patience) = (self.shared.seen.lock().unwrap(), Duration::from_secs(10));
        let too_few = |seen: &mut Seen| seen.requests.len() < requests;
        let (seen, late) = self.shared.news.wait_timeout_while(seen, patience, too_few).unwrap();
        assert!(!late.timed_out(), "expected {requests} requests, got {:#?}", seen.requests);
        seen.requests.clone()
    }

    /// Waits until every connection made so far has been served to its end: what a client sent that was killed
    /// meanwhile is then among the requests, before whatever comes later. Costs a step.
    #[track_caller]
    pub fn settle(&self) {
        // Connections are accepted in turn, so this one after all others.
        let last = TcpStream::connect(self.address).unwrap().local_addr().unwrap();
        let (seen, patience) = (self.shared.seen.lock().unwrap(), Duration::from_secs(10));
        let is_busy = |seen: &mut Seen| seen.last != Some(last) || !seen.open.is_empty();
        let (seen, late) = self.shared.news.wait_timeout_while(seen, patience, is_busy).unwrap();
        assert!(!late.timed_out(), "still at work: {:?}", seen.open.keys());
    }
}

impl Drop for FaultServer {
    fn drop(&mut self) {
        self.shared.tell(|seen| {
            seen.over = true;
            for stream in seen.open.values() {
                let _gone = stream.shutdown(std::net::Shutdown::Both);
            }
        });
        let _woken = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ended = listening.join();
        }
    }
}

impl Shared {
    fn tell(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap());
        self.news.notify_all();
    }

    fn opened(&self, stream: TcpStream) -> usize {
        let mut seen = self.seen.lock().unwrap();
        seen.connections += 1;
        seen.last = stream.peer_addr().ok();
        let number = seen.connections;
        seen.open.insert(number, stream);
        drop(seen);
        self.news.notify_all();
        number
    }

    fn is_over(&self) -> bool {
        self.seen.lock().unwrap().over
    }

    /// Does nothing for so long, or until the server ends.
    fn pause(&self, length: Duration) {
        let seen = self.seen.lock().unwrap();
        let _over = self.news.wait_timeout_while(seen, length, |seen| !seen.over).unwrap();
    }

    fn next(&self, steps: &[Step]) -> Step {
        let mut seen = self.seen.lock().unwrap();
        let step = steps.get(seen.begun).or(steps.last()).cloned().unwrap();
        seen.begun += 1;
        step
    }
}

/// One connection; whatever fails here, fails at the other end, which is what a test is about.
fn serve(stream: TcpStream, tls: Option<Arc<ServerConfig>>, steps: &[Step], shared: &Shared) -> Option<Wire> {
    let mut wire = Wire::open(stream, tls).ok()?;
    let step = shared.next(steps);
    if step.reads() {
        let request = Request::read(&mut wire).ok()?;
        shared.tell(|seen| seen.requests.push(request));
    }
    let _broken = step.act(&mut wire, &|length| shared.pause(length));
    Some(wire)
}
