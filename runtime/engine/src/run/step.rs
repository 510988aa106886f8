//! A step of a build: a container that reads nothing, whose output goes to the
//! builder, and of which several may run at once.
//!
//! Signals are the whole process's matter, so none is passed on from here: whoever
//! builds asks for the end of all steps, and each kills its own.

use std::fs;
use std::io::{self, Read as _};
use std::os::fd::{AsFd as _, AsRawFd as _, BorrowedFd, RawFd};

use isolab_oci::{Bundle, ExitStatus, Stdio, sys};

use super::spec::Within;
use super::{Container, options, prepare, start};
use crate::error::{Error, Result};
use crate::room::Room;

/// How often it is asked whether the step is still wanted, milliseconds.
const OFTEN: i32 = 100;
/// As much as a pipe holds.
const READ: usize = 64 << 10;

/// Runs it until it has ended. What it says, on both streams, is handed to `said` as
/// it comes. It is killed as soon as it `is_unwanted`, and with this thread. `begun` is
/// called when its program has been executed, and all that it sees is mounted.
///
/// # Errors
/// As [`run`](super::run).
pub fn run_step(
    container: &Container,
    room: &Room,
    begun: &dyn Fn(),
    said: &mut dyn FnMut(&[u8]),
    is_unwanted: &dyn Fn() -> bool,
) -> Result<ExitStatus> {
    let spec = prepare(container, room, Within::Own)?;
    let bundle = Bundle::new(&container.place, spec)?;
    let nothing = fs::File::open("/dev/null").map_err(Error::read("/dev/null".as_ref()))?;
    let (mut reader, writer) = io::pipe().map_err(Error::read("a pipe".as_ref()))?;
    let stdio = Stdio {
        stdin: nothing.as_fd(),
        stdout: writer.as_fd(),
        stderr: writer.as_fd(),
    };
    let mut running = start(container, &bundle, stdio, &options(container, room))?;
    drop(writer);
    begun();
    let mut buffer = vec![0; READ];
    // It may close its output long before it ends. Its first process takes all others
    // with it, and they the other end.
    let (mut speaks, mut lives) = (true, true);
    while speaks || lives {
        if is_unwanted() {
            running.kill(libc::SIGKILL)?;
        }
        let mut watched = [asked(speaks, reader.as_fd()), asked(lives, running.as_fd())];
        let ready = match sys::descriptor::poll_readable(&mut watched, OFTEN) {
            Err(sys::Errno(libc::EINTR)) => continue,
            ready => ready.map_err(|errno| Error::read("a pipe".as_ref())(errno.into()))?,
        };
        lives &= ready & 0b10 == 0;
        if ready & 0b01 == 0 {
            continue;
        }
        match reader.read(&mut buffer) {
            Ok(0) => speaks = false,
            Ok(count) => said(&buffer[..count]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(Error::read("a pipe".as_ref())(error)),
        }
    }
    Ok(running.wait()?)
}

/// A descriptor for `poll(2)`, which passes over negative ones.
fn asked(whether: bool, descriptor: BorrowedFd<'_>) -> RawFd {
    match whether {
        true => descriptor.as_raw_fd(),
        false => -1,
    }
}
