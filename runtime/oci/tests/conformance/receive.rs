//! A Unix socket to which a runtime sends descriptors.

use std::io::IoSliceMut;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::sys::socket::{ControlMessageOwned, MsgFlags, recvmsg};

/// What came over one connection.
pub(crate) struct Received {
    /// The bytes of every message.
    pub(crate) payload: Vec<u8>,
    /// The descriptors of the first message that had bytes.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Whether a later message had descriptors too.
    pub(crate) late_descriptors: bool,
}

/// Waits in a thread of its own for one connection.
pub(crate) struct Receiver {
    thread: JoinHandle<Option<Received>>,
    listener: UnixListener,
}

impl Receiver {
    /// Listens at `path`, which any user may connect to.
    pub(crate) fn new(path: &Path) -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let listener = UnixListener::bind(path).unwrap();
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let other = listener.try_clone().unwrap();
        let thread = std::thread::spawn(move || receive(&accept(&other)?));
        Self { thread, listener }
    }

    /// What was sent, if anything was.
    pub(crate) fn finish(self) -> Option<Received> {
        let received = self.thread.join().unwrap();
        let again = self.listener.accept();
        assert!(again.is_err(), "there was a second connection");
        received
    }
}

/// Short enough for an address (`unix(7)`: 108 bytes).
pub(crate) fn socket_path(directory: &Path) -> PathBuf {
    directory.join("socket")
}

fn accept(listener: &UnixListener) -> Option<UnixStream> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            let patience = Some(Duration::from_secs(5));
            stream.set_read_timeout(patience).unwrap();
            return Some(stream);
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    None
}

/// Reads until the sender has closed its end, or says nothing more.
fn receive(stream: &UnixStream) -> Option<Received> {
    let mut received = Received {
        payload: Vec::new(),
        descriptors: Vec::new(),
        late_descriptors: false,
    };
    loop {
        let mut buffer = [0; 16384];
        let mut control = nix::cmsg_space!([i32; 8]);
        let mut parts = [IoSliceMut::new(&mut buffer)];
        let flags = MsgFlags::MSG_CMSG_CLOEXEC;
        let message = recvmsg::<()>(stream.as_raw_fd(), &mut parts, Some(&mut control), flags);
        let Ok(message) = message else { break };
        let mut raw = Vec::new();
        for part in message.cmsgs().unwrap() {
            if let ControlMessageOwned::ScmRights(list) = part {
                raw.extend(list);
            }
        }
        let length = message.bytes;
        if !raw.is_empty() && !received.payload.is_empty() {
            received.late_descriptors = true;
        }
        received.descriptors.extend(raw.into_iter().map(own));
        if length == 0 {
            break;
        }
        received.payload.extend(&buffer[..length]);
        // A terminal's sender may keep the connection open.
        if length < 256 && !received.descriptors.is_empty() {
            let patience = Some(Duration::from_millis(200));
            stream.set_read_timeout(patience).unwrap();
        }
    }
    let nothing = received.payload.is_empty() && received.descriptors.is_empty();
    (!nothing).then_some(received)
}

/// An owned copy of a descriptor that came as a bare number.
fn own(raw: i32) -> OwnedFd {
    let copy = isolab_oci::sys::descriptor::dup_from(raw, 3).unwrap();
    let _ = nix::unistd::close(raw);
    copy.into_owned()
}
