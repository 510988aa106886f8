//! Every way in which a guest, its files or the model can fail, grouped by what the caller can do.

use std::io;
use std::path::{Path, PathBuf};

/// The result of this crate's operations.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why something could not be done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file or directory could not be read, written or made.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was attempted, as a verb.
        action: &'static str,
        /// On what.
        path: PathBuf,
        /// What the kernel answered.
        source: io::Error,
    },

    /// An entry that an archive may not hold.
    #[error("cannot add `{name}` to the initramfs: {reason}")]
    Archive {
        /// The name inside the guest.
        name: String,
        /// What is wrong with it.
        reason: String,
    },

    /// No QEMU, or one that cannot be used.
    #[error("cannot use {program}: {reason}")]
    Qemu {
        /// The program that was looked for or asked.
        program: String,
        /// What came of it.
        reason: String,
    },

    /// No such hypervisor, or one that cannot run this guest.
    #[error("cannot use {program}: {reason}")]
    Hypervisor {
        /// The program that was looked for or asked.
        program: String,
        /// What came of it.
        reason: String,
    },

    /// A disk image could not be made.
    #[error("cannot make the disk image {}: {reason}", path.display())]
    Image {
        /// The image.
        path: PathBuf,
        /// What the program said.
        reason: String,
    },

    /// No kernel image that this user can read.
    #[error("cannot find a readable kernel image: looked in {looked_in}")]
    NoKernel {
        /// The places, joined by commas.
        looked_in: String,
    },

    /// A file that should be a kernel is not one.
    #[error("cannot use {} as a kernel: {reason}", path.display())]
    NotAKernel {
        /// The file.
        path: PathBuf,
        /// What was wrong with it.
        reason: String,
    },

    /// A module that a guest needs cannot be had.
    #[error("cannot give the guest the kernel's module {name}: {reason}")]
    Module {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },

    /// The package manager did not deliver a kernel.
    #[error("cannot fetch a kernel package: {reason}")]
    Fetch {
        /// The step that failed, and what the program said.
        reason: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// A guest ended, or was stopped by its accelerator, before its workload was ready.
    #[error("cannot boot the guest: {reason}{}", quoted(console))]
    Boot {
        /// What happened.
        reason: String,
        /// The last lines of its console and of QEMU's own messages.
        console: String,
    },

    /// A guest did not answer within its time.
    #[error(
        "cannot wait longer for the guest {to}: {waited_ms} ms have passed{}",
        quoted(console)
    )]
    Watchdog {
        /// What it should have done.
        to: &'static str,
        /// The time it was given.
        waited_ms: u128,
        /// The last lines of its console and of QEMU's own messages.
        console: String,
    },

    /// The kernel refused to wait for the guest.
    #[error("cannot wait for the guest")]
    Wait {
        /// What the kernel answered.
        source: io::Error,
    },

    /// A guest stayed silent in every try.
    #[error("cannot boot the guest in {tries} tries; the last: {last}")]
    Tries {
        /// How often it was started.
        tries: usize,
        /// The last try's error.
        last: Box<Error>,
    },

    /// A guest that cannot be described to QEMU or to its kernel.
    #[error("cannot start the guest: {reason}")]
    Guest {
        /// What is wrong with it.
        reason: String,
    },

    /// QEMU's monitor did not do what it was asked.
    #[error("cannot have QEMU's monitor `{command}`: {reason}")]
    Monitor {
        /// The command.
        command: String,
        /// What QEMU or the kernel said.
        reason: String,
    },

    /// A guest cannot be saved, or a saved one not be restored.
    #[error("cannot {action} the snapshot {}: {reason}", path.display())]
    Snapshot {
        /// What was attempted, as a verb.
        action: &'static str,
        /// The snapshot's directory.
        path: PathBuf,
        /// What is wrong.
        reason: String,
        /// What to do about it.
        remedy: &'static str,
    },

    /// The model has no sourced parameter for what was asked.
    #[error("cannot estimate {metric}: {reason}")]
    NoFigure {
        /// What was asked.
        metric: String,
        /// Which figure is missing.
        reason: String,
    },

    /// Parameters of the model that cannot be used, or a question that they cannot answer.
    #[error("cannot use these parameters: {reason}")]
    Parameters {
        /// What is wrong with them.
        reason: String,
        /// What to do about it.
        remedy: String,
    },
}

