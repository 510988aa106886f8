//! Guests that start from such disks.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use vm_model::kernel::{self, Kernel, Modules};
use vm_model::qemu;

use crate::party::{Party, User};
use crate::place::said;
use crate::{running, trial, why_not, with_app};

/// The longest that an emulated guest may take, in seconds.
const LONG: &str = "120";

pub(crate) fn trials() -> Vec<Trial> {
    let here = |user| why_not(user).or_else(no_guests);
    let mut trials = Vec::new();
    for (name, run) in [
        (
            "a disk with its kernel and initramfs starts with any QEMU",
            starts_alone as fn() -> Result<(), Failed>,
        ),
        ("what a guest writes goes with it", running::forgets),
        (
            "a guest is asked through a port of this machine",
            running::answers,
        ),
        (
            "a guest reaches this machine only if it is let",
            running::reaches,
        ),
        (
            "a command that is killed leaves no guest and no clone",
            running::killed,
        ),
    ] {
        trials.push(trial(name, here(User::Myself), run));
    }
    for user in [User::Myself, User::Granted, User::Single] {
        let name = format!(
            "an image's program runs in a guest as it says, {}",
            user.name()
        );
        trials.push(trial(&name, here(user), move || running::runs(user)));
    }
    trials
}

/// Why no guest can be started, if so.
pub(crate) fn no_guests() -> Option<String> {
    let qemu = qemu::find().err().map(|error| error.to_string());
    qemu.or_else(|| kernel().err())
}

/// A kernel with the modules of a disk, on this machine or from the distribution.
fn kernel() -> Result<Kernel, String> {
    static FOUND: OnceLock<Result<Kernel, String>> = OnceLock::new();
    let has_modules = |kernel: &Kernel| {
        let modules = Modules::of(kernel);
        modules
            .with_needs(&["virtio_blk", "ext4", "virtio_net"])
            .map(drop)
    };
    let look = || {
        let here = kernel::find().and_then(|kernel| has_modules(&kernel).map(|()| kernel));
        let kernel = here
            .or_else(|_| kernel::fetch(&Path::new(env!("CARGO_TARGET_TMPDIR")).join("kernels")))?;
        has_modules(&kernel)?;
        Ok(kernel)
    };
    let found = FOUND.get_or_init(|| look().map_err(|error: vm_model::Error| error.to_string()));
    found.clone()
}

/// Gives somebody's home a kernel, as `isolab vm kernel` would get it; why not, if so.
pub(crate) fn no_kernel(party: &Party) -> Option<String> {
    let copied = || -> Result<(), Failed> {
        let kernel = kernel()?;
        let from = kernel.path.parent().ok_or("no directory")?;
        let to = party
            .home()
            .join("data/isolab/kernels")
            .join(&kernel.release);
        if to.exists() {
            return Ok(());
        }
        fs::create_dir_all(&to)?;
        for part in ["vmlinuz", "modules"] {
            said(Command::new("cp").arg("-r").arg(from.join(part)).arg(&to))?;
        }
        // It is his, as all that lies in his home.
        let owner = fs::metadata(party.home())?;
        let owner = format!("{0}:{1}", uid(&owner), gid(&owner));
        said(
            Command::new("chown")
                .arg("-R")
                .arg(owner)
                .arg(party.home().join("data")),
        )?;
        Ok(())
    };
    copied().err().map(|error| format!("no kernel: {error:?}"))
}

fn uid(found: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::uid(found)
}

fn gid(found: &fs::Metadata) -> u32 {
    std::os::unix::fs::MetadataExt::gid(found)
}

fn starts_alone() -> Result<(), Failed> {
    let place = tempfile::tempdir()?;
    let party = with_app(place.path(), User::Myself)?;
    if let Some(why) = no_kernel(&party) {
        return Err(why.into());
    }
    let told = party.json(&["vm", "disk", "--json", "-o", "my, disk", "app"])?;
    let command = told["command"].as_str().ok_or("no command")?;
    let run = || {
        let mut shell = Command::new("timeout");
        shell
            .args(["-s", "KILL", LONG, "sh", "-c", command])
            .current_dir(party.home());
        said(&mut shell)
    };
    assert_eq!(run()?.trim(), "it is blue in /data as 0");
    // What it wrote, it wrote to a whole file system.
    let disk: PathBuf = party.home().join("my, disk");
    said(crate::e2fs("e2fsck").args(["-f", "-n"]).arg(&disk))?;
    let name = said(
        crate::e2fs("debugfs")
            .args(["-R", "cat /etc/hostname"])
            .arg(&disk),
    )?;
    assert!(!name.trim().is_empty(), "it has no name");
    Ok(())
}
