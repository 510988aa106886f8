//! Who keeps a guest that nobody waits for: a process of its own, in a session of its own.
//!
//! The command that starts a guest hands over the guest's directory, and the lock on it as the
//! standard input of this process: it is the same open file, so that at no moment nobody holds it.
//! When the guest's program runs, or cannot, one line on standard output tells that command. From
//! then on only the record tells anything, and the log.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, ExitCode, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use serde::{Deserialize, Serialize};
use vm_model::guest::{INTERRUPT, RunningGuest, power};

use super::directory::{self, Held};
use super::life::{self, Company, End, Lived, TIMED_OUT};
use super::log::Log;
use super::process::Process;
use super::record::{self, Record, Status};
use super::wanted::{MONITOR, Wanted};
use crate::hint;
use crate::interrupt::Interrupt;

/// The file with what the guest is to be.
const WANTED: &str = "wanted.json";
/// The longest line that is read of a keeper.
const LONGEST: usize = 64 << 10;
/// How often it is asked whether the user still wants the guest; a signal is heard at once.
const GLANCE: Duration = Duration::from_millis(50);
/// What a guest may take to be gone with its keeper.
const LAST: Duration = Duration::from_secs(5);

/// The guest to keep.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Its directory
    directory: PathBuf,
}

/// The line by which a keeper tells how it went.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Told {
    /// The guest's program runs.
    Begun,
    /// The guest is over already.
    Over { code: u8, why: Option<String> },
    /// It could not be had.
    Failed {
        message: String,
        hint: Option<String>,
    },
}

/// Starts a keeper for `wanted` in the directory that `held` has, and waits until the guest's
/// program runs. What it ended with, if it has ended by then.
///
/// # Errors
/// If it cannot be had, or `interrupt` came first; nothing of it is left then. A program that is not
/// there or cannot be executed makes an error with its own code.
pub fn start(held: Held, wanted: &Wanted, interrupt: &Interrupt) -> Result<Option<u8>> {
    let started = hand_over(&held, wanted, interrupt);
    match started {
        Ok(Told::Begun) => Ok(None),
        Ok(Told::Over { code, why: None }) => Ok(Some(code)),
        Ok(Told::Over {
            code,
            why: Some(why),
        }) => {
            held.remove();
            Err(hint::coded(format!("the guest ended at once: {why}"), code))
        }
        Ok(Told::Failed { message, hint }) => {
            held.remove();
            Err(match hint {
                Some(hint) => hint::with(message, hint),
                None => anyhow::Error::msg(message),
            })
        }
        Err(error) => {
            held.remove();
            Err(error)
        }
    }
}

fn hand_over(held: &Held, wanted: &Wanted, interrupt: &Interrupt) -> Result<Told> {
    record::write_whole(held.path(), WANTED, &record::bounded(wanted)?)?;
    let own = std::env::current_exe().context("cannot name this program's own file")?;
    let mut keeper = Command::new(own)
        .arg("__keep")
        .arg(held.path())
        .stdin(held.lock()?)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start a keeper for the guest")?;
    let heard = heard(&mut keeper, interrupt);
    if heard.is_err() {
        // Nobody knows of it yet, and there is nothing in it that could end well.
        let _ = keeper.kill();
        let _ = keeper.wait();
        let vmm = held.record().and_then(|record| record.vmm);
        if let Some(Ok(Some(vmm))) = vmm.map(|vmm| vmm.pinned()) {
            let _ = vmm.is_gone_within(LAST);
        }
    }
    heard
}

/// What a keeper tells of the start; an error if `interrupt` came before.
fn heard(keeper: &mut Child, interrupt: &Interrupt) -> Result<Told> {
    let line = first_line(keeper, interrupt)?;
    if let Some(interrupted) = hint::of_signal(interrupt).filter(|_| line.is_none()) {
        return Err(interrupted);
    }
    let line = line.unwrap_or_default();
    if line.is_empty() {
        let status = keeper.wait()?;
        bail!("the guest's keeper ended with {status}");
    }
    Ok(serde_json::from_slice(&line)?)
}

/// What a keeper says first, which takes as long as a boot; nothing if `interrupt` came before.
fn first_line(keeper: &mut Child, interrupt: &Interrupt) -> Result<Option<Vec<u8>>> {
    let out = keeper.stdout.as_mut().context("a keeper says something")?;
    let mut line = Vec::new();
    while !line.ends_with(b"\n") && line.len() < LONGEST {
        if interrupt.raised() {
            return Ok(None);
        }
        let mut fds = [PollFd::new(out.as_fd(), PollFlags::POLLIN)];
        let timeout = PollTimeout::try_from(GLANCE).unwrap_or(PollTimeout::MAX);
        match poll(&mut fds, timeout) {
            Ok(0) | Err(Errno::EINTR) => continue,
            ready => ready.context("cannot wait for the guest's keeper")?,
        };
        let mut piece = [0; 4096];
        match out.read(&mut piece)? {
            0 => break,
            count => line.extend_from_slice(&piece[..count]),
        }
    }
    Ok(Some(line))
}

