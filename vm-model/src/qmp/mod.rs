//! QEMU's monitor: a conversation of JSON lines by which a guest is saved, restored and ended.
//!
//! The socket is one half of a pair, and the other half QEMU's standard input: there is no file
//! that somebody else could connect to, and none to be left behind. Every wait has an end, and
//! every line a longest length ([`message`]).
//!
//! There are crates for this; `docs/DECISIONS.md` says why none is used.
//!
//! Source: QEMU's `docs/interop/qmp-spec.rst`.

pub mod message;

use std::collections::VecDeque;
use std::io::{self, IoSlice, Read};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{ControlMessage, MsgFlags, sendmsg};
use serde_json::{Value, json};

use crate::error::{Error, Result};
use message::Lines;
pub use message::{Event, Message};

/// How many events may wait for somebody who asks for them. Those of a guest's whole life are
/// fewer than twenty.
const EVENTS: usize = 1024;

/// How long QEMU may take to make room for a command in its socket.
const ROOM: Duration = Duration::from_secs(10);

/// The name of the first command of every conversation.
const BEGIN: &str = "qmp_capabilities";

/// Our end of a monitor.
#[derive(Debug)]
pub struct Monitor {
    socket: UnixStream,
    lines: Lines,
    events: VecDeque<Event>,
    /// The number and the name of each command that was not answered yet.
    asked: VecDeque<(u64, &'static str)>,
    next: u64,
}

impl Monitor {
    /// A monitor, and the end that QEMU is to have, with the conversation begun: the first
    /// command waits in the socket. What is asked before QEMU even runs, it reads when it does.
    ///
    /// # Errors
    /// [`Error::Monitor`] if the kernel gives no sockets.
    pub fn pair() -> Result<(Self, OwnedFd)> {
        let (own, other) = UnixStream::pair().map_err(failed("make a socket for"))?;
        let mut monitor = Self::over(own)?;
        monitor.ask(BEGIN, &json!({}))?;
        Ok((monitor, other.into()))
    }

    fn over(socket: UnixStream) -> Result<Self> {
        let bounded = socket.set_write_timeout(Some(ROOM));
        bounded.map_err(failed("make a socket for"))?;
        Ok(Self {
            socket,
            lines: Lines::default(),
            events: VecDeque::new(),
            asked: VecDeque::new(),
            next: 1,
        })
    }

    /// Sends a command without waiting for what comes of it: an error of it is told by the next
    /// call that reads.
    ///
    /// # Errors
    /// [`Error::Monitor`] if QEMU is gone or does not read.
    pub fn ask(&mut self, command: &'static str, arguments: &Value) -> Result<()> {
        self.write(command, arguments, None)
    }

    /// Hands `fd` to QEMU, which knows it by `name` from then on.
    ///
    /// # Errors
    /// As [`ask`](Self::ask).
    pub fn hand_over(&mut self, name: &str, fd: BorrowedFd<'_>) -> Result<()> {
        self.write("getfd", &json!({ "fdname": name }), Some(fd))
    }

    /// Waits until every command that was sent is answered, and gives the last one's answer.
    ///
    /// # Errors
    /// [`Error::Monitor`] if one was refused, with QEMU's words; if nothing came until
    /// `deadline`; if QEMU is gone, or says what is no message.
    pub fn settle(&mut self, deadline: Instant) -> Result<Value> {
        let mut last = Value::Null;
        while !self.asked.is_empty() {
            match self.read(deadline)? {
                None => return Err(self.silent()),
                Some(Message::Done { id, value }) => {
                    self.answered(id)?;
                    last = value;
                }
                Some(other) => self.take_in(other)?,
            }
        }
        Ok(last)
    }

    /// Waits until one of `names` happens, and says which.
    ///
    /// # Errors
    /// As [`settle`](Self::settle).
    pub fn wait_event(&mut self, names: &[&str], deadline: Instant) -> Result<Event> {
        match self.event_until(names, deadline)? {
            Some(event) => Ok(event),
            None => Err(self.silent()),
        }
    }

    /// The same, and `None` if none of them happened until `deadline`: it can be waited for again.
    ///
    /// # Errors
    /// As [`settle`](Self::settle), but for the deadline.
    pub fn event_until(&mut self, names: &[&str], deadline: Instant) -> Result<Option<Event>> {
        loop {
            while let Some(event) = self.events.pop_front() {
                if names.contains(&event.name.as_str()) {
                    return Ok(Some(event));
                }
            }
            match self.read(deadline)? {
                None => return Ok(None),
                Some(Message::Done { id, .. }) => self.answered(id)?,
                Some(other) => self.take_in(other)?,
            }
        }
    }

