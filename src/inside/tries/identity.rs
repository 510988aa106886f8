//! Who one is inside: which kernel, which namespaces, which first process.

use std::fs;
use std::io;

use super::super::answer::Said;
use super::super::attempt::Attempt;
use super::{Tried, tried};

/// Where the kernel's identity is drawn anew at each boot (`random(4)`).
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";

pub(super) fn boot_id() -> Tried {
    tried(format!("read {BOOT_ID}"), trimmed(BOOT_ID))
}

pub(super) fn kernel_release() -> Tried {
    let text = nix::sys::utsname::uname().map(|name| {
        let (release, version) = (name.release(), name.version());
        format!("{} {}", release.display(), version.display())
    });
    tried("uname()", text)
}

pub(super) fn namespace(attempt: Attempt) -> Tried {
    let named = Attempt::NAMESPACES
        .iter()
        .find(|(kind, _)| *kind == attempt);
    let name = named.map_or("", |(_, name)| name);
    let path = format!("/proc/self/ns/{name}");
    let link = fs::read_link(&path).map(|target| target.display().to_string());
    tried(format!("readlink(\"{path}\")"), link)
}

pub(super) fn first_process() -> Tried {
    tried("read /proc/1/comm", trimmed("/proc/1/comm"))
}

/// Source: `proc_pid_uid_map(5)`: first id inside, first id outside, how many.
pub(super) fn uid_map() -> Tried {
    let path = "/proc/self/uid_map";
    let map = trimmed(path).map(|map| {
        let lines = map
            .lines()
            .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
        lines.collect::<Vec<_>>().join(", ")
    });
    tried(format!("read {path}"), map)
}

/// Source: `proc_meminfo(5)`.
pub(super) fn memory() -> Tried {
    let path = "/proc/meminfo";
    let call = format!("read {path}");
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => return tried(call, Err(error)),
    };
    let field = |name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().nth(1)?.parse::<u64>().ok()
    };
    match (field("MemTotal"), field("Cached")) {
        (Some(total), Some(cached)) => (
            call,
            Said::Yes(format!("MemTotal {total} kB, Cached {cached} kB")),
        ),
        _ => tried(call, Err("no such fields")),
    }
}

fn trimmed(path: &str) -> io::Result<String> {
    Ok(fs::read_to_string(path)?.trim().to_owned())
}
