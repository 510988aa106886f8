//! The machine itself: its name, limits, clock, kernel and devices.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::sys::stat::{Mode, SFlag, makedev, mknod};
use nix::unistd::{gethostname, sethostname};

use super::super::answer::Said;
use super::{Tried, tried};
use crate::environment::{cgroup, mounts};

pub(super) fn host_name() -> Tried {
    let name = gethostname().map(|name| name.to_string_lossy().into_owned());
    tried("gethostname()", name)
}

/// To what it is: where it is allowed, nothing changes.
pub(super) fn set_host_name() -> Tried {
    let set = gethostname().and_then(sethostname);
    tried(
        "sethostname(gethostname())",
        set.map(|()| "allowed; it is what it was".to_owned()),
    )
}

pub(super) fn cgroup() -> Tried {
    let path = "/proc/self/cgroup";
    let text = fs::read_to_string(path).map(|text| {
        let lines: Vec<&str> = text.lines().collect();
        let places = lines.iter().filter_map(|line| line.splitn(3, ':').nth(2));
        let mut places: Vec<&str> = places.collect();
        places.sort_unstable();
        places.dedup();
        places.join(" ")
    });
    tried(format!("read {path}"), text)
}

/// The names that a limit goes by, in versions 2 and 1, and what every group has.
const LIMITS: [&str; 5] = [
    "memory.max",
    "memory.limit_in_bytes",
    "pids.max",
    "cpu.shares",
    "cgroup.procs",
];

/// A limit of the group that this process is in.
fn limit() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/self/cgroup").ok()?;
    let mounted = mounts::parse(&fs::read_to_string("/proc/self/mountinfo").ok()?);
    let hierarchies = cgroup::hierarchies(&text, &mounted);
    let own: Vec<PathBuf> = hierarchies.into_iter().filter_map(|h| h.own).collect();
    LIMITS.iter().find_map(|name| {
        let files = own.iter().map(|group| group.join(name));
        files.into_iter().find(|file| file.exists())
    })
}

pub(super) fn open_limit() -> Tried {
    let Some(path) = limit() else {
        let call = "open(LIMIT, O_WRONLY)".to_owned();
        return (call, Said::No("no control group can be seen".to_owned()));
    };
    let opened = OpenOptions::new().write(true).open(&path);
    tried(
        format!("open(\"{}\", O_WRONLY)", path.display()),
        opened.map(|_| "opened; nothing was written".to_owned()),
    )
}

pub(super) fn set_clock() -> Tried {
    let asked = isolab_oci::sys::clock::may_be_set();
    tried(
        "adjtimex(ADJ_TICK, 0)",
        asked.map(|()| "allowed (EINVAL: no clock takes that tick)".to_owned()),
    )
}

/// The kernel asks for CAP_SYS_MODULE before it looks at the module, and no bytes
/// are no module.
///
/// Source: `init_module(2)`.
pub(super) fn load_module() -> Tried {
    let call = "init_module(0 bytes)";
    match nix::kmod::init_module(&[], c"") {
        Err(Errno::ENOEXEC) | Ok(()) => (
            call.to_owned(),
            Said::Yes("allowed (ENOEXEC: it is no module)".to_owned()),
        ),
        Err(errno) => tried(call, Err(errno)),
    }
}

pub(super) fn count_devices() -> Tried {
    let counted = fs::read_dir("/dev").map(|entries| {
        // Followed: in a container they may be the host's, mounted over empty files.
        let found = entries.flatten();
        let kinds = found.filter_map(|e| Some(fs::metadata(e.path()).ok()?.file_type()));
        let (mut characters, mut blocks) = (0, 0);
        for kind in kinds {
            characters += usize::from(kind.is_char_device());
            blocks += usize::from(kind.is_block_device());
        }
        format!("{characters} of characters, {blocks} of blocks")
    });
    tried("list /dev", counted)
}

/// Opens for reading, without waiting and without reading.
fn open_quietly(path: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .custom_flags((OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits());
    options.open(path).map(drop)
}

pub(super) fn open_kernel_log() -> Tried {
    opened(Path::new("/dev/kmsg"))
}

fn opened(path: &Path) -> Tried {
    tried(
        format!("open(\"{}\", O_RDONLY)", path.display()),
        open_quietly(path).map(|()| "opened; nothing was read".to_owned()),
    )
}

/// The first disk that the kernel has and that is in /dev.
///
/// Source: `proc_partitions(5)`.
fn disk() -> Option<PathBuf> {
    let text = fs::read_to_string("/proc/partitions").ok()?;
    let names = text
        .lines()
        .skip(2)
        .filter_map(|l| l.split_whitespace().nth(3));
    names.map(|name| Path::new("/dev").join(name)).find(|path| {
        path.metadata()
            .is_ok_and(|found| found.file_type().is_block_device())
    })
}

pub(super) fn open_disk() -> Tried {
    match disk() {
        Some(path) => opened(&path),
        None => tried("open(DISK, O_RDONLY)", Err("no disk is in /dev")),
    }
}

/// A node of the kernel's log beside other nodes, opened and removed.
pub(super) fn make_device(place: &Path) -> Tried {
    let path = place.join(format!(".isolab-{}", std::process::id()));
    let made = mknod(&path, SFlag::S_IFCHR, Mode::S_IRUSR, makedev(1, 11));
    let call = format!("mknod(\"{}/NODE\", S_IFCHR, 1:11)", place.display());
    if let Err(errno) = made {
        return tried(call, Err(errno));
    }
    let opened = open_quietly(&path);
    let _ = fs::remove_file(&path);
    tried(
        format!("{call}, open"),
        opened.map(|()| "made and opened; it is removed".to_owned()),
    )
}
