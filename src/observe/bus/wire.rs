//! How are a question and its answer laid out in bytes? The D-Bus specification, "Message Protocol".
//!
//! Bodies of answers are read by `zbus`; a connection of its own would bring a runtime, tasks and queues, which
//! cost a program that asks once more than its questions.

use serde::Deserialize;
use zbus::Type;
use zbus::wire::Endian;
use zbus::wire::serialized::{Context, Data};

use super::{Body, Call};

/// The specification's limits: no message, and no list of header fields, is longer.
const LONGEST_MESSAGE: usize = 128 << 20;
const LONGEST_FIELDS: usize = 64 << 20;
const FIXED: usize = 16;

/// Appends a question.
pub(super) fn write(out: &mut Vec<u8>, serial: u32, destination: Option<&str>, call: &Call) {
    let begin = out.len();
    let mut writer = Writer { out, begin };
    let little = u8::from(cfg!(target_endian = "little"));
    // A method call without flags, of version 1; the lengths of its body and fields are known only later.
    writer.out.extend([if little == 1 { b'l' } else { b'B' }, 1, 0, 1]);
    writer.number(0);
    writer.number(serial);
    writer.number(0);
    writer.field(1, "o", &call.path);
    writer.field(3, "s", call.member);
    writer.field(2, "s", call.interface);
    if let Some(destination) = destination {
        writer.field(6, "s", destination);
    }
    if let Some(signature) = call.body.signature() {
        writer.field(8, "g", signature);
    }
    writer.set(12, writer.length() - FIXED);
    writer.align(8);
    let head = writer.length();
    match &call.body {
        Body::Nothing => {}
        Body::Text(text) => writer.text(text),
        Body::Property(interface, property) => {
            writer.text(interface);
            writer.text(property);
        }
        Body::Names(names) => writer.texts(names),
        Body::Patterns(states, patterns) => {
            writer.texts(states);
            writer.texts(patterns);
        }
    }
    writer.set(4, writer.length() - head);
}

impl Body {
    fn signature(&self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Text(_) => Some("s"),
            Self::Property(..) => Some("ss"),
            Self::Names(_) => Some("as"),
            Self::Patterns(..) => Some("asas"),
        }
    }
}

/// Where alignment counts from `begin`.
struct Writer<'a> {
    out: &'a mut Vec<u8>,
    begin: usize,
}

impl Writer<'_> {
    fn length(&self) -> usize {
        self.out.len() - self.begin
    }

    fn align(&mut self, to: usize) {
        let length = self.length().next_multiple_of(to);
        self.out.resize(self.begin + length, 0);
    }

    fn number(&mut self, number: u32) {
        self.align(4);
        self.out.extend(number.to_ne_bytes());
    }

    /// Sets a length that was not known when its place was written.
    fn set(&mut self, at: usize, length: usize) {
        if let Some(place) = self.out.get_mut(self.begin + at..self.begin + at + 4) {
            place.copy_from_slice(&short(length).to_ne_bytes());
        }
    }

    fn text(&mut self, text: &str) {
        self.number(short(text.len()));
        self.out.extend(text.as_bytes());
        self.out.push(0);
    }

    fn texts(&mut self, texts: &[String]) {
        self.align(4);
        let at = self.length();
        self.number(0);
        for text in texts {
            self.text(text);
        }
        self.set(at, self.length() - at - 4);
    }

    fn signature(&mut self, signature: &str) {
        self.out.push(u8::try_from(signature.len()).unwrap_or_default());
        self.out.extend(signature.as_bytes());
        self.out.push(0);
    }

    fn field(&mut self, code: u8, kind: &str, value: &str) {
        self.align(8);
        self.out.push(code);
        self.signature(kind);
        if kind == "g" { self.signature(value) } else { self.text(value) }
    }
}

/// Our names are short, and their lists far below what 32 bits count.
fn short(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}

/// The beginning of what has come.
pub(super) enum Came<'a> {
    /// A message, and its length.
    Message(Frame<'a>, usize),
    /// Less than a message.
    Part,
    /// No D-Bus.
    Garbage,
}

/// A message of which only answers concern us.
pub(super) struct Frame<'a> {
    /// The question that it answers.
    pub answers: Option<u32>,
    /// The name of an error.
    pub error: Option<&'a str>,
    pub answer: Answer<'a>,
}

