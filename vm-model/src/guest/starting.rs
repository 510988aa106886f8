//! The start of a guest: which streams its VMM is given, and when the clock begins.

use std::ffi::OsString;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use super::channel::Channel;
use super::fifo::Pipes;
use super::{Guest, Launch, RunningGuest};
use crate::error::{Error, Result};
use crate::whole_file;

/// Starts the VMM with the channel on its standard streams.
pub(super) fn start(guest: &Guest, launch: &Launch) -> Result<RunningGuest> {
    for path in [&guest.kernel.path, &guest.initrd] {
        whole_file::open(path).map_err(Error::file("read", path))?;
    }
    let streams = [Stdio::piped(), Stdio::piped()];
    let started = Started::of(&launch.argv, Pipes::at(&guest.console)?, streams)?;
    Ok(started.guest(guest.kernel.is_compressed()))
}

/// Starts QEMU by the words `argv`, with its monitor on `monitor` as standard input and the
/// channel on a socket as standard output, which the words for the two are added for; those for
/// `pipes` stand among them.
pub(crate) fn start_with_monitor(
    mut argv: Vec<OsString>,
    pipes: Pipes,
    monitor: OwnedFd,
) -> Result<RunningGuest> {
    let sockets = ["socket,id=monitor,fd=0", "socket,id=channel,fd=1"];
    for socket in sockets {
        argv.extend(["-chardev", socket].map(OsString::from));
    }
    argv.extend(["-mon", "chardev=monitor,mode=control"].map(OsString::from));
    let failed = |source| Error::Wait { source };
    let (output, other) = UnixStream::pair().map_err(failed)?;
    // Before there is a process that could be left behind.
    let input = output.try_clone().map_err(failed)?;
    let other = OwnedFd::from(other);
    let mut started = Started::of(&argv, pipes, [monitor.into(), other.into()])?;
    started.child.stdin = Some(ChildStdin::from(OwnedFd::from(input)));
    started.child.stdout = Some(ChildStdout::from(OwnedFd::from(output)));
    Ok(started.guest(false))
}

/// A VMM that was spawned, and what it says by other ways than its standard streams.
struct Started {
    child: Child,
    spawned: Instant,
    pipes: Pipes,
}

impl Started {
    fn of(argv: &[OsString], pipes: Pipes, [input, output]: [Stdio; 2]) -> Result<Self> {
        let mut command = Command::new(&argv[0]);
        command
            .args(&argv[1..])
            .stdin(input)
            .stdout(output)
            .stderr(Stdio::piped());
        let spawned = Instant::now();
        let child = command.spawn().map_err(|error| Error::Qemu {
            program: argv[0].to_string_lossy().into_owned(),
            reason: format!("it does not start: {error}"),
        })?;
        Ok(Self {
            child,
            spawned,
            pipes,
        })
    }

    fn guest(mut self, compressed: bool) -> RunningGuest {
        let channel = Channel::of(&mut self.child, self.pipes);
        RunningGuest::new(self.child, channel, self.spawned, compressed)
    }
}
