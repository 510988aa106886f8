//! A connection to the bus on which systemd listens: greeted, called, heard.
//!
//! Only what starting and stopping a unit needs, over a Unix socket; a client
//! for all of D-Bus would be the larger part of this runtime.

use std::ffi::OsStr;
use std::io::{self, Read as _, Write as _};
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixStream};
use std::time::{Duration, Instant};

use super::wire::{Body, Kind, Message, Reader};

const SYSTEMD: &str = "org.freedesktop.systemd1";
const MANAGER: &str = "/org/freedesktop/systemd1";
const BUS: &str = "org.freedesktop.DBus";

/// As long as runc waits for a unit to be started.
const PATIENCE: Duration = Duration::from_secs(30);

/// As many ends of jobs may come between a call and its answer.
const MOST_HEARD: usize = 1024;

/// Whose systemd: the machine's, or the user's own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Instance {
    System,
    User,
}

#[derive(Debug)]
pub(super) struct Bus {
    stream: UnixStream,
    serial: u32,
    /// Ends of jobs that were told while an answer was waited for.
    heard: Vec<Message>,
    /// Whether others talk on it too.
    is_shared: bool,
}

impl Instance {
    /// Connects to its bus, or, where there is none, to its own socket.
    pub(super) fn connect(self) -> io::Result<Bus> {
        let (bus, own) = self.addresses(&|name| std::env::var(name).ok());
        // Why the bus did not answer is the reason to tell.
        Bus::connect(&bus).or_else(|error| Bus::connect_directly(&own).map_err(|_| error))
    }

    /// The address of its bus, and of the socket that it listens on itself.
    fn addresses(self, variable: &dyn Fn(&str) -> Option<String>) -> (String, String) {
        let variable = |name: &str| variable(name).filter(|text| !text.is_empty());
        let (named, directory, bus) = match self {
            Self::System => {
                let run = Some("/run".to_owned());
                ("DBUS_SYSTEM_BUS_ADDRESS", run, "dbus/system_bus_socket")
            }
            Self::User => (
                "DBUS_SESSION_BUS_ADDRESS",
                variable("XDG_RUNTIME_DIR"),
                "bus",
            ),
        };
        // A user without a session has no such directory.
        let directory = directory.unwrap_or_else(|| "/nonexistent".to_owned());
        let bus = variable(named).unwrap_or_else(|| format!("unix:path={directory}/{bus}"));
        (bus, format!("unix:path={directory}/systemd/private"))
    }
}

impl Bus {
    /// Connects to the first place of `address` that answers, and greets the bus.
    pub(super) fn connect(address: &str) -> io::Result<Self> {
        let mut last = io::Error::new(
            io::ErrorKind::InvalidInput,
            format!("`{address}` has no Unix socket"),
        );
        for place in address.split(';') {
            match open(place) {
                Some(Ok(stream)) => return Self::greet(stream)?.introduced(),
                Some(Err(error)) => {
                    last = io::Error::new(error.kind(), format!("{error}: {place}"));
                }
                None => {}
            }
        }
        Err(last)
    }

    /// Connects to systemd itself, with no bus between.
    fn connect_directly(address: &str) -> io::Result<Self> {
        match open(address) {
            Some(stream) => Self::greet(stream?),
            None => Err(io::ErrorKind::InvalidInput.into()),
        }
    }

