//! The renames that turn what is staged into what is there, written down before they are done.
//!
//! `.isolab/journal` says what is being renamed; renamed itself to `.isolab/committed` it says
//! that all of it was. Whoever finds the one undoes what was done of it, whoever finds the other
//! removes what is left over. Which renames were done shows in where things are: each has a name
//! of its own in `.isolab` on one side.

use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{AtFlags, OFlag, RenameFlags, openat, renameat, renameat2};
use nix::sys::stat::{Mode, fstatat, mkdirat};
use nix::unistd::{UnlinkatFlags, unlinkat};

use super::clear::remove_tree;
use super::ground::{Ground, STAGING};
use crate::error::{Error, Result};

const FORMAT: &[u8] = b"isolab-journal 1";
const END: &[u8] = b"end";

/// No journal is longer: a path has a kilobyte at most, and they are some thousands.
const LONGEST: u64 = 256 << 20;

/// Does the renames, or none of them: `outs` out of the environment, then `ins` into it from
/// `.isolab/new`. Gives what has to be said of what is left over.
pub(crate) fn carry_out(ground: &Ground, outs: &[String], ins: &[String]) -> Result<Vec<String>> {
    if outs.is_empty() && ins.is_empty() {
        return Ok(Vec::new());
    }
    let done = begin(ground, outs, ins)
        .and_then(|()| rename_all(ground, outs, ins))
        .and_then(|()| commit(ground));
    if let Err(error) = done {
        // What cannot be undone now stays, with its journal, for the next to undo.
        undo(ground, outs, ins)?;
        let _ = clear(ground);
        return Err(error);
    }
    Ok(match clear(ground) {
        Ok(()) => Vec::new(),
        Err(error) => vec![format!(
            "all is done, but {STAGING} could not be removed: {}",
            error.with_cause()
        )],
    })
}

/// Clears up after a process that died; whether one had.
pub(crate) fn recover(ground: &Ground) -> Result<bool> {
    let staging = match staging(ground) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(false),
        staging => staging?,
    };
    let there = |name: &str| fstatat(&staging, name, AtFlags::AT_SYMLINK_NOFOLLOW).is_ok();
    if !there("committed") && there("journal") {
        let path = ground.dir.join(STAGING).join("journal");
        let found = fs::metadata(&path).map_err(Error::io("look at", &path))?;
        let text = match found.len() {
            0..LONGEST => fs::read(&path).map_err(Error::io("read", &path))?,
            _ => Vec::new(),
        };
        match parse(&text) {
            Some((outs, ins)) => undo(ground, &outs, &ins)?,
            // It got its name when it was whole, but a disk may have lost it since. What was
            // moved away is all that there is of it: nobody else knows where it belongs.
            None if holds_something(&ground.dir.join(STAGING).join("old"))? => {
                return Err(Error::LostJournal {
                    dir: ground.dir.clone(),
                });
            }
            None => {}
        }
    }
    clear(ground)?;
    Ok(true)
}

fn holds_something(directory: &Path) -> Result<bool> {
    match fs::read_dir(directory) {
        Ok(mut entries) => Ok(entries.next().is_some()),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("read directory", directory)(error)),
    }
}

/// Removes `.isolab`, whatever is in it.
pub(crate) fn clear(ground: &Ground) -> Result<()> {
    let path = ground.dir.join(STAGING);
    match remove_tree(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        _ => Ok(()),
    }
}

pub(crate) fn staging(ground: &Ground) -> Result<OwnedFd> {
    ground
        .directory(STAGING)
        .map_err(ground.io("open directory", STAGING))
}

/// Makes `.isolab`, empty.
pub(crate) fn make_staging(ground: &Ground) -> Result<OwnedFd> {
    match mkdirat(&ground.root, STAGING, Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => staging(ground),
        Err(error) => Err(ground.io("create directory", STAGING)(error)),
    }
}

/// Writes the journal.
fn begin(ground: &Ground, outs: &[String], ins: &[String]) -> Result<()> {
    let text = to_text(outs, ins);
    let path = ground.dir.join(STAGING).join("journal.new");
    if text.len() as u64 >= LONGEST {
        // Nobody would read it again.
        let error = io::Error::from(ErrorKind::FileTooLarge);
        return Err(Error::io("write", path)(error));
    }
    let staging = make_staging(ground)?;
    match mkdirat(&staging, "old", Mode::S_IRWXU) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(error) => return Err(ground.io("create directory", ".isolab/old")(error)),
    }
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_CLOEXEC;
    let mode = Mode::S_IRUSR | Mode::S_IWUSR;
    let file = openat(&staging, "journal.new", flags, mode);
    let file = file.map_err(ground.io("create", ".isolab/journal.new"))?;
    let mut file = fs::File::from(file);
    // On the disk before anything is moved: a name without its content would undo nothing.
    let written = file.write_all(&text).and_then(|()| file.sync_data());
    written.map_err(Error::io("write", path))?;
    renameat(&staging, "journal.new", &staging, "journal")
        .map_err(ground.io("rename", ".isolab/journal.new"))
}

