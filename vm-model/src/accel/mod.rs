//! Whether the processor can run the guest: found out by running it.
//!
//! That `/dev/kvm` opens proves nothing: nested and restricted virtualization often runs a tiny
//! program and then stops at Linux. The probe is therefore the guest itself, with the kernel and
//! the init that will be measured, and a bound on the time. Its answer holds until the host's
//! kernel, its boot, its KVM module, QEMU or the guest's kernel changes, so it can be kept
//! ([`CacheKey`]).

mod cache;

use std::fs::{File, OpenOptions};
use std::io;
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::guest::{Accel, Guest, PANICKED, STOPPED};
use crate::kvm::Grade;
pub use cache::CacheKey;

/// The kernel's interface to hardware virtualization.
const DEVICE: &str = "/dev/kvm";

/// What helps where the device is worth nothing.
const ELSEWHERE: &str =
    "enable nested virtualization on the host of this machine, or use one with KVM";

/// What to run guests with, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AccelChoice {
    /// The accelerator to use.
    pub accel: Accel,
    /// Why: what was seen, in a sentence's end such as `the guest reached its init in 180 ms`.
    pub why: String,
    /// What would make KVM usable, where something would.
    pub remedy: Option<String>,
    /// Whether asking again would bring the same. A guest that was only too slow, or was ended by
    /// someone, shows nothing about KVM: such an answer holds for now and is not remembered.
    pub definite: bool,
}

impl AccelChoice {
    /// Whether the processor runs the guest.
    #[must_use]
    pub fn kvm(&self) -> bool {
        self.accel == Accel::Kvm
    }

    /// The answer of the smallest guest, where that is enough: one that is interpreted shows that
    /// no kernel is executed here. One that runs shows nothing about a kernel.
    #[must_use]
    pub fn of_grade(grade: &Grade) -> Option<Self> {
        let is_interpreted = matches!(grade, Grade::Interpreted { .. });
        is_interpreted.then(|| Self::tcg(grade.to_string(), Some(ELSEWHERE)))
    }

    fn tcg(why: impl Into<String>, remedy: Option<&str>) -> Self {
        Self {
            accel: Accel::Tcg,
            why: why.into(),
            remedy: remedy.map(str::to_owned),
            definite: true,
        }
    }

    /// The same, as an answer for now only.
    fn for_now(self) -> Self {
        Self {
            definite: false,
            ..self
        }
    }
}

/// Runs `guest` under KVM until its workload is ready, at most for `bound`.
///
/// The guest's own accelerator does not matter. Five seconds are a good bound: under KVM even a
/// large kernel is ready in two. No failure of KVM is an error; it is the answer.
///
/// # Errors
/// What is wrong with the guest under any accelerator: [`Error::File`], [`Error::Guest`].
pub fn probe(guest: &Guest, bound: Duration) -> Result<AccelChoice> {
    probe_unless(guest, bound, &|| false)
}

/// As [`probe`], but asks several times a second whether to stop; what it knows by then is
/// not [definite](AccelChoice::definite).
///
/// # Errors
/// As there.
pub fn probe_unless(
    guest: &Guest,
    bound: Duration,
    stop: &dyn Fn() -> bool,
) -> Result<AccelChoice> {
    if let Some(choice) = closed(Path::new(DEVICE)) {
        return Ok(choice);
    }
    let mut running = match guest.clone().accel(Accel::Kvm).start() {
        Ok(running) => running,
        Err(error @ Error::Qemu { .. }) => {
            return Ok(AccelChoice::tcg(error.to_string(), None).for_now());
        }
        Err(error) => return Err(error),
    };
    let remedy = ELSEWHERE;
    Ok(match running.wait_ready_unless(bound, stop) {
        Ok(startup) => AccelChoice {
            accel: Accel::Kvm,
            why: format!("the guest reached its init in {} ms", startup.as_millis()),
            remedy: None,
            definite: true,
        },
        Err(Error::Boot { reason, console }) => refusal(&reason, &console, remedy),
        Err(Error::Watchdog { waited_ms, .. }) => AccelChoice::tcg(
            format!("KVM opens but the guest was silent for {waited_ms} ms"),
            Some(remedy),
        )
        .for_now(),
        Err(Error::Wait { source }) => {
            AccelChoice::tcg(format!("the guest could not be waited for: {source}"), None).for_now()
        }
        Err(error) => return Err(error),
    })
}

