//! A Python program that answers one question and then holds, so that several
//! can be seen to run at the same time.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use serde::de::DeserializeOwned;

use crate::interrupt::Interrupt;

/// The longest that an answer may take.
const BOUND: Duration = Duration::from_secs(30);
/// The longest answer, in bytes.
const LONGEST: u64 = 1 << 16;
/// How long we look away before we ask whether to stop.
const GLANCE: Duration = Duration::from_millis(50);

/// The program, which ends with its standard input, and so with us.
pub(super) struct Held {
    child: Child,
    answer: Receiver<String>,
}

impl Held {
    /// Starts `script`, which has to print one line of JSON and then read its
    /// standard input to the end, with the interpreter `python`.
    pub(super) fn start(python: &Path, script: &Path) -> Result<Self> {
        Self::start_with(python, &["-I"], script, &[])
    }

    /// The same with `flags` for the interpreter and `arguments` for the script.
    pub(super) fn start_with(
        python: &Path,
        flags: &[&str],
        script: &Path,
        arguments: &[&str],
    ) -> Result<Self> {
        let mut child = Command::new(python)
            .args(flags)
            .arg(script)
            .args(arguments)
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LC_ALL", "C.UTF-8")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // The terminal's Ctrl-C is for the lab.
            .process_group(0)
            .spawn()
            .with_context(|| format!("cannot start {}", python.display()))?;
        let stdout = child.stdout.take().context("there is no output")?;
        let (sender, answer) = mpsc::channel();
        thread::spawn(move || {
            let mut line = String::new();
            let _ = BufReader::new(stdout.take(LONGEST)).read_line(&mut line);
            let _ = sender.send(line);
        });
        Ok(Self { child, answer })
    }

    /// Waits for the answer.
    pub(super) fn answer<T: DeserializeOwned>(&self, interrupt: &Interrupt) -> Result<T> {
        let end = Instant::now() + BOUND;
        let line = loop {
            match self.answer.recv_timeout(GLANCE) {
                Ok(line) => break line,
                Err(RecvTimeoutError::Disconnected) => bail!("the program gave no answer"),
                Err(RecvTimeoutError::Timeout) if interrupt.raised() => bail!("interrupted"),
                Err(RecvTimeoutError::Timeout) if Instant::now() > end => {
                    bail!("the program did not answer within {} s", BOUND.as_secs())
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        };
        serde_json::from_str(&line).context("cannot read the program's answer")
    }

    /// Whether it still runs.
    pub(super) fn runs(&mut self) -> Result<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
