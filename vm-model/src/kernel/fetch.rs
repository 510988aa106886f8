//! A distribution's kernel without root: `apt-get download`, `dpkg -x`, and a note of its origin.
//!
//! Neither program needs privilege when it is told to write where this user may. The meta-package
//! (`linux-image-cloud-amd64`) holds nothing; its dependency is the image of the current release.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::apt::{Apt, NO_APT, run};
use super::modules::{BUILT_IN, Modules};
use super::scratch::Scratch;
use super::{Kernel, sha256_of};
use crate::error::{Error, Result};
use crate::{tool, whole_file};

/// Modules that guests of this workspace may load, kept with all that they need; the other
/// thousands are left behind.
const MODULES: [&str; 15] = [
    "overlay",
    "ext4",
    "crc32c_generic",
    "crc32c_intel",
    "virtio_pci",
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
/// The directory appears whole or not at all. One that is there already is taken as it is, but
/// for one without the list of what is part of the kernel: an older release of ours made it, with
/// fewer modules, and the new one takes its place.
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
    run(tool::command("dpkg").arg("-x").arg(&deb).arg(&unpacked))?;

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
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => {
            if !home.join("modules").join(BUILT_IN).exists() {
                // At no moment is there none; the old one goes with the scratch directory.
                let exchange = RenameFlags::RENAME_EXCHANGE;
                renameat2(AT_FDCWD, &staged, AT_FDCWD, &home, exchange)
                    .map_err(|errno| Error::file("replace", &home)(errno.into()))?;
            }
        }
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

/// Moves the modules of [`MODULES`], and what they need, from an unpacked package to
/// `staged/modules`, and copies the list of what is part of the kernel.
fn keep_modules(from: &Path, staged: &Path) -> Result<Vec<PathBuf>> {
    let all = Modules::in_dir(from);
    let mut kept = Vec::new();
    for wanted in MODULES {
        // Ubuntu has most modules in a package of their own, and in each release some are part
        // of the kernel: who needs one says so when it is missing.
        let Ok(modules) = all.with_needs(&[wanted]) else {
            continue;
        };
        kept.extend(modules.into_iter().map(|module| module.name));
    }
    kept.sort();
    kept.dedup();
    let modules = staged.join("modules");
    fs::create_dir_all(&modules).map_err(Error::file("create", &modules))?;
    let mut paths = Vec::new();
    for path in kept.iter().filter_map(|name| all.file(name)) {
        let Ok(relative) = path.strip_prefix(from) else {
            continue;
        };
        let target = modules.join(relative);
        let parent = target.parent().unwrap_or(staged);
        fs::create_dir_all(parent).map_err(Error::file("create", parent))?;
        fs::rename(path, &target).map_err(Error::file("move", path))?;
        paths.push(relative.to_owned());
    }
    let built_in = fs::read(from.join(BUILT_IN)).unwrap_or_default();
    whole_file::write(&modules.join(BUILT_IN), &built_in)?;
    paths.sort();
    Ok(paths)
}
