//! Scripts that name another directory than the one they lie in: the environment was moved, or
//! is a copy.
//!
//! Source: `execve(2)`, *Interpreter scripts*; the shell's detour is that of pip's vendored
//! distlib for paths that do not fit the first line.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::interpreter::packages_of;
use super::{Ailment, AilmentKind, Repair, kept};
use crate::config::shell_word;
use crate::error::Result;
use crate::installed::Installed;
use crate::occupancy::Occupied;
use crate::wheel::{Digest, Record};

/// Scripts that name the place where the environment was.
#[derive(Debug)]
pub(super) struct Moved {
    from: PathBuf,
    scripts: Vec<PathBuf>,
    activations: Vec<PathBuf>,
}

/// A script is no longer than this, or is no script.
const LONGEST: u64 = 1 << 20;

/// Looks at the first lines of the scripts, and at where activation says that it is.
pub(super) fn examine(dir: &Path) -> Vec<Ailment> {
    let mut moved: BTreeMap<PathBuf, Moved> = BTreeMap::new();
    let mut at = |from: PathBuf, script: PathBuf, activates: bool| {
        let moved = moved.entry(from.clone()).or_insert(Moved {
            from,
            scripts: Vec::new(),
            activations: Vec::new(),
        });
        match activates {
            true => moved.activations.push(script),
            false => moved.scripts.push(script),
        }
    };
    for script in scripts(dir) {
        let name = script.file_name().unwrap_or_default().to_string_lossy();
        let activates = name.to_lowercase().starts_with("activate");
        let Some(content) = read(&script) else {
            continue;
        };
        let from = match activates {
            true => activated(&content),
            false => {
                interpreter(&content).and_then(|python| Some(python.parent()?.parent()?.into()))
            }
        };
        if let Some(from) = from.filter(|from| is_elsewhere(from, dir)) {
            at(from, script.clone(), activates);
        }
    }
    moved
        .into_values()
        .map(|moved| ailment(moved, dir))
        .collect()
}

/// Whether `from` was or is another environment than that at `dir`.
fn is_elsewhere(from: &Path, dir: &Path) -> bool {
    let same = from == dir
        || matches!((fs::canonicalize(from), fs::canonicalize(dir)), (Ok(one), Ok(two)) if one == two);
    // A script for the system's Python is one that somebody wrote so.
    !same && from.is_absolute() && (!from.exists() || from.join("pyvenv.cfg").exists())
}

fn ailment(moved: Moved, dir: &Path) -> Ailment {
    let count = moved.scripts.len() + moved.activations.len();
    let from = moved.from.display();
    let (how, why) = match moved.from.join("pyvenv.cfg").exists() {
        true => (
            "copied from",
            "they run the interpreter of the other environment, with its packages",
        ),
        false => (
            "moved here from",
            "they name an interpreter that is not there any more, and do not start",
        ),
    };
    let names = moved.scripts.iter().chain(&moved.activations);
    let names = names.filter_map(|script| script.file_name()?.to_str());
    let names: Vec<&str> = names.take(4).collect();
    let more = if count > names.len() { ", …" } else { "" };
    Ailment {
        kind: AilmentKind::Moved,
        what: format!(
            "it was {how} {from}: {count} of its scripts name that ({}{more})",
            names.join(", ")
        ),
        why: why.to_owned(),
        remedy: format!("rewrite them for {}", dir.display()),
        repair: Some(Repair::Launchers(moved)),
    }
}

/// The regular files of `bin`, in order.
fn scripts(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir.join("bin"))
        .into_iter()
        .flatten()
        .flatten();
    let files = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()));
    let mut files: Vec<PathBuf> = files.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// A script's content; `None` of a program, such as a copied interpreter.
fn read(path: &Path) -> Option<Vec<u8>> {
    let mut file = File::open(path).ok()?;
    let length = file.metadata().ok()?.len();
    let mut start = [0; 4];
    let count = file.read(&mut start).ok()?;
    if length > LONGEST || start[..count] == *b"\x7fELF" {
        return None;
    }
    fs::read(path).ok()
}

/// The environment's interpreter that a script names, in its first line or for the shell in its
/// second.
fn interpreter(script: &[u8]) -> Option<PathBuf> {
    let mut lines = script.split(|byte| *byte == b'\n');
    let first = lines.next()?.strip_prefix(b"#!")?.trim_ascii();
    let path = match first {
        b"/bin/sh" => {
            let exec = lines.next()?.strip_prefix(b"'''exec' ")?;
            match exec.strip_prefix(b"\"") {
                Some(quoted) => quoted.split(|byte| *byte == b'"').next()?,
                None => exec.split(u8::is_ascii_whitespace).next()?,
            }
        }
        first => first,
    };
    let path = Path::new(OsStr::from_bytes(path));
    let name = path.file_name()?.to_str()?;
    let is_python = name.starts_with("python") || name.starts_with("pypy");
    let in_bin = path.parent()?.file_name()? == "bin";
    (is_python && in_bin && path.is_absolute()).then(|| path.to_owned())
}

/// The directory that an activation script sets `VIRTUAL_ENV` to, if it names one.
fn activated(script: &[u8]) -> Option<PathBuf> {
    let text = std::str::from_utf8(script).ok()?;
    text.lines().find_map(|line| {
        let words = line.trim().trim_start_matches("export ");
        let words = words
            .strip_prefix("setenv ")
            .or(words.strip_prefix("set -gx "))
            .unwrap_or(words);
        let value = words.strip_prefix("VIRTUAL_ENV")?;
        let value = value
            .trim_start_matches(['=', ' '])
            .trim_matches(['"', '\'']);
        value.starts_with('/').then(|| value.into())
    })
}

