//! What copies of a guest and of a container take on disk: full ones, and ones
//! that share what they have in common. Like against like: the same userland,
//! made and counted in the same way.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use nix::sys::statvfs::statvfs;
use vm_model::disk::QemuImg;

use super::build::{apart, find};
use super::{Image, watched};
use crate::environment::bounded::{self, Ended};
use crate::footprint::allocated_bytes;
use crate::interrupt::Interrupt;

/// How many there are of each kind.
const COPIES: usize = 3;
/// The longest that one copy may take.
const BOUND: Duration = Duration::from_secs(300);
/// The part of the free disk that copies may take.
const SAFE_SHARE: u64 = 2;

/// What one takes, and each of three copies of it, in allocated bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    /// The one that was copied, which the sharing copies also need.
    pub one: u64,
    /// Each full copy.
    pub full: Vec<u64>,
    /// Each copy that holds only what is its own.
    pub sharing: Vec<u64>,
    /// The command that made a sharing copy.
    pub command: String,
}

/// Three full clones and three copy-on-write clones of a guest's disk, in `dir`.
///
/// # Errors
/// If there is no qemu-img or no room; if the user interrupts.
pub fn of_guest(image: &Image, dir: &Path, interrupt: &Interrupt) -> Result<Copies> {
    let full = full_copies(&image.disk, dir, interrupt)?;
    let mut sharing = Vec::new();
    for number in 0..COPIES {
        let clone = clone(image, &dir.join(number.to_string()))?;
        sharing.push(allocated_bytes(&[clone])?);
    }
    Ok(Copies {
        one: allocated_bytes(&[&image.disk])?,
        full,
        sharing,
        command: shown(
            &QemuImg::at(Path::new("qemu-img"))
                .overlay_words(Path::new("disk.qcow2"), Path::new("clone.qcow2")),
        ),
    })
}

/// A copy-on-write clone of the guest's disk, in the new directory `dir`.
///
/// # Errors
/// If there is no qemu-img, or `dir` cannot be written to.
pub fn clone(image: &Image, dir: &Path) -> Result<PathBuf> {
    let img = QemuImg::at(&find("qemu-img", "qemu-utils")?);
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let clone = dir.join("clone.qcow2");
    img.overlay(&image.disk, &clone)?;
    Ok(clone)
}

/// Three full copies of a container's root and three that share it: each has an
/// upper directory of its own, in which its host name was written to show that
/// it works.
///
/// # Errors
/// If there is no room or the kernel refuses an overlay; if the user interrupts.
pub fn of_container(image: &Image, dir: &Path, interrupt: &Interrupt) -> Result<Copies> {
    let unshare = find("unshare", "util-linux")?;
    let full = full_copies(&image.rootfs, dir, interrupt)?;
    let mut sharing = Vec::new();
    let own = |number: usize| dir.join(format!("own-{number}"));
    for number in 0..COPIES {
        overlay(&unshare, &image.rootfs, &own(number))?;
        sharing.push(allocated_bytes(&[own(number)])?);
    }
    Ok(Copies {
        one: allocated_bytes(&[&image.rootfs])?,
        full,
        sharing,
        command: "mount -t overlay -o lowerdir=rootfs,upperdir=upper,workdir=work overlay merged"
            .to_owned(),
    })
}

/// Copies `what` three times and says what each takes. Two do not lie on the
/// disk at once.
fn full_copies(what: &Path, dir: &Path, interrupt: &Interrupt) -> Result<Vec<u64>> {
    fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let one = allocated_bytes(&[what])?;
    let free = statvfs(dir).context("cannot ask for the free space")?;
    let free = free.blocks_available() * free.fragment_size();
    ensure!(
        one * SAFE_SHARE < free,
        "no room for a copy of {} MB in {}: {} MB are free",
        one / 1_000_000,
        dir.display(),
        free / 1_000_000
    );
    let mut sizes = Vec::new();
    for _ in 0..COPIES {
        let copy = dir.join("copy");
        // A file system that can share blocks must not do so behind our back.
        let words = ["cp", "-a", "--reflink=never", "--"].map(OsString::from);
        let words: Vec<OsString> = words
            .into_iter()
            .chain([what.into(), copy.clone().into()])
            .collect();
        watched::run(&words, dir, BOUND, interrupt, &|_| ())?;
        sizes.push(allocated_bytes(&[&copy])?);
        let removed = if copy.is_dir() {
            fs::remove_dir_all(&copy)
        } else {
            fs::remove_file(&copy)
        };
        removed.with_context(|| format!("cannot remove {}", copy.display()))?;
    }
    Ok(sizes)
}

/// What is done in a mount namespace: mount the overlay, write, read it back.
const OVERLAY: &str = r#"
mount -t overlay -o "lowerdir=$1,upperdir=upper,workdir=work$2" overlay merged
echo container > merged/etc/hostname.new
mv merged/etc/hostname.new merged/etc/hostname
test -e merged/usr/bin/env
"#;

/// Makes at `own` a container's own part over `root`, and uses it.
fn overlay(unshare: &Path, root: &Path, own: &Path) -> Result<()> {
    for name in ["upper", "work", "merged"] {
        fs::create_dir_all(own.join(name)).context("cannot make an overlay's directories")?;
    }
    // An ordinary user's overlay may not use the attributes that root's does.
    let option = if nix::unistd::geteuid().is_root() {
        ""
    } else {
        ",userxattr"
    };
    ensure!(
        !root.to_string_lossy().contains([',', ':', '\\']),
        "the path of an overlay's lower directory cannot hold a comma, a colon or a backslash"
    );
    let mut words = apart(unshare);
    words.extend(["sh", "-euc", OVERLAY, "overlay"].map(OsString::from));
    words.extend([root.into(), option.into()]);
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).current_dir(own);
    match bounded::run(&mut command, BOUND).context("cannot start unshare")? {
        Ended::Exited { code: Some(0), .. } => {}
        Ended::Exited { stderr, .. } => bail!(
            "cannot mount an overlay: {}",
            stderr.lines().next().unwrap_or("it said nothing").trim()
        ),
        Ended::TimedOut => bail!("cannot mount an overlay within {} s", BOUND.as_secs()),
    }
    // Only root's kernel keeps this one; its own it leaves empty and closed.
    let work = own.join("work");
    let _ = fs::remove_dir(work.join("work"));
    Ok(())
}

fn shown(words: &[OsString]) -> String {
    let words: Vec<_> = words.iter().map(|word| word.to_string_lossy()).collect();
    words.join(" ")
}
