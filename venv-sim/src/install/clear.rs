//! Removing what is left over, on all processors: directories of a package in their hundreds take
//! longer to remove than to rename.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use crate::threads::help;

/// How many threads remove at most.
const MOST_THREADS: usize = 4;

/// How deep the directories lie that one thread removes whole: those in a package in `old/0`.
const DEPTH: usize = 4;

/// Removes `path`, a directory that nobody else writes to, and all that is in it. No link is
/// followed.
pub(crate) fn remove_tree(path: &Path) -> io::Result<()> {
    let mut branches = Vec::new();
    gather(path, DEPTH, &mut branches)?;
    let next = AtomicUsize::new(0);
    let work = || {
        while let Some(branch) = branches.get(next.fetch_add(1, Ordering::Relaxed)) {
            // What cannot be removed is met again, and told, below.
            let _ = fs::remove_dir_all(branch);
        }
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let most = threads.min(MOST_THREADS).min(branches.len());
        help(scope, most.saturating_sub(1), work);
        work();
    });
    fs::remove_dir_all(path)
}

/// The directories that lie `depth` below `path`.
fn gather(path: &Path, depth: usize, branches: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            match depth {
                1 => branches.push(entry.path()),
                _ => gather(&entry.path(), depth - 1, branches)?,
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::threads::tests::alone;

    #[test]
    fn all_goes_and_what_links_lead_to_stays() {
        let home = tempfile::tempdir().expect("a directory");
        let (away, kept) = (home.path().join("away"), home.path().join("kept"));
        fs::create_dir(&kept).expect("made");
        fs::write(kept.join("file"), "mine").expect("written");
        for deep in ["1", "1/2/3", "1/2/3/4/5/6"] {
            let directory = away.join(deep);
            fs::create_dir_all(&directory).expect("made");
            fs::write(directory.join("file"), "").expect("written");
            symlink(&kept, directory.join("link")).expect("linked");
        }
        remove_tree(&away).expect("removed");
        assert!(!away.exists());
        fs::create_dir_all(away.join("1/2/3/4/5")).expect("made");
        alone(|| remove_tree(&away)).expect("removed without help");
        assert!(!away.exists());
        assert_eq!(fs::read(kept.join("file")).expect("it is there"), b"mine");
    }

    #[test]
    fn what_is_not_there_is_told() {
        let home = tempfile::tempdir().expect("a directory");
        let error = remove_tree(&home.path().join("none")).expect_err("refused");
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
