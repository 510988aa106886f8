//! One cell from what was tried: a pure function of the outcomes.
//!
//! Whose a thing is, is told by what cannot be mistaken: a secret that was learnt,
//! a namespace's number, a file's inode, the identity that a kernel drew at its
//! boot. Numbers of namespaces and inodes mean something only under one kernel, so
//! that is asked first. Whether the thing could be changed as well is told by what
//! the kernel said to the attempt.

use super::axis::Axis;
use super::cell::Cell;
use crate::inside::{Answer, Attempt, Said};

/// A cell, and what it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judged {
    /// The cell.
    pub cell: Cell,
    /// What it rests on, in a sentence.
    pub because: String,
}

/// What the outcomes are held against.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// The same attempts, made on the host.
    pub host: &'a Answer,
    /// What whoever reaches the canary's file or listener learns.
    pub secret: &'a str,
}

/// The cell of `axis` for the place that gave `inside`.
#[must_use]
pub fn judge(axis: Axis, inside: &Answer, against: Reference<'_>) -> Judged {
    let case = Case { inside, against };
    match axis {
        Axis::Processes => case.processes(),
        Axis::Users => case.namespaced(
            Attempt::NsUser,
            Attempt::BecomeUser,
            "users",
            "become another",
        ),
        Axis::Mounts => case.namespaced(Attempt::NsMnt, Attempt::MakeMount, "mounts", "mount"),
        Axis::Files => case.files(),
        Axis::Network => case.network(),
        Axis::Ports => case.ports(),
        Axis::Hostname => {
            case.namespaced(Attempt::NsUts, Attempt::SetHostName, "host name", "set it")
        }
        Axis::Ipc => case.queues(),
        Axis::Cgroup => case.namespaced(
            Attempt::NsCgroup,
            Attempt::OpenLimit,
            "control groups",
            "change its limits",
        ),
        Axis::Time => case.of_the_kernel(Attempt::SetClock, "clock", "set it"),
        Axis::Kernel => case.of_the_kernel(Attempt::LoadModule, "kernel", "load modules"),
        Axis::Devices => case.devices(),
        Axis::Packages => case.file(
            Attempt::PackageDirectory,
            Attempt::WritePackages,
            "directory of packages",
        ),
        Axis::Interpreter => case.file(
            Attempt::InterpreterFile,
            Attempt::WriteInterpreter,
            "interpreter",
        ),
        Axis::StandardLibrary => case.file(
            Attempt::StandardLibrary,
            Attempt::WriteStandardLibrary,
            "standard library",
        ),
        Axis::Libraries => case.file(Attempt::CLibrary, Attempt::WriteCLibrary, "C library"),
    }
}

/// The errors by which a kernel says that something is there and not allowed.
const FORBIDDEN: [&str; 2] = ["EACCES", "EPERM"];

fn is_forbidden(why: &str) -> bool {
    FORBIDDEN.contains(&why)
}

fn judged(cell: Cell, because: impl Into<String>) -> Judged {
    Judged {
        cell,
        because: because.into(),
    }
}

struct Case<'a> {
    inside: &'a Answer,
    against: Reference<'a>,
}

