//! Where packages come from: the distribution and the mirror that this machine's
//! apt is set to. No address stands here.

use std::process::Command;
use std::time::Duration;

use crate::environment::bounded::{self, Ended};

/// The longest that apt may take to say what it is set to.
const BOUND: Duration = Duration::from_secs(10);
/// What apt is asked to print of each index.
const FORMAT: &str = "$(ORIGIN) $(CODENAME) $(REPO_URI) $(RELEASE) $(COMPONENT)";

/// A distribution's archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// `Debian` or `Ubuntu`.
    distribution: String,
    /// The release, such as `bookworm`.
    pub(super) suite: String,
    /// The archive's address; without one, mmdebstrap's own choice.
    pub(super) mirror: Option<String>,
}

impl Default for Origin {
    /// Debian's current release, from wherever mmdebstrap takes it.
    fn default() -> Self {
        Self {
            distribution: "Debian".to_owned(),
            suite: "stable".to_owned(),
            mirror: None,
        }
    }
}

impl Origin {
    /// What this machine's apt is set to, else the default.
    #[must_use]
    pub fn of_this_machine() -> Self {
        let mut question = Command::new("apt-get");
        question.args(["indextargets", "--format", FORMAT, "Created-By: Packages"]);
        match bounded::run(question.env("LC_ALL", "C"), BOUND) {
            Ok(Ended::Exited {
                code: Some(0),
                stdout,
                ..
            }) => parse(&stdout).unwrap_or_default(),
            _ => Self::default(),
        }
    }

    /// Ubuntu's `suite`.
    #[cfg(test)]
    pub(super) fn ubuntu(suite: &str) -> Self {
        Self {
            distribution: "Ubuntu".to_owned(),
            suite: suite.to_owned(),
            mirror: None,
        }
    }

    /// The package of the kernel for virtual machines.
    pub(super) fn virtual_kernel(&self) -> &'static str {
        match (self.distribution.as_str(), std::env::consts::ARCH) {
            ("Ubuntu", _) => "linux-image-virtual",
            (_, "aarch64") => "linux-image-cloud-arm64",
            _ => "linux-image-cloud-amd64",
        }
    }

    /// The package of the kernel for all hardware.
    pub(super) fn kernel(&self) -> &'static str {
        match (self.distribution.as_str(), std::env::consts::ARCH) {
            ("Ubuntu", _) => "linux-image-generic",
            (_, "aarch64") => "linux-image-arm64",
            _ => "linux-image-amd64",
        }
    }
}

/// The first index of a distribution's main release: neither its updates, nor
/// what somebody else offers for it.
fn parse(targets: &str) -> Option<Origin> {
    targets.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (distribution, suite) = (words.next()?, words.next()?);
        let (mirror, release, component) = (words.next()?, words.next()?, words.next()?);
        let plain = ["http://", "https://"]
            .iter()
            .any(|scheme| mirror.starts_with(scheme));
        // Updates are `bookworm-updates`, by the one name or by both.
        let main = ["Debian", "Ubuntu"].contains(&distribution)
            && (suite, component) == (release, "main")
            && !suite.contains('-');
        (plain && main).then(|| Origin {
            distribution: distribution.to_owned(),
            suite: suite.to_owned(),
            mirror: Some(mirror.to_owned()),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_release_is_taken_and_nobody_elses() {
        let targets = "Somebody bookworm https://packages.example/ bookworm main\n\
                       Debian bookworm-updates http://mirror.example/debian/ bookworm-updates main\n\
                       Debian bookworm http://mirror.example/debian/ bookworm contrib\n\
                       Debian bookworm http://mirror.example/debian/ bookworm main\n";
        let origin = parse(targets).unwrap();
        assert_eq!(origin.suite, "bookworm");
        assert_eq!(origin.mirror.unwrap(), "http://mirror.example/debian/");
    }

    #[test]
    fn a_machine_without_such_an_archive_gets_the_default() {
        // Before the first `apt-get update` apt knows no origin.
        assert_eq!(
            parse("$(ORIGIN) $(CODENAME) http://m/ bookworm main\n"),
            None
        );
        assert_eq!(parse("Debian bookworm cdrom:x bookworm main\n"), None);
        assert_eq!(parse(""), None);
    }

    #[test]
    fn each_distribution_names_its_kernels_itself() {
        assert!(Origin::default().kernel().starts_with("linux-image-"));
        assert_eq!(
            Origin::ubuntu("noble").virtual_kernel(),
            "linux-image-virtual"
        );
    }
}
