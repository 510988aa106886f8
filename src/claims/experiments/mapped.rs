//! Which files a process uses, whatever they are called where it looks: a file is
//! its device and inode.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

/// A file, whatever it is called: its device and inode.
pub(super) type Identity = (u64, u64);

/// The files at `paths` and below them.
pub(super) fn files_below<'a>(paths: impl IntoIterator<Item = &'a PathBuf>) -> BTreeSet<Identity> {
    let mut pending: Vec<PathBuf> = paths.into_iter().cloned().collect();
    let mut files = BTreeSet::new();
    while let Some(path) = pending.pop() {
        let Ok(metadata) = fs::metadata(&path) else {
            continue;
        };
        if metadata.is_dir() {
            let entries = fs::read_dir(&path).into_iter().flatten().flatten();
            let real = entries.filter(|e| e.file_type().is_ok_and(|kind| !kind.is_symlink()));
            pending.extend(real.map(|entry| entry.path()));
        } else {
            files.insert((metadata.dev(), metadata.ino()));
        }
    }
    files
}

/// The files that the process `pid` has mapped.
///
/// Source: `proc_pid_map_files(5)` needs a privilege, so each path of
/// `proc_pid_maps(5)` is looked up through the process's own root.
pub(super) fn by(pid: i32) -> Result<BTreeSet<Identity>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))
        .with_context(|| format!("cannot read the maps of process {pid}"))?;
    let root = PathBuf::from(format!("/proc/{pid}/root"));
    let paths = maps.lines().filter_map(|line| line.split_once('/'));
    let files = paths.filter_map(|(_, path)| fs::metadata(root.join(path)).ok());
    Ok(files.map(|file| (file.dev(), file.ino())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_has_its_own_program_mapped_under_any_name() {
        let own = std::env::current_exe().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        let mapped = by(pid).unwrap();
        assert!(files_below([&own]).is_subset(&mapped));
        let dir = tempfile::tempdir().unwrap();
        fs::copy(&own, dir.path().join("copy")).unwrap();
        assert!(files_below([&dir.path().to_owned()]).is_disjoint(&mapped));
    }
}
