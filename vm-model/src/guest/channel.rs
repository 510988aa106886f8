//! All that comes out of a guest and its QEMU, and the one way in.
//!
//! Four streams: what the workload says (the second serial port, QEMU's standard output), the
//! kernel's console, the lines of init ([`port`](super::port)), and QEMU's own complaints (its
//! standard error). One `poll(2)` watches them all, so that neither a byte nor a complaint waits
//! for another, and no thread is needed. What is kept of each is bounded; a guest that talks
//! faster than it is read waits.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::fifo::{Fifo, Pipes};
use super::port::{Heard, Listener};
use super::tail::Tail;
use super::trace::{Trace, Traced};
use crate::error::Result;

/// The line that lets a held workload go on.
const GO_ON: &[u8] = b"\n";

/// How QEMU says on its standard error that the guest will never run on. It goes on existing.
const SIGNS: [&str; 2] = ["KVM internal error", "KVM: entry failed"];

/// How we say so.
pub(crate) const STOPPED: &str = "KVM stopped the guest";

/// What is kept of what the workload says and of QEMU's complaints; more is read and dropped.
const KEPT: usize = 64 << 10;

/// What is read at a time.
const PIECE: usize = 16 << 10;

/// The host's end of the streams.
#[derive(Debug)]
pub(super) struct Channel {
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    console: Fifo,
    port: Fifo,
    said: Vec<u8>,
    said_first: Option<Instant>,
    messages: Vec<u8>,
    shown: Tail,
    listener: Listener,
    trace: Trace,
}

/// What a look at the channel brought.
pub(super) enum Event {
    /// Something was said by the workload, its kernel, its init or QEMU.
    Said,
    /// QEMU closed its end: it is about to be gone.
    Closed,
    /// Nothing came in time.
    TimedOut,
}

impl Channel {
    /// Takes the streams of `child`, which was spawned with pipes.
    pub(super) fn of(child: &mut Child, Pipes { console, port }: Pipes) -> Self {
        Self {
            input: child.stdin.take(),
            output: child.stdout.take(),
            errors: child.stderr.take(),
            console,
            port,
            said: Vec::new(),
            said_first: None,
            messages: Vec::new(),
            shown: Tail::default(),
            listener: Listener::default(),
            trace: Trace::default(),
        }
    }

    /// What the workload has said, and was not taken.
    pub(super) fn said(&self) -> &[u8] {
        &self.said
    }

    /// When the workload said its first byte.
    pub(super) fn said_first(&self) -> Option<Instant> {
        self.said_first
    }

