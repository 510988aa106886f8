//! A distribution's kernel without root: `apt-get download`, `dpkg -x`, and a note of its origin.
//!
//! Neither program needs privilege when it is told to write where this user may. The meta-package
//! (`linux-image-cloud-amd64`) holds nothing; its dependency is the image of the current release.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::{Deserialize, Serialize};

use super::apt::{Apt, NO_APT, run};
use super::scratch::Scratch;
use super::{Kernel, sha256_of};
use crate::error::{Error, Result};
use crate::whole_file;

/// Modules that guests of this workspace may load; the other thousands are left behind.
const MODULES: [&str; 11] = [
    "overlay",
    "virtio_blk",
    "virtio_mmio",
    "virtio_console",
    "virtio_net",
    "net_failover",
    "failover",
    "virtio_rng",
    "irqbypass",
    "kvm",
    "kvm_amd",
];

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
    let mut apt = Apt::new(scratch.path())?;
    let (package, deb) = apt.newest_image()?;
    let version = apt.version_of(&deb)?;
    let unpacked = scratch.path().join("unpacked");
    run(Command::new("dpkg").arg("-x").arg(&deb).arg(&unpacked))?;

    let image = only_image(&unpacked.join("boot"), &package)?;
    let release = Kernel::open(&image)?.release;
    let staged = scratch.path().join("staged");
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
    whole_file::write(&staged.join("provenance.json"), &json)?;

    let home = dest.join(&release);
    match fs::rename(&staged, &home) {
        Ok(()) => {}
        // Someone fetched the same release before or at the same moment: as good.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {}
        Err(error) => return Err(Error::file("create", &home)(error)),
    }
    Kernel::open(&home.join("vmlinuz"))
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
