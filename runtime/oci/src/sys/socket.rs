//! Handing an open file to another process, over a Unix socket.

use std::os::fd::RawFd;

use super::raw::syscall;
use super::{Descriptor, Errno, Result};

/// Room for one control message with one descriptor (`cmsg(3)`).
#[repr(C, align(8))]
struct Control {
    length: usize,
    level: i32,
    kind: i32,
    descriptor: i32,
    padding: i32,
}

/// `CMSG_LEN(sizeof(int))`.
const CONTROL_LENGTH: usize = 20;

/// `ssize_t sendmsg(int fd, const struct msghdr *, int flags)`, `sendmsg(2)`:
/// `payload`, which must not be empty, and with it the file `descriptor` (`unix(7)`,
/// `SCM_RIGHTS`).
///
/// # Errors
/// `EPIPE`, `ECONNRESET` where nobody listens any more.
pub fn send_descriptor(socket: RawFd, payload: &[u8], descriptor: RawFd) -> Result<()> {
    let mut control = Control {
        length: CONTROL_LENGTH,
        level: libc::SOL_SOCKET,
        kind: libc::SCM_RIGHTS,
        descriptor,
        padding: 0,
    };
    // Two words: address and length. The kernel only reads through the address.
    let part = [payload.as_ptr().expose_provenance(), payload.len()];
    let message = message(&raw const part, &raw mut control);
    // SAFETY: `message` and everything that it points to is live for the call.
    unsafe { syscall!(SYS_sendmsg, socket, &raw const message, libc::MSG_NOSIGNAL) }.map(drop)
}

/// `ssize_t recvmsg(int fd, struct msghdr *, int flags)`, `recvmsg(2)`: the file
/// that [`send_descriptor`] sent; what came with it is dropped.
///
/// # Errors
/// `ENOMSG` where the other side has closed, or sent no file.
pub fn receive_descriptor(socket: RawFd) -> Result<Descriptor> {
    receive(socket, &mut [0u8; 4096]).map(|(descriptor, _)| descriptor)
}

/// As [`receive_descriptor`]; what came with it is in `payload`, as many bytes
/// of it as are returned.
///
/// # Errors
/// As for [`receive_descriptor`].
pub fn receive(socket: RawFd, payload: &mut [u8]) -> Result<(Descriptor, usize)> {
    let part = [payload.as_mut_ptr().expose_provenance(), payload.len()];
    let mut control = Control {
        length: 0,
        level: 0,
        kind: 0,
        descriptor: -1,
        padding: 0,
    };
    let mut message = message(&raw const part, &raw mut control);
    let count = loop {
        // SAFETY: `message` and what it points to is live; the kernel writes
        // within the lengths given.
        match unsafe {
            syscall!(
                SYS_recvmsg,
                socket,
                &raw mut message,
                libc::MSG_CMSG_CLOEXEC
            )
        } {
            Err(Errno(libc::EINTR)) => {}
            result => break result?,
        }
    };
    if control.kind == libc::SCM_RIGHTS && control.length == CONTROL_LENGTH {
        Ok((Descriptor::from_raw(control.descriptor), count))
    } else {
        Err(Errno(libc::ENOMSG))
    }
}

fn message(part: *const [usize; 2], control: *mut Control) -> libc::msghdr {
    // SAFETY: all zero is a valid header: no address, no parts.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = part.cast_mut().cast();
    message.msg_iovlen = 1;
    message.msg_control = control.cast();
    message.msg_controllen = size_of::<Control>();
    message
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Seek as _, Write as _};
    use std::os::fd::AsRawFd as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn a_file_that_was_sent_is_the_same_file() {
        let (here, there) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"the same").unwrap();
        send_descriptor(here.as_raw_fd(), b"x", file.as_raw_fd()).unwrap();
        let received = receive_descriptor(there.as_raw_fd()).unwrap();
        let mut received = std::fs::File::from(received.into_owned());
        received.rewind().unwrap();
        let mut text = String::new();
        received.read_to_string(&mut text).unwrap();
        assert_eq!(text, "the same");
        drop(here);
        assert_eq!(
            receive_descriptor(there.as_raw_fd()).unwrap_err(),
            Errno(libc::ENOMSG)
        );
    }
}
