//! A process that keeps namespaces alive for containers to join.

use std::process::{Child, Command, Stdio};

use crate::eventually::eventually;
use crate::host;

/// A sleeping process in namespaces of its own; ended when dropped.
pub(crate) struct Holder {
    child: Child,
    /// The process that is in the namespaces.
    pub(crate) pid: u32,
}

impl Holder {
    /// Makes it with `unshare(1)` and its `options`. `kind` is one of the
    /// namespaces, as its link in `/proc/PID/ns` is named.
    pub(crate) fn new(options: &[&str], kind: &str) -> Self {
        let mut child = Command::new("unshare")
            .args(options)
            .args(["sleep", "1000"])
            .stdin(Stdio::null())
            .spawn()
            .unwrap();
        let forks = options.contains(&"--fork");
        let mut pid = child.id();
        let here = host::namespace("self", kind);
        eventually("namespaces to join", || {
            assert!(child.try_wait().unwrap().is_none(), "unshare failed");
            if forks {
                let children = format!("/proc/{pid}/task/{pid}/children");
                let children = std::fs::read_to_string(children).unwrap_or_default();
                match children.trim().parse() {
                    Ok(forked) if pid == child.id() => pid = forked,
                    _ if pid == child.id() => return false,
                    _ => {}
                }
            }
            host::namespace(&pid.to_string(), kind) != here
        });
        Self { child, pid }
    }

    /// The file of its namespace.
    pub(crate) fn path(&self, kind: &str) -> String {
        format!("/proc/{}/ns/{kind}", self.pid)
    }

    /// The namespace itself, as in `net:[4026531840]`.
    pub(crate) fn namespace(&self, kind: &str) -> String {
        host::namespace(&self.pid.to_string(), kind)
    }
}

impl Drop for Holder {
    fn drop(&mut self) {
        let pids = [self.pid, self.child.id()].map(|pid| pid.to_string());
        let _ = Command::new("kill").arg("-KILL").args(pids).status();
        let _ = self.child.wait();
    }
}
