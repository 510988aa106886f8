//! Something on the host to reach for: a process, a file, a listener and a
//! message queue that are there for nothing else.
//!
//! The process is this program again. It holds listener and queue, and it ends,
//! removing the queue, when its standard input does: with the lab, however the
//! lab ends. The file lies in the lab's scratch directory and goes with that.
//! What reaches the file or the listener learns a secret that is written down
//! nowhere else, so that having reached them cannot be mistaken or pretended.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use nix::mqueue::{MQ_OFlag, MqAttr, mq_open, mq_unlink};
use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize};

/// The name of the verb, by which the process is known in `/proc`.
pub(super) const VERB: &str = "__canary";
/// How long it gets to start, and to end.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest line between the lab and it, in bytes.
const LONGEST: u64 = 256;

/// What of a canary is to be looked for: all that a place is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Traces {
    /// The word that its process carries as an argument.
    pub name: String,
    /// Its file on the host.
    pub file: PathBuf,
    /// The port of the loopback address that it listens on.
    pub port: u16,
    /// A user other than the lab's.
    pub other_user: u32,
}

impl Traces {
    /// The name of its message queue.
    #[must_use]
    pub fn queue(&self) -> String {
        format!("/isolab-{}", self.name)
    }
}

/// A canary that is on the host until this is dropped.
#[derive(Debug)]
pub struct Canary {
    traces: Traces,
    secret: String,
    process: Child,
    input: Option<ChildStdin>,
}

impl Canary {
    /// Puts one on the host, its file in the directory `scratch`.
    ///
    /// # Errors
    /// If the file cannot be written, or no port of the loopback address can be
    /// listened on.
    pub fn start(scratch: &Path) -> Result<Self> {
        let [name, secret] = [(); 2].map(|()| format!("{:016x}", fastrand::u64(..)));
        let file = scratch.join(format!("canary-{name}"));
        fs::write(&file, &secret).with_context(|| format!("cannot write {}", file.display()))?;
        let own = std::env::current_exe().context("cannot name this program's own file")?;
        let mut process = Command::new(own)
            .args([VERB, &name])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // The terminal's Ctrl-C is for the lab, which ends what it started.
            .process_group(0)
            .spawn()
            .context("cannot start a process to look for")?;
        let (input, output) = (process.stdin.take(), process.stdout.take());
        let other_user = if nix::unistd::geteuid().as_raw() == 65_534 {
            65_533
        } else {
            65_534
        };
        let mut own = Self {
            traces: Traces {
                name,
                file,
                port: 0,
                other_user,
            },
            secret,
            process,
            input,
        };
        let input = own.input.as_mut().context("it has no standard input")?;
        writeln!(input, "{}", own.secret).context("cannot tell it the secret")?;
        let mut line = String::new();
        let output = output.context("it has no standard output")?;
        BufReader::new(output.take(LONGEST))
            .read_line(&mut line)
            .context("cannot read its port")?;
        own.traces.port = line.trim().parse().map_err(|_| {
            anyhow::anyhow!("cannot listen on the loopback address: see the message above")
        })?;
        Ok(own)
    }

    /// What is to be looked for.
    #[must_use]
    pub fn traces(&self) -> &Traces {
        &self.traces
    }

    /// What whoever reaches its file or its listener learns.
    #[must_use]
    pub fn secret(&self) -> &str {
        &self.secret
    }
}

impl Drop for Canary {
    fn drop(&mut self) {
        // The end of its standard input is what it waits for.
        drop(self.input.take());
        let end = Instant::now() + PATIENCE;
        while matches!(self.process.try_wait(), Ok(None)) {
            if Instant::now() > end {
                let _ = self.process.kill();
                let _ = self.process.wait();
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        // It has done so itself, unless it was killed.
        let _ = mq_unlink(self.traces.queue().as_str());
        let _ = fs::remove_file(&self.traces.file);
    }
}

/// What `__canary` is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The word by which it is known
    name: String,
}

/// Holds a listener and a queue until standard input ends: the canary's process.
///
/// # Errors
/// If there is no secret to tell, or no port to listen on.
pub fn run(args: &Args) -> Result<ExitCode> {
    let mut input = io::stdin().lock();
    let mut secret = String::new();
    input
        .by_ref()
        .take(LONGEST)
        .read_line(&mut secret)
        .context("cannot read the secret")?;
    ensure!(!secret.trim().is_empty(), "there is no secret to tell");
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("cannot listen on the loopback address")?;
    let queue = Queue::make(format!("/isolab-{}", args.name));
    let port = listener
        .local_addr()
        .context("cannot name the port")?
        .port();
    println!("{port}");
    std::thread::spawn(move || tell(&listener, secret.trim()));
    // Ends with the lab, or when the lab says so.
    let _ = io::copy(&mut input, &mut io::sink());
    drop(queue);
    Ok(ExitCode::SUCCESS)
}

/// Tells everybody who connects.
fn tell(listener: &TcpListener, secret: &str) {
    for stream in listener.incoming().flatten() {
        let mut stream = stream;
        // Whoever hangs up early learns nothing.
        let _ = writeln!(stream, "{secret}");
    }
}

/// A POSIX message queue; a kernel without them has none to reach for.
struct Queue(String);

impl Queue {
    fn make(name: String) -> Self {
        // The least queue that there is: what is looked for is its name.
        let attributes = MqAttr::new(0, 1, 16, 0);
        let mode = Mode::S_IRUSR | Mode::S_IWUSR;
        let flags = MQ_OFlag::O_CREAT | MQ_OFlag::O_EXCL | MQ_OFlag::O_RDWR;
        if let Err(errno) = mq_open(name.as_str(), flags, mode, Some(&attributes)) {
            eprintln!("warning: cannot make a message queue to look for: {errno}");
        }
        Self(name)
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        let _ = mq_unlink(self.0.as_str());
    }
}
