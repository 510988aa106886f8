//! The terminal of a container that runs in the foreground: what is typed at
//! ours goes to it, what it prints comes to ours, and its size follows.

use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use super::running::{ExitStatus, Running};
use crate::error::{Error, Result};
use crate::sys::poll::{self, Polled};
use crate::sys::signal::SignalSet;
use crate::sys::terminal::{self, Attributes};
use crate::sys::{Errno, descriptor, memory};

/// Ctrl-D: what a line discipline takes for the end of the file.
const END_OF_FILE: u8 = 4;

/// How often a program is told so that did not listen: a shell throws away what
/// was typed before it was ready.
const AGAIN: u32 = 500;

/// Our own terminal in raw mode, until this is dropped: what is typed is
/// treated once, by the container's terminal.
#[derive(Debug)]
struct Raw(Option<(RawFd, Attributes)>);

impl Raw {
    /// Where `fd` is no terminal, there is nothing to change.
    fn new(fd: RawFd) -> Self {
        let before = terminal::attributes(fd).ok();
        let raw = before.filter(|before| terminal::set_attributes(fd, &before.raw()).is_ok());
        Self(raw.map(|before| (fd, before)))
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        if let Some((fd, before)) = &self.0 {
            let _ = terminal::set_attributes(*fd, before);
        }
    }
}

/// The two ends and what is on its way.
struct Relay {
    master: OwnedFd,
    /// Typed, and not yet taken by the container's terminal.
    typed: Vec<u8>,
    /// Whether there may be more to type.
    input: bool,
    /// Whether the end of what is typed was reached, of which a file has one.
    ended: bool,
    /// Whether there may be more to print.
    output: bool,
}

/// Copies and passes signals on until the container has ended; its status.
pub(super) fn supervise(
    running: &mut Running,
    master: OwnedFd,
    signals: SignalSet,
) -> Result<ExitStatus> {
    let failed = |errno: Errno| Error::Supervise {
        action: "attend to the container's terminal",
        source: errno.into(),
    };
    let pending = poll::signals(signals).map_err(failed)?;
    poll::set_nonblocking(master.as_raw_fd()).map_err(failed)?;
    let mut relay = Relay {
        master,
        typed: Vec::new(),
        input: true,
        ended: false,
        output: true,
    };
    relay.resize();
    let _raw = Raw::new(libc::STDIN_FILENO);
    memory::give_back_text();
    let status = loop {
        let mut polled = relay.wanted(pending.as_raw_fd());
        match poll::poll(&mut polled, relay.ended.then_some(AGAIN)) {
            Err(Errno(libc::EINTR)) => continue,
            result => result.map_err(failed)?,
        }
        let [signal, stdin, master] = polled;
        if relay.ended && !(signal.readable() || master.readable() || master.writable()) {
            relay.typed.push(END_OF_FILE);
        }
        if stdin.readable() {
            relay.type_more();
        }
        if master.writable() {
            relay.type_on();
        }
        if master.readable() {
            relay.print();
        }
        if signal.readable() {
            match poll::next_signal(pending.as_raw_fd()).map_err(failed)? {
                Some(libc::SIGCHLD) => {
                    if let Some(ended) = running.try_wait()? {
                        break ended;
                    }
                }
                Some(libc::SIGWINCH) => relay.resize(),
                Some(signal) => running.kill(signal)?,
                None => {}
            }
        }
    };
    // What was printed last is still in the kernel's buffer.
    while relay.output && relay.print() {}
    Ok(status)
}

impl Relay {
    /// Signals, what we type, and the container's terminal.
    fn wanted(&self, signals: RawFd) -> [Polled; 3] {
        // No more is read than the other side takes.
        let more = self.input && self.typed.is_empty();
        let stdin = if more { libc::STDIN_FILENO } else { -1 };
        let master = if self.output {
            self.master.as_raw_fd()
        } else {
            -1
        };
        [
            Polled::new(signals, true, false),
            Polled::new(stdin, true, false),
            Polled::new(master, true, !self.typed.is_empty()),
        ]
    }

    fn type_more(&mut self) {
        let mut buffer = [0; 4096];
        match io::stdin().lock().read(&mut buffer) {
            Ok(0) => {
                self.input = false;
                self.ended = true;
                self.typed.push(END_OF_FILE);
            }
            Ok(read) => self.typed.extend_from_slice(&buffer[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(_) => self.input = false, // our terminal has hung up
        }
    }

    fn type_on(&mut self) {
        match descriptor::write(self.master.as_raw_fd(), &self.typed) {
            Ok(written) => drop(self.typed.drain(..written)),
            Err(Errno(libc::EAGAIN | libc::EINTR)) => {}
            Err(_) => self.typed.clear(), // nobody reads there any more
        }
    }

    /// Prints what there is; whether there was something.
    fn print(&mut self) -> bool {
        let mut buffer = [0; 4096];
        match descriptor::read(self.master.as_raw_fd(), &mut buffer) {
            Ok(0) => self.output = false,
            Ok(read) => {
                let mut stdout = io::stdout().lock();
                let printed = stdout.write_all(&buffer[..read]);
                // Where nobody reads what we print, the container goes on.
                let _ = printed.and_then(|()| stdout.flush());
                return true;
            }
            Err(Errno(libc::EAGAIN | libc::EINTR)) => {}
            // EIO: the container's side is closed, and opened by nobody again.
            Err(_) => self.output = false,
        }
        false
    }

    fn resize(&self) {
        if let Ok(size) = terminal::size(libc::STDIN_FILENO) {
            let _ = terminal::set_size(self.master.as_raw_fd(), size);
        }
    }
}
