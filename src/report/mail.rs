//! How does a mail reader show a notice, and what keeps strict parsers content?

mod html;
mod page;
#[cfg(test)]
mod tests;
mod text;
mod words;

use lettre::message::header::{HeaderName, HeaderValue, Headers, MIME_VERSION_1_0, MessageId, Subject};
use lettre::message::header::{InReplyTo, References};
use lettre::message::{MultiPart, SinglePart};
use sha2::{Digest, Sha256};

use crate::verdict::notice::Occasion;
use crate::verdict::telling::Message;
use page::Page;
use words::subject;

/// Topics whose threads one mail belongs to.
const THREADS: usize = 10;

/// Sender and recipients, of whom a header says what they are: whole addresses in plain ASCII, without
/// blanks, commas or angle brackets.
#[derive(Clone, Copy, Debug)]
pub struct Addresses<'a> {
    /// The sender.
    pub from: &'a str,
    /// Everybody who is sent the message.
    pub to: &'a [String],
}

/// The whole message, its lines ended by CRLF: the same for the same message, whenever it is composed.
#[must_use]
pub fn compose(message: &Message<'_>, addresses: &Addresses<'_>) -> Vec<u8> {
    let page = Page::of(message);
    let (plain, html) = (with_crlf(&text::render(&page)), with_crlf(&html::render(&page)));
    let domain = addresses.from.rsplit_once('@').map_or("localhost", |(_, domain)| domain);
    let id = id(message, domain);
    // Nobody who writes into the registry can write a line that ends a part.
    let boundary = format!("plms-{}", hash(&[&id, &plain, &html]));
    let parts = MultiPart::alternative()
        .boundary(boundary)
        .singlepart(SinglePart::plain(plain))
        .singlepart(SinglePart::html(html));

    let mut headers = Headers::new();
    // Commands of lettre would parse addresses once more, and refuse some that are in use.
    raw(&mut headers, HeaderName::new_from_ascii_str("From"), addresses.from);
    raw(&mut headers, HeaderName::new_from_ascii_str("To"), &addresses.to.join(", "));
    headers.set(Subject::from(subject(message)));
    let date = message.now.format("%a, %d %b %Y %H:%M:%S +0000").to_string();
    raw(&mut headers, HeaderName::new_from_ascii_str("Date"), &date);
    headers.set(MessageId::from(id));
    let threads = threads(message, domain);
    if let Some(first) = threads.first() {
        headers.set(InReplyTo::from(first.clone()));
        headers.set(References::from(threads.join(" ")));
    }
    // RFC 3834: nobody's absence notice answers.
    raw(&mut headers, HeaderName::new_from_ascii_str("Auto-Submitted"), "auto-generated");
    headers.set(MIME_VERSION_1_0);
    let mut letter = headers.to_string().into_bytes();
    letter.extend(parts.formatted());
    letter
}

fn raw(headers: &mut Headers, name: HeaderName, value: &str) {
    headers.insert_raw(HeaderValue::new(name, value.to_owned()));
}

/// One per notice, however often and to whom it is sent: a duplicate is known as one.
fn id(message: &Message<'_>, domain: &str) -> String {
    let notice = message.notice;
    let occasion = match notice.occasion {
        Occasion::Run => "run",
        Occasion::Died => "died",
        Occasion::Test => "test",
    };
    let at = notice.at.to_rfc3339();
    let of: [&str; 5] = [&notice.env, &notice.db_path, &notice.invocation_id, occasion, &at];
    format!("<plms.{}@{domain}>", hash(&of))
}

/// The threads of what this is about, worst first: one per environment, registry and topic, as the keys of
/// incidents elsewhere. Nobody ever sent the mail that they answer, which mail readers do not mind.
fn threads(message: &Message<'_>, domain: &str) -> Vec<String> {
    let notice = message.notice;
    let topics = message.telling.turns.iter().take(THREADS).map(|(topic, _)| topic.word());
    topics.map(|topic| format!("<plms.{}@{domain}>", hash(&[&notice.env, &notice.db_path, topic]))).collect()
}

fn hash(of: &[&str]) -> String {
    use std::fmt::Write as _;
    let mut hash = Sha256::new();
    for part in of {
        hash.update(part.as_bytes());
        hash.update([0]);
    }
    hash.finalize().iter().take(16).fold(String::new(), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

/// Lines of mail; many short lines with bare ends are also slow to encode.
fn with_crlf(text: &str) -> String {
    text.replace('\n', "\r\n")
}
