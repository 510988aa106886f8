//! Starting what was created.

use std::os::fd::AsRawFd as _;

use super::Container;
use super::hooks;
use super::state::Status;
use crate::error::{Error, Result};
use crate::process::{Options, program_error};
use crate::spec::{Process, Spec, validate};
use crate::sys::{self, Errno, descriptor};

impl Container {
    // ANCHOR: start
    /// Has the container's program executed. Returns when it has been.
    ///
    /// # Errors
    /// [`Error::State`] where it was not created, or was started already;
    /// [`Error::Exec`] where the program cannot be executed: the container has
    /// stopped then; [`Error::Hook`].
    pub fn start(&mut self) -> Result<()> {
        let _lock = self.record.lock()?;
        match self.status() {
            Status::Created => {}
            status => return Err(self.wrong_state("start", status)),
        }
        if self.record.facts().nothing_to_start {
            return Err(validate::no_process());
        }
        if !self.record.facts().hooks {
            return self.release();
        }
        let spec = self.spec()?;
        self.run_start_hooks(&spec)?;
        self.release()?;
        let state = self.state()?;
        hooks::run_poststart(&spec, &state).inspect_err(|_| {
            let _ = self.kill(libc::SIGKILL, false);
        })
    }
    // ANCHOR_END: start

    /// `startContainer` hooks: in the container, as its process would be.
    fn run_start_hooks(&self, spec: &Spec) -> Result<()> {
        let state = self.state()?;
        let ran = hooks::run_start_container(spec, &state, |program, stdio| {
            let base = spec.process.clone().unwrap_or_default();
            let process = Process {
                args: program.args.clone(),
                // One that is given no environment has that of the program.
                env: match program.env.is_empty() {
                    true => base.env.clone(),
                    false => program.env.clone(),
                },
                cwd: "/".into(),
                terminal: false,
                ..base
            };
            // What is executed need not be what its first argument says.
            let path = program.path.to_string_lossy();
            self.exec_in(spec, &process, Some(&path), stdio, &Options::attached())
        });
        ran.inspect_err(|_| {
            let _ = self.kill(libc::SIGKILL, false);
        })
    }

    /// Lets the first process go on, and hears how that went.
    fn release(&self) -> Result<()> {
        let failed = |errno: Errno| Error::Supervise {
            action: "start the container: its first process does not answer",
            source: errno.into(),
        };
        let flags = libc::O_RDONLY;
        let answer = self.record.open_latch("started", flags).map_err(failed)?;
        let start = self.record.open_latch("start", libc::O_WRONLY);
        let start = start.map_err(failed)?;
        descriptor::write(start.as_raw_fd(), b"s").map_err(failed)?;
        drop(start);
        // Readable once it has failed, and at its end once it has executed.
        let mut errno = [0; 4];
        let count = loop {
            match descriptor::poll_readable(&mut [answer.as_raw_fd()], -1) {
                Ok(_) => {}
                Err(Errno(libc::EINTR)) => continue,
                Err(errno) => return Err(failed(errno)),
            }
            match descriptor::read(answer.as_raw_fd(), &mut errno) {
                Err(Errno(libc::EINTR | libc::EAGAIN)) => {}
                count => break count.map_err(failed)?,
            }
        };
        self.record.remove_latch();
        if count == errno.len() {
            let process = self.spec().ok().and_then(|spec| spec.process);
            let program = process.and_then(|process| process.args.into_iter().next());
            let program = program.unwrap_or_default();
            return Err(program_error(
                program,
                sys::Errno(i32::from_ne_bytes(errno)),
            ));
        }
        Ok(())
    }
}
