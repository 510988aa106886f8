//! A guest's directory: its files while it runs, and who has its name.
//!
//! Beside `NAME` lies `NAME.lock`, which the guest's keeper holds locked. The kernel drops the
//! lock with the keeper, so nobody has to guess from process ids whether a guest still runs; the
//! ids in the record are used with the start times beside them, so that a number which was given
//! out again is nobody we would end. `system clean` leaves what is locked.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::log;
use super::record::{self, Record, Status};
use crate::{hint, places};

/// Where they all lie.
const GUESTS: &str = "guests";
/// The longest name.
const LONGEST: usize = 40;
/// How long it is waited for whoever holds the lock of a name that no living guest has: a sweep
/// holds one for as long as it takes to remove some files.
const PATIENCE: Duration = Duration::from_secs(2);
/// How long until it is looked again.
const GLANCE: Duration = Duration::from_millis(2);

/// A guest's directory, as long as its keeper lives.
#[derive(Debug)]
pub struct Held {
    path: PathBuf,
    lock: File,
}

impl Held {
    /// Takes `name` for a new guest, or one that nobody has.
    ///
    /// # Errors
    /// If the name is none, is taken, or its directory cannot be made.
    pub fn take(name: Option<&str>) -> Result<Self> {
        let base = places::make_own(GUESTS)?;
        // What dead keepers left goes first.
        let _ = all();
        if let Some(name) = name {
            check_name(name)?;
            let taken = || {
                let next = format!("choose another, or end it: isolab vm stop {name}");
                hint::with(format!("cannot call a guest `{name}`: there is one"), next)
            };
            return claim(&base, name)?.ok_or_else(taken);
        }
        loop {
            let name = format!("guest-{:06x}", fastrand::u32(..1 << 24));
            if let Some(held) = claim(&base, &name)? {
                return Ok(held);
            }
        }
    }

    /// The directory that a lock was taken for already: `lock` is open in this process.
    #[must_use]
    pub fn handed_over(path: PathBuf, lock: File) -> Self {
        Self { path, lock }
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The guest's name.
    #[must_use]
    pub fn name(&self) -> String {
        let name = self.path.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }

    /// The lock, to be handed over to another process.
    ///
    /// # Errors
    /// If there are no descriptors left.
    pub fn lock(&self) -> io::Result<File> {
        self.lock.try_clone()
    }

    /// Writes the record, whole or not at all.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&self, record: &Record) -> Result<()> {
        record::write_whole(&self.path, record::FILE, &record::bounded(record)?)
    }

    /// The record, if one was written.
    #[must_use]
    pub fn record(&self) -> Option<Record> {
        record::read(&self.path)
    }

    /// Removes what a guest that has ended needs no more: its archive, its clone of a disk.
    pub fn clear(&self) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name != record::FILE && !log::NAMES.iter().any(|log| name == *log) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Removes the directory with all that is in it.
    pub fn remove(self) {
        // Another that held the same lock may have removed both before, and the name is somebody
        // else's by now.
        if self.lock.metadata().is_ok_and(|lock| lock.nlink() > 0) {
            remove(&self.path);
        }
    }
}

/// A guest that others look at.
#[derive(Debug)]
pub struct Seen {
    /// Its directory.
    pub path: PathBuf,
    /// What is known of it.
    pub record: Record,
    /// Whether somebody keeps it.
    pub is_kept: bool,
}

impl Seen {
    /// Removes it, if it is over.
    pub fn remove(&self) {
        let Ok(Some(_lock)) = unheld(&lock_of(&self.path)) else {
            return;
        };
        // Its name may be another's, who has ended as well.
        if record::read(&self.path).is_none_or(|record| record.keeper == self.record.keeper) {
            remove(&self.path);
        }
    }
}

/// All guests, sorted by name. What dead keepers left is removed on the way; those that ended
/// without being forgotten stay.
///
/// # Errors
/// If there is no directory for them that this user can use.
pub fn all() -> Result<Vec<Seen>> {
    let mut found = Vec::new();
    for base in places::own(GUESTS) {
        let Ok(entries) = fs::read_dir(&base) else {
            continue;
        };
        let locks = entries.flatten().map(|entry| entry.path());
        let locks = locks.filter(|path| path.extension().is_some_and(|end| end == "lock"));
        found.extend(locks.filter_map(|lock| look(&lock)));
    }
    found.sort_by(|a, b| a.path.file_name().cmp(&b.path.file_name()));
    Ok(found)
}

/// The guest called `name`.
///
/// # Errors
/// If there is none.
pub fn named(name: &str) -> Result<Seen> {
    let found = all()?
        .into_iter()
        .find(|seen| seen.record.wanted.name == name);
    found.ok_or_else(|| {
        let next = "see which there are: isolab vm ps --all";
        hint::with(format!("there is no guest called `{name}`"), next)
    })
}