impl Moved {
    /// Rewrites the scripts for the environment that is held, and the RECORDs that vouch for them.
    pub(super) fn rewrite(&self, held: &Occupied) -> Result<String> {
        let dir = &held.dir;
        let mut changed = Vec::new();
        for script in &self.scripts {
            let path = kept::named(held, script)?;
            let content = kept::read(held, path)?;
            if let Some(new) = with_interpreter(&content, &dir.join("bin/python")) {
                kept::copy(held, path)?;
                kept::replace(held, path, &new)?;
                changed.push((script.clone(), new));
            }
        }
        vouch(held, &changed)?;
        let mut left = 0;
        for script in &self.activations {
            let path = kept::named(held, script)?;
            let content = kept::read(held, path)?;
            match with_directory(&content, &self.from, dir) {
                Some(new) => {
                    kept::copy(held, path)?;
                    kept::replace(held, path, &new)?;
                }
                None => left += 1,
            }
        }
        let done = changed.len() + self.activations.len() - left;
        let left = match left {
            0 => String::new(),
            _ => format!(
                "; activation could not be: `isolab venv create --upgrade {}` makes it anew",
                shell_word(dir.as_os_str())
            ),
        };
        Ok(format!(
            "rewrote {done} scripts for {}{left}",
            dir.display()
        ))
    }
}

/// The script with another interpreter in its first lines.
fn with_interpreter(script: &[u8], python: &Path) -> Option<Vec<u8>> {
    let end = |from: &[u8]| from.iter().position(|byte| *byte == b'\n').map(|at| at + 1);
    let mut body = end(script)?;
    if script.starts_with(b"#!/bin/sh\n") {
        // The detour has three lines.
        for _ in 0..2 {
            body += end(&script[body..])?;
        }
    }
    let mut new = crate::install::shebang(python);
    new.extend_from_slice(&script[body..]);
    Some(new)
}

/// The script with another directory, where neither path needs quoting of any shell.
fn with_directory(script: &[u8], from: &Path, to: &Path) -> Option<Vec<u8>> {
    let plain = |path: &Path| {
        let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
        path.as_os_str().as_bytes().iter().all(plain)
    };
    if !plain(from) || !plain(to) {
        return None;
    }
    let text = std::str::from_utf8(script).ok()?;
    let (from, to) = (from.to_str()?, to.to_str()?);
    // Not the beginning of a longer path.
    let mut new = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(from) {
        let (before, after) = (&rest[..at], &rest[at + from.len()..]);
        new.push_str(before);
        let goes_on = after.starts_with(|c: char| c.is_ascii_alphanumeric() || "._-".contains(c));
        new.push_str(if goes_on { from } else { to });
        rest = after;
    }
    new.push_str(rest);
    Some(new.into_bytes())
}

/// Writes the new digests of scripts into the RECORDs that list them.
fn vouch(held: &Occupied, changed: &[(PathBuf, Vec<u8>)]) -> Result<()> {
    let Some(packages) = packages_of(&held.dir) else {
        return Ok(());
    };
    for one in Installed::below(&packages)?.distributions {
        let files = one.files().unwrap_or_default();
        let path = one.path.join("RECORD");
        let lists = |script: &Path| files.iter().position(|file| file.path == script);
        let hits: Vec<_> = changed
            .iter()
            .filter_map(|(script, content)| Some((lists(script)?, content)))
            .collect();
        if hits.is_empty() {
            continue;
        }
        let path = kept::named(held, &path)?;
        let text = kept::read(held, path)?;
        let Ok(mut record) = Record::parse(&text) else {
            continue;
        };
        for (index, content) in hits {
            if let Some(entry) = record.entries.get_mut(index) {
                entry.digest = Some(Digest::of(content));
                entry.size = Some(content.len() as u64);
            }
        }
        kept::replace(held, path, &record.to_text())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(script: &str, expected: Option<&str>) {
        assert_eq!(
            interpreter(script.as_bytes()),
            expected.map(Into::into),
            "{script}"
        );
    }

    #[test]
    fn the_interpreter_of_a_script_stands_in_its_first_or_second_line() {
        check(
            "#!/srv/env/bin/python3.11\nimport x\n",
            Some("/srv/env/bin/python3.11"),
        );
        check(
            "#!/bin/sh\n'''exec' \"/srv/my env/bin/python\" \"$0\" \"$@\"\n' '''\nimport x\n",
            Some("/srv/my env/bin/python"),
        );
        check(
            "#!/bin/sh\n'''exec' /srv/env/bin/python \"$0\" \"$@\"\n' '''\n",
            Some("/srv/env/bin/python"),
        );
        check("#!/bin/sh\necho hello\n", None);
        check("#!/usr/bin/env python3\n", None);
        check("#!/opt/tools/awk -f\n", None);
        check("", None);
    }

    #[test]
    fn a_path_is_replaced_and_a_longer_one_is_not() {
        let script = b"A='/old/env'\nB=/old/env/bin\nC=/old/env2\n";
        let new = with_directory(script, "/old/env".as_ref(), "/new".as_ref()).expect("text");
        assert_eq!(new, b"A='/new'\nB=/new/bin\nC=/old/env2\n");
        assert_eq!(
            with_directory(script, "/old/env".as_ref(), "/a b".as_ref()),
            None
        );
    }
}
