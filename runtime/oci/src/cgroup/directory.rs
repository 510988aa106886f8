//! The directories that are groups: made, taken over, removed.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, Instant};

use super::processes;
use crate::error::{Error, Result};
use crate::sys::{self, Errno};

/// How long it usually is busy after its last process was reaped.
const MOMENT: Duration = Duration::from_micros(300);

/// Makes the group `directory`, and what is missing above it, which it notes
/// in `parents`.
///
/// A directory left by a dead container of the same name is taken over; one
/// with processes in it is somebody's.
pub(super) fn make(directory: &Path, parents: &mut Vec<PathBuf>) -> io::Result<()> {
    // Again where a parent vanished meanwhile: its maker was deleted.
    for _ in 0..8 {
        match fs::create_dir(directory) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                make_parent(directory.parent().ok_or(error)?, parents)?;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => take_over(directory)?,
            Err(error) => return Err(error),
        }
        return Ok(());
    }
    Err(io::ErrorKind::NotFound.into())
}

fn make_parent(parent: &Path, parents: &mut Vec<PathBuf>) -> io::Result<()> {
    match fs::create_dir(parent) {
        Ok(()) => parents.push(parent.to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            make_parent(parent.parent().ok_or(error)?, parents)?;
            match fs::create_dir(parent) {
                Ok(()) => parents.push(parent.to_owned()),
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                Err(error) => return Err(error),
            }
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => return Ok(()),
        Err(error) => return Err(error),
    }
    if parent.join("cpuset.cpus").exists() {
        inherit_cpuset(parent);
    }
    Ok(())
}

fn take_over(directory: &Path) -> io::Result<()> {
    let count = processes::below(directory).len();
    if count == 0 {
        return Ok(());
    }
    Err(io::Error::new(
        io::ErrorKind::AlreadyExists,
        format!(
            "container's cgroup is not empty: {count} process(es) found: another container has this \
             id or cgroupsPath"
        ),
    ))
}

/// A new version 1 cpuset is empty, and an empty one cannot be joined. The one
/// above may be empty, too, where somebody else has made it.
pub(super) fn inherit_cpuset(directory: &Path) {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let _ = inherited(directory, file);
    }
}

/// What `file` has, or has from the groups above it now.
fn inherited(directory: &Path, file: &str) -> io::Result<String> {
    let path = directory.join(file);
    let own = fs::read_to_string(&path)?;
    match directory.parent() {
        Some(parent) if own.trim_ascii().is_empty() => {
            let value = inherited(parent, file)?;
            fs::write(path, &value)?;
            Ok(value)
        }
        _ => Ok(own),
    }
}

/// Removes a group with all that its container made below it, waiting until
/// `deadline` while the kernel calls it busy. Whether it is gone.
pub(super) fn remove_tree(group: &Path, deadline: Instant) -> bool {
    match remove(group, Instant::now() + MOMENT) {
        Err(Errno(libc::EBUSY)) => {}
        result => return is_gone(group, result),
    }
    // Busy: with groups below it, or with a process that has not quite ended.
    let mut all = processes::directories(group);
    while let Some(below) = all.pop() {
        if !is_gone(&below, remove(&below, deadline)) {
            return false;
        }
    }
    true
}

/// Removes a group that holds nothing. Whether it is gone.
pub(super) fn remove_one(group: &Path) -> bool {
    is_gone(group, remove(group, Instant::now()))
}

fn is_gone(group: &Path, result: sys::Result<()>) -> bool {
    match result {
        Ok(()) | Err(Errno(libc::ENOENT | libc::ENODEV)) => true,
        // Answered before the kernel looks whether it is there.
        Err(Errno(libc::EROFS)) => !group.exists(),
        Err(_) => false,
    }
}

/// `rmdir(2)` until the kernel has let go.
fn remove(directory: &Path, deadline: Instant) -> sys::Result<()> {
    let path = CString::new(directory.as_os_str().as_bytes()).map_err(|_| Errno(libc::EINVAL))?;
    for attempt in 0u32.. {
        match sys::file::rmdir(libc::AT_FDCWD, &path) {
            Err(Errno(libc::EBUSY)) if Instant::now() < deadline => {
                std::thread::sleep(Duration::from_micros(50 << attempt.min(8)));
            }
            result => return result,
        }
    }
    Err(Errno(libc::EBUSY))
}

/// Removes directories above groups, the innermost first. One that others have
/// filled meanwhile stays.
pub(super) fn remove_parents(parents: &[PathBuf]) {
    for parent in parents.iter().rev() {
        let _ = remove(parent, Instant::now());
    }
}

/// Whether this host simply does not let us: read-only, not delegated, not there.
pub(super) fn is_refusal(error: &io::Error) -> bool {
    matches!(
        error.raw_os_error(),
        Some(libc::EACCES | libc::EPERM | libc::EROFS | libc::ENOENT | libc::ENOSPC | libc::ENODEV)
    )
}

/// `path` without `.` and `..`: where `..` would lead above the start it stays
/// there, so that no `linux.cgroupsPath` leaves its hierarchy.
pub(super) fn confine(path: &Path) -> PathBuf {
    let mut inside = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => inside.push(name),
            Component::ParentDir => {
                inside.pop();
            }
            Component::RootDir | Component::CurDir | Component::Prefix(_) => {}
        }
    }
    inside
}

pub(super) fn c_path(path: &Path) -> Result<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Error::Invalid {
        field: "linux.cgroupsPath".to_owned(),
        reason: "it contains a zero byte".to_owned(),
        remedy: "remove it".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(path: &str, expected: &str) {
        assert_eq!(confine(Path::new(path)), Path::new(expected), "{path}");
    }

    #[test]
    fn a_path_with_dots_stays_in_its_hierarchy() {
        check("/a/b", "a/b");
        check("/a/../../../etc", "etc");
        check("../../x", "x");
        check("a/./b/../c", "a/c");
        check("..", "");
    }

    #[test]
    fn what_was_missing_above_a_group_goes_with_it_unless_others_use_it() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("a/b/c");
        let mut parents = Vec::new();
        make(&group, &mut parents).unwrap();
        assert_eq!(parents.len(), 2);
        fs::create_dir(root.path().join("a/other")).unwrap();
        assert!(remove_tree(&group, Instant::now()));
        remove_parents(&parents);
        assert!(!root.path().join("a/b").exists());
        assert!(root.path().join("a/other").exists());
    }

    #[test]
    fn a_group_that_a_dead_container_left_is_taken_over_and_a_living_one_is_not() {
        let root = tempfile::tempdir().unwrap();
        let group = root.path().join("c");
        fs::create_dir(&group).unwrap();
        fs::write(group.join("cgroup.procs"), "").unwrap();
        make(&group, &mut Vec::new()).unwrap();
        fs::write(group.join("cgroup.procs"), "77\n").unwrap();
        let error = make(&group, &mut Vec::new()).unwrap_err();
        assert!(error.to_string().contains("1 process(es)"), "{error}");
    }
}
