//! Three guests of ordinary sizes, as package selections.
//!
//! Each is what the distribution itself calls by that name, so that nobody can
//! say that the packages were picked for the result.

use std::fmt;

use super::Origin;

/// Which guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipe {
    /// The essential packages, apt, an init and a kernel for virtual machines;
    /// no manuals, no translations.
    Minimal,
    /// What every installation has (priorities required and important), an SSH
    /// server, and a kernel for virtual machines.
    Server,
    /// What the installer puts on when nobody chooses (priority standard), an
    /// SSH server, and the kernel for all hardware.
    Standard,
}

/// What nobody reads on a guest that was trimmed.
const TRIMMED: [&str; 4] = [
    "path-exclude=/usr/share/doc/*",
    "path-exclude=/usr/share/man/*",
    "path-exclude=/usr/share/info/*",
    "path-exclude=/usr/share/locale/*",
];

impl Recipe {
    /// Every recipe, the smallest first.
    pub const ALL: [Self; 3] = [Self::Minimal, Self::Server, Self::Standard];

    /// The word for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Server => "server",
            Self::Standard => "standard",
        }
    }

    /// What is on it, for people.
    #[must_use]
    pub fn contents(self) -> &'static str {
        match self {
            Self::Minimal => {
                "essential packages, apt, systemd, a kernel for virtual machines; no manuals or \
                 translations"
            }
            Self::Server => {
                "packages of priority required and important, an SSH server, a kernel for virtual \
                 machines"
            }
            Self::Standard => {
                "packages of priority standard, as an installer chooses them, an SSH server, the \
                 kernel for all hardware"
            }
        }
    }

    /// The memory that a build may take, in bytes: everything unpacked and
    /// every package file at once.
    #[must_use]
    pub fn build_bytes(self) -> u64 {
        match self {
            Self::Minimal => 1_000_000_000,
            Self::Server => 1_500_000_000,
            Self::Standard => 3_000_000_000,
        }
    }

    /// The options of mmdebstrap that select the packages.
    pub(super) fn options(self, origin: &Origin) -> Vec<String> {
        let (variant, packages) = match self {
            Self::Minimal => ("minbase", vec![origin.virtual_kernel()]),
            Self::Server => ("important", vec![origin.virtual_kernel(), "openssh-server"]),
            Self::Standard => ("standard", vec![origin.kernel(), "openssh-server"]),
        };
        let mut options = vec![
            format!("--variant={variant}"),
            format!("--include=systemd-sysv,udev,{}", packages.join(",")),
        ];
        if self == Self::Minimal {
            options.extend(TRIMMED.map(|rule| format!("--dpkgopt={rule}")));
        }
        options
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_recipe_has_a_kernel_and_an_init() {
        for recipe in Recipe::ALL {
            for origin in [Origin::default(), Origin::ubuntu("noble")] {
                let options = recipe.options(&origin).join(" ");
                assert!(options.contains("systemd-sysv"), "{options}");
                assert!(options.contains("linux-image-"), "{options}");
            }
        }
    }

    #[test]
    fn only_the_minimal_guest_is_trimmed() {
        let trimmed = |recipe: Recipe| {
            let options = recipe.options(&Origin::default());
            options.iter().any(|option| option.contains("exclude"))
        };
        assert!(trimmed(Recipe::Minimal));
        assert!(!trimmed(Recipe::Server) && !trimmed(Recipe::Standard));
    }
}
