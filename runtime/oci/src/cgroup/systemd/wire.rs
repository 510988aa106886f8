//! Messages of D-Bus as bytes: the few types that systemd's calls need.
//!
//! Source: the D-Bus specification, "Marshaling (Wire Format)" and "Message Format".

use std::borrow::Cow;
use std::io;

/// A value that is written with its type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cgroup) enum Value {
    Bool(bool),
    Int32(i32),
    Int64(i64),
    U32(u32),
    U64(u64),
    Text(String),
    Texts(Vec<String>),
    Bytes(Vec<u8>),
    U32s(Vec<u32>),
    Pairs(Vec<(String, String)>),
}

impl Value {
    fn signature(&self) -> &'static str {
        match self {
            Self::Bool(_) => "b",
            Self::Int32(_) => "i",
            Self::Int64(_) => "x",
            Self::U32(_) => "u",
            Self::U64(_) => "t",
            Self::Text(_) => "s",
            Self::Texts(_) => "as",
            Self::Bytes(_) => "ay",
            Self::U32s(_) => "au",
            Self::Pairs(_) => "a(ss)",
        }
    }
}

/// A property of a unit.
pub(in crate::cgroup) type Property = (Cow<'static, str>, Value);

/// What kind of message: the numbers are the specification's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Call = 1,
    Return = 2,
    Error = 3,
    Signal = 4,
}

/// The most that its header or its body may have; what systemd says has less
/// than a thousandth of it.
const MOST_BYTES: usize = 1 << 20;

/// A message, in either direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    pub(super) kind: Kind,
    pub(super) serial: u32,
    /// The serial of the call that it answers; 0 where it answers none.
    pub(super) answers: u32,
    /// Object path, interface, member, error name, destination, sender.
    pub(super) names: [String; 6],
    pub(super) signature: String,
    pub(super) body: Vec<u8>,
}

/// The field numbers of [`Message::names`], with their types.
const NAMES: [(u8, &str); 6] = [(1, "o"), (2, "s"), (3, "s"), (4, "s"), (6, "s"), (7, "s")];
const ANSWERS: u8 = 5;
const SIGNATURE: u8 = 8;

impl Message {
    /// A call of `interface.member` of the object `path` that `destination` has.
    pub(super) fn call(destination: &str, path: &str, interface: &str, member: &str) -> Self {
        let names = [path, interface, member, "", destination, ""];
        Self {
            kind: Kind::Call,
            serial: 0,
            answers: 0,
            names: names.map(str::to_owned),
            signature: String::new(),
            body: Vec::new(),
        }
    }

    pub(super) fn with(mut self, signature: &str, body: Body) -> Self {
        signature.clone_into(&mut self.signature);
        self.body = body.0;
        self
    }

    pub(super) fn path(&self) -> &str {
        &self.names[0]
    }

    pub(super) fn member(&self) -> &str {
        &self.names[2]
    }

    pub(super) fn error_name(&self) -> &str {
        &self.names[3]
    }

    /// The bytes to send.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        let mut all = Body::default();
        all.0.extend([b'l', self.kind as u8, 0, 1]);
        all.u32(self.body.len() as u32);
        all.u32(self.serial);
        all.array(8, |fields| {
            for ((code, signature), name) in NAMES.iter().zip(&self.names) {
                if !name.is_empty() {
                    fields.align(8);
                    fields.0.push(*code);
                    fields.signature(signature);
                    fields.text(name);
                }
            }
            if self.answers != 0 {
                fields.align(8);
                fields.0.push(ANSWERS);
                fields.signature("u");
                fields.u32(self.answers);
            }
            if !self.signature.is_empty() {
                fields.align(8);
                fields.0.push(SIGNATURE);
                fields.signature("g");
                fields.signature(&self.signature);
            }
        });
        all.align(8);
        all.0.extend(&self.body);
        all.0
    }

    /// The length of the message whose first 16 bytes are `start`.
    pub(super) fn length(start: &[u8; 16]) -> io::Result<usize> {
        let mut reader = Reader::new(start);
        if start[0] != b'l' || start[3] != 1 {
            return Err(malformed("it is not little-endian of version 1"));
        }
        reader.at = 4;
        let body = reader.u32()? as usize;
        reader.at = 12;
        let fields = reader.u32()? as usize;
        if fields.max(body) > MOST_BYTES {
            return Err(malformed("it is longer than a megabyte"));
        }
        Ok(16 + fields.next_multiple_of(8) + body)
    }

    /// Reads a whole message.
    pub(super) fn parse(bytes: &[u8]) -> io::Result<Self> {
        let mut reader = Reader::new(bytes);
        let kind = match bytes.get(1) {
            Some(1) => Kind::Call,
            Some(2) => Kind::Return,
            Some(3) => Kind::Error,
            Some(4) => Kind::Signal,
            _ => return Err(malformed("it has an unknown type")),
        };
        reader.at = 4;
        let body = reader.u32()? as usize;
        let mut message = Self {
            kind,
            serial: reader.u32()?,
            answers: 0,
            names: Default::default(),
            signature: String::new(),
            body: Vec::new(),
        };
        let end = reader.u32()? as usize + 16;
        while reader.at < end {
            reader.align(8);
            let code = reader.u8()?;
            let signature = reader.signature()?;
            match (code, signature.as_str()) {
                (ANSWERS, "u") => message.answers = reader.u32()?,
                (SIGNATURE, "g") => message.signature = reader.signature()?,
                (code, "s" | "o") => {
                    let text = reader.text()?;
                    if let Some(index) = NAMES.iter().position(|(number, _)| *number == code) {
                        message.names[index] = text;
                    }
                }
                (_, "u") => drop(reader.u32()?), // how many descriptors came with it
                _ => return Err(malformed("a field of its header has an unknown type")),
            }
        }
        reader.align(8);
        let rest = bytes.get(reader.at..).unwrap_or_default();
        rest.get(..body)
            .ok_or_else(|| malformed("its body is short"))?
            .clone_into(&mut message.body);
        Ok(message)
    }
}

