//! What does a mail server do wrong? One on loopback that errs at one point of the conversation, just as a test says.
#![allow(clippy::unwrap_used, clippy::panic, reason = "clippy.toml spares functions marked as tests alone")]

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;

/// What the server is asked, in the order of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Nothing yet: it speaks first.
    Greeting,
    Ehlo,
    StartTls,
    Mail,
    Rcpt,
    Data,
    /// The message and its lone dot.
    Dot,
    Quit,
}

/// What it answers.
#[derive(Clone, Debug)]
pub enum Reply {
    /// These lines, whatever they are; ended by CRLF.
    Say(&'static str),
    /// Nothing, for ever.
    Hang,
    /// A good answer at one byte per second.
    Drip,
    /// A TCP reset.
    Reset,
    /// An end.
    Close,
    /// A line without end.
    Endless,
}

/// A rule: at this point, of what was asked in words that hold this, so.
pub type Rule = (Asked, &'static str, Reply);

/// A server that takes mail unless a rule says otherwise.
pub struct FaultMail {
    address: SocketAddr,
    shared: Arc<Shared>,
    listening: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Seen>,
    over: Condvar,
}

#[derive(Default)]
struct Seen {
    is_over: bool,
    lines: Vec<String>,
    letters: Vec<String>,
    open: Vec<TcpStream>,
}

impl FaultMail {
    /// Offers what `ehlo` says, a line each.
    pub fn start(ehlo: &'static str, rules: Vec<Rule>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let known = Arc::clone(&shared);
        let listening = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let Ok(stream) = stream else { continue };
                let mut seen = known.seen.lock().unwrap();
                if seen.is_over {
                    return;
                }
                seen.open.push(stream.try_clone().unwrap());
                drop(seen);
                let (known, rules) = (Arc::clone(&known), rules.clone());
                // Whatever fails here fails at the other end, which is what a test is about.
                std::thread::spawn(move || drop(converse(stream, ehlo, &rules, &known)));
            }
        });
        Self { address, shared, listening: Some(listening) }
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Every line that it was sent, those of messages apart.
    pub fn lines(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().lines.clone()
    }

    /// Every message that it was sent whole.
    pub fn letters(&self) -> Vec<String> {
        self.shared.seen.lock().unwrap().letters.clone()
    }
}

impl Drop for FaultMail {
    fn drop(&mut self) {
        let mut seen = self.shared.seen.lock().unwrap();
        seen.is_over = true;
        for stream in &seen.open {
            let _gone = stream.shutdown(Shutdown::Both);
        }
        drop(seen);
        self.shared.over.notify_all();
        let _woken = TcpStream::connect(self.address);
        if let Some(listening) = self.listening.take() {
            let _ended = listening.join();
        }
    }
}

impl Shared {
    fn pause(&self, length: Duration) {
        let seen = self.seen.lock().unwrap();
        let _over = self.over.wait_timeout_while(seen, length, |seen| !seen.is_over).unwrap();
    }
}

fn converse(mut stream: TcpStream, ehlo: &str, rules: &[Rule], shared: &Shared) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    answer(&mut stream, Asked::Greeting, "", ehlo, rules, shared)?;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let said = std::mem::take(&mut line);
        shared.seen.lock().unwrap().lines.push(said.trim_end().to_owned());
        let asked = match said.get(..4).unwrap_or_default() {
            "EHLO" => Asked::Ehlo,
            "STAR" => Asked::StartTls,
            "MAIL" => Asked::Mail,
            "RCPT" => Asked::Rcpt,
            "DATA" => Asked::Data,
            "QUIT" => Asked::Quit,
            _ => {
                stream.write_all(b"500 5.5.2 what?\r\n")?;
                continue;
            }
        };
        if answer(&mut stream, asked, &said, ehlo, rules, shared)? && asked == Asked::Data {
            let mut letter = String::new();
            while !letter.ends_with("\r\n.\r\n") {
                if reader.read_line(&mut letter)? == 0 {
                    return Ok(());
                }
            }
            shared.seen.lock().unwrap().letters.push(letter);
            answer(&mut stream, Asked::Dot, "", ehlo, rules, shared)?;
        }
    }
    Ok(())
}

/// Whether it was a yes, as far as anybody can know.
fn answer(
    stream: &mut TcpStream,
    asked: Asked,
    said: &str,
    ehlo: &str,
    rules: &[Rule],
    shared: &Shared,
) -> std::io::Result<bool> {
    let good = match asked {
        Asked::Greeting => "220 mail.example ESMTP".to_owned(),
        Asked::Ehlo => {
            let lines: Vec<&str> = std::iter::once("mail.example").chain(ehlo.lines()).collect();
            let (last, others) = lines.split_last().unwrap();
            let others: Vec<String> = others.iter().map(|line| format!("250-{line}\r\n")).collect();
            others.concat() + "250 " + last
        }
        Asked::Data => "354 go on".to_owned(),
        Asked::Quit => "221 bye".to_owned(),
        Asked::StartTls | Asked::Mail | Asked::Rcpt | Asked::Dot => "250 2.0.0 fine".to_owned(),
    };
    let rule = rules.iter().find(|(at, words, _)| *at == asked && said.contains(words));
    let for_ever = Duration::from_secs(3600);
    match rule.map(|(_, _, reply)| reply) {
        None => stream.write_all(format!("{good}\r\n").as_bytes())?,
        Some(Reply::Say(words)) => {
            stream.write_all(format!("{words}\r\n").as_bytes())?;
            return Ok(words.starts_with(['2', '3']));
        }
        Some(Reply::Hang) => shared.pause(for_ever),
        Some(Reply::Drip) => {
            for byte in format!("{good}\r\n").bytes() {
                stream.write_all(&[byte])?;
                shared.pause(Duration::from_secs(1));
            }
        }
        Some(Reply::Reset) => {
            set_socket_linger(&*stream, Some(Duration::ZERO))?;
            // Only the last copy closed resets.
            shared.seen.lock().unwrap().open.clear();
            return Err(std::io::ErrorKind::ConnectionReset.into());
        }
        Some(Reply::Close) => {
            stream.shutdown(Shutdown::Both)?;
            return Err(std::io::ErrorKind::ConnectionAborted.into());
        }
        Some(Reply::Endless) => loop {
            stream.write_all(&[b'2'; 4096])?;
        },
    }
    Ok(true)
}
