//! Extended attributes of files on the disk: which belong to the file, which are
//! overlay's, and which mean something on this machine only.

use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::fs;
use rustix::io::Errno;

/// Names and values.
type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// Sorted out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Extended {
    /// What an archive carries.
    pub(super) kept: Pairs,
    /// Whether overlay hides what lies below the directory.
    pub(super) opaque: bool,
}

/// All attributes of `file`, or of `below` in it, which is not followed; sorted.
pub(super) fn read(file: BorrowedFd<'_>, below: Option<&[u8]>) -> Result<Pairs, Errno> {
    let path = below.map(|name| {
        let directory = format!("/proc/self/fd/{}/", file.as_raw_fd()).into_bytes();
        [&directory[..], name].concat()
    });
    let list = |into: &mut [u8]| match &path {
        Some(path) => fs::llistxattr(&path[..], into),
        None => fs::flistxattr(file, into),
    };
    let names = match grown(list) {
        // There are none, and there is no saying so.
        Err(Errno::NOTSUP) => return Ok(Vec::new()),
        names => names?,
    };
    let mut pairs = Vec::new();
    for name in names
        .split(|byte| *byte == 0)
        .filter(|name| !name.is_empty())
    {
        let get = |into: &mut [u8]| match &path {
            Some(path) => fs::lgetxattr(&path[..], name, into),
            None => fs::fgetxattr(file, name, into),
        };
        match grown(get) {
            Ok(value) => pairs.push((name.to_owned(), value)),
            Err(Errno::NODATA | Errno::NOTSUP) => {}
            Err(error) => return Err(error),
        }
    }
    pairs.sort_unstable();
    Ok(pairs)
}

/// Asks into a buffer that grows until it suffices; the kernel's limit is 64 KiB.
fn grown(ask: impl Fn(&mut [u8]) -> Result<usize, Errno>) -> Result<Vec<u8>, Errno> {
    let mut buffer = vec![0; 256];
    loop {
        match ask(&mut buffer) {
            Ok(length) => {
                buffer.truncate(length);
                return Ok(buffer);
            }
            Err(Errno::RANGE) if buffer.len() < 1 << 17 => buffer.resize(buffer.len() * 8, 0),
            Err(error) => return Err(error),
        }
    }
}

/// Sorts `pairs` out. `overlay` says, for a directory of overlay's, whether its marks
/// are those of `userxattr`.
///
/// # Errors
/// What overlay says of a file and an archive cannot.
pub(super) fn sort(pairs: Pairs, overlay: Option<bool>) -> Result<Extended, &'static str> {
    let mut sorted = Extended::default();
    for (name, value) in pairs {
        let of_user = name.strip_prefix(b"user.overlay.").map(|mark| (true, mark));
        let of_root = || {
            name.strip_prefix(b"trusted.overlay.")
                .map(|mark| (false, mark))
        };
        match of_user.or_else(of_root) {
            Some((user, mark)) if overlay == Some(user) => match (mark, &value[..]) {
                (b"opaque", b"y") => sorted.opaque = true,
                (b"redirect", _) => return Err("overlay has it under another name below"),
                (b"metacopy", _) => return Err("overlay has its content in a layer below"),
                (b"whiteout", _) | (b"opaque", b"x") => {
                    return Err("it is hidden in a way that an archive does not know");
                }
                // Where it came from and how it is counted: overlay's bookkeeping.
                _ => {}
            },
            // A mark of the other kind is of another overlay, and forged here.
            Some(_) => {}
            None if name == b"security.capability" => {
                sorted.kept.push((name, without_root_id(value)));
            }
            None if name.starts_with(b"user.") || name.starts_with(b"trusted.") => {
                sorted.kept.push((name, value));
            }
            // Labels are this machine's policy, and access lists name its users.
            None => {}
        }
    }
    Ok(sorted)
}

/// A capability that was given in a user namespace names the host's id of its root.
/// An image's does not: version 3 becomes version 2.
///
/// Source: `linux/capability.h`, `struct vfs_ns_cap_data`.
fn without_root_id(mut value: Vec<u8>) -> Vec<u8> {
    if value.len() == 24 && value[3] == 3 {
        value.truncate(20);
        value[3] = 2;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(name: &str, value: &[u8]) -> (Vec<u8>, Vec<u8>) {
        (name.into(), value.to_owned())
    }

    #[test]
    fn what_is_overlays_or_this_machines_is_not_kept() {
        let pairs = vec![
            pair(
                "security.capability",
                &[
                    1, 0, 0, 3, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 9, 9, 9,
                ],
            ),
            pair("security.selinux", b"label"),
            pair("system.posix_acl_access", b"acl"),
            pair("trusted.overlay.opaque", b"y"),
            pair("user.mine", b"\0"),
            pair("user.overlay.opaque", b"y"),
            pair("user.overlay.origin", b"?"),
        ];
        let sorted = sort(pairs.clone(), Some(true)).unwrap();
        let capability = [&[1, 0, 0, 2, 4][..], &[0; 15]].concat();
        let kept = vec![
            pair("security.capability", &capability),
            pair("user.mine", b"\0"),
        ];
        assert_eq!(
            sorted,
            Extended {
                kept: kept.clone(),
                opaque: true
            }
        );
        let sorted = sort(pairs, None).unwrap();
        assert_eq!(
            sorted,
            Extended {
                kept,
                opaque: false
            }
        );
    }

    #[test]
    fn what_an_archive_cannot_say_is_an_error() {
        for mark in ["redirect", "metacopy", "whiteout"] {
            let pairs = vec![pair(&format!("trusted.overlay.{mark}"), b"/x")];
            assert!(sort(pairs.clone(), Some(false)).is_err(), "{mark}");
            assert!(sort(pairs, Some(true)).is_ok(), "{mark}");
        }
    }
}
