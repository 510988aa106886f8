//! Other processes, and other users.

use std::fs;

use nix::sys::signal::kill;
use nix::unistd::{Pid, Uid, geteuid, seteuid};

use super::super::answer::Said;
use super::super::canary;
use super::{Tried, tried};

/// The ids of all processes that `/proc` shows.
fn all() -> std::io::Result<Vec<i32>> {
    let entries = fs::read_dir("/proc")?.flatten();
    Ok(entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect())
}

pub(super) fn count() -> Tried {
    let counted = all().map(|pids| pids.len().to_string());
    tried("list the numbers in /proc", counted)
}

/// The process whose arguments are those of the canary called `name`: words in
/// the argument of a container engine that carries our request are not enough.
fn canary_called(name: &str) -> std::io::Result<Option<i32>> {
    let is_it = |pid: &i32| {
        let Ok(line) = fs::read(format!("/proc/{pid}/cmdline")) else {
            return false;
        };
        let mut words = line.split(|byte| *byte == 0).skip(1);
        words.next() == Some(canary::VERB.as_bytes()) && words.next() == Some(name.as_bytes())
    };
    Ok(all()?.into_iter().find(is_it))
}

pub(super) fn see(name: &str) -> Tried {
    let call = format!("look in /proc/*/cmdline for {} {name}", canary::VERB);
    match canary_called(name) {
        Ok(Some(pid)) => (call, Said::Yes(format!("it is process {pid}"))),
        Ok(None) => tried(call, Err("it is not there")),
        Err(error) => tried(call, Err(error)),
    }
}

/// Signal 0: the kernel checks as for any signal, and delivers nothing.
///
/// Source: `kill(2)`.
pub(super) fn signal(name: &str) -> Tried {
    match canary_called(name) {
        Ok(Some(pid)) => {
            let sent = kill(Pid::from_raw(pid), None);
            tried(
                format!("kill({pid}, 0)"),
                sent.map(|()| "allowed".to_owned()),
            )
        }
        _ => (
            "kill(PID, 0)".to_owned(),
            Said::NotTried("there is no process to signal".to_owned()),
        ),
    }
}

/// The effective user, there and back: the saved one stays, so that one may return.
pub(super) fn become_user(other: u32) -> Tried {
    let own = geteuid();
    let went = seteuid(Uid::from_raw(other)).and_then(|()| seteuid(own));
    tried(
        format!("seteuid({other}), and back"),
        went.map(|()| format!("user {other} for a moment")),
    )
}
