//! The package manager of Debian and Ubuntu, used without root.
//!
//! apt needs privilege only to change the system. Told to keep its caches, locks and, where the
//! system's are missing or too old, its package lists in a directory of ours, it downloads for
//! anyone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::error::{Error, Result};
use crate::tool;

/// Meta-packages to try, in order: Debian's, then Ubuntu's.
const META_PACKAGES: [&str; 3] = [
    "linux-image-cloud-amd64",
    "linux-image-virtual",
    "linux-image-kvm",
];

/// What to do without apt.
pub(super) const NO_APT: &str = "where there is no apt, take the host's own kernel: \
                      `sudo chmod a+r /boot/vmlinuz-*`";
/// What to do when apt gets nothing.
const NO_NETWORK: &str = "check the network and `apt-cache policy`, run `sudo apt-get update` if \
                          the lists are old, or make the host's kernel readable: \
                          `sudo chmod a+r /boot/vmlinuz-*`";

/// apt, told to keep its locks and caches in a directory of ours.
pub(super) struct Apt<'a> {
    dir: &'a Path,
    options: Vec<String>,
}

impl<'a> Apt<'a> {
    pub(super) fn new(dir: &'a Path) -> Result<Self> {
        let cache = dir.join("apt/cache");
        let archives = cache.join("archives/partial");
        fs::create_dir_all(&archives).map_err(Error::file("create", &archives))?;
        let options = vec![
            format!("Dir::Cache={}", cache.display()),
            // As root, apt would change to its own user, which cannot write here, and warn.
            "APT::Sandbox::User=".to_owned(),
            "Debug::NoLocking=1".to_owned(),
        ];
        Ok(Self { dir, options })
    }

    /// The package of the current kernel image, and its file. Where the system's package lists
    /// are missing or too old, it is tried again with lists of our own.
    pub(super) fn newest_image(&mut self) -> Result<(String, PathBuf)> {
        let attempt = |apt: &Self| {
            let package = apt.kernel_package()?;
            let deb = apt.download(&package)?;
            Ok((package, deb))
        };
        match attempt(self) {
            Ok(found) => Ok(found),
            // The first error is the one to tell, unless new lists get further.
            Err(first) => match self.update_private_lists() {
                Ok(()) => attempt(self),
                Err(_) => Err(first),
            },
        }
    }

    /// Fetches the package lists into our directory, where the system's are missing.
    fn update_private_lists(&mut self) -> Result<()> {
        let state = self.dir.join("apt/state");
        let lists = state.join("lists/partial");
        fs::create_dir_all(&lists).map_err(Error::file("create", &lists))?;
        self.options.push(format!("Dir::State={}", state.display()));
        self.options
            .push("Dir::State::status=/var/lib/dpkg/status".to_owned());
        run(self.command("apt-get").args(["-q", "update"])).map(drop)
    }

    fn command(&self, program: &str) -> Command {
        let mut command = tool::command(program);
        command
            .current_dir(self.dir)
            .env("LC_ALL", "C")
            .env("DEBIAN_FRONTEND", "noninteractive");
        for option in &self.options {
            command.arg("-o").arg(option);
        }
        command
    }

    /// The package that holds the image of the distribution's current release.
    fn kernel_package(&self) -> Result<String> {
        for meta in META_PACKAGES {
            let Ok(text) = run(self.command("apt-cache").args(["depends", "-i", meta])) else {
                continue;
            };
            if let Some(package) = image_dependency(&text) {
                return Ok(package);
            }
        }
        // Whether apt is there at all decides what the reader is told.
        run(self.command("apt-get").arg("--version"))?;
        Err(Error::Fetch {
            reason: format!("apt knows none of {}", META_PACKAGES.join(", ")),
            remedy: NO_NETWORK,
        })
    }

    fn download(&self, package: &str) -> Result<PathBuf> {
        run(self.command("apt-get").args(["-q", "download", package]))?;
        let listing = fs::read_dir(self.dir).map_err(Error::file("list", self.dir))?;
        listing
            .flatten()
            .map(|entry| entry.path())
            .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
            .ok_or_else(|| Error::Fetch {
                reason: format!("`apt-get download {package}` left no file"),
                remedy: NO_NETWORK,
            })
    }

    pub(super) fn version_of(&self, deb: &Path) -> Result<String> {
        let text = run(tool::command("dpkg-deb").arg("-f").arg(deb).arg("Version"))?;
        Ok(text.trim().to_owned())
    }
}

/// The first versioned image among the dependencies that `apt-cache depends` prints.
fn image_dependency(text: &str) -> Option<String> {
    text.lines()
        .filter_map(|line| {
            line.trim()
                .trim_start_matches('|')
                .strip_prefix("Depends: ")
        })
        .map(|package| package.split(':').next().unwrap_or(package))
        .find(|package| {
            let release = package
                .strip_prefix("linux-image-unsigned-")
                .or_else(|| package.strip_prefix("linux-image-"));
            release.is_some_and(|release| release.starts_with(|c: char| c.is_ascii_digit()))
        })
        .map(str::to_owned)
}

/// Runs a program to its end and returns what it printed, or its complaint as the error.
pub(super) fn run(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Error::Fetch {
            reason: format!("{program} does not run: {error}"),
            remedy: NO_APT,
        })?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let complaint = String::from_utf8_lossy(&output.stderr);
    let line = complaint
        .lines()
        .find(|line| line.starts_with("E:"))
        .or(complaint.lines().last());
    Err(Error::Fetch {
        reason: format!("{program} says `{}`", line.unwrap_or("nothing").trim()),
        remedy: NO_NETWORK,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_image_is_found_among_the_dependencies_of_both_distributions() {
        let debian = "linux-image-cloud-amd64\n  Depends: linux-image-6.1.0-56-cloud-amd64\n";
        assert_eq!(
            image_dependency(debian).unwrap(),
            "linux-image-6.1.0-56-cloud-amd64"
        );
        let ubuntu = "linux-image-virtual\n |Depends: linux-image-6.8.0-60-generic\n  \
                      Depends: <linux-image-unsigned-6.8.0-60-generic>\n";
        assert_eq!(
            image_dependency(ubuntu).unwrap(),
            "linux-image-6.8.0-60-generic"
        );
        assert_eq!(
            image_dependency("linux-image-x\n  Depends: linux-base\n"),
            None
        );
    }

    #[test]
    fn a_program_that_is_not_there_is_an_error_with_a_remedy() {
        let error = run(&mut Command::new("/nonexistent/apt-get")).unwrap_err();
        assert!(error.to_string().contains("does not run"), "{error}");
        assert!(error.hint().unwrap().contains("chmod a+r"));
    }
}