/// Looks at the guest that `lock` belongs to, and removes it if its keeper died over it.
fn look(lock: &Path) -> Option<Seen> {
    let path = lock.with_extension("");
    let free = unheld(lock).ok()?;
    // One name, one directory: what says that it is another's is none of ours.
    let is_its_own = |record: &Record| path.file_name().is_some_and(|n| n == &*record.wanted.name);
    let record = record::read(&path).filter(is_its_own);
    let is_over = |record: &Record| matches!(record.status, Status::Ended { .. });
    match (record, free) {
        // Without a record it is not yet a guest.
        (None, None) => None,
        (Some(record), None) => {
            let is_kept = true;
            Some(Seen {
                path,
                record,
                is_kept,
            })
        }
        (Some(record), Some(_)) if is_over(&record) => {
            let is_kept = false;
            Some(Seen {
                path,
                record,
                is_kept,
            })
        }
        (_, Some(_lock)) => {
            remove(&path);
            None
        }
    }
}

/// The lock, held from now on, if nobody holds it.
fn unheld(lock: &Path) -> io::Result<Option<File>> {
    let file = File::open(lock)?;
    // Whoever was faster may have removed it since it was opened.
    Ok((file.try_lock().is_ok() && file.metadata()?.nlink() > 0).then_some(file))
}

fn lock_of(path: &Path) -> PathBuf {
    let mut lock = path.as_os_str().to_owned();
    lock.push(".lock");
    lock.into()
}

/// Removes a guest's directory, then its lock: what cannot be removed now, the next to come tries
/// again.
fn remove(path: &Path) {
    let gone = match fs::remove_dir_all(path) {
        Err(error) => error.kind() == ErrorKind::NotFound,
        Ok(()) => true,
    };
    if gone {
        let _ = fs::remove_file(lock_of(path));
    }
}