/// Values one after the other, each at a multiple of its size.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Body(pub(super) Vec<u8>);

impl Body {
    pub(super) fn align(&mut self, to: usize) {
        let length = self.0.len().next_multiple_of(to);
        self.0.resize(length, 0);
    }

    pub(super) fn u32(&mut self, number: u32) {
        self.align(4);
        self.0.extend(number.to_le_bytes());
    }

    fn u64(&mut self, number: u64) {
        self.align(8);
        self.0.extend(number.to_le_bytes());
    }

    /// A string or an object path.
    pub(super) fn text(&mut self, text: &str) {
        self.u32(text.len() as u32);
        self.0.extend(text.as_bytes());
        self.0.push(0);
    }

    fn signature(&mut self, signature: &str) {
        self.0.push(signature.len() as u8);
        self.0.extend(signature.as_bytes());
        self.0.push(0);
    }

    /// An array whose elements lie at multiples of `element`: its length does
    /// not count what lies before the first one.
    pub(super) fn array(&mut self, element: usize, write: impl FnOnce(&mut Self)) {
        self.u32(0);
        let length_at = self.0.len() - 4;
        self.align(element);
        let start = self.0.len();
        write(self);
        let length = (self.0.len() - start) as u32;
        self.0[length_at..length_at + 4].copy_from_slice(&length.to_le_bytes());
    }

    /// `a(sv)`.
    pub(super) fn properties(&mut self, properties: &[Property]) {
        self.array(8, |all| {
            for (name, value) in properties {
                all.align(8);
                all.text(name);
                all.variant(value);
            }
        });
    }

    fn variant(&mut self, value: &Value) {
        self.signature(value.signature());
        match value {
            Value::Bool(truth) => self.u32(u32::from(*truth)),
            Value::Int32(number) => self.u32(number.cast_unsigned()),
            Value::Int64(number) => self.u64(number.cast_unsigned()),
            Value::U32(number) => self.u32(*number),
            Value::U64(number) => self.u64(*number),
            Value::Text(text) => self.text(text),
            Value::Texts(texts) => self.array(4, |all| texts.iter().for_each(|t| all.text(t))),
            Value::Bytes(bytes) => self.array(1, |all| all.0.extend(bytes)),
            Value::U32s(numbers) => self.array(4, |all| numbers.iter().for_each(|n| all.u32(*n))),
            Value::Pairs(pairs) => self.array(8, |all| {
                for (first, second) in pairs {
                    all.align(8);
                    all.text(first);
                    all.text(second);
                }
            }),
        }
    }
}

/// Reads what [`Body`] writes; never beyond the end.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    fn align(&mut self, to: usize) {
        self.at = self.at.next_multiple_of(to);
    }

    fn take(&mut self, count: usize) -> io::Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        let taken = end.and_then(|end| self.bytes.get(self.at..end));
        let taken = taken.ok_or_else(|| malformed("it is short"))?;
        self.at += count;
        Ok(taken)
    }

    fn u8(&mut self) -> io::Result<u8> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u32(&mut self) -> io::Result<u32> {
        self.align(4);
        let mut bytes = [0; 4];
        bytes.copy_from_slice(self.take(4)?);
        Ok(u32::from_le_bytes(bytes))
    }

    pub(super) fn text(&mut self) -> io::Result<String> {
        let length = self.u32()? as usize;
        self.terminated(length)
    }

    /// A text with its type before it.
    pub(super) fn variant_text(&mut self) -> io::Result<String> {
        match self.signature()?.as_str() {
            "s" | "o" => self.text(),
            _ => Err(malformed("a value is no text")),
        }
    }

    fn signature(&mut self) -> io::Result<String> {
        let length = self.u8()?;
        self.terminated(length.into())
    }

    fn terminated(&mut self, length: usize) -> io::Result<String> {
        let text = self.take(length)?.to_vec();
        self.take(1)?;
        String::from_utf8(text).map_err(|_| malformed("a text is no UTF-8"))
    }
}

