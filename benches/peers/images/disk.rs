//! A file system of its own for those who keep images.
//!
//! Thousands of files are made in each trial, and what that costs depends on what was
//! there before: ext4 without a journal takes no inode that was freed in the last
//! minutes but searches among them, and what an earlier bench has removed makes a
//! trial several times as slow. On one with a journal that began empty, and on which
//! nothing is removed while a race lasts, each finds about the same.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use nix::mount::{MntFlags, umount2};
use nix::sys::statvfs::statvfs;

/// The most that it may take, in bytes: it is a file with holes, and takes what is
/// written.
const MOST: u64 = 64 << 30;

/// A fresh ext4, mounted where nobody else sees it: it is gone with the process and
/// those that it has started, which end with it.
pub(super) struct Disk {
    place: PathBuf,
}

impl Disk {
    /// One in `scratch`, where mounts are nobody else's. An ordinary user can have none.
    pub(super) fn mount(scratch: &Path, own_mounts: bool) -> Result<Self> {
        ensure!(own_mounts, "a file system of one's own takes root");
        let image = scratch.join("disk.img");
        let place = scratch.join("disk");
        let made = Self::make(&image, &place);
        // While it is mounted it needs no name; what did not become one is to go.
        let _ = fs::remove_file(&image);
        made
    }

    fn make(image: &Path, place: &Path) -> Result<Self> {
        fs::create_dir(place)?;
        let room = statvfs(place)?;
        let room = room.blocks_available() * room.fragment_size();
        File::create(image)?.set_len(MOST.min(room / 10 * 9))?;
        // The inode tables are not written in the background while others are timed.
        quietly(
            Command::new("mkfs.ext4")
                .args(["-q", "-F", "-m", "0", "-E", "lazy_itable_init=1"])
                .arg(image),
        )?;
        quietly(
            Command::new("mount")
                .args(["-o", "loop,discard,noinit_itable,noatime"])
                .args([image, place]),
        )?;
        Ok(Self {
            place: place.to_owned(),
        })
    }

    /// Where it is mounted.
    pub(super) fn path(&self) -> &Path {
        &self.place
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = umount2(&self.place, MntFlags::MNT_DETACH);
    }
}

fn quietly(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output();
    let name = command.get_program().to_string_lossy().into_owned();
    let output = output.with_context(|| format!("cannot run {name}"))?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{name}: {}", said.trim());
    Ok(())
}