impl Error {
    /// What the reader can do about it, where there is something.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        let hint = match self {
            Self::File { source, .. } => match source.kind() {
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                    "free some space there, or choose another directory"
                }
                io::ErrorKind::PermissionDenied => {
                    "check the permissions of the file and of the directories above it"
                }
                _ => return None,
            },
            Self::Qemu { .. } => {
                "install QEMU 4.2 or newer: `sudo apt-get install qemu-system-x86` \
                 (Fedora: `sudo dnf install qemu-system-x86-core`)"
            }
            Self::Hypervisor { .. } => {
                "put a release of it into a directory on PATH, and use it where KVM works; \
                 QEMU runs guests everywhere"
            }
            Self::Image { .. } => {
                "install qemu-img: `sudo apt-get install qemu-utils` \
                 (Fedora: `sudo dnf install qemu-img`), and see that there is space on the disk"
            }
            Self::NoKernel { .. } => {
                "fetch one without root with `isolab vm kernel`, or make the host's readable: \
                 `sudo chmod a+r /boot/vmlinuz-*`"
            }
            Self::NotAKernel { .. } => {
                "name a bzImage (a distribution's /boot/vmlinuz-*), or fetch one with `isolab vm kernel`"
            }
            Self::Module { .. } => {
                "fetch a kernel with its modules: `isolab vm kernel --fetch` (it takes apt and the network)"
            }
            Self::Fetch { remedy, .. } | Self::Snapshot { remedy, .. } => remedy,
            Self::Boot { console, .. } | Self::Watchdog { console, .. } => remedy_of(console),
            Self::Tries { last, .. } => return last.hint(),
            Self::Parameters { remedy, .. } => remedy,
            Self::Archive { .. }
            | Self::Wait { .. }
            | Self::Guest { .. }
            | Self::Monitor { .. }
            | Self::NoFigure { .. } => return None,
        };
        Some(hint.to_owned())
    }

    /// Adapts an I/O error to one that names the action and the path.
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File {
            action,
            path: path.to_owned(),
            source,
        }
    }
}

/// Sets console lines apart from the sentence before them, or adds nothing where there are none.
fn quoted(console: &str) -> String {
    let lines: Vec<_> = console
        .lines()
        .map(|line| format!("\n  | {line}"))
        .collect();
    lines.concat()
}

/// What helps where a guest did not come up, of which `console` are the last words.
fn remedy_of(console: &str) -> &'static str {
    if console.contains("host forwarding rule") {
        return "another program has that port of this machine: choose another, or end that one";
    }
    let is_qemus = |line: &str| line.starts_with("qemu-system-");
    if console.lines().any(is_qemus) {
        return "QEMU's own words say why; `isolab doctor vm` looks whether it works here";
    }
    "see what its kernel says: `isolab vm run --append loglevel=7`"
}

#[cfg(test)]
mod tests {
    use std::error::Error as _;

    use super::*;

    #[test]
    fn a_guest_that_did_not_come_up_has_a_remedy_that_fits_its_last_words() {
        let remedy = |console: &str| {
            let (reason, console) = (String::new(), console.to_owned());
            Error::Boot { reason, console }.hint().unwrap()
        };
        // As QEMU 7.2 says it.
        let port = "qemu-system-x86_64: -netdev user,id=n,hostfwd=tcp:127.0.0.1:80-:80: Could not \
                    set up host forwarding rule 'tcp:127.0.0.1:80-:80'";
        assert!(remedy(port).contains("port"));
        let other = remedy("qemu-system-x86_64: -accel foo: invalid accelerator foo");
        assert!(other.contains("QEMU"), "{other}");
        assert!(remedy("Kernel panic - not syncing").contains("--append"));
    }

    #[test]
    fn a_cause_is_told_once_by_the_chain() {
        let error = Error::file("read", Path::new("/x"))(io::Error::other("no such thing"));
        assert_eq!(error.to_string(), "cannot read /x");
        assert_eq!(error.source().unwrap().to_string(), "no such thing");
    }
}