fn malformed(why: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        format!("a message of D-Bus cannot be read: {why}"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn any_value() -> impl Strategy<Value = Value> {
        let texts = proptest::collection::vec(".{0,9}", 0..4);
        let pairs = proptest::collection::vec((".{0,9}", ".{0,9}"), 0..4);
        prop_oneof![
            any::<bool>().prop_map(Value::Bool),
            any::<i32>().prop_map(Value::Int32),
            any::<i64>().prop_map(Value::Int64),
            any::<u32>().prop_map(Value::U32),
            any::<u64>().prop_map(Value::U64),
            ".{0,20}".prop_map(Value::Text),
            texts.prop_map(Value::Texts),
            any::<Vec<u8>>().prop_map(Value::Bytes),
            any::<Vec<u32>>().prop_map(Value::U32s),
            pairs.prop_map(Value::Pairs),
        ]
    }

    fn any_message() -> impl Strategy<Value = Message> {
        let properties = proptest::collection::vec(("[A-Z][A-Za-z]{0,9}", any_value()), 0..6);
        let names = proptest::array::uniform6("[a-zA-Z./0-9]{0,30}");
        let kind = prop_oneof![
            Just(Kind::Call),
            Just(Kind::Return),
            Just(Kind::Error),
            Just(Kind::Signal)
        ];
        (kind, any::<u32>(), any::<u32>(), names, properties).prop_map(
            |(kind, serial, answers, names, properties)| {
                let properties: Vec<Property> = properties
                    .into_iter()
                    .map(|(name, value)| (name.into(), value))
                    .collect();
                let mut body = Body::default();
                body.text("a.scope");
                body.properties(&properties);
                Message {
                    kind,
                    serial,
                    answers,
                    names,
                    signature: "sa(sv)".to_owned(),
                    body: body.0,
                }
            },
        )
    }

    fn start(bytes: &[u8]) -> [u8; 16] {
        bytes[..16].try_into().unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back(message in any_message()) {
            let bytes = message.to_bytes();
            prop_assert_eq!(Message::length(&start(&bytes)).unwrap(), bytes.len());
            prop_assert_eq!(Message::parse(&bytes).unwrap(), message);
        }

        #[test]
        fn a_message_cut_short_is_an_error(message in any_message(), cut in 0.0..1.0) {
            let bytes = message.to_bytes();
            #[expect(clippy::cast_sign_loss, reason = "a part of a length")]
            let end = (bytes.len() as f64 * cut) as usize;
            prop_assert!(Message::parse(&bytes[..end]).is_err());
        }

        #[test]
        fn a_damaged_message_is_an_error_or_another_message(
            message in any_message(),
            damage in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..9),
        ) {
            let mut bytes = message.to_bytes();
            for (at, byte) in damage {
                let at = at % bytes.len();
                bytes[at] = byte;
            }
            let _ = Message::length(&start(&bytes));
            if let Ok(message) = Message::parse(&bytes) {
                prop_assert_eq!(&Message::parse(&message.to_bytes()).unwrap(), &message);
                let mut reader = Reader::new(&message.body);
                while reader.text().is_ok() {}
                let _ = Reader::new(&message.body).variant_text();
            }
        }

        #[test]
        fn whatever_comes_no_more_than_its_most_is_allocated(bytes in any::<[u8; 16]>()) {
            let length = Message::length(&bytes);
            prop_assert!(length.is_err() || length.unwrap() <= 16 + 2 * MOST_BYTES);
        }
    }

    #[test]
    fn a_call_has_the_bytes_of_the_specification() {
        let mut call = Message::call("d", "/o", "i", "M");
        call.serial = 1;
        let expected = [
            b"l\x01\0\x01\0\0\0\0\x01\0\0\0\x3a\0\0\0".as_slice(),
            b"\x01\x01o\0\x02\0\0\0/o\0\0\0\0\0\0",
            b"\x02\x01s\0\x01\0\0\0i\0\0\0\0\0\0\0",
            b"\x03\x01s\0\x01\0\0\0M\0\0\0\0\0\0\0",
            b"\x06\x01s\0\x01\0\0\0d\0\0\0\0\0\0\0",
        ];
        assert_eq!(call.to_bytes(), expected.concat());
    }
}