/// Keeps a guest until it is over.
///
/// # Errors
/// If the one who starts it has gone away before.
pub fn run(args: &Args) -> Result<ExitCode> {
    // What ends the terminal that it was started from is not meant for it.
    nix::unistd::setsid().context("cannot begin a session")?;
    let lock = File::from(io::stdin().as_fd().try_clone_to_owned()?);
    let held = Held::handed_over(args.directory.clone(), lock);
    // Two may ask for its end, each with a patience of his own.
    let interrupt = Interrupt::listen_only()?;
    let mut keeper = Keeper::new(&held)?;
    let wanted = keeper.record.wanted.clone();
    let guest = wanted.guest(held.path());
    let lived =
        guest.and_then(|guest| life::live(&wanted, &guest, held.path(), &mut keeper, &interrupt));
    let (code, why) = told(&lived);
    let begun = keeper.begun;
    keeper.record.status = Status::Ended {
        code,
        why: why.clone(),
    };
    let told = match &lived {
        Err(error) => Told::Failed {
            message: format!("{error:#}"),
            hint: hint::of(error),
        },
        Ok(_) => Told::Over { code, why },
    };
    // Whoever started it removes what never was a guest.
    if begun || lived.is_ok() {
        match wanted.forget {
            true => held.remove(),
            false => {
                held.write(&keeper.record)?;
                held.clear();
            }
        }
    }
    if !begun {
        tell(&told);
    }
    Ok(ExitCode::SUCCESS)
}

/// What a life ended with, and why, if it was not its program that ended.
fn told(lived: &Result<Lived>) -> (u8, Option<String>) {
    match lived {
        Err(error) => (hint::NOTHING_RAN, Some(format!("{error:#}"))),
        Ok(lived) => match &lived.end {
            End::Program { code, errno } => (
                *code,
                errno.map(|errno| {
                    let error = io::Error::from_raw_os_error(errno);
                    format!("its program cannot be executed: {error}")
                }),
            ),
            End::TimedOut => (TIMED_OUT, Some("its time was over".to_owned())),
            End::Interrupted(code) => (*code, Some("it was stopped".to_owned())),
            End::Unheard | End::ByHand => (hint::NOTHING_RAN, Some("it was ended".to_owned())),
        },
    }
}

fn tell(told: &Told) {
    // Whoever started it may be gone: then nobody has to be told.
    let line = serde_json::to_string(told).unwrap_or_default();
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

struct Keeper<'a> {
    held: &'a Held,
    record: Record,
    log: Log,
    input: Option<ChildStdin>,
    begun: bool,
}

impl<'a> Keeper<'a> {
    fn new(held: &'a Held) -> Result<Self> {
        let wanted = record::read_whole(&held.path().join(WANTED))?;
        Ok(Self {
            held,
            record: new_record(serde_json::from_slice(&wanted)?)?,
            log: Log::new(held.path())?,
            input: None,
            begun: false,
        })
    }
}

/// The record of a guest that this process is about to start.
///
/// # Errors
/// If `/proc` does not say when this process was started.
pub fn new_record(wanted: Wanted) -> Result<Record> {
    let keeper = Process::of(std::process::id().cast_signed());
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(Record {
        wanted,
        status: Status::Booting,
        keeper: keeper.context("/proc does not tell of this process")?,
        vmm: None,
        hangs: 0,
        since: since.unwrap_or_default().as_secs(),
    })
}

impl Company for Keeper<'_> {
    fn started(&mut self, guest: &RunningGuest, hangs: &[String]) -> Result<()> {
        self.record.vmm = Process::of(guest.pid().cast_signed());
        self.record.hangs = u32::try_from(hangs.len()).unwrap_or(u32::MAX);
        self.held.write(&self.record)
    }

    fn hung(&mut self, hang: &str) {
        self.log.add(format!("isolab: {hang}\n").as_bytes());
    }

    fn begun(&mut self, guest: &mut RunningGuest) -> Result<()> {
        self.input = guest.take_input();
        self.begun = true;
        self.record.status = Status::Running;
        self.held.write(&self.record)?;
        tell(&Told::Begun);
        Ok(())
    }

    fn said(&mut self, bytes: &[u8]) -> Result<bool> {
        self.log.add(bytes);
        Ok(true)
    }

    fn shown(&mut self, bytes: &[u8]) {
        self.log.add(bytes);
    }

    fn interrupt(&mut self) -> bool {
        let input = self.input.as_mut();
        input.is_some_and(|input| {
            input
                .write_all(&[INTERRUPT])
                .and_then(|()| input.flush())
                .is_ok()
        })
    }

    fn grace(&self) -> Duration {
        // Whoever asked decides, and kills this process.
        Duration::MAX
    }

    fn power_button(&mut self) -> bool {
        power::press(&self.held.path().join(MONITOR)).is_ok()
    }
}

/// What is kept of a guest's words.
///
/// # Errors
/// If there is no such guest.
pub fn log_of(name: &str) -> Result<Vec<u8>> {
    let seen = directory::named(name)?;
    Ok(super::log::read(Path::new(&seen.path)))
}