/// Locks `name`, then makes its directory; nothing if it is taken.
///
/// Whoever sweeps may hold for a moment the lock of a dead guest, or the one that was just made
/// here and not yet taken: that makes no name taken.
fn claim(base: &Path, name: &str) -> Result<Option<Held>> {
    let path = base.join(name);
    let lock_path = lock_of(&path);
    let deadline = Instant::now() + PATIENCE;
    loop {
        let seen = look(&lock_path);
        if seen.is_some_and(|seen| !seen.is_kept || seen.record.keeper.lives()) {
            return Ok(None);
        }
        let claimed = claim_at(&path, &lock_path);
        let lock = claimed.with_context(|| format!("cannot make {}", path.display()))?;
        if let Some(lock) = lock {
            return Ok(Some(Held { path, lock }));
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
        thread::sleep(GLANCE);
    }
}

/// The lock of a name that nobody has, and its directory; nothing if somebody was faster.
fn claim_at(path: &Path, lock_path: &Path) -> io::Result<Option<File>> {
    let mut options = OpenOptions::new();
    let lock = match options.write(true).create_new(true).open(lock_path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => return Ok(None),
        opened => opened?,
    };
    if lock.try_lock().is_err() || lock.metadata()?.nlink() == 0 {
        return Ok(None);
    }
    DirBuilder::new().mode(0o700).create(path)?;
    Ok(Some(lock))
}

/// A name becomes a file's, and stands on command lines.
fn check_name(name: &str) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let is_name = name.starts_with(|c: char| c.is_ascii_alphanumeric()) && name.chars().all(plain);
    if !is_name || name.len() > LONGEST {
        let rule = format!("letters, digits, - and _, at most {LONGEST}, a letter or digit first");
        return Err(hint::with(format!("cannot call a guest `{name}`"), rule));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use vm_model::accel::AccelChoice;
    use vm_model::guest::{Accel, Machine};

    use super::*;
    use crate::guests::Wanted;
    use crate::guests::process::Process;

    fn record(status: Status) -> Record {
        let accel = AccelChoice {
            accel: Accel::Tcg,
            why: String::new(),
            remedy: None,
            definite: true,
        };
        Record {
            wanted: Wanted {
                name: "a".to_owned(),
                command: Vec::new(),
                kernel: "/vmlinuz".into(),
                release: "1".to_owned(),
                initrd: "initramfs".into(),
                machine: Machine::Q35,
                accel,
                memory_mib: 256,
                cpus: 1,
                init: Vec::new(),
                env: Vec::new(),
                append: Vec::new(),
                disk: None,
                network: None,
                speaks: true,
                timeout_ms: None,
                forget: false,
            },
            status,
            keeper: Process::of(std::process::id().cast_signed()).unwrap(),
            vmm: None,
            hangs: 0,
            since: 0,
        }
    }

    #[test]
    fn a_name_is_a_files_name_and_nothing_more() {
        for name in ["a", "guest-1", "A_b"] {
            assert!(check_name(name).is_ok(), "{name}");
        }
        for name in ["", "-a", "a/b", "..", "a.lock", "ä", &"x".repeat(41)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn a_name_is_taken_once_and_given_out_again_after_a_kill() {
        let base = tempfile::tempdir().unwrap();
        let held = claim(base.path(), "a").unwrap().unwrap();
        held.write(&record(Status::Running)).unwrap();
        assert!(claim(base.path(), "a").unwrap().is_none());
        // What a kill leaves: the files, and a lock that nobody holds.
        drop(held);
        let again = claim(base.path(), "a").unwrap().unwrap();
        assert!(!again.path().join("record.json").exists());
    }

    #[test]
    fn one_that_ended_stays_until_it_is_removed_and_one_that_died_does_not() {
        let base = tempfile::tempdir().unwrap();
        let lock = base.path().join("a.lock");
        let ended = Status::Ended { code: 3, why: None };
        for (status, stays) in [(ended, true), (Status::Running, false)] {
            let held = claim(base.path(), "a").unwrap().unwrap();
            held.write(&record(status)).unwrap();
            assert!(look(&lock).unwrap().is_kept);
            drop(held);
            let seen = look(&lock);
            assert_eq!(seen.is_some(), stays);
            if let Some(seen) = seen {
                assert!(!seen.is_kept);
                seen.remove();
            }
            assert_eq!(fs::read_dir(base.path()).unwrap().count(), 0);
        }
    }

    #[test]
    fn a_record_that_names_another_guest_is_not_believed() {
        let base = tempfile::tempdir().unwrap();
        let held = claim(base.path(), "0").unwrap().unwrap();
        held.write(&record(Status::Running)).unwrap();
        assert!(look(&lock_of(held.path())).is_none());
    }

    /// One whose keeper was killed.
    fn dead(base: &Path) -> PathBuf {
        let held = claim(base, "a").unwrap().unwrap();
        let mut record = record(Status::Running);
        record.keeper.started += 1;
        held.write(&record).unwrap();
        lock_of(held.path())
    }

    #[test]
    fn a_name_is_not_taken_by_who_removes_a_dead_guest() {
        let base = tempfile::tempdir().unwrap();
        let lock_path = dead(base.path());
        let lock = unheld(&lock_path).unwrap().unwrap();
        let removing = thread::spawn(move || {
            thread::sleep(Duration::from_millis(100));
            remove(&lock_path.with_extension(""));
            drop(lock);
        });
        assert!(claim(base.path(), "a").unwrap().is_some());
        removing.join().unwrap();
    }

    #[test]
    fn a_name_is_not_taken_by_who_looks_while_it_is_claimed() {
        let base = tempfile::tempdir().unwrap();
        let over = std::sync::atomic::AtomicBool::new(false);
        let lock_path = lock_of(&base.path().join("a"));
        thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while !over.load(std::sync::atomic::Ordering::Relaxed) {
                        look(&lock_path);
                    }
                });
            }
            let all = (0..300).all(|number| {
                let held = claim(base.path(), "a").unwrap();
                // Half of them end well, and half die.
                held.is_some_and(|held| {
                    let is_there = held.path().is_dir();
                    if number % 2 == 0 {
                        held.remove();
                    }
                    is_there
                })
            });
            over.store(true, std::sync::atomic::Ordering::Relaxed);
            assert!(all, "it was taken by nobody");
        });
    }

    #[test]
    fn who_removes_late_removes_nothing_of_another() {
        let base = tempfile::tempdir().unwrap();
        let held = claim(base.path(), "a").unwrap().unwrap();
        let lock = held.lock().unwrap();
        let other = Held::handed_over(held.path().to_owned(), lock);
        let ended = Status::Ended { code: 0, why: None };
        held.write(&record(ended.clone())).unwrap();
        let seen = look(&lock_of(held.path())).unwrap();
        held.remove();
        let again = claim(base.path(), "a").unwrap().unwrap();
        other.remove();
        assert!(again.path().is_dir());
        let mut another = record(ended);
        another.keeper.started += 1;
        again.write(&another).unwrap();
        drop(again);
        seen.remove();
        assert!(look(&lock_of(&seen.path)).is_some());
    }

    #[test]
    fn what_is_longer_than_is_read_again_is_not_written() {
        let base = tempfile::tempdir().unwrap();
        let held = claim(base.path(), "a").unwrap().unwrap();
        let mut long = record(Status::Running);
        long.wanted.command = vec!["\u{1}".repeat(200 << 10)];
        let error = held.write(&long).unwrap_err();
        assert!(error.to_string().contains("1 MiB"), "{error}");
        assert!(held.record().is_none());
    }
}