fn rename_all(ground: &Ground, outs: &[String], ins: &[String]) -> Result<()> {
    let staging = staging(ground)?;
    for (number, path) in outs.iter().enumerate() {
        let moved = ground
            .parent(path)
            .and_then(|(parent, name)| renameat(&parent, name, &staging, &old(number)[..]));
        moved.map_err(ground.io("move away", path))?;
    }
    for path in ins {
        let moved = staged(ground, path).and_then(|(from, name)| {
            let (to, _) = ground.parent(path)?;
            place(&from, name, &to, name)
        });
        moved.map_err(ground.io("put in place", path))?;
    }
    Ok(())
}

/// From here on all of it was done.
fn commit(ground: &Ground) -> Result<()> {
    let staging = staging(ground)?;
    renameat(&staging, "journal", &staging, "committed")
        .map_err(ground.io("rename", ".isolab/journal"))
}

/// Undoes what was done of these renames.
fn undo(ground: &Ground, outs: &[String], ins: &[String]) -> Result<()> {
    let staging = match staging(ground) {
        Err(Error::Io { source, .. }) if source.kind() == ErrorKind::NotFound => return Ok(()),
        staging => staging?,
    };
    for path in ins.iter().rev() {
        let back = staged(ground, path).and_then(|(to, name)| {
            match fstatat(&to, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                // It was not moved yet.
                Ok(_) => Ok(()),
                Err(_) => {
                    let (from, name) = ground.parent(path)?;
                    place(&from, name, &to, name)
                }
            }
        });
        match back {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => return Err(ground.io("take back", path)(error)),
        }
    }
    for (number, path) in outs.iter().enumerate().rev() {
        let back = ground
            .parent(path)
            .and_then(|(parent, name)| place(&staging, &old(number), &parent, name));
        match back {
            Ok(()) | Err(Errno::ENOENT) => {}
            Err(error) => return Err(ground.io("put back", path)(error)),
        }
    }
    match unlinkat(&staging, "journal", UnlinkatFlags::NoRemoveDir) {
        Ok(()) | Err(Errno::ENOENT) => Ok(()),
        Err(error) => Err(ground.io("remove", ".isolab/journal")(error)),
    }
}

/// The directory in `.isolab/new` that `path` is staged in, and its name there.
fn staged<'p>(ground: &Ground, path: &'p str) -> Result<(OwnedFd, &'p str), Errno> {
    let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
    let directory = ground.directory(&format!("{STAGING}/new/{directory}"))?;
    Ok((directory, name))
}

fn old(number: usize) -> String {
    format!("old/{number}")
}

/// Renames, and replaces nothing.
fn place(from: &OwnedFd, name: &str, to: &OwnedFd, new_name: &str) -> Result<(), Errno> {
    match renameat2(from, name, to, new_name, RenameFlags::RENAME_NOREPLACE) {
        // Not every file system can promise it (NFS).
        Err(Errno::EINVAL | Errno::ENOSYS) => {
            match fstatat(to, new_name, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Ok(_) => Err(Errno::EEXIST),
                Err(_) => renameat(from, name, to, new_name),
            }
        }
        renamed => renamed,
    }
}

/// Each field ends with a zero byte, which no path holds.
fn to_text(outs: &[String], ins: &[String]) -> Vec<u8> {
    let mut text = Vec::new();
    let mut field = |field: &[u8]| {
        text.extend_from_slice(field);
        text.push(0);
    };
    field(FORMAT);
    for (kind, paths) in [(b"out", outs), (b"in ", ins)] {
        for path in paths {
            field(kind);
            field(path.as_bytes());
        }
    }
    field(END);
    text
}

