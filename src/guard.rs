//! A command that ends when its parent does, however the parent ends.
//!
//! A guest must not outlive the lab that started it, not even one that is
//! killed. The kernel's parent-death signal survives `execve`, so this process
//! asks for it and then becomes the command: no `unsafe` between fork and exec,
//! and no watcher.

use std::convert::Infallible;
use std::ffi::OsString;
use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::OnceLock;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpgrp, getppid, setpgid};

use crate::{free_memory, program};

/// What to become, and whose death to die with.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The process id of the parent
    parent: i32,
    /// Have no huge pages
    #[arg(long)]
    small_pages: bool,
    /// The command
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

impl Args {
    /// What this process was told, if it is to be a guard and [`words`] told it: to read that with
    /// all verbs in mind would take a tenth of what a restored guest takes.
    #[must_use]
    pub fn of_process() -> Option<Self> {
        let mut words = std::env::args_os().skip(1);
        if words.next()? != GUARD {
            return None;
        }
        let parent = words.next()?.to_str()?.parse().ok()?;
        let mut next = words.next()?;
        let small_pages = next == SMALL_PAGES;
        if small_pages {
            next = words.next()?;
        }
        let command: Vec<_> = words.collect();
        let is_whole = next == "--" && !command.is_empty();
        is_whole.then_some(Self {
            parent,
            small_pages,
            command,
        })
    }
}

/// The verb by which this program is a guard.
const GUARD: &str = "__guard";

/// The word by which the command gets no huge pages.
const SMALL_PAGES: &str = "--small-pages";

/// Becomes the command.
///
/// # Errors
/// If the parent is gone already or the command cannot be executed.
///
/// Source: `PR_SET_PDEATHSIG(2const)`.
pub fn run(args: &Args) -> Result<ExitCode> {
    Err(become_command(args).unwrap_err())
}

fn become_command(args: &Args) -> Result<Infallible> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("cannot ask to die with the parent")?;
    // The parent may have died before the kernel was asked.
    if getppid() != Pid::from_raw(args.parent) {
        bail!("the parent is gone");
    }
    // Out of the terminal's foreground group: its Ctrl-C is for the lab, which
    // ends what it started.
    let own = Pid::from_raw(0);
    if getpgrp() != nix::unistd::getpid() {
        setpgid(own, own).context("cannot leave the parent's process group")?;
    }
    if args.small_pages {
        // Without it the command is slower and the same.
        let _ = prctl::set_thp_disable(true);
    }
    let (program, arguments) = args.command.split_first().context("there is no command")?;
    Err(Command::new(program).args(arguments).exec())
        .with_context(|| format!("cannot execute {}", program.to_string_lossy()))
}

/// The words to put before a command so that it ends with this process.
///
/// # Errors
/// If this program's own file cannot be named.
pub fn words() -> Result<Vec<OsString>> {
    let parent = std::process::id().to_string();
    let own = std::env::current_exe().context("cannot name this program's own file")?;
    Ok(vec![own.into(), GUARD.into(), parent.into(), "--".into()])
}

/// The same for a guest, whose start is timed: the guard is the smallest program that does it, and
/// `__guard` only where that cannot. Where the machine's [free memory](free_memory) may not be
/// there, the guest has it in small pages.
///
/// The words hold for as long as this process lives, and for a program that is named by its path.
///
/// # Errors
/// As [`words`].
pub fn quick_words() -> Result<Vec<OsString>> {
    let quick = quick().map(|file| format!("/proc/self/fd/{}", file.as_raw_fd()));
    let mut slow = words()?;
    if free_memory::is_taken_back() {
        slow.insert(slow.len() - 1, SMALL_PAGES.into());
    }
    Ok(quick.into_iter().map(OsString::from).chain(slow).collect())
}

/// The smallest guard, in a file of memory; nothing where memory may not be executed.
fn quick() -> Option<&'static File> {
    static QUICK: OnceLock<Option<File>> = OnceLock::new();
    QUICK.get_or_init(|| make_quick().ok()).as_ref()
}

/// Kernels from 6.3 on want to be told that it is to be executed; older ones know no such word.
///
/// Source: the kernel's `Documentation/userspace-api/mfd_noexec.rst`.
fn make_quick() -> Result<File> {
    const EXECUTABLE: MFdFlags = MFdFlags::from_bits_retain(0x10);
    let made = memfd_create(c"isolab-guard", MFdFlags::MFD_CLOEXEC | EXECUTABLE)
        .or_else(|_| memfd_create(c"isolab-guard", MFdFlags::MFD_CLOEXEC))?;
    let mut file = File::from(made);
    file.write_all(program::GUARD)?;
    let may_be_executed = file.metadata()?.permissions().mode() & 0o100 != 0;
    ensure!(may_be_executed, "files of memory may not be executed");
    Ok(file)
}

/// `program`, to be given its arguments, that ends with this process.
///
/// # Errors
/// If this program's own file cannot be named.
pub fn command(program: &Path) -> Result<Command> {
    let words = words()?;
    let (own, rest) = words.split_first().context("there is no guard")?;
    let mut command = Command::new(own);
    command.args(rest).arg(program);
    Ok(command)
}