    /// Takes what the workload has said since this was last called.
    pub(super) fn take_said(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.said)
    }

    /// Takes what the console has shown since this was last called.
    pub(super) fn take_shown(&mut self) -> Vec<u8> {
        self.shown.take()
    }

    /// What the console has shown, as far as it is kept.
    pub(super) fn shown(&self) -> &[u8] {
        self.shown.bytes()
    }

    /// What QEMU has complained of.
    pub(super) fn messages(&self) -> &[u8] {
        &self.messages
    }

    /// What init has said.
    pub(super) fn heard(&self) -> &Heard {
        self.listener.heard()
    }

    /// What QEMU has told of the boot.
    pub(super) fn traced(&self) -> Traced {
        self.trace.traced()
    }

    /// QEMU's word that KVM gave up, if it said so.
    pub(super) fn stopped(&self) -> Option<String> {
        let messages = String::from_utf8_lossy(&self.messages);
        let is_sign = |line: &&str| SIGNS.iter().any(|sign| line.contains(sign));
        let line = messages.lines().find(is_sign)?;
        Some(format!("{STOPPED}: {line}"))
    }

    /// Sends the line that lets a held workload go on.
    pub(super) fn send_go_on(&mut self) -> io::Result<()> {
        let input = self.input.as_mut().ok_or(io::ErrorKind::BrokenPipe)?;
        input.write_all(GO_ON)?;
        input.flush()
    }

    /// Gives the way in away.
    pub(super) fn take_input(&mut self) -> Option<ChildStdin> {
        self.input.take()
    }

    /// Waits for something to come until `deadline`, and takes it in.
    pub(super) fn look(&mut self, deadline: Instant) -> Result<Event> {
        let Some(output) = &self.output else {
            return Ok(Event::Closed);
        };
        let mut fds = vec![
            readable(output.as_fd()),
            readable(self.port.file.as_fd()),
            readable(self.console.file.as_fd()),
        ];
        fds.extend(self.errors.as_ref().map(|errors| readable(errors.as_fd())));
        if !wait(&mut fds, deadline)? {
            return Ok(Event::TimedOut);
        }
        let ready: Vec<bool> = fds.iter().map(has_event).collect();
        let now = Instant::now();
        // Init's lines first: they have a time.
        if ready[1] {
            self.take_port(now);
        }
        if ready.get(3) == Some(&true) {
            self.take_errors(now);
        }
        if ready[2] {
            self.take_console();
        }
        if ready[0] && !self.take_output(now) {
            self.drain();
            return Ok(Event::Closed);
        }
        Ok(Event::Said)
    }

    /// Takes in what came before QEMU was gone, without waiting for more.
    pub(super) fn drain(&mut self) {
        let now = Instant::now();
        while self.take_port(now) {}
        while self.take_console() {}
        while let Some(errors) = &self.errors {
            let mut fds = [readable(errors.as_fd())];
            if !wait(&mut fds, Instant::now()).unwrap_or(false) {
                break;
            }
            self.take_errors(now);
        }
        let rest = self.trace.rest();
        keep(&mut self.messages, &rest);
    }

    fn take_output(&mut self, now: Instant) -> bool {
        let Some(piece) = take(&mut self.output) else {
            return false;
        };
        if !piece.is_empty() {
            self.said_first.get_or_insert(now);
        }
        keep(&mut self.said, &piece);
        true
    }

    fn take_errors(&mut self, now: Instant) {
        let piece = take(&mut self.errors).unwrap_or_default();
        let firmware_over = self.listener.heard().init.is_some();
        let messages = &mut self.messages;
        let mut message = |bytes: &[u8]| keep(messages, bytes);
        self.trace.read(&piece, now, firmware_over, &mut message);
    }

    /// Whether there was something.
    fn take_port(&mut self, now: Instant) -> bool {
        let piece = read(&mut self.port.file).unwrap_or_default();
        self.listener.hear(&piece, now);
        !piece.is_empty()
    }

    fn take_console(&mut self) -> bool {
        let piece = read(&mut self.console.file).unwrap_or_default();
        self.shown.add(&piece);
        !piece.is_empty()
    }
}

/// Adds as much of `piece` as there is room for.
fn keep(kept: &mut Vec<u8>, piece: &[u8]) {
    let room = KEPT.saturating_sub(kept.len());
    kept.extend_from_slice(&piece[..piece.len().min(room)]);
}

fn readable(fd: BorrowedFd<'_>) -> PollFd<'_> {
    PollFd::new(fd, PollFlags::POLLIN)
}

/// Whether one of `fds` has something before `deadline`.
fn wait(fds: &mut [PollFd<'_>], deadline: Instant) -> Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // Rounded up, or the last millisecond would be spent asking again and again.
        let timeout = PollTimeout::try_from(left + Duration::from_micros(999));
        match poll(fds, timeout.unwrap_or(PollTimeout::MAX)) {
            Ok(0) if left.is_zero() => return Ok(false),
            Ok(0) | Err(Errno::EINTR) => {}
            Ok(_) => return Ok(true),
            Err(errno) => {
                return Err(crate::Error::Wait {
                    source: errno.into(),
                });
            }
        }
    }
}

fn has_event(fd: &PollFd<'_>) -> bool {
    fd.revents().is_some_and(|events| !events.is_empty())
}

/// Reads once from a stream that has something; closes it and returns nothing at its end.
fn take(stream: &mut Option<impl Read>) -> Option<Vec<u8>> {
    let piece = stream.as_mut().and_then(read);
    if piece.is_none() {
        *stream = None;
    }
    piece
}

/// Reads once; nothing at the end of the stream, an empty piece if there is nothing yet.
fn read(stream: &mut impl Read) -> Option<Vec<u8>> {
    let mut piece = vec![0; PIECE];
    match stream.read(&mut piece) {
        Ok(count) if count > 0 => {
            piece.truncate(count);
            Some(piece)
        }
        Err(error) => {
            let again = [io::ErrorKind::Interrupted, io::ErrorKind::WouldBlock];
            again.contains(&error.kind()).then(Vec::new)
        }
        Ok(_) => None,
    }
}