/// What a journal says, if it is whole and each of its paths stays in the environment.
pub(crate) fn parse(text: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
    let mut fields = text.split(|byte| *byte == 0);
    (fields.next()? == FORMAT).then_some(())?;
    let (mut outs, mut ins) = (Vec::new(), Vec::new());
    loop {
        let paths = match fields.next()? {
            b"out" => &mut outs,
            b"in " => &mut ins,
            kind if kind == END => return Some((outs, ins)),
            _ => return None,
        };
        let path = std::str::from_utf8(fields.next()?).ok()?;
        let plain = |name: &str| !matches!(name, "" | "." | "..");
        path.split('/').all(plain).then_some(())?;
        paths.push(path.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_journal_that_is_not_whole_or_leads_elsewhere_says_nothing() {
        let paths = |path: &str| vec![path.to_owned()];
        let whole = to_text(&paths("a/b"), &paths("c d"));
        assert_eq!(parse(&whole), Some((paths("a/b"), paths("c d"))));
        for end in 0..whole.len() - 1 {
            assert_eq!(parse(&whole[..end]), None, "{end}");
        }
        for path in ["../x", "/etc", "a/../../b", "", "a//b", "."] {
            assert_eq!(parse(&to_text(&paths(path), &[])), None, "{path}");
        }
    }

    /// What is at these paths, or nothing.
    fn contents(ground: &Ground, paths: &[&str]) -> Vec<Option<String>> {
        let read = |path: &&str| fs::read_to_string(ground.dir.join(path)).ok();
        paths.iter().map(read).collect()
    }

    const PATHS: [&str; 4] = ["gone.py", "site/kept.py", "site/both/a.py", "site/new.py"];

    /// A file and a directory that go, one that comes in the place of one that goes, one that is
    /// new; staged, and the journal written.
    fn begun(dir: &Path) -> (Ground, [Vec<String>; 2]) {
        let write = |path: &str, text: &str| {
            let path = dir.join(path);
            fs::create_dir_all(path.parent().expect("below")).expect("made");
            fs::write(path, text).expect("written");
        };
        write("gone.py", "old");
        write("site/kept.py", "old");
        write("site/both/a.py", "old");
        write(".isolab/new/site/both/a.py", "new");
        write(".isolab/new/site/new.py", "new");
        let ground = Ground::bare(dir);
        let paths = |paths: [&str; 2]| paths.map(str::to_owned).to_vec();
        let (outs, ins) = (
            paths(["gone.py", "site/both"]),
            paths(["site/both", "site/new.py"]),
        );
        begin(&ground, &outs, &ins).expect("written down");
        (ground, [outs, ins])
    }

    #[test]
    fn a_death_after_any_rename_is_undone_until_all_are_done() {
        let old = ["old", "old", "old"].map(|text| Some(text.to_owned()));
        for done in 0..=4 {
            let scratch = tempfile::tempdir().expect("a directory");
            let (ground, [outs, ins]) = begun(scratch.path());
            let staging = scratch.path().join(STAGING);
            // As rename_all does them, up to where the process dies.
            for number in 0..done {
                let (from, to) = match number {
                    0 | 1 => (
                        scratch.path().join(&outs[number]),
                        staging.join(super::old(number)),
                    ),
                    _ => (
                        staging.join("new").join(&ins[number - 2]),
                        scratch.path().join(&ins[number - 2]),
                    ),
                };
                fs::rename(from, to).expect("renamed");
            }
            assert!(recover(&ground).expect("recovered"));
            assert!(!staging.exists());
            let seen = contents(&ground, &PATHS);
            assert_eq!((&seen[..3], &seen[3]), (&old[..], &None), "{done} done");
        }
    }

    #[test]
    fn a_death_after_the_last_is_finished() {
        let scratch = tempfile::tempdir().expect("a directory");
        let (ground, [outs, ins]) = begun(scratch.path());
        rename_all(&ground, &outs, &ins).expect("renamed");
        commit(&ground).expect("committed");
        assert!(recover(&ground).expect("recovered"));
        let expected = [None, Some("old"), Some("new"), Some("new")];
        let expected = expected.map(|text| text.map(str::to_owned));
        assert_eq!(contents(&ground, &PATHS), expected);
        assert!(!recover(&ground).expect("nothing to do"));
    }

    #[test]
    fn what_was_moved_away_outlives_a_journal_that_was_lost() {
        let scratch = tempfile::tempdir().expect("a directory");
        let (ground, [outs, _]) = begun(scratch.path());
        let staging = scratch.path().join(STAGING);
        fs::write(staging.join("journal"), "").expect("emptied");
        let away = staging.join(super::old(0));
        fs::rename(scratch.path().join(&outs[0]), &away).expect("renamed");
        let error = recover(&ground).expect_err("refused");
        assert!(error.to_string().contains(".isolab/old"), "{error}");
        assert!(error.hint().is_some_and(|hint| hint.contains(STAGING)));
        assert_eq!(fs::read_to_string(&away).expect("it is there"), "old");
        fs::rename(&away, scratch.path().join(&outs[0])).expect("put back");
        assert!(recover(&ground).expect("nothing is lost now"));
    }

    #[test]
    fn a_rename_that_fails_takes_the_others_back() {
        let scratch = tempfile::tempdir().expect("a directory");
        let (ground, [outs, mut ins]) = begun(scratch.path());
        fs::remove_file(scratch.path().join(".isolab/journal")).expect("removed");
        fs::remove_dir(scratch.path().join(".isolab/old")).expect("removed");
        // Staged under a name that is taken meanwhile.
        fs::write(scratch.path().join(".isolab/new/site/kept.py"), "new").expect("written");
        ins.push("site/kept.py".to_owned());
        carry_out(&ground, &outs, &ins).expect_err("it would replace a file");
        let old = [Some("old"), Some("old"), Some("old"), None];
        let old = old.map(|text| text.map(str::to_owned));
        assert_eq!(contents(&ground, &PATHS), old);
        assert!(!scratch.path().join(STAGING).exists());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in any::<Vec<u8>>()) {
            let _ = parse(&text);
        }
    }
}