    fn greet(stream: UnixStream) -> io::Result<Self> {
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        let mut bus = Self {
            stream,
            serial: 0,
            heard: Vec::new(),
            is_shared: false,
        };
        // No user id is named: inside a user namespace it would be the wrong
        // one. The kernel tells the bus who is at the other end.
        bus.stream.write_all(b"\0AUTH EXTERNAL\r\n")?;
        let mut answer = bus.line()?;
        if answer.starts_with("DATA") {
            bus.stream.write_all(b"DATA\r\n")?;
            answer = bus.line()?;
        }
        if !answer.starts_with("OK") {
            return Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                format!("the bus does not let this user in: {}", answer.trim()),
            ));
        }
        bus.stream.write_all(b"BEGIN\r\n")?;
        Ok(bus)
    }

    /// A bus gives a name to everyone who talks on it, before anything else.
    fn introduced(mut self) -> io::Result<Self> {
        self.is_shared = true;
        self.call(Message::call(BUS, "/org/freedesktop/DBus", BUS, "Hello"))?;
        Ok(self)
    }

    /// Reads a line of the greeting, byte by byte: what follows is binary.
    fn line(&mut self) -> io::Result<String> {
        let mut line = Vec::new();
        while !line.ends_with(b"\n") && line.len() < 512 {
            let mut byte = [0];
            self.stream.read_exact(&mut byte)?;
            line.push(byte[0]);
        }
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Sends a call and waits for its answer.
    pub(super) fn call(&mut self, mut message: Message) -> io::Result<Message> {
        self.serial += 1;
        message.serial = self.serial;
        self.stream.write_all(&message.to_bytes())?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let answer = self.receive(deadline)?;
            match answer.kind {
                Kind::Return if answer.answers == message.serial => return Ok(answer),
                Kind::Error if answer.answers == message.serial => {
                    let text = Reader::new(&answer.body).text().unwrap_or_default();
                    let name = answer.error_name();
                    let kind = if name.ends_with(".NoSuchUnit") {
                        io::ErrorKind::NotFound
                    } else {
                        io::ErrorKind::Other
                    };
                    return Err(io::Error::new(kind, format!("{text} ({name})")));
                }
                _ if is_end_of_job(&answer) && self.heard.len() < MOST_HEARD => {
                    self.heard.push(answer);
                }
                _ => {}
            }
        }
    }

    fn receive(&mut self, deadline: Instant) -> io::Result<Message> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::new(
                io::ErrorKind::TimedOut,
                "systemd does not answer",
            ));
        }
        self.stream.set_read_timeout(Some(left))?;
        let late = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock => {
                io::Error::new(io::ErrorKind::TimedOut, "systemd does not answer")
            }
            _ => error,
        };
        let mut start = [0; 16];
        self.stream.read_exact(&mut start).map_err(late)?;
        let mut bytes = vec![0; Message::length(&start)?];
        bytes[..16].copy_from_slice(&start);
        self.stream.read_exact(&mut bytes[16..]).map_err(late)?;
        Message::parse(&bytes)
    }

    /// Asks to be told of jobs that end: before the first one is started.
    pub(super) fn listen(&mut self) -> io::Result<()> {
        if self.is_shared {
            let mut body = Body::default();
            body.text(&format!(
                "type='signal',interface='{SYSTEMD}.Manager',member='JobRemoved',path='{MANAGER}'"
            ));
            let call = Message::call(BUS, "/org/freedesktop/DBus", BUS, "AddMatch");
            self.call(call.with("s", body))?;
        }
        self.manager("Subscribe", "", Body::default()).map(drop)
    }

    /// Calls a method of systemd itself.
    pub(super) fn manager(
        &mut self,
        member: &str,
        signature: &str,
        body: Body,
    ) -> io::Result<Message> {
        let interface = format!("{SYSTEMD}.Manager");
        self.call(Message::call(SYSTEMD, MANAGER, &interface, member).with(signature, body))
    }

    /// Asks for a property of systemd that is a text: `body` has its interface and name.
    pub(super) fn property(&mut self, body: Body) -> io::Result<String> {
        let interface = "org.freedesktop.DBus.Properties";
        let call = Message::call(SYSTEMD, MANAGER, interface, "Get").with("ss", body);
        Reader::new(&self.call(call)?.body).variant_text()
    }

    /// Calls a method that starts a job, and waits for the job's end.
    pub(super) fn job(&mut self, member: &str, signature: &str, body: Body) -> io::Result<()> {
        let answer = self.manager(member, signature, body)?;
        let job = Reader::new(&answer.body).text()?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let signal = match self.heard.pop() {
                Some(signal) => signal,
                None => self.receive(deadline)?,
            };
            if !is_end_of_job(&signal) {
                continue;
            }
            // Its number, its path, the unit, how it went.
            let mut reader = Reader::new(&signal.body);
            let (_, path) = (reader.u32()?, reader.text()?);
            let (unit, result) = (reader.text()?, reader.text()?);
            if path != job {
                continue;
            }
            return match result.as_str() {
                "done" => Ok(()),
                _ => Err(io::Error::other(format!(
                    "the job of {unit} ended with `{result}`"
                ))),
            };
        }
    }
}