/// The body of an answer.
pub(crate) struct Answer<'a> {
    signature: &'a str,
    body: Data<'a, 'static>,
}

impl Answer<'_> {
    /// The one value that it holds, if it is of that type.
    pub fn read<'d, T: Deserialize<'d> + Type>(&'d self) -> Option<T> {
        if *T::SIGNATURE != self.signature {
            return None;
        }
        self.body.deserialize().ok().map(|(value, _)| value)
    }
}

/// Reads the message that `bytes` begin with.
pub(super) fn read(bytes: &[u8]) -> Came<'_> {
    let Some(fixed) = bytes.get(..FIXED) else { return Came::Part };
    let is_big = match fixed {
        [b'l', _, _, 1, ..] => false,
        [b'B', _, _, 1, ..] => true,
        _ => return Came::Garbage,
    };
    let mut cursor = Cursor { bytes, at: 4, is_big };
    let lengths = (cursor.number(), cursor.number(), cursor.number());
    let (Some(body), Some(_), Some(fields)) = lengths else { return Came::Garbage };
    let (body, fields) = (body as usize, fields as usize);
    let head = (FIXED + fields).next_multiple_of(8);
    if fields > LONGEST_FIELDS || head + body > LONGEST_MESSAGE {
        return Came::Garbage;
    }
    let Some((header, body)) = bytes.get(..head + body).and_then(|whole| whole.split_at_checked(head)) else {
        return Came::Part;
    };
    let cursor = Cursor { bytes: header.get(..FIXED + fields).unwrap_or_default(), at: FIXED, is_big };
    match frame(cursor, body) {
        Some(frame) => Came::Message(frame, header.len() + body.len()),
        None => Came::Garbage,
    }
}

fn frame<'a>(mut header: Cursor<'a>, body: &'a [u8]) -> Option<Frame<'a>> {
    let (mut answers, mut error, mut signature) = (None, None, "");
    while header.at < header.bytes.len() {
        header.align(8);
        let code = header.byte()?;
        match (code, header.signature()?) {
            (5, "u") => answers = Some(header.number()?),
            (4, "s") => error = Some(header.text()?),
            (8, "g") => signature = header.signature()?,
            (_, "s" | "o") => drop(header.text()?),
            (_, "u") => drop(header.number()?),
            _ => return None,
        }
    }
    let endian = if header.is_big { Endian::Big } else { Endian::Little };
    let is_answer = matches!(header.bytes.get(1), Some(2 | 3));
    let is_error = header.bytes.get(1) == Some(&3);
    Some(Frame {
        answers: answers.filter(|_| is_answer),
        error: is_error.then(|| error.unwrap_or_default()),
        answer: Answer { signature, body: Data::new(body, Context::new(endian, 0)) },
    })
}

struct Cursor<'a> {
    bytes: &'a [u8],
    at: usize,
    is_big: bool,
}

