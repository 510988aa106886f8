//! Capabilities: root's power in forty-odd pieces, in five sets.
//!
//! Source: `capabilities(7)`.

use crate::spec::Capabilities;
use crate::sys::{self, Errno, credential};

/// The kernel's numbers are the positions in this list (`linux/capability.h`).
pub const NAMES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// The number of the capability called `name`.
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    NAMES
        .iter()
        .position(|&n| n == name)
        .and_then(|n| u32::try_from(n).ok())
}

/// The five sets, bit *n* for capability *n*.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sets {
    pub(crate) bounding: u64,
    pub(crate) effective: u64,
    pub(crate) inheritable: u64,
    pub(crate) permitted: u64,
    pub(crate) ambient: u64,
}

impl Sets {
    /// Reads the names; absent sets are empty. Second, the names of what is
    /// unknown or cannot be given.
    ///
    /// What the runtime itself does not have cannot be given, and a name may be
    /// younger than this program. The specification wants neither to end the
    /// start, so the sets are cut down, and the caller can warn.
    pub(crate) fn from_spec(spec: &Capabilities, available: u64) -> (Self, Vec<String>) {
        let mut ignored = Vec::new();
        let mut set = |names: &[String]| {
            names.iter().fold(0, |set, name| match number(name) {
                Some(number) if available & 1 << number != 0 => set | 1 << number,
                _ => {
                    if !ignored.contains(name) {
                        ignored.push(name.clone());
                    }
                    set
                }
            })
        };
        let (bounding, permitted) = (set(&spec.bounding), set(&spec.permitted));
        let inheritable = set(&spec.inheritable);
        let sets = Self {
            bounding,
            effective: set(&spec.effective) & permitted,
            inheritable,
            permitted,
            // The kernel raises only what is both permitted and inheritable.
            ambient: set(&spec.ambient) & permitted & inheritable,
        };
        (sets, ignored)
    }

    // ANCHOR: capabilities
    /// Takes every capability that is not in the bounding set out of it: no
    /// program executed later, set-user-id root or not, can get one back.
    pub(crate) fn drop_bounding(&self) -> sys::Result<()> {
        for capability in (0..64).filter(|c| self.bounding & 1 << c == 0) {
            match credential::drop_from_bounding_set(capability) {
                Ok(()) => {}
                Err(Errno(libc::EINVAL)) => break, // beyond the kernel's last
                Err(errno) => return Err(errno),
            }
        }
        Ok(())
    }

    /// Sets the other four. Comes after the change of user, which would clear
    /// them, and after everything that needs a capability.
    pub(crate) fn apply(&self) -> sys::Result<()> {
        credential::set_capabilities(self.effective, self.permitted, self.inheritable)?;
        credential::clear_ambient()?;
        for capability in (0..64).filter(|c| self.ambient & 1 << c != 0) {
            credential::raise_ambient(capability)?;
        }
        Ok(())
    }
    // ANCHOR_END: capabilities

    /// These without the power to read what is unreadable, where they have it.
    ///
    /// Only the effective set lacks it, which the next execution computes anew
    /// from the others.
    pub(crate) fn without_reading(self) -> Option<Self> {
        const DAC_OVERRIDE: u32 = 1;
        const DAC_READ_SEARCH: u32 = 2;
        let reading = 1 << DAC_OVERRIDE | 1 << DAC_READ_SEARCH;
        (self.effective & reading != 0).then_some(Self {
            effective: self.effective & !reading,
            ..self
        })
    }

    /// These, and CAP_SYS_ADMIN to install a filter by, where that is
    /// `available`.
    ///
    /// It is added where the next execution takes it away: root then has what is
    /// bounding or inheritable, anybody else what is ambient.
    pub(crate) fn with_admin(self, available: u64) -> Self {
        const SYS_ADMIN: u32 = 21;
        let admin = available & 1 << SYS_ADMIN;
        Self {
            effective: self.effective | admin,
            permitted: self.permitted | admin,
            ..self
        }
    }

    /// Sets the effective set alone.
    pub(crate) fn apply_effective(&self) -> sys::Result<()> {
        credential::set_capabilities(self.effective, self.permitted, self.inheritable)
    }
}

/// What this process may hand on: what it is permitted, or all where a user
/// namespace makes the child root over itself.
pub(crate) fn available(new_user_namespace: bool) -> u64 {
    let all = (1 << NAMES.len()) - 1;
    if new_user_namespace {
        return all;
    }
    credential::permitted_capabilities().map_or(all, |set| set & all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(list: &[&str]) -> Vec<String> {
        list.iter().map(|&n| n.to_owned()).collect()
    }

    #[test]
    fn the_numbers_are_the_kernels() {
        assert_eq!(number("CAP_CHOWN"), Some(0));
        assert_eq!(number("CAP_SYS_ADMIN"), Some(21));
        assert_eq!(number("CAP_CHECKPOINT_RESTORE"), Some(40));
        assert_eq!(number("cap_kill"), None);
    }

    #[test]
    fn ambient_is_cut_down_to_what_the_kernel_would_raise() {
        let spec = Capabilities {
            permitted: names(&["CAP_KILL", "CAP_CHOWN"]),
            inheritable: names(&["CAP_KILL"]),
            ambient: names(&["CAP_KILL", "CAP_CHOWN"]),
            ..Capabilities::default()
        };
        let (sets, ignored) = Sets::from_spec(&spec, u64::MAX);
        assert!(ignored.is_empty());
        assert_eq!(sets.ambient, 1 << 5);
    }

    #[test]
    fn what_the_runtime_lacks_is_not_asked_of_the_kernel() {
        let spec = Capabilities {
            bounding: names(&["CAP_SYS_RESOURCE"]),
            ..Capabilities::default()
        };
        let (sets, ignored) = Sets::from_spec(&spec, !(1 << 24));
        assert_eq!(sets.bounding, 0);
        assert_eq!(ignored, ["CAP_SYS_RESOURCE"]);
    }

    #[test]
    fn an_unknown_name_is_left_out_and_told_once() {
        let spec = Capabilities {
            bounding: names(&["CAP_KILL", "CAP_FLY"]),
            effective: names(&["CAP_FLY", "cap_kill"]),
            ..Capabilities::default()
        };
        let (sets, ignored) = Sets::from_spec(&spec, u64::MAX);
        assert_eq!(sets.bounding, 1 << 5);
        assert_eq!(ignored, ["CAP_FLY", "cap_kill"]);
    }
}