impl Case<'_> {
    /// Whether the kernel inside is the host's; `None` if either is not known.
    fn is_one_kernel(&self) -> Option<bool> {
        let inside = self.inside.learnt(Attempt::BootId)?;
        Some(inside == self.against.host.learnt(Attempt::BootId)?)
    }

    /// Whether the namespace is the host's.
    fn is_the_hosts(&self, namespace: Attempt) -> bool {
        let inside = self.inside.learnt(namespace);
        self.is_one_kernel() != Some(false)
            && inside.is_some()
            && inside == self.against.host.learnt(namespace)
    }

    /// Whether `attempt` went on the host: where it does not, that it goes nowhere
    /// else is no sign.
    fn host_did(&self, attempt: Attempt) -> bool {
        self.against.host.learnt(attempt).is_some()
    }

    fn unknown(&self, attempt: Attempt) -> Judged {
        let why = match self.inside.said(attempt) {
            Some(Said::NotTried(why)) => why.clone(),
            Some(Said::No(why)) => format!("the attempt failed: {why}"),
            Some(Said::Yes(_)) => "there is nothing of the host to hold it against".to_owned(),
            None => "it was not asked".to_owned(),
        };
        judged(Cell::NotTried, why)
    }

    /// The host's `thing`: with or without the right to do `what`.
    fn the_hosts(&self, attempt: Attempt, thing: &str, what: &str) -> Judged {
        match self.inside.said(attempt) {
            Some(Said::Yes(_)) => judged(
                Cell::Host,
                format!("it has the host's {thing} and may {what}"),
            ),
            Some(Said::No(why)) => judged(
                Cell::Look,
                format!("it has the host's {thing} and may not {what}: {why}"),
            ),
            _ => self.unknown(attempt),
        }
    }

    fn processes(&self) -> Judged {
        match self.inside.said(Attempt::SeeProcess) {
            Some(Said::Yes(_)) => {
                self.the_hosts(Attempt::SignalProcess, "processes", "signal them")
            }
            // What cannot be found in a list that can be read is not in it.
            Some(Said::No(why)) if is_forbidden(why) => judged(Cell::Denied, why.clone()),
            Some(Said::No(_)) if !self.host_did(Attempt::SeeProcess) => {
                judged(Cell::NotTried, "the host has no process to look for")
            }
            Some(Said::No(_)) if self.is_the_hosts(Attempt::NsPid) => {
                judged(Cell::Denied, "the host's processes are hidden from it")
            }
            Some(Said::No(_)) => match self.inside.learnt(Attempt::CountProcesses) {
                Some(count) => judged(
                    Cell::Own,
                    format!("it sees {count} processes, and none of the host's"),
                ),
                None => self.unknown(Attempt::CountProcesses),
            },
            _ => self.unknown(Attempt::SeeProcess),
        }
    }

    /// What the kernel keeps a namespace for.
    fn namespaced(&self, namespace: Attempt, change: Attempt, thing: &str, what: &str) -> Judged {
        match self.is_one_kernel() {
            None => return self.unknown(Attempt::BootId),
            Some(false) => {
                return judged(Cell::Own, format!("its {thing}: of a kernel of its own"));
            }
            Some(true) => {}
        }
        let host = self.against.host.learnt(namespace);
        match (self.inside.learnt(namespace), host) {
            (Some(inside), Some(host)) if inside == host => self.the_hosts(change, thing, what),
            (Some(inside), Some(host)) => judged(
                Cell::Own,
                format!("its {thing}: of namespace {inside}; the host's: of {host}"),
            ),
            _ => self.unknown(namespace),
        }
    }

    fn files(&self) -> Judged {
        match self.inside.said(Attempt::ReadFile) {
            Some(Said::Yes(text)) if text == self.against.secret => {
                self.the_hosts(Attempt::OpenForWriting, "files", "write to them")
            }
            Some(_) if !self.host_did(Attempt::ReadFile) => {
                judged(Cell::NotTried, "the host could not read its own file")
            }
            Some(Said::Yes(_)) => judged(Cell::Own, "there is another file by that name"),
            Some(Said::No(why)) if is_forbidden(why) => judged(Cell::Denied, why.clone()),
            Some(Said::No(why)) => {
                judged(Cell::Own, format!("the host's file is not there: {why}"))
            }
            _ => self.unknown(Attempt::ReadFile),
        }
    }

    fn network(&self) -> Judged {
        match self.inside.said(Attempt::Connect) {
            Some(Said::Yes(word)) if word == self.against.secret => judged(
                Cell::Host,
                "it reached a listener on the host's loopback address",
            ),
            Some(Said::NotTried(_)) | None => self.unknown(Attempt::Connect),
            // It has the host's loopback address, or the host does not reach its own
            // listener: that this did not either says nothing.
            _ if self.is_the_hosts(Attempt::NsNet) || !self.host_did(Attempt::Connect) => {
                self.unknown(Attempt::Connect)
            }
            Some(Said::Yes(_) | Said::No(_)) => match self.inside.said(Attempt::Interfaces) {
                Some(Said::Yes(names)) => judged(
                    Cell::Own,
                    format!("its loopback address is another one; its interfaces: {names}"),
                ),
                Some(Said::No(_)) => judged(Cell::Nothing, "it has no interfaces"),
                _ => self.unknown(Attempt::Interfaces),
            },
        }
    }

    fn ports(&self) -> Judged {
        match self.inside.said(Attempt::Bind) {
            Some(Said::No(why)) if why == "EADDRINUSE" => {
                judged(Cell::Host, "a port that the host has taken is taken")
            }
            // As free on the host: then nobody has taken it.
            Some(Said::Yes(_)) if self.against.host.refused(Attempt::Bind).is_none() => {
                judged(Cell::NotTried, "the host has not taken the port")
            }
            Some(Said::Yes(_)) => judged(Cell::Own, "a port that the host has taken is free"),
            Some(Said::No(why)) if is_forbidden(why) => judged(Cell::Denied, why.clone()),
            _ => self.unknown(Attempt::Bind),
        }
    }

    fn queues(&self) -> Judged {
        match self.inside.said(Attempt::OpenQueue) {
            Some(Said::Yes(_)) => judged(Cell::Host, "it opened a message queue of the host"),
            Some(Said::No(why)) if why == "ENOENT" => {
                // A host that does not find it either has none to be found.
                if self.host_did(Attempt::OpenQueue) {
                    judged(Cell::Own, "the host's message queue is not there")
                } else {
                    judged(Cell::NotTried, "the host has no message queue to reach for")
                }
            }
            Some(Said::No(why)) if is_forbidden(why) => judged(Cell::Denied, why.clone()),
            Some(Said::No(why)) if why == "ENOSYS" => {
                judged(Cell::Nothing, "its kernel has no message queues")
            }
            _ => self.unknown(Attempt::OpenQueue),
        }
    }

    /// What there is one of for each kernel.
    fn of_the_kernel(&self, change: Attempt, thing: &str, what: &str) -> Judged {
        match self.is_one_kernel() {
            Some(true) => self.the_hosts(change, thing, what),
            Some(false) => judged(
                Cell::Own,
                format!("its {thing} is that of a kernel that booted by itself"),
            ),
            None => self.unknown(Attempt::BootId),
        }
    }

    fn devices(&self) -> Judged {
        const OPENED: [Attempt; 3] = [
            Attempt::OpenKernelLog,
            Attempt::OpenDisk,
            Attempt::MakeDevice,
        ];
        let opened = OPENED.iter().any(|a| self.inside.learnt(*a).is_some());
        let there = [Attempt::OpenKernelLog, Attempt::OpenDisk];
        let forbidden = there
            .iter()
            .filter_map(|a| self.inside.refused(*a))
            .find(|why| is_forbidden(why));
        match (self.is_one_kernel(), opened, forbidden) {
            (None, ..) => self.unknown(Attempt::BootId),
            (Some(true), true, _) => judged(Cell::Host, "it opened a device of the host"),
            (Some(false), true, _) => judged(Cell::Own, "it opened a device of its own kernel"),
            (Some(_), false, Some(why)) => judged(
                Cell::Denied,
                format!("the devices are there and were not opened: {why}"),
            ),
            (Some(_), false, None) if self.inside.said(OPENED[0]).is_none() => {
                self.unknown(OPENED[0])
            }
            (Some(_), false, None) => {
                let why = self.inside.refused(Attempt::MakeDevice).unwrap_or("-");
                judged(
                    Cell::Nothing,
                    format!("there is no such device, and it may not make one: {why}"),
                )
            }
        }
    }

    /// A file, known by its device and inode, which stand first.
    fn file(&self, file: Attempt, change: Attempt, thing: &str) -> Judged {
        let identity = |answer: &Answer| {
            let learnt = answer.learnt(file)?;
            Some(learnt.split(' ').next().unwrap_or_default().to_owned())
        };
        match (self.inside.said(file), self.is_one_kernel()) {
            (Some(Said::No(why)), _) if why == "ENOENT" => {
                judged(Cell::Nothing, format!("it has no {thing}"))
            }
            (Some(Said::Yes(own)), Some(false)) => judged(
                Cell::Own,
                format!("its {thing} is {own}, in its own memory"),
            ),
            (Some(Said::Yes(own)), Some(true)) => match identity(self.against.host) {
                Some(host) if identity(self.inside) == Some(host.clone()) => {
                    self.the_hosts(change, thing, "write to it")
                }
                Some(host) => judged(
                    Cell::Own,
                    format!("its {thing} is {own}; the host's is file {host}"),
                ),
                None => self.unknown(file),
            },
            (Some(Said::Yes(_)), None) => self.unknown(Attempt::BootId),
            _ => self.unknown(file),
        }
    }
}

#[cfg(test)]
mod tests;