/// Whether it is the signal that a job ended, and of a sound size.
fn is_end_of_job(message: &Message) -> bool {
    message.kind == Kind::Signal
        && message.member() == "JobRemoved"
        && message.path() == MANAGER
        && message.body.len() < 4096
}

/// `unix:path=…` or `unix:abstract=…`; `None` for another kind of place.
fn open(place: &str) -> Option<io::Result<UnixStream>> {
    let keys = place.trim().strip_prefix("unix:")?;
    keys.split(',')
        .find_map(|pair| match pair.split_once('=')? {
            ("path", path) => Some(UnixStream::connect(OsStr::from_bytes(&unescape(path)))),
            ("abstract", name) => {
                let address = SocketAddr::from_abstract_name(unescape(name));
                Some(address.and_then(|address| UnixStream::connect_addr(&address)))
            }
            _ => None,
        })
}

/// `%20` is a space: what an address cannot hold as it is.
fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('%') {
        bytes.extend(before.as_bytes());
        let code = after
            .get(..2)
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.push(code.unwrap_or(b'%'));
        rest = code.map_or(after, |_| &after[2..]);
    }
    bytes.extend(rest.as_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::net::UnixListener;

    /// What a bus with a systemd would answer to a call, or what it sends before
    /// and after.
    type Script = fn(&Message) -> Vec<Message>;

    fn answer(call: &Message, kind: Kind, signature: &str, texts: &[&str]) -> Message {
        let mut body = Body::default();
        texts.iter().for_each(|text| body.text(text));
        let mut message = Message::call("", "", "", "").with(signature, body);
        message.kind = kind;
        message.answers = call.serial;
        message.serial = call.serial + 100;
        message
    }

    fn end_of(job: &str, result: &str) -> Message {
        let mut body = Body::default();
        body.u32(7);
        [job, "a.scope", result]
            .iter()
            .for_each(|text| body.text(text));
        let mut signal = Message::call("", MANAGER, "", "JobRemoved").with("uoss", body);
        signal.kind = Kind::Signal;
        signal.serial = 9;
        signal
    }

    /// A bus that greets, and answers what `script` says; and where it listens.
    fn bus(script: Script) -> (tempfile::TempDir, String) {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("a socket");
        let listener = UnixListener::bind(&path).unwrap();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let read = |stream: &mut UnixStream, count: usize| {
                let mut bytes = vec![0; count];
                stream.read_exact(&mut bytes).map(|()| bytes)
            };
            assert_eq!(read(&mut stream, 16).unwrap(), b"\0AUTH EXTERNAL\r\n");
            stream.write_all(b"DATA\r\n").unwrap();
            assert_eq!(read(&mut stream, 6).unwrap(), b"DATA\r\n");
            stream.write_all(b"OK 0123\r\n").unwrap();
            assert_eq!(read(&mut stream, 7).unwrap(), b"BEGIN\r\n");
            while let Ok(mut bytes) = read(&mut stream, 16) {
                let length = Message::length(bytes[..16].try_into().unwrap()).unwrap();
                bytes.extend(read(&mut stream, length - 16).unwrap());
                for message in script(&Message::parse(&bytes).unwrap()) {
                    if stream.write_all(&message.to_bytes()).is_err() {
                        return;
                    }
                }
            }
        });
        let path = path.to_str().unwrap().replace(' ', "%20");
        (place, format!("tcp:host=nowhere;unix:path={path},guid=1"))
    }

    fn start(script: Script) -> io::Result<()> {
        let (_place, address) = bus(script);
        let mut bus = Bus::connect(&address)?;
        bus.listen()?;
        bus.job("StartTransientUnit", "s", Body::default())
    }

    fn well(call: &Message, result: &str) -> Vec<Message> {
        let returned = answer(call, Kind::Return, "o", &["/job/7"]);
        match call.member() {
            // The end may be told before the answer, and others' jobs end too.
            "StartTransientUnit" => vec![
                end_of("/job/6", "failed"),
                end_of("/job/7", result),
                returned,
            ],
            _ => vec![returned],
        }
    }

    #[test]
    fn a_job_is_waited_for_and_told_by_its_result() {
        start(|call| well(call, "done")).unwrap();
        let error = start(|call| well(call, "timeout")).unwrap_err();
        assert_eq!(error.to_string(), "the job of a.scope ended with `timeout`");
    }

    #[test]
    fn an_error_has_the_words_of_systemd() {
        let error = start(|call| {
            let mut refused = answer(call, Kind::Error, "s", &["Unit a.scope already exists."]);
            refused.names[3] = "org.freedesktop.systemd1.UnitExists".to_owned();
            match call.member() {
                "StartTransientUnit" => vec![refused],
                _ => well(call, "done"),
            }
        });
        assert_eq!(
            error.unwrap_err().to_string(),
            "Unit a.scope already exists. (org.freedesktop.systemd1.UnitExists)"
        );
    }

    #[test]
    fn signals_without_end_are_not_kept() {
        start(|call| match call.member() {
            "StartTransientUnit" => {
                let mut all = vec![end_of("/job/6", "done"); 2 * MOST_HEARD];
                all.push(answer(call, Kind::Return, "o", &["/job/7"]));
                all.push(end_of("/job/7", "done"));
                all
            }
            _ => well(call, "done"),
        })
        .unwrap();
    }

    #[test]
    fn a_bus_that_hangs_up_or_talks_nonsense_is_an_error() {
        for nonsense in [
            b"".as_slice(),
            b"REJECTED EXTERNAL\r\n",
            b"DATA\r\nERROR\r\n",
            b"OK 1\r\n",
            b"OK 1\r\nthis is no message at all, it only looks like one",
            b"OK 1\r\nl\x02\0\x01\xff\xff\xff\xff\x01\0\0\0\xff\xff\xff\xff",
            &[b'x'; 4096],
        ] {
            let (ours, mut theirs) = UnixStream::pair().unwrap();
            theirs.write_all(nonsense).unwrap();
            theirs.shutdown(std::net::Shutdown::Write).unwrap();
            let talked = Bus::greet(ours).and_then(Bus::introduced);
            assert!(talked.is_err(), "{nonsense:?}");
        }
    }

    #[test]
    fn the_bus_of_a_user_is_in_his_own_directory() {
        let at = |instance: Instance, name: &'static str, value: &'static str| {
            instance.addresses(&|asked| (asked == name).then(|| value.to_owned()))
        };
        let path = |path: &str| format!("unix:path={path}");
        assert_eq!(
            at(Instance::User, "XDG_RUNTIME_DIR", "/run/user/7"),
            (path("/run/user/7/bus"), path("/run/user/7/systemd/private"))
        );
        assert_eq!(
            at(
                Instance::User,
                "DBUS_SESSION_BUS_ADDRESS",
                "unix:abstract=a"
            )
            .0,
            "unix:abstract=a"
        );
        assert_eq!(
            at(Instance::System, "XDG_RUNTIME_DIR", "/run/user/7"),
            (
                path("/run/dbus/system_bus_socket"),
                path("/run/systemd/private")
            )
        );
    }
}
