//! One line of the monitor, read: what it may be, and nothing taken on trust.
//!
//! QEMU is our own child and still no authority: another QEMU, an older one or one that a guest
//! took over writes to the same socket. So a line is at most [`LINE`] bytes long, is JSON or
//! refused, and whatever is not one of the four kinds of message is refused, too; an event that
//! nobody here knows is an event all the same.
//!
//! Source: QEMU's `docs/interop/qmp-spec.rst`.

use serde_json::{Map, Value};

/// The longest line that is read, in bytes. The longest answers that we ask for have a few
/// hundred; the limit is for what never ends.
pub const LINE: usize = 1 << 20;

/// What QEMU says on its monitor.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// The first words of every conversation.
    Greeting {
        /// The version of this QEMU, such as `7.2.22`.
        version: String,
    },
    /// A command was carried out.
    Done {
        /// The number that the command had.
        id: Option<u64>,
        /// What it answered; often an empty object.
        value: Value,
    },
    /// A command was not carried out.
    Refused {
        /// The number that the command had; none where it could not even be read.
        id: Option<u64>,
        /// Why, in QEMU's words.
        why: String,
    },
    /// Something happened.
    Event(Event),
}

/// Something that happened to the guest or to QEMU.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Its name, in capital letters, such as `RESUME`.
    pub name: String,
    /// What is told about it; null where nothing is.
    pub data: Value,
}

impl Message {
    /// Reads a line, with or without its end.
    ///
    /// # Errors
    /// What is wrong with it, in a few words.
    pub fn parse(line: &[u8]) -> Result<Self, String> {
        if line.len() > LINE {
            return Err(format!("a line of more than {LINE} bytes"));
        }
        let object: Map<String, Value> =
            serde_json::from_slice(line).map_err(|error| format!("no JSON object: {error}"))?;
        let mut object = object;
        let id = object.get("id").and_then(Value::as_u64);
        if let Some(value) = object.remove("return") {
            return Ok(Self::Done { id, value });
        }
        if let Some(error) = object.get("error") {
            let why = error.get("desc").and_then(Value::as_str);
            let why = why.ok_or("an error without a description")?.to_owned();
            return Ok(Self::Refused { id, why });
        }
        if let Some(name) = object.get("event").and_then(Value::as_str) {
            let name = name.to_owned();
            let data = object.remove("data").unwrap_or_default();
            return Ok(Self::Event(Event { name, data }));
        }
        let greeting = object.get("QMP").ok_or("no message that we know")?;
        let version = version(greeting).ok_or("a greeting without a version")?;
        Ok(Self::Greeting { version })
    }
}

/// The version in a greeting.
fn version(greeting: &Value) -> Option<String> {
    let numbers = greeting.get("version")?.get("qemu")?;
    let number = |name| numbers.get(name).and_then(Value::as_u64);
    let (major, minor, micro) = (number("major")?, number("minor")?, number("micro")?);
    Some(format!("{major}.{minor}.{micro}"))
}

/// Bytes as they come, cut into lines.
#[derive(Debug, Default)]
pub struct Lines {
    /// What has come and was not handed out.
    bytes: Vec<u8>,
    /// How many of them are known to hold no line's end.
    searched: usize,
}

impl Lines {
    /// Takes in what has come.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// The next message; `None` until its line is whole. Empty lines are passed over.
    ///
    /// # Errors
    /// As [`Message::parse`]; also as soon as a line is longer than [`LINE`], whole or not.
    pub fn next_message(&mut self) -> Result<Option<Message>, String> {
        loop {
            let unsearched = self.bytes.get(self.searched..).unwrap_or_default();
            let Some(end) = unsearched.iter().position(|&byte| byte == b'\n') else {
                self.searched = self.bytes.len();
                if self.searched > LINE {
                    return Err(format!("a line of more than {LINE} bytes"));
                }
                return Ok(None);
            };
            let line: Vec<u8> = self.bytes.drain(..=self.searched + end).collect();
            self.searched = 0;
            if !line.iter().all(u8::is_ascii_whitespace) {
                return Message::parse(&line).map(Some);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Lines as they come from a QEMU 7.2, and what each is.
    fn conversation() -> Vec<(&'static str, Message)> {
        let done = |id, value| Message::Done { id, value };
        vec![
            (
                r#"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "Debian"}, "capabilities": ["oob"]}}"#,
                Message::Greeting {
                    version: "7.2.22".to_owned(),
                },
            ),
            (r#"{"return": {}, "id": 1}"#, done(Some(1), json!({}))),
            (
                r#"{"return": {"status": "paused", "running": false}}"#,
                done(None, json!({"status": "paused", "running": false})),
            ),
            (
                r#"{"id": 3, "error": {"class": "GenericError", "desc": "No file descriptor supplied via SCM_RIGHTS"}}"#,
                Message::Refused {
                    id: Some(3),
                    why: "No file descriptor supplied via SCM_RIGHTS".to_owned(),
                },
            ),
            (
                r#"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "RESUME"}"#,
                Message::Event(Event {
                    name: "RESUME".to_owned(),
                    data: Value::Null,
                }),
            ),
            (
                r#"{"event": "SOMETHING_FROM_LATER", "data": {"new": [1]}}"#,
                Message::Event(Event {
                    name: "SOMETHING_FROM_LATER".to_owned(),
                    data: json!({"new": [1]}),
                }),
            ),
        ]
    }

    #[test]
    fn each_kind_of_message_is_known() {
        for (line, expected) in conversation() {
            assert_eq!(Message::parse(line.as_bytes()).unwrap(), expected, "{line}");
        }
    }

    #[test]
    fn what_is_no_message_is_refused() {
        let lines: [&[u8]; 8] = [
            b"",
            b"qemu-system-x86_64: could not open disk",
            b"[]",
            b"{}",
            b"{\"error\": \"words\"}",
            b"{\"QMP\": {\"version\": {\"qemu\": {\"major\": -1}}}}",
            b"{\"event\": 3}",
            b"\xff\xfe",
        ];
        for line in lines {
            assert!(Message::parse(line).is_err(), "{line:?}");
        }
        let deep = [b"{\"return\": ".to_vec(), vec![b'['; 100_000]].concat();
        assert!(Message::parse(&deep).is_err());
    }

    #[test]
    fn a_line_that_never_ends_is_refused_before_it_fills_the_memory() {
        let mut lines = Lines::default();
        lines.push(&vec![b' '; LINE]);
        assert_eq!(lines.next_message(), Ok(None));
        lines.push(b"  ");
        assert!(lines.next_message().is_err());
    }

    proptest! {
        /// However the kernel cuts the bytes, the messages are the same.
        #[test]
        fn messages_do_not_depend_on_how_bytes_arrive(cuts in proptest::collection::vec(1usize..40, 1..80)) {
            let expected: Vec<Message> = conversation().into_iter().map(|(_, m)| m).collect();
            let text: String = conversation().iter().map(|(line, _)| format!("{line}\r\n")).collect();
            let (mut rest, mut lines, mut seen) = (text.as_bytes(), Lines::default(), Vec::new());
            for cut in cuts.iter().cycle() {
                if rest.is_empty() {
                    break;
                }
                let (piece, later) = rest.split_at((*cut).min(rest.len()));
                lines.push(piece);
                rest = later;
                while let Some(message) = lines.next_message().unwrap() {
                    seen.push(message);
                }
            }
            prop_assert_eq!(seen, expected);
        }

        /// No bytes make it panic, and it always comes to an end.
        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            let mut lines = Lines::default();
            lines.push(&bytes);
            while let Ok(Some(_)) = lines.next_message() {}
        }
    }
}