    /// Tells QEMU to end, at once, and does not wait for it.
    pub fn quit(&mut self) {
        // Where it cannot be told, it is gone or will be killed.
        let _ = self.ask("quit", &json!({}));
    }

    /// QEMU did not say in time what was waited for.
    fn silent(&self) -> Error {
        let doing = self.asked.front().map_or("wait", |(_, command)| command);
        refused(doing, "it did not answer in time")
    }

    fn write(
        &mut self,
        command: &'static str,
        arguments: &Value,
        fd: Option<BorrowedFd<'_>>,
    ) -> Result<()> {
        let id = self.next;
        self.next += 1;
        let line = json!({ "execute": command, "arguments": arguments, "id": id });
        let line = format!("{line}\n");
        send_all(&self.socket, line.as_bytes(), fd).map_err(failed(command))?;
        self.asked.push_back((id, command));
        Ok(())
    }

    /// Notes that a command was carried out. QEMU carries them out in their order.
    fn answered(&mut self, id: Option<u64>) -> Result<()> {
        match self.asked.pop_front() {
            Some((asked, _)) if id == Some(asked) => Ok(()),
            Some((_, command)) => Err(refused(command, "it answered something else")),
            None => Err(refused("wait", "it answered what nobody asked")),
        }
    }

    /// Takes in whatever is no answer to a command.
    fn take_in(&mut self, message: Message) -> Result<()> {
        match message {
            Message::Refused { why, .. } => {
                let command = self.asked.front().map_or("wait", |(_, command)| command);
                Err(refused(command, why))
            }
            Message::Event(event) if self.events.len() < EVENTS => {
                self.events.push_back(event);
                Ok(())
            }
            Message::Event(_) => Err(refused("wait", "it reports one event after the other")),
            Message::Greeting { .. } | Message::Done { .. } => Ok(()),
        }
    }

