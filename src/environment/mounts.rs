//! The mount table as this process sees it: which file system holds a path, and
//! what is mounted over what.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt as _;
use std::path::{Path, PathBuf};

/// One line of `/proc/self/mountinfo`.
///
/// Source: `proc_pid_mountinfo(5)`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The directory of the file system that is mounted here.
    pub root: PathBuf,
    /// Where it is mounted.
    pub point: PathBuf,
    /// Options of this mount (`ro`, `nosuid`, ...).
    pub options: Vec<String>,
    /// The file system's type.
    pub fstype: String,
    /// Options of the file system itself, shared by all of its mounts.
    pub super_options: Vec<String>,
}

impl Mount {
    /// Whether nothing can be written through this mount.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.has("ro") || self.super_options.iter().any(|o| o == "ro")
    }

    /// Whether the mount carries an option, such as `noexec`.
    #[must_use]
    pub fn has(&self, option: &str) -> bool {
        self.options.iter().any(|o| o == option)
    }
}

/// Reads a mount table; lines that do not follow the format are left out.
#[must_use]
pub fn parse(mountinfo: &str) -> Vec<Mount> {
    mountinfo.lines().filter_map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<Mount> {
    // A lone hyphen ends the optional fields, whose number varies.
    let (here, there) = line.split_once(" - ")?;
    let mut here = here.split(' ').skip(3);
    let mut there = there.split(' ');
    Some(Mount {
        root: unescape(here.next()?),
        point: unescape(here.next()?),
        options: split(here.next()?),
        fstype: there.next()?.to_owned(),
        super_options: split(there.nth(1)?),
    })
}

fn split(options: &str) -> Vec<String> {
    options.split(',').map(str::to_owned).collect()
}

/// Undoes the kernel's octal escapes of space, tab, newline and backslash.
fn unescape(field: &str) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let [first, tail @ ..] = rest {
        let octal = (*first == b'\\' && tail.len() >= 3)
            .then(|| std::str::from_utf8(&tail[..3]).ok())
            .flatten()
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(*first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

/// The mount that holds `path`, which must be absolute and without symlinks.
///
/// Of several mounts on one point the last is on top, and hides the others.
#[must_use]
pub fn holding<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let mut best: Option<&Mount> = None;
    for mount in mounts.iter().filter(|m| path.starts_with(&m.point)) {
        let depth = mount.point.components().count();
        if best.is_none_or(|b| depth >= b.point.components().count()) {
            best = Some(mount);
        }
    }
    best
}

/// What is mounted over parts of `/proc`, which makes the kernel refuse a fresh
/// one in a user namespace ('mount too revealing').
///
/// An autofs or `binfmt_misc` over the empty directory kept for it hides
/// nothing, and the kernel lets it pass.
#[must_use]
pub fn over_proc(mounts: &[Mount]) -> Vec<PathBuf> {
    mounts
        .iter()
        .map(|m| &m.point)
        .filter(|point| point.starts_with("/proc") && *point != Path::new("/proc"))
        .filter(|point| !point.starts_with("/proc/sys/fs/binfmt_misc"))
        .cloned()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw,discard
30 27 0:40 / /mnt/c rw,noatime - 9p C:\\134 rw,aname=drvfs
31 27 0:41 /sub /mnt/a\\040b ro,nosuid - tmpfs none rw
40 22 0:50 / /proc/sys/fs/binfmt_misc rw - autofs systemd-1 rw
41 22 0:51 /null /proc/kcore rw - tmpfs tmpfs rw
42 27 0:52 / /mnt/c rw - tmpfs none rw";

    #[test]
    fn optional_fields_do_not_shift_the_rest() {
        let mounts = parse(TABLE);
        assert_eq!(mounts.len(), 7);
        assert_eq!(mounts[1].fstype, "ext4");
        assert_eq!(mounts[1].super_options, ["rw", "discard"]);
    }

    #[test]
    fn a_space_in_a_mount_point_is_unescaped() {
        let mounts = parse(TABLE);
        assert_eq!(mounts[3].point, Path::new("/mnt/a b"));
        assert!(mounts[3].read_only() && mounts[3].has("nosuid"));
    }

    #[test]
    fn the_deepest_and_last_mount_holds_a_path() {
        let mounts = parse(TABLE);
        let fstype = |path: &str| holding(&mounts, Path::new(path)).unwrap().fstype.clone();
        assert_eq!(fstype("/home/stu"), "ext4");
        assert_eq!(fstype("/mnt/c/Users"), "tmpfs");
        assert_eq!(fstype("/mnt/cd"), "ext4");
    }

    #[test]
    fn binfmt_misc_does_not_mask_proc_and_kcore_does() {
        assert_eq!(over_proc(&parse(TABLE)), [Path::new("/proc/kcore")]);
    }
}
