//! The probed side: one stage, done for real, in a process of its own.
//!
//! A process cannot leave a user namespace once it has entered it, and a
//! multi-threaded one cannot enter any, so `isolab doctor` runs itself again as
//! `isolab __probe STAGE` for each stage. The process makes its changes to
//! itself alone, prints one line of JSON and ends; the kernel takes down the
//! namespaces and every mount in them with it.

use std::fs;
use std::io;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use clap::ValueEnum as _;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::{chdir, getegid, geteuid, pivot_root};

use super::facts::Outcome;
use super::hello;
use super::probe_cgroup;
use super::probe_container;
use super::stage::{Stage, Step};

/// The stage's second half, run as process 1 of a new PID namespace.
const PROC_MOUNT_AS_INIT: &str = "proc-mount-as-init";

/// A step that failed, with the kernel's reason.
pub(super) struct Stop {
    step: Step,
    errno: i32,
    detail: String,
}

pub(super) type Probed = Result<String, Stop>;

/// Attaches a step to the error of a system call.
pub(super) trait At<T> {
    fn at(self, step: Step, detail: impl Into<String>) -> Result<T, Stop>;
}

impl<T> At<T> for Result<T, Errno> {
    fn at(self, step: Step, detail: impl Into<String>) -> Result<T, Stop> {
        self.map_err(|errno| Stop {
            step,
            errno: errno as i32,
            detail: detail.into(),
        })
    }
}

impl<T> At<T> for io::Result<T> {
    fn at(self, step: Step, detail: impl Into<String>) -> Result<T, Stop> {
        self.map_err(|error| Stop {
            step,
            errno: error.raw_os_error().unwrap_or(0),
            detail: detail.into(),
        })
    }
}

/// Does one stage and prints how it ended, as one line of JSON.
///
/// For `isolab __probe STAGE`, which must call it before it starts a thread.
#[must_use]
pub fn probe(stage: &str) -> ExitCode {
    // Should the doctor be interrupted, nothing of it stays behind.
    let _ = prctl::set_pdeathsig(Signal::SIGKILL);
    if stage == hello::STAGE {
        return hello::probe();
    }
    let probed = if stage == PROC_MOUNT_AS_INIT {
        mount_proc_as_init()
    } else {
        match Stage::from_str(stage, false) {
            Ok(Stage::UserNamespace) => enter_user_namespace(),
            Ok(Stage::IdMap) => map_ids(),
            Ok(Stage::MountNamespace) => change_root(),
            Ok(Stage::ProcMount) => return mount_proc(),
            Ok(Stage::Overlay) => overlay(),
            Ok(Stage::Cgroup) => probe_cgroup::make_and_enter(),
            Ok(Stage::NetworkNamespace) => network(),
            Ok(Stage::Seccomp) => probe_container::seccomp(),
            Ok(Stage::Container) => probe_container::container(),
            _ => {
                eprintln!("error: no such probe: {stage}");
                return ExitCode::from(2);
            }
        }
    };
    report(&match probed {
        Ok(detail) => Outcome::Works { detail },
        Err(Stop {
            step,
            errno,
            detail,
        }) => Outcome::Failed {
            step,
            errno,
            detail,
        },
    })
}

fn report(outcome: &Outcome) -> ExitCode {
    match serde_json::to_string(outcome) {
        Ok(line) => {
            println!("{line}");
            ExitCode::SUCCESS
        }
        Err(_) => ExitCode::FAILURE,
    }
}

/// Creates a user namespace, and uses a capability in it: with AppArmor's
/// restriction the first succeeds and every capability is then denied.
fn enter_user_namespace() -> Probed {
    unshare(CloneFlags::CLONE_NEWUSER).at(Step::Unshare, "unshare(CLONE_NEWUSER)")?;
    unshare(CloneFlags::CLONE_NEWUTS).at(Step::Capability, "unshare(CLONE_NEWUTS)")?;
    Ok("created, and its capabilities work".to_owned())
}

/// Becomes root of a new user namespace, whose one id is the caller's.
fn map_ids() -> Probed {
    let (uid, gid) = (geteuid(), getegid());
    enter_user_namespace()?;
    // The kernel wants this first: a process that could drop groups could pass
    // a file that denies access to one of its groups.
    write("/proc/self/setgroups", "deny").at(Step::IdMap, "/proc/self/setgroups")?;
    write("/proc/self/uid_map", &format!("0 {uid} 1")).at(Step::IdMap, "/proc/self/uid_map")?;
    write("/proc/self/gid_map", &format!("0 {gid} 1")).at(Step::IdMap, "/proc/self/gid_map")?;
    Ok(format!("user {uid} is root inside"))
}

fn write(path: &str, text: &str) -> io::Result<()> {
    // One write, on a file opened for writing only: the kernel takes a map in
    // one piece, once.
    io::Write::write_all(
        &mut fs::OpenOptions::new().write(true).open(path)?,
        text.as_bytes(),
    )
}

