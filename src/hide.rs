//! Files taken out of the view of a container that runs already.
//!
//! To see what a program does when something goes from under it, it has to go while the
//! program runs, and from nobody else. A process of our own enters the container's user and
//! mount namespaces, covers the files there, and ends; the covers go with the namespace.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, setns};

use crate::environment::bounded::{self, Ended};
use crate::guard;

/// The verb, which is none of the user's.
const VERB: &str = "__hide";
/// The longest that it may take.
const BOUND: Duration = Duration::from_secs(10);

/// What to hide, and from whom.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A process of the container
    pid: i32,
    /// Files and directories, by their names in there
    #[arg(required = true)]
    paths: Vec<PathBuf>,
}

/// Covers the files in the mount namespace of that process: directories with an empty one,
/// files with the null device, as a runtime covers the masked paths of a container.
///
/// # Errors
/// If the process has no mount namespace of its own: what is hidden there would be hidden from
/// the whole machine. If the kernel refuses a step.
///
/// Source: `setns(2)`: who made a user namespace may enter it, and with it the others that it
/// owns; only a process of one thread may.
pub fn run(args: &Args) -> Result<ExitCode> {
    let of = |pid: &str, kind: &str| format!("/proc/{pid}/ns/{kind}");
    let pid = args.pid.to_string();
    let kinds = [
        ("user", CloneFlags::CLONE_NEWUSER),
        ("mnt", CloneFlags::CLONE_NEWNS),
    ];
    // All before the first is entered: after that, /proc is another one.
    let mut entered = Vec::new();
    for (kind, flag) in kinds {
        let theirs = of(&pid, kind);
        let read = |path: &str| fs::read_link(path).with_context(|| format!("cannot read {path}"));
        ensure!(
            read(&theirs)? != read(&of("self", kind))?,
            "process {pid} has no {kind} namespace of its own"
        );
        let file = File::open(&theirs).with_context(|| format!("cannot open {theirs}"))?;
        entered.push((file, flag, kind));
    }
    for (file, flag, kind) in entered {
        setns(&file, flag)
            .with_context(|| format!("cannot enter the {kind} namespace of {pid}"))?;
    }
    for path in &args.paths {
        cover(path).with_context(|| format!("cannot hide {}", path.display()))?;
    }
    Ok(ExitCode::SUCCESS)
}

fn cover(path: &Path) -> Result<()> {
    let none = None::<&str>;
    if fs::metadata(path)?.is_dir() {
        let flags = MsFlags::MS_RDONLY | MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
        mount(
            Some("tmpfs"),
            path,
            Some("tmpfs"),
            flags,
            Some("mode=0755,size=0"),
        )?;
    } else {
        mount(Some("/dev/null"), path, none, MsFlags::MS_BIND, none)?;
    }
    Ok(())
}

/// Has a process of this program hide `paths` from the container of `pid`.
///
/// # Errors
/// As [`run`].
pub fn from(pid: i32, paths: &[PathBuf]) -> Result<()> {
    let own = std::env::current_exe().context("cannot name this program's own file")?;
    let mut command: Command = guard::command(&own)?;
    command.args([VERB, &pid.to_string()]).args(paths);
    match bounded::run(&mut command, BOUND).context("cannot start a process that hides")? {
        Ended::Exited { code: Some(0), .. } => Ok(()),
        Ended::Exited { stderr, .. } => {
            let said = stderr.lines().next().unwrap_or("it failed");
            bail!("{}", said.trim_start_matches("error: "))
        }
        Ended::TimedOut => bail!("hiding took longer than {BOUND:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is hidden in the machine's own namespace would be hidden from everybody.
    #[test]
    fn nothing_is_hidden_where_the_namespace_is_our_own() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("file"), "here").unwrap();
        let args = Args {
            pid: std::process::id().try_into().unwrap(),
            paths: vec![dir.path().to_owned()],
        };
        let error = run(&args).unwrap_err().to_string();
        assert!(error.contains("no user namespace of its own"), "{error}");
        assert!(dir.path().join("file").exists());
    }
}
