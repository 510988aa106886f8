//! QEMU's three standard streams: the guest's second serial port, and QEMU's own complaints.
//!
//! One `poll(2)` watches both directions in which something can come, so that neither a byte nor
//! a complaint waits for the other, and no thread is needed.

use std::io::{self, Read, Write};
use std::os::fd::AsFd;
use std::process::{Child, ChildStderr, ChildStdin, ChildStdout};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::error::Result;

/// The line that lets a held workload go on.
const GO_ON: &[u8] = b"\n";

/// How QEMU says on its standard error that the guest will never run on. It goes on existing.
const SIGNS: [&str; 2] = ["KVM internal error", "KVM: entry failed"];

/// How we say so.
pub(crate) const STOPPED: &str = "KVM stopped the guest";

/// What is kept of each stream; more is read and dropped.
const KEPT: usize = 16 << 10;

/// The host's end of the channel.
#[derive(Debug)]
pub(super) struct Channel {
    input: Option<ChildStdin>,
    output: Option<ChildStdout>,
    errors: Option<ChildStderr>,
    said: Vec<u8>,
    messages: Vec<u8>,
}

/// What a look at the channel brought.
pub(super) enum Event {
    /// Something was said by the workload or by QEMU.
    Said,
    /// QEMU closed its end: it is about to be gone.
    Closed,
    /// Nothing came in time.
    TimedOut,
}

impl Channel {
    /// Takes the streams of `child`, which was spawned with pipes.
    pub(super) fn of(child: &mut Child) -> Self {
        Self {
            input: child.stdin.take(),
            output: child.stdout.take(),
            errors: child.stderr.take(),
            said: Vec::new(),
            messages: Vec::new(),
        }
    }

    /// What the workload has said.
    pub(super) fn said(&self) -> &[u8] {
        &self.said
    }

    /// What QEMU has complained of.
    pub(super) fn messages(&self) -> &[u8] {
        &self.messages
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

    /// Waits for something to come until `deadline`, and takes it in.
    pub(super) fn look(&mut self, deadline: Instant) -> Result<Event> {
        let Some(output) = &self.output else {
            return Ok(Event::Closed);
        };
        let mut fds = vec![PollFd::new(output.as_fd(), PollFlags::POLLIN)];
        if let Some(errors) = &self.errors {
            fds.push(PollFd::new(errors.as_fd(), PollFlags::POLLIN));
        }
        if !wait(&mut fds, deadline)? {
            return Ok(Event::TimedOut);
        }
        let ready: Vec<bool> = fds.iter().map(has_event).collect();
        if ready.get(1) == Some(&true) {
            take(&mut self.errors, &mut self.messages);
        }
        if ready[0] && !take(&mut self.output, &mut self.said) {
            return Ok(Event::Closed);
        }
        Ok(Event::Said)
    }

    /// Takes in what QEMU complained of before it was gone, without waiting for more.
    pub(super) fn drain_messages(&mut self) {
        while let Some(errors) = &self.errors {
            let mut fds = [PollFd::new(errors.as_fd(), PollFlags::POLLIN)];
            if !wait(&mut fds, Instant::now()).unwrap_or(false) {
                break;
            }
            take(&mut self.errors, &mut self.messages);
        }
    }
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

/// Reads once from a stream that has something; closes it and returns false at its end.
fn take(stream: &mut Option<impl Read>, kept: &mut Vec<u8>) -> bool {
    let mut buffer = [0; 4096];
    match stream.as_mut().map(|stream| stream.read(&mut buffer)) {
        Some(Ok(count)) if count > 0 => {
            let room = KEPT.saturating_sub(kept.len());
            kept.extend_from_slice(&buffer[..count.min(room)]);
            true
        }
        Some(Err(error)) if error.kind() == io::ErrorKind::Interrupted => true,
        _ => {
            *stream = None;
            false
        }
    }
}