    /// The next message; `None` if there is none until `deadline`.
    fn read(&mut self, deadline: Instant) -> Result<Option<Message>> {
        let doing = self.asked.front().map_or("wait", |(_, command)| command);
        loop {
            let next = self.lines.next_message();
            if let Some(message) = next.map_err(|why| refused(doing, why))? {
                return Ok(Some(message));
            }
            if !readable(&self.socket, deadline).map_err(failed(doing))? {
                return Ok(None);
            }
            let mut buffer = [0; 4096];
            match self.socket.read(&mut buffer) {
                Ok(0) => return Err(refused(doing, "it is gone")),
                Ok(count) => self.lines.push(&buffer[..count]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(failed(doing)(error)),
            }
        }
    }
}

impl AsFd for Monitor {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Sends all of `bytes`, and `fd` with the first of them.
fn send_all(socket: &UnixStream, mut bytes: &[u8], fd: Option<BorrowedFd<'_>>) -> io::Result<()> {
    let fds = fd.map(|fd| [fd.as_raw_fd()]);
    let mut rights: Vec<_> = fds
        .iter()
        .map(|fds| ControlMessage::ScmRights(fds))
        .collect();
    while !bytes.is_empty() {
        let parts = [IoSlice::new(bytes)];
        // A QEMU that is gone is an error, not the end of this process.
        let flags = MsgFlags::MSG_NOSIGNAL;
        match sendmsg::<()>(socket.as_raw_fd(), &parts, &rights, flags, None) {
            Ok(sent) => {
                bytes = bytes.get(sent..).unwrap_or_default();
                rights.clear();
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Whether something can be read before `deadline`.
fn readable(socket: &UnixStream, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeout = PollTimeout::try_from(left + Duration::from_micros(999));
        let mut fds = [PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
        match poll(&mut fds, timeout.unwrap_or(PollTimeout::MAX)) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => return Err(errno.into()),
        }
    }
}

/// QEMU did not do what it was asked.
fn refused(command: &str, why: impl Into<String>) -> Error {
    Error::Monitor {
        command: command.to_owned(),
        reason: why.into(),
    }
}

fn failed(command: &str) -> impl FnOnce(io::Error) -> Error {
    move |error| refused(command, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::thread;

    use super::*;

    /// A monitor whose other end is `qemu`, a function in a thread.
    fn monitor(qemu: impl FnOnce(UnixStream) + Send + 'static) -> Monitor {
        let (monitor, other) = Monitor::pair().unwrap();
        thread::spawn(|| qemu(UnixStream::from(other)));
        monitor
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    /// Fails unless waiting for the begun conversation ends in an error that says `part`.
    fn check(said: &'static [u8], part: &str) {
        let mut monitor = monitor(|mut socket| {
            let _ = socket.write_all(said);
            // Read what is left to read, or the kernel would drop what was said.
            let _ = io::copy(&mut socket, &mut io::sink());
        });
        let _ = monitor.socket.shutdown(std::net::Shutdown::Write);
        let error = monitor.settle(soon()).unwrap_err();
        assert!(error.to_string().contains(part), "{error}");
    }

    #[test]
    fn commands_are_answered_in_turn_and_events_wait_for_who_asks() {
        let mut monitor = monitor(|socket| {
            let mut output = socket.try_clone().unwrap();
            output.write_all(b"{\"event\": \"EARLY\"}\r\n").unwrap();
            for (index, line) in BufReader::new(socket).lines().enumerate() {
                let asked: Value = serde_json::from_str(&line.unwrap()).unwrap();
                let answer = json!({ "return": { "index": index }, "id": asked["id"] });
                writeln!(output, "{answer}\r").unwrap();
                writeln!(output, "{{\"event\": \"EVENT_{index}\"}}\r").unwrap();
            }
        });
        monitor.ask("stop", &json!({})).unwrap();
        let last = monitor.settle(soon()).unwrap();
        assert_eq!(last, json!({ "index": 1 }));
        let seen = monitor.wait_event(&["EVENT_1", "EVENT_0"], soon()).unwrap();
        assert_eq!(seen.name, "EVENT_0");
        assert_eq!(
            monitor.wait_event(&["EVENT_1"], soon()).unwrap().name,
            "EVENT_1"
        );
    }

    #[test]
    fn what_qemu_refuses_is_told_in_its_words() {
        check(
            b"{\"id\": 1, \"error\": {\"class\": \"GenericError\", \"desc\": \"not today\"}}\r\n",
            "not today",
        );
    }

    #[test]
    fn a_qemu_that_is_gone_babbles_or_answers_another_is_an_error() {
        check(b"", "it is gone");
        check(b"Segmentation fault\n", "no JSON");
        check(b"{\"return\": {}, \"id\": 7}\n", "something else");
    }

    #[test]
    fn a_silent_qemu_is_waited_for_until_the_deadline() {
        let (mut monitor, _silent) = Monitor::pair().unwrap();
        let begun = Instant::now();
        let error = monitor
            .settle(begun + Duration::from_millis(50))
            .unwrap_err();
        assert!(error.to_string().contains("in time"), "{error}");
        assert!(begun.elapsed() >= Duration::from_millis(50));
    }

    #[test]
    fn a_flood_of_events_is_refused() {
        let mut monitor = monitor(
            |mut socket| {
                while socket.write_all(b"{\"event\": \"AGAIN\"}\r\n").is_ok() {}
            },
        );
        let error = monitor.settle(soon()).unwrap_err();
        assert!(error.to_string().contains("one event after"), "{error}");
    }

    #[test]
    fn a_descriptor_travels_with_its_command() {
        use nix::sys::socket::{ControlMessageOwned, recvmsg};
        let (mut monitor, other) = Monitor::pair().unwrap();
        let mut begun = vec![0; 256];
        let length = nix::unistd::read(&other, &mut begun).unwrap();
        assert!(begun[..length].ends_with(b"\n"));

        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let file = std::fs::File::create(&path).unwrap();
        monitor.hand_over("state", file.as_fd()).unwrap();

        let mut space = nix::cmsg_space!([i32; 2]);
        let mut parts = [io::IoSliceMut::new(&mut begun)];
        let flags = MsgFlags::empty();
        let got = recvmsg::<()>(other.as_raw_fd(), &mut parts, Some(&mut space), flags).unwrap();
        let Some(ControlMessageOwned::ScmRights(fds)) = got.cmsgs().unwrap().next() else {
            panic!("no descriptor came");
        };
        let link = format!("/proc/self/fd/{}", fds[0]);
        assert_eq!(std::fs::read_link(link).unwrap(), path);
        nix::unistd::close(fds[0]).unwrap();
    }
}
