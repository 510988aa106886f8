//! A distribution's kernel without root: `apt-get download`, `dpkg -x`, and a note of its origin.
//!
//! Neither program needs privilege when it is told to write where this user may. The meta-package
//! (`linux-image-cloud-amd64`) holds nothing; its dependency is the image of the current release.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde::{Deserialize, Serialize};

use super::{Kernel, sha256_of};
use crate::error::{Error, Result};

/// Meta-packages to try, in order: Debian's, then Ubuntu's.
const META_PACKAGES: [&str; 3] = [
    "linux-image-cloud-amd64",
    "linux-image-virtual",
    "linux-image-kvm",
];

/// Modules that guests of this workspace may load; the other thousands are left behind.
const MODULES: [&str; 10] = [
    "overlay",
    "virtio_blk",
    "virtio_mmio",
    "virtio_console",
    "virtio_net",
    "net_failover",
    "failover",
    "virtio_rng",
    "kvm",
    "kvm_amd",
];

const NO_APT: &str = "where there is no apt, take the host's own kernel: \
                      `sudo chmod a+r /boot/vmlinuz-*`";
const NO_NETWORK: &str = "check the network and `apt-cache policy`, run `sudo apt-get update` if \
                          the lists are old, or make the host's kernel readable: \
                          `sudo chmod a+r /boot/vmlinuz-*`";

/// Where a fetched kernel comes from; kept beside it as `provenance.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The package's name.
    pub package: String,
    /// The package's version.
    pub version: String,
    /// The SHA-256 of the image, in hexadecimal.
    pub sha256: String,
    /// The modules kept, as paths below `modules/`.
    pub modules: Vec<PathBuf>,
}

/// Fetches the distribution's kernel for virtual machines into a directory of its own below `dest`
/// (see [`super::store`]): `vmlinuz`, a few `modules/`, `provenance.json`.
///
/// The directory appears whole or not at all. One that is there already is taken as it is.
///
/// # Errors
/// [`Error::Fetch`] with a remedy where there is no apt, no network or no package;
/// [`Error::File`] where `dest` cannot be written.
pub fn fetch(dest: &Path) -> Result<Kernel> {
    fs::create_dir_all(dest).map_err(Error::file("create", dest))?;
    let scratch = Scratch::create(dest)?;
    let apt = Apt::new(&scratch.0)?;
    let package = apt.kernel_package()?;
    let deb = apt.download(&package)?;
    let version = apt.version_of(&deb)?;
    let unpacked = scratch.0.join("unpacked");
    run(Command::new("dpkg").arg("-x").arg(&deb).arg(&unpacked))?;

    let image = only_image(&unpacked.join("boot"), &package)?;
    let release = Kernel::open(&image)?.release;
    let staged = scratch.0.join("staged");
    fs::create_dir_all(&staged).map_err(Error::file("create", &staged))?;
    let vmlinuz = staged.join("vmlinuz");
    fs::rename(&image, &vmlinuz).map_err(Error::file("move", &image))?;
    let modules = keep_modules(&unpacked.join("lib/modules").join(&release), &staged)?;
    let provenance = Provenance {
        package,
        version,
        sha256: sha256_of(&vmlinuz)?,
        modules,
    };
    let json = serde_json::to_vec_pretty(&provenance).unwrap_or_default();
    write_whole(&staged.join("provenance.json"), &json)?;

    let home = dest.join(&release);
    match fs::rename(&staged, &home) {
        Ok(()) => {}
        // Someone fetched the same release before or at the same moment: as good.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        Err(error) => return Err(Error::file("create", &home)(error)),
    }
    Kernel::open(&home.join("vmlinuz"))
}

/// A directory that is removed at the end, however that comes.
struct Scratch(PathBuf);

impl Scratch {
    fn create(dest: &Path) -> Result<Self> {
        let dir = dest.join(format!(".fetch-{}", std::process::id()));
        // A leftover of a process with our number, long gone.
        let _ = fs::remove_dir_all(&dir);
        fs::create_dir(&dir).map_err(Error::file("create", &dir))?;
        Ok(Self(dir))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next fetch or by hand.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// apt, told to keep its locks and caches in a directory of ours.
struct Apt<'a> {
    dir: &'a Path,
    options: Vec<String>,
}

impl<'a> Apt<'a> {
    fn new(dir: &'a Path) -> Result<Self> {
        let cache = dir.join("apt/cache");
        let archives = cache.join("archives/partial");
        fs::create_dir_all(&archives).map_err(Error::file("create", &archives))?;
        let options = vec![
            format!("Dir::Cache={}", cache.display()),
            // As root, apt would change to its own user, which cannot write here, and warn.
            "APT::Sandbox::User=".to_owned(),
            "Debug::NoLocking=1".to_owned(),
        ];
        let mut apt = Self { dir, options };
        if apt.kernel_package().is_err() {
            apt.update_private_lists()?;
        }
        Ok(apt)
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
        let mut command = Command::new(program);
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

    fn version_of(&self, deb: &Path) -> Result<String> {
        let text = run(Command::new("dpkg-deb").arg("-f").arg(deb).arg("Version"))?;
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
fn run(command: &mut Command) -> Result<String> {
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

fn only_image(boot: &Path, package: &str) -> Result<PathBuf> {
    let listing = fs::read_dir(boot).map_err(Error::file("list", boot))?;
    listing
        .flatten()
        .find(|entry| entry.file_name().to_string_lossy().starts_with("vmlinuz-"))
        .map(|entry| entry.path())
        .ok_or_else(|| Error::Fetch {
            reason: format!("the package {package} holds no /boot/vmlinuz-*"),
            remedy: NO_APT,
        })
}

/// Moves the modules of [`MODULES`] from an unpacked package to `staged/modules`.
fn keep_modules(from: &Path, staged: &Path) -> Result<Vec<PathBuf>> {
    let mut kept = Vec::new();
    let mut pending = vec![from.to_owned()];
    while let Some(dir) = pending.pop() {
        // Ubuntu has the modules in a package of their own: none here is no error.
        let Ok(listing) = fs::read_dir(&dir) else {
            continue;
        };
        for path in listing.flatten().map(|entry| entry.path()) {
            if path.is_dir() && !path.is_symlink() {
                pending.push(path);
                continue;
            }
            let name = path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let wanted = MODULES.iter().any(|module| {
                // A file may be called virtio-rng.ko, and its module virtio_rng.
                name.replace('-', "_")
                    .strip_prefix(module)
                    .is_some_and(|rest| rest.starts_with(".ko"))
            });
            if wanted && let Ok(relative) = path.strip_prefix(from) {
                let target = staged.join("modules").join(relative);
                let parent = target.parent().unwrap_or(staged);
                fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
                fs::rename(&path, &target).map_err(Error::file("move", &path))?;
                kept.push(relative.to_owned());
            }
        }
    }
    kept.sort();
    Ok(kept)
}

/// Writes a file so that it is seen whole or not at all, its directories included.
pub(crate) fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    fs::create_dir_all(dir).map_err(Error::file("create", dir))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let partial = dir.join(format!(".{name}.{}", std::process::id()));
    let written = (|| {
        let mut file = fs::File::create(&partial)?;
        file.write_all(bytes)?;
        fs::rename(&partial, path)
    })();
    written.map_err(|error| {
        // The first error is the one to tell.
        let _ = fs::remove_file(&partial);
        Error::file("write", path)(error)
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

    #[test]
    fn a_file_that_cannot_be_finished_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir(dir.path().join("taken")).unwrap();
        assert!(write_whole(&dir.path().join("taken"), b"x").is_err());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }
}
