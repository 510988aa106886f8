//! Making a path of which parts are missing, symlinks included.
//!
//! An image's `/etc/resolv.conf` is often a symlink to a file that only a
//! running system has. Engines mount over it, and every runtime makes what it
//! leads to. `openat2(2)` follows symlinks but makes no directories, so this
//! walks by hand: one name after the other, each opened without following, the
//! text of a symlink put in front of what is left. Nothing here can leave the
//! root, whoever renames meanwhile: each step starts at a descriptor, and `..`
//! is taken from the names walked so far.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, RawFd};

use super::target::Kind;
use super::text::Text;
use crate::sys::descriptor::{Resolve, openat2};
use crate::sys::{self, Descriptor, Errno, file};

/// As many as the kernel follows (`path_resolution(7)`).
const MOST_LINKS: u32 = 40;

const PATH_MAX: usize = libc::PATH_MAX as usize;

/// Opens `path` below `root`, making what is missing of it: directories, and
/// at its end what `kind` says. With [`Resolve::NoSymlinks`] a symlink is an error.
pub(super) fn make(root: RawFd, path: &CStr, kind: Kind, how: Resolve) -> sys::Result<Descriptor> {
    let mut done = Text::<PATH_MAX>::empty();
    let mut rest = Text::<PATH_MAX>::empty();
    let mut link = [0; PATH_MAX];
    rest.push(path.to_bytes())?;
    let mut here = open(root, c".")?;
    let mut name = [0; 256];
    let mut links = 0;
    loop {
        let length = rest.take_first(&mut name)?;
        let component = CStr::from_bytes_until_nul(&name).unwrap_or_default();
        match &name[..length] {
            b"" => return Ok(here),
            b"." => continue,
            b".." => {
                done.pop();
                here = open(root, done.c_str())?;
                continue;
            }
            _ => {}
        }
        let kind = if rest.has_more() {
            Kind::Directory
        } else {
            kind
        };
        let next = match open(here.as_raw_fd(), component) {
            Err(Errno(libc::ENOENT)) => {
                match kind.make(here.as_raw_fd(), component) {
                    Ok(()) | Err(Errno(libc::EEXIST)) => {}
                    Err(errno) => return Err(errno),
                }
                open(here.as_raw_fd(), component)?
            }
            opened => opened?,
        };
        let stat = file::stat_at(next.as_raw_fd(), c"")?;
        if stat.mode & libc::S_IFMT != libc::S_IFLNK {
            done.push(&name[..length])?;
            here = next;
            continue;
        }
        links += 1;
        if how == Resolve::NoSymlinks || links > MOST_LINKS {
            return Err(Errno(libc::ELOOP));
        }
        let length = file::read_link_at(next.as_raw_fd(), c"", &mut link)?;
        if link.first() == Some(&b'/') {
            done.clear();
            here = open(root, c".")?;
        }
        rest.prepend(&link[..length])?;
    }
}

/// Opens one name, or a path of which no component is a symlink: as itself,
/// where it is one.
fn open(dir: RawFd, path: &CStr) -> sys::Result<Descriptor> {
    let flags = libc::O_PATH | libc::O_NOFOLLOW;
    openat2(dir, path, flags, 0, Resolve::NoSymlinks)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::Path;

    use super::*;

    /// Makes `path` in a root with the given symlinks; what came to be.
    fn check(links: &[(&str, &str)], path: &CStr, how: Resolve, expected: Result<&str, i32>) {
        let place = tempfile::tempdir().unwrap();
        let root = place.path().join("root");
        fs::create_dir(&root).unwrap();
        for (at, to) in links {
            fs::create_dir_all(root.join(at).parent().unwrap()).unwrap();
            symlink(to, root.join(at)).unwrap();
        }
        let fd = fs::File::open(&root).unwrap();
        let made = make(fd.as_raw_fd(), path, Kind::File, how);
        let outside = fs::read_dir(place.path()).unwrap().count();
        assert_eq!(outside, 1, "something was made beside the root");
        match expected {
            Ok(expected) => {
                let made = made.unwrap();
                let at = fs::read_link(format!("/proc/self/fd/{}", made.as_raw_fd())).unwrap();
                assert_eq!(at, root.join(expected));
                assert!(root.join(expected).is_file());
            }
            Err(errno) => assert_eq!(made.map(drop), Err(Errno(errno))),
        }
        assert!(!Path::new("/run/isolab-walk").exists());
    }

    #[test]
    fn what_is_missing_is_made() {
        check(&[], c"a/b/c", Resolve::InRoot, Ok("a/b/c"));
        check(&[], c"a/b/c", Resolve::NoSymlinks, Ok("a/b/c"));
    }

    #[test]
    fn a_symlink_that_leads_nowhere_yet_is_made_to_lead_somewhere_inside() {
        let absolute = [("etc/resolv.conf", "/run/isolab-walk/resolv.conf")];
        check(
            &absolute,
            c"etc/resolv.conf",
            Resolve::InRoot,
            Ok("run/isolab-walk/resolv.conf"),
        );
        let relative = [("etc/resolv.conf", "../run/x//resolv.conf")];
        check(
            &relative,
            c"etc/resolv.conf",
            Resolve::InRoot,
            Ok("run/x/resolv.conf"),
        );
        let outward = [("etc/x", "../../../../y/z")];
        check(&outward, c"etc/x", Resolve::InRoot, Ok("y/z"));
        let chain = [("a", "b/"), ("b", "./c"), ("c", "/d/e")];
        check(&chain, c"a/f", Resolve::InRoot, Ok("d/e/f"));
    }

    #[test]
    fn links_in_a_circle_end() {
        let circle = [("a", "b"), ("b", "a")];
        check(&circle, c"a/x", Resolve::InRoot, Err(libc::ELOOP));
    }

    #[test]
    fn where_symlinks_are_an_attack_one_is_refused() {
        check(
            &[("proc", "/tmp")],
            c"proc/x",
            Resolve::NoSymlinks,
            Err(libc::ELOOP),
        );
    }

    #[test]
    fn a_link_that_grows_without_end_is_refused() {
        let long = "x/../".repeat(700) + "loop";
        check(
            &[("loop", &long)],
            c"loop/y",
            Resolve::InRoot,
            Err(libc::ELOOP),
        );
    }
}