/// The answer of a guest that ended. It is definite where KVM, QEMU or the guest's kernel said
/// what they could not do; an end without a word may be a signal or a want of memory.
fn refusal(reason: &str, console: &str, remedy: &str) -> AccelChoice {
    let word = cause(console);
    let said = !word.is_empty() || reason.contains(STOPPED) || reason.contains(PANICKED);
    let choice = AccelChoice::tcg(
        format!("KVM opens but does not boot the guest: {reason}{word}"),
        Some(remedy),
    );
    if said { choice } else { choice.for_now() }
}

/// QEMU's own word, which tells more than how it ended, in parentheses; else nothing.
fn cause(console: &str) -> String {
    let cause = console.lines().find_map(|line| line.split_once("error: "));
    cause.map_or_else(String::new, |(_, cause)| format!(" ({})", cause.trim()))
}

/// The answer where KVM cannot even be opened.
fn closed(device: &Path) -> Option<AccelChoice> {
    let error = OpenOptions::new()
        .read(true)
        .write(true)
        .open(device)
        .err()?;
    Some(match error.kind() {
        io::ErrorKind::NotFound => AccelChoice::tcg(
            format!("there is no {}", device.display()),
            Some(
                "enable virtualization in the firmware or nested virtualization on the host, \
                 then `sudo modprobe kvm_intel` or `kvm_amd`",
            ),
        ),
        io::ErrorKind::PermissionDenied => AccelChoice::tcg(
            format!(
                "this user may not open {} ({})",
                device.display(),
                owner(device)
            ),
            Some(
                "join its group, then log in again: `sudo usermod -aG kvm $USER`; inside a container, \
                 have it started with `--device /dev/kvm`",
            ),
        ),
        _ => AccelChoice::tcg(format!("{} does not open: {error}", device.display()), None),
    })
}

/// Who may open a file, as `mode 0660, group 104`.
fn owner(path: &Path) -> String {
    use std::os::unix::fs::MetadataExt;
    match std::fs::metadata(path) {
        Ok(metadata) => {
            let group = group_name(metadata.gid()).unwrap_or_else(|| metadata.gid().to_string());
            format!("mode {:04o}, group {group}", metadata.mode() & 0o7777)
        }
        Err(error) => error.to_string(),
    }
}

/// The name of a group, from `/etc/group`: a static binary has no other name service.
fn group_name(gid: u32) -> Option<String> {
    let text = io::read_to_string(File::open("/etc/group").ok()?).ok()?;
    text.lines().find_map(|line| {
        let mut fields = line.split(':');
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(gid)).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_device_is_told_with_the_command_that_brings_it() {
        let choice = closed(Path::new("/nonexistent/kvm")).unwrap();
        assert!(!choice.kvm());
        assert!(choice.remedy.unwrap().contains("modprobe"));
    }

    #[test]
    fn qemus_own_word_is_quoted() {
        let console = "a line of the guest's\nqemu: error: failed to set MSR\nAborted";
        assert_eq!(cause(console), " (failed to set MSR)");
        assert_eq!(cause("nothing of use"), "");
    }

    #[test]
    fn only_an_end_with_a_word_is_definite() {
        let definite = |reason: &str, console: &str| refusal(reason, console, "").definite;
        assert!(definite("KVM stopped the guest: KVM internal error", ""));
        assert!(definite("its kernel panicked: no init", ""));
        assert!(definite("QEMU ended with signal: 6", "qemu: error: no MSR"));
        assert!(!definite("QEMU ended with signal: 9 (SIGKILL)", ""));
        let ended_by_someone = "qemu-system-x86_64: terminating on signal 2";
        assert!(!definite("it powered off too early", ended_by_someone));
        let no_memory = "qemu: cannot set up guest memory 'pc.ram': Cannot allocate memory";
        assert!(!definite("QEMU ended with exit status: 1", no_memory));
    }

    #[test]
    fn an_open_device_is_no_answer_yet() {
        assert_eq!(closed(Path::new("/dev/null")), None);
    }

    #[test]
    fn the_owner_is_told_by_name() {
        assert!(
            owner(Path::new("/dev/null")).contains("group root"),
            "{}",
            owner(Path::new("/dev/null"))
        );
    }
}