/// As [`map_ids`], and further namespaces of the new root's own.
fn enter(further: CloneFlags) -> Result<(), Stop> {
    map_ids()?;
    // One at a time, so that a refusal names its namespace.
    for (name, flag) in further.iter_names() {
        unshare(flag).at(Step::FurtherNamespace, name)?;
    }
    Ok(())
}

/// A private tmpfs, over a directory that is certain to be there.
fn scratch() -> Result<PathBuf, Stop> {
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)
        .at(Step::Mount, "making / private")?;
    let place = [std::env::temp_dir(), "/tmp".into(), "/mnt".into()]
        .into_iter()
        .find(|path| path.is_absolute() && path.is_dir())
        .unwrap_or_else(|| "/dev".into());
    tmpfs_on(&place)?;
    Ok(place)
}

fn tmpfs_on(place: &Path) -> Result<(), Stop> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV;
    mount(Some("tmpfs"), place, Some("tmpfs"), flags, Some("size=1m"))
        .at(Step::Mount, format!("a tmpfs on {}", place.display()))
}

/// The namespaces that need no more than capabilities, and a root directory of
/// our own, as a container has it.
fn change_root() -> Probed {
    enter(
        CloneFlags::CLONE_NEWNS
            | CloneFlags::CLONE_NEWUTS
            | CloneFlags::CLONE_NEWIPC
            | CloneFlags::CLONE_NEWCGROUP,
    )?;
    let root = scratch()?;
    chdir(&root).at(Step::PivotRoot, root.display().to_string())?;
    // Both names are the same directory: the old root ends up stacked on the
    // new one, from where it can be detached without a directory to hold it.
    pivot_root(".", ".").at(Step::PivotRoot, root.display().to_string())?;
    umount2(".", MntFlags::MNT_DETACH).at(Step::PivotRoot, "detaching the old root")?;
    Ok("mount, UTS, IPC and cgroup; pivot_root".to_owned())
}

/// A new PID namespace begins with the next child, so the mount is the work of
/// a child; its line of JSON is ours.
fn mount_proc() -> ExitCode {
    let entered = enter(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWPID).and_then(|()| {
        Command::new("/proc/self/exe")
            .arg0("isolab")
            .args(["__probe", PROC_MOUNT_AS_INIT])
            .stdin(Stdio::null())
            .status()
            .at(Step::FurtherNamespace, "process 1 of a PID namespace")
    });
    match entered {
        Ok(status) => ExitCode::from(status.code().map_or(1, |code| code.unsigned_abs() as u8)),
        Err(Stop {
            step,
            errno,
            detail,
        }) => report(&Outcome::Failed {
            step,
            errno,
            detail,
        }),
    }
}

fn mount_proc_as_init() -> Probed {
    let place = scratch()?;
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), &place, Some("proc"), flags, None::<&str>)
        .at(Step::ProcMount, place.display().to_string())?;
    let own = fs::read_link(place.join("self")).at(Step::ProcMount, "reading self")?;
    Ok(format!("fresh; its first process is {}", own.display()))
}

/// An overlay in a user namespace, and the copy-up that a write causes.
///
/// `userxattr` keeps overlay's marks where a user namespace may write them
/// (kernel 5.11 and later).
fn overlay() -> Probed {
    enter(CloneFlags::CLONE_NEWNS)?;
    let place = scratch()?;
    chdir(&place).at(Step::Mount, place.display().to_string())?;
    for directory in ["lower", "upper", "work", "merged"] {
        fs::create_dir(directory).at(Step::Mount, directory)?;
    }
    fs::write("lower/file", "below").at(Step::Mount, "lower/file")?;
    let options = "lowerdir=lower,upperdir=upper,workdir=work,userxattr";
    let flags = MsFlags::empty();
    mount(
        Some("overlay"),
        "merged",
        Some("overlay"),
        flags,
        Some(options),
    )
    .at(Step::OverlayMount, options)?;
    fs::write("merged/file", "above").at(Step::CopyUp, "merged/file")?;
    let layers = (
        fs::read("lower/file").at(Step::CopyUp, "lower/file")?,
        fs::read("upper/file").at(Step::CopyUp, "upper/file")?,
    );
    if layers != (b"below".to_vec(), b"above".to_vec()) {
        return Err(Stop {
            step: Step::CopyUp,
            errno: 0,
            detail: "a write changed the lower layer".to_owned(),
        });
    }
    Ok("a write goes to the upper layer".to_owned())
}

fn network() -> Probed {
    enter(CloneFlags::CLONE_NEWNET)?;
    let table =
        fs::read_to_string("/proc/self/net/dev").at(Step::Interfaces, "/proc/self/net/dev")?;
    let names: Vec<&str> = table
        .lines()
        .skip(2) // two lines of headings
        .filter_map(|line| Some(line.split_once(':')?.0.trim()))
        .collect();
    Ok(format!("holds {} alone", names.join(", ")))
}

impl Stop {
    /// A failure that no system call reported.
    pub(super) fn without_errno(step: Step, detail: impl Into<String>) -> Self {
        Self {
            step,
            errno: 0,
            detail: detail.into(),
        }
    }
}
