//! A real terminal for a command under test: a pseudo-terminal whose other end
//! the test holds, to read what is shown and to press keys.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsFd;
use std::path::Path;
use std::process::{Child, Command, ExitStatus};
use std::time::{Duration, Instant};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::Pid;

/// How long something to be shown, or an end, is waited for: other tests may
/// have the machine meanwhile.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const CTRL_C: &str = "\u{3}";
pub(crate) const CTRL_D: &str = "\u{4}";

/// A command at a terminal of its own.
pub(crate) struct Terminal {
    keys: File,
    child: Child,
    /// Everything that was shown so far.
    shown: String,
    /// Up to where the test has read.
    read: usize,
}

impl Terminal {
    /// `isolab` with `arguments`, at a terminal of `columns` columns; its caches
    /// and data are below `home`.
    pub(crate) fn isolab(columns: u16, home: &Path, arguments: &[&str]) -> Self {
        Self::with_environment(columns, home, arguments, &[("LC_ALL", "C.UTF-8")])
    }

    pub(crate) fn with_environment(
        columns: u16,
        home: &Path,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Self {
        let size = Winsize {
            ws_row: 24,
            ws_col: columns,
            ws_xpixel: 0,
            ws_ypixel: 0,
        };
        let pair = openpty(Some(&size), None).expect("the kernel has pseudo-terminals");
        let theirs = || File::from(pair.slave.try_clone().unwrap());
        // A session of its own, with this terminal: so that Ctrl-C is a signal,
        // and not one that is ignored, as it is for whatever a shell's `&` starts.
        let child = Command::new("env")
            .arg("--default-signal=INT,QUIT")
            .args(["setsid", "--ctty"])
            .arg(env!("CARGO_BIN_EXE_isolab"))
            .args(arguments)
            .current_dir(home)
            .env("HOME", home)
            .env_remove("XDG_CACHE_HOME")
            .env_remove("XDG_DATA_HOME")
            .env_remove("NO_COLOR")
            .env("TERM", "xterm-256color")
            .envs(environment.iter().copied())
            .stdin(theirs())
            .stdout(theirs())
            .stderr(theirs())
            .spawn()
            .expect("env(1) of coreutils is there");
        Self {
            keys: File::from(pair.master),
            child,
            shown: String::new(),
            read: 0,
        }
    }

    /// Waits until `text` is shown after what was waited for before.
    #[track_caller]
    pub(crate) fn wait_for(&mut self, text: &str) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(at) = self.shown[self.read..].find(text) {
                self.read += at + text.len();
                return;
            }
            let goes_on = self.take();
            assert!(
                goes_on && Instant::now() < deadline,
                "`{text}` was not shown:\n{}",
                self.shown
            );
        }
    }

    /// Presses keys, without Enter.
    pub(crate) fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Types a line.
    pub(crate) fn answer(&mut self, line: &str) {
        self.press(&format!("{line}\n"));
    }

    /// Waits for the end: how it ended, and everything that was shown.
    #[track_caller]
    pub(crate) fn end(mut self) -> (ExitStatus, String) {
        self.wait_for_the_end()
    }

    /// The same, with the terminal still there to be looked at.
    #[track_caller]
    pub(crate) fn wait_for_the_end(&mut self) -> (ExitStatus, String) {
        let deadline = Instant::now() + PATIENCE;
        while self.take() {
            assert!(Instant::now() < deadline, "no end:\n{}", self.shown);
        }
        let status = self.child.wait().unwrap();
        (status, std::mem::take(&mut self.shown))
    }

    /// How the terminal is set: whether keys are shown and come line by line.
    pub(crate) fn settings(&self) -> Termios {
        tcgetattr(&self.keys).expect("the terminal is still there")
    }

    /// Sends a signal to the command.
    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).expect("the command is still there");
    }

    /// The command's process, which leads a session.
    pub(crate) fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed())
    }

    /// Reads what is shown within a moment; whether more can come.
    fn take(&mut self) -> bool {
        let mut ready = [PollFd::new(self.keys.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, PollTimeout::from(50u8)).unwrap() == 0 {
            return self.child.try_wait().unwrap().is_none();
        }
        let mut buffer = [0; 4096];
        match self.keys.read(&mut buffer) {
            Ok(read) if read > 0 => {
                // A character cut in two would show as two marks, which no test
                // looks for: questions are ASCII.
                self.shown += &String::from_utf8_lossy(&buffer[..read]);
                true
            }
            // EIO: nobody has the other end open any more.
            _ => false,
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