impl<'a> Cursor<'a> {
    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let taken = self.bytes.get(self.at..self.at.checked_add(length)?)?;
        self.at += length;
        Some(taken)
    }

    fn byte(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    fn number(&mut self) -> Option<u32> {
        self.align(4);
        let bytes = self.take(4)?.try_into().ok()?;
        Some(if self.is_big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()? as usize;
        self.terminated(length)
    }

    fn signature(&mut self) -> Option<&'a str> {
        let length = usize::from(self.byte()?);
        self.terminated(length).filter(|signature| signature.is_ascii())
    }

    fn terminated(&mut self, length: usize) -> Option<&'a str> {
        let text = std::str::from_utf8(self.take(length)?).ok()?;
        (self.byte()? == 0).then_some(text)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use zbus::Variant;
    use zbus::message::Message;

    use super::*;

    fn call(body: Body) -> Call {
        Call { path: "/org/x_2etimer".into(), interface: "org.x.Properties", member: "Get", body }
    }

    /// The same question as `zbus` writes it; its serial number is its own.
    fn as_zbus_writes<B: serde::Serialize + zbus::DynamicType>(
        to: Option<&'static str>,
        body: &B,
    ) -> (u32, Vec<u8>) {
        let mut builder = Message::method_call("/org/x_2etimer", "Get").interface("org.x.Properties");
        if let Some(to) = to {
            builder = builder.destination(to);
        }
        let message = builder.build(body).unwrap();
        (message.primary_header().serial_num().get(), message.data().to_vec())
    }

    #[test]
    fn a_question_is_laid_out_as_another_library_does_it() {
        let two = || vec!["a.timer".to_owned(), "long-er.service".to_owned()];
        let none: Vec<String> = vec![];
        for to in [None, Some("org.freedesktop.systemd1")] {
            for (body, (serial, want)) in [
                (Body::Nothing, as_zbus_writes(to, &())),
                (Body::Text("one"), as_zbus_writes(to, &"one")),
                (Body::Property("org.x", "Y"), as_zbus_writes(to, &("org.x", "Y"))),
                (Body::Names(two()), as_zbus_writes(to, &two())),
                (Body::Names(vec![]), as_zbus_writes(to, &none)),
                (Body::Patterns(vec![], two()), as_zbus_writes(to, &(&none, two()))),
            ] {
                // Alignment counts from the message, wherever it begins.
                let mut out = b"odd".to_vec();
                write(&mut out, serial, to, &call(body));
                let (ours, theirs) = (fields(&out[3..]), fields(&want));
                assert_eq!(ours, theirs, "{to:?}");
            }
        }
    }

    /// A message as `zbus` reads it; the order of header fields is free.
    fn fields(bytes: &[u8]) -> (usize, Vec<(u8, String)>, Vec<u8>) {
        type Header<'a> = (u8, u8, u8, u8, u32, u32, Vec<(u8, Variant<'a>)>);
        let data = Data::new(bytes, Context::new(zbus::wire::NATIVE_ENDIAN, 0));
        let (header, length): (Header<'_>, usize) = data.deserialize().unwrap();
        let mut fields: Vec<_> = header.6.iter().map(|(code, value)| (*code, format!("{value:?}"))).collect();
        fields.sort();
        fields.push((0, format!("{:?}", (header.0, header.1, header.3, header.4, header.5))));
        (bytes.len(), fields, bytes[length.next_multiple_of(8)..].to_vec())
    }

    fn an_answer() -> Vec<u8> {
        let question = Message::method_call("/x", "X").build(&()).unwrap();
        let all = HashMap::from([("Result", Variant::from("success"))]);
        Message::method_return(&question.header()).build(&all).unwrap().data().to_vec()
    }

    #[test]
    fn an_answer_of_another_library_is_read_and_only_as_what_it_is() {
        let bytes = an_answer();
        let Came::Message(frame, length) = read(&bytes) else { panic!("no message") };
        assert_eq!(length, bytes.len());
        assert!(frame.answers.is_some() && frame.error.is_none());
        let all: HashMap<&str, Variant<'_>> = frame.answer.read().unwrap();
        assert_eq!(all["Result"], Variant::from("success"));
        assert!(frame.answer.read::<&str>().is_none() && frame.answer.read::<u32>().is_none());
    }

    #[test]
    fn an_error_has_its_name_and_a_signal_answers_nothing() {
        let question = Message::method_call("/x", "X").build(&()).unwrap();
        let error = Message::error(&question.header(), "org.x.Error").build(&"no").unwrap().data().to_vec();
        let Came::Message(frame, _) = read(&error) else { panic!("no message") };
        assert_eq!((frame.error, frame.answer.read::<&str>()), (Some("org.x.Error"), Some("no")));
        assert_eq!(frame.answers, Some(question.primary_header().serial_num().get()));
        let signal = Message::signal("/x", "org.x", "Changed").build(&5_u32).unwrap();
        let Came::Message(frame, _) = read(signal.data()) else { panic!("no message") };
        assert!(frame.answers.is_none() && frame.error.is_none());
    }

    #[test]
    fn a_message_in_pieces_is_waited_for() {
        let bytes = an_answer();
        for length in 0..bytes.len() {
            assert!(matches!(read(&bytes[..length]), Came::Part), "{length} bytes");
        }
    }

    #[test]
    fn no_byte_that_is_changed_brings_down_the_reader() {
        let whole = an_answer();
        for at in 0..whole.len() {
            for value in [0, 1, 7, 0x7f, 0x80, 0xff] {
                let mut bytes = whole.clone();
                bytes[at] = value;
                if let Came::Message(frame, length) = read(&bytes) {
                    assert!(length <= bytes.len());
                    let _ = frame.answer.read::<HashMap<&str, Variant<'_>>>();
                }
            }
        }
        assert!(matches!(read(b"HTTP/1.1 200 OK\r\n\r\n"), Came::Garbage));
    }
}
