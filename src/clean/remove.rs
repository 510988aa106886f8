//! The removal itself: what is ours goes, what is not is named.

use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::survey::entries;
use super::{Fence, claim, locked};
use crate::places::Place;

/// What a removal came to.
#[derive(Debug, Default, Serialize)]
pub struct Outcome {
    /// Files and directories that are gone.
    pub removed: u64,
    /// What was left alone, and why.
    pub left: Vec<Left>,
    /// What could not be removed, and why.
    pub failed: Vec<Left>,
}

/// Something that is still there.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Left {
    /// Where.
    #[serde(serialize_with = "super::lossy")]
    pub path: PathBuf,
    /// Why.
    pub why: String,
}

/// Removes `places` with everything in them that is ours and that no living
/// command uses. One failure stops nothing else.
#[must_use]
pub fn remove(places: &[Place]) -> Outcome {
    let fence = Fence::here();
    let mut outcome = Outcome::default();
    for place in places {
        if fs::symlink_metadata(&place.path).is_err() {
            continue;
        }
        match fence.why_not_root(&place.path) {
            Some(why) => outcome.leave(&place.path, why),
            None => {
                // As the mount table names it.
                let real = fs::canonicalize(&place.path);
                let path = real.as_deref().unwrap_or(&place.path);
                remove_directory(path, &fence, &mut outcome);
            }
        }
    }
    outcome
}

impl Outcome {
    fn leave(&mut self, path: &Path, why: &str) {
        let (path, why) = (path.to_owned(), why.to_owned());
        self.left.push(Left { path, why });
    }

    /// Notes how the removal of `path` went, and whether it is gone.
    fn note(&mut self, path: &Path, result: io::Result<()>) -> bool {
        match result {
            Ok(()) => self.removed += 1,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => {
                let (path, why) = (path.to_owned(), error.to_string());
                self.failed.push(Left { path, why });
                return false;
            }
        }
        true
    }
}

/// Removes a directory of ours; whether it is gone.
fn remove_directory(dir: &Path, fence: &Fence, outcome: &mut Outcome) -> bool {
    open_up(dir);
    let mut all_gone = true;
    // Locks come after what they guard, by being named after it: `x`, `x.lock`.
    for entry in entries(dir) {
        all_gone &= remove_entry(&entry, fence, outcome);
    }
    all_gone && outcome.note(dir, fs::remove_dir(dir))
}

fn remove_entry(path: &Path, fence: &Fence, outcome: &mut Outcome) -> bool {
    if let Some(why) = fence.why_not(path) {
        outcome.leave(path, why);
        return false;
    }
    let is_lock = path
        .extension()
        .is_some_and(|extension| extension == "lock");
    let held = if is_lock { locked(path) } else { claim(path) };
    // Ours until this is gone: nobody takes it up in between.
    let _lock = match held {
        Ok(lock) => lock,
        // Said of the directory; its lock file goes without saying.
        Err(_) if is_lock => return false,
        Err(why) => {
            outcome.leave(path, why);
            return false;
        }
    };
    // A lock whose directory could not go tells the next command whose it was.
    if is_lock && path.with_extension("").exists() {
        return false;
    }
    let is_dir = fs::symlink_metadata(path).is_ok_and(|found| found.is_dir());
    if is_dir {
        remove_directory(path, fence, outcome)
    } else {
        outcome.note(path, fs::remove_file(path))
    }
}

/// A root file system may hold directories that even their owner may not change.
fn open_up(dir: &Path) {
    if let Ok(metadata) = fs::symlink_metadata(dir)
        && metadata.permissions().mode() & 0o700 != 0o700
    {
        let _ = fs::set_permissions(dir, fs::Permissions::from_mode(0o700));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clean::survey;
    use crate::places::Kind;
    use std::fs::File;
    use std::os::unix::fs::symlink;

    fn place(path: PathBuf) -> [Place; 1] {
        let kind = Kind::Cache;
        [Place { kind, path }]
    }

    fn ours() -> (tempfile::TempDir, PathBuf) {
        let home = tempfile::tempdir().unwrap();
        let ours = home.path().join("isolab");
        fs::create_dir_all(ours.join("scratch/dead/deep")).unwrap();
        fs::write(ours.join("scratch/dead/deep/file"), [7; 10_000]).unwrap();
        fs::write(ours.join("scratch/dead.lock"), "").unwrap();
        (home, ours)
    }

    #[test]
    fn everything_of_ours_goes_and_what_lies_beside_it_stays() {
        let (home, ours) = ours();
        fs::write(home.path().join("beside"), "x").unwrap();
        assert!(survey(&place(ours.clone()))[0].bytes >= 10_000);
        let outcome = remove(&place(ours.clone()));
        assert!(!ours.exists() && home.path().join("beside").exists());
        assert!(outcome.left.is_empty() && outcome.failed.is_empty());
        assert_eq!(outcome.removed, 6);
        assert!(survey(&place(ours)).is_empty());
    }

    #[test]
    fn what_a_living_command_holds_stays_with_its_lock() {
        let (_home, ours) = ours();
        let living = ours.join("scratch/living");
        fs::create_dir(&living).unwrap();
        fs::write(living.join("file"), "in use").unwrap();
        let lock = File::create(ours.join("scratch/living.lock")).unwrap();
        lock.lock().unwrap();
        let outcome = remove(&place(ours.clone()));
        assert!(living.join("file").exists() && ours.join("scratch/living.lock").exists());
        assert!(!ours.join("scratch/dead").exists());
        assert_eq!(outcome.left.len(), 1, "{outcome:?}");
        assert!(outcome.left[0].why.contains("running"));
        drop(lock);
        assert!(remove(&place(ours.clone())).left.is_empty() && !ours.exists());
    }

    #[test]
    fn no_link_is_followed_out() {
        let (home, ours) = ours();
        let precious = home.path().join("precious");
        fs::create_dir(&precious).unwrap();
        fs::write(precious.join("thesis"), "years").unwrap();
        symlink(&precious, ours.join("scratch/link")).unwrap();
        assert!(remove(&place(ours.clone())).failed.is_empty());
        assert!(!ours.exists() && precious.join("thesis").exists());
        // Nor if the directory itself is one.
        symlink(&precious, &ours).unwrap();
        let outcome = remove(&place(ours.clone()));
        assert!(ours.is_symlink() && precious.join("thesis").exists());
        assert!(outcome.left[0].why.contains("link"), "{outcome:?}");
    }

    #[test]
    fn a_directory_that_forbids_itself_goes_too() {
        let (_home, ours) = ours();
        let closed = ours.join("scratch/dead/deep");
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o000)).unwrap();
        assert!(remove(&place(ours.clone())).failed.is_empty());
        assert!(!ours.exists());
    }

    #[test]
    fn a_name_that_is_no_text_is_removed_and_can_be_told() {
        use std::os::unix::ffi::OsStrExt;
        let (_home, ours) = ours();
        fs::create_dir(ours.join(std::ffi::OsStr::from_bytes(b"\xff"))).unwrap();
        let told = serde_json::to_string(&survey(&place(ours.clone()))).unwrap();
        assert!(told.contains('\u{FFFD}'), "{told}");
        let path = ours.join(std::ffi::OsStr::from_bytes(b"\xff"));
        let why = "a test".to_owned();
        assert!(serde_json::to_string(&Left { path, why }).is_ok());
        assert!(remove(&place(ours)).failed.is_empty());
    }

    #[test]
    fn what_is_another_users_is_named_and_kept() {
        let (_home, ours) = ours();
        let fence = Fence {
            user: nix::unistd::geteuid().as_raw() + 1,
            mounted: [].into(),
        };
        assert!(fence.why_not_root(&ours).unwrap().contains("another user"));
    }

    #[test]
    fn what_is_mounted_inside_is_not_entered() {
        let (_home, ours) = ours();
        let point = ours.join("scratch/dead/deep");
        let fence = Fence {
            user: nix::unistd::geteuid().as_raw(),
            mounted: [point.clone()].into(),
        };
        let mut outcome = Outcome::default();
        assert!(!remove_directory(&ours, &fence, &mut outcome));
        assert!(point.join("file").exists());
        assert_eq!(outcome.left[0].path, point);
    }
}
