//! Wheels into an environment, and out of it again: all of what was asked for, or nothing.
//!
//! ```text
//! lock the environment, and finish what a killed process left      ground
//! lay out what each wheel brings, and where                        layout
//! find what goes, by its RECORD                                    removal
//! find what would be in the way                                    merge
//! build everything new in .isolab/new, on the same file system     stage
//! write down the renames, do them, and say that they are done      journal
//! ```
//!
//! Until the last step nothing under a name that Python looks at has changed. The renames are
//! undone where one fails, and where a process died among them by the next that changes the
//! environment, or by [`recover`].

mod clear;
mod commands;
mod ground;
mod info;
mod journal;
mod launcher;
mod layout;
mod merge;
mod placing;
mod present;
mod removal;
mod stage;
mod state;

use std::path::{Path, PathBuf};
use std::time::Duration;

use pep440_rs::Version;

use crate::config::env_flag;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::occupancy::PATIENCE;
use crate::refusal::{Refusal, shown};
use crate::requirement::{Name, takes};
use crate::store::{Store, Stored};
use ground::Ground;
use placing::lay_out;
use present::Present;
use removal::Removal;
pub(crate) use state::State;

/// A wheel that is to be in the environment.
#[derive(Debug, Clone, Copy)]
pub struct Addition<'a> {
    /// The wheel.
    pub stored: &'a Stored,
    /// Whether it was asked for by name, and not because another needs it.
    pub requested: bool,
    /// The content of `direct_url.json` (PEP 610), for what did not come from an index.
    pub direct_url: Option<&'a str>,
}

/// How files of the store get into an environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LinkMode {
    /// A clone where the file system has them, else a hard link, else a copy.
    #[default]
    Auto,
    /// Blocks are shared until one side is written (Btrfs, XFS).
    Clone,
    /// One file under two names: an edit in the environment is an edit in the store.
    HardLink,
    /// A file of its own.
    Copy,
    /// A link to each top-level package in the store. Smallest, and gone with the store.
    Symlink,
}

/// How to install.
#[derive(Debug, Clone, Copy)]
pub struct InstallOptions {
    /// How files get there.
    pub link_mode: LinkMode,
    /// Whether their bytecode comes with them.
    pub compile_bytecode: bool,
    /// How long another process that is at work on the environment is waited for.
    pub patience: Duration,
    /// Told once, in a sentence, when that is.
    pub say: fn(&str),
}

impl Default for InstallOptions {
    fn default() -> Self {
        Self {
            link_mode: LinkMode::Auto,
            compile_bytecode: false,
            patience: PATIENCE,
            say: |_| {},
        }
    }
}

/// What is different now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Changed {
    /// What came, in the order given.
    pub added: Vec<(Name, Version)>,
    /// What went, with the version as its directory has it.
    pub removed: Vec<(Name, String)>,
    /// What was to go and was not there.
    pub absent: Vec<Name>,
    /// How files got there, where any did.
    pub link_mode: Option<LinkMode>,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
}

/// Puts `additions` into `environment` and takes `remove` out, both or neither.
///
/// What is there of the same project goes, whatever its version: an addition replaces it.
///
/// # Errors
/// [`Error::Impossible`] where a wheel is not for this interpreter, or a file that belongs to
/// nobody is in the way; [`Error::InUse`] where another process is at work there;
/// [`Error::BadWheel`], [`Error::Io`]. The environment is as it was.
pub fn install(
    environment: &Environment,
    interpreter: &Interpreter,
    additions: &[Addition<'_>],
    remove: &[Name],
    store: &Store,
    options: &InstallOptions,
) -> Result<Changed> {
    check_fit(additions, interpreter)?;
    let ground = Ground::take(environment, options.patience, options.say)?;
    install_on(&ground, interpreter, additions, remove, store, options)
}

/// What was planned, and from what.
pub(crate) struct Planned<'p> {
    pub(crate) state: &'p State,
    pub(crate) additions: &'p [Addition<'p>],
    pub(crate) remove: &'p [Name],
}

/// As [`install`], of what was planned: nothing is done, and nothing given, where the environment
/// is in another state by now. Calls `begin` before anything is changed.
pub(crate) fn install_planned(
    planned: &Planned<'_>,
    environment: &Environment,
    interpreter: &Interpreter,
    store: &Store,
    options: &InstallOptions,
    begin: impl FnOnce(),
) -> Result<Option<Changed>> {
    let Planned {
        state,
        additions,
        remove,
    } = *planned;
    check_fit(additions, interpreter)?;
    let ground = match Ground::take(environment, options.patience, options.say) {
        // One of another Python came under the name.
        Err(Error::NotAnEnvironment { .. }) if State::of(environment)? != *state => {
            return Ok(None);
        }
        ground => ground?,
    };
    if State::of(environment)? != *state {
        return Ok(None);
    }
    begin();
    install_on(&ground, interpreter, additions, remove, store, options).map(Some)
}

fn install_on(
    ground: &Ground,
    interpreter: &Interpreter,
    additions: &[Addition<'_>],
    remove: &[Name],
    store: &Store,
    options: &InstallOptions,
) -> Result<Changed> {
    let mut changed = Changed::default();
    let present = Present::read(ground)?;
    let replaced = additions.iter().map(|added| &added.stored.name.project);
    let going = present.find(remove.iter().chain(replaced))?;
    let mut removal = Removal::plan(ground, &present, &going, &mut changed.warnings)?;
    let lost = std::mem::take(&mut removal.lost);
    let mut layout = lay_out(ground, additions, interpreter, store, options)?;
    changed.warnings.append(&mut layout.warnings);
    let merge = merge::plan(ground, &present, &going, removal, &mut layout)?;
    changed.warnings.extend(merge.warnings);
    let comes_again = |(path, _): &&(String, Name)| {
        let mut ins = merge.ins.iter();
        ins.any(|new| path.strip_prefix(&new[..]).is_some_and(is_end))
    };
    let lost = lost.iter().filter(|lost| !comes_again(lost));
    changed
        .warnings
        .extend(lost.map(|one| lost_with(one, &ground.dir)));

    let staged = stage::build(ground, &layout, store, options.link_mode)?;
    changed.warnings.extend(staged.warnings);
    changed.link_mode = (!additions.is_empty()).then_some(staged.link_mode);
    let left = journal::carry_out(ground, &merge.outs, &merge.ins)?;
    changed.warnings.extend(left);

    let added = |added: &Addition<'_>| {
        let name = &added.stored.name;
        (name.project.clone(), name.version.clone())
    };
    changed.added = additions.iter().map(added).collect();
    changed.removed = present.named(&going);
    changed.absent = present.missing(remove);
    Ok(changed)
}

/// Takes `projects` out of `environment`, all or none.
///
/// What their RECORDs list goes, with its bytecode for all interpreters and the directories that
/// this empties. What another project's RECORD lists, too, stays.
///
/// # Errors
/// [`Error::Impossible`] for a project that has no RECORD, or one that would remove what is not
/// its own; [`Error::InUse`], [`Error::Io`]. The environment is as it was.
pub fn uninstall(
    environment: &Environment,
    projects: &[Name],
    options: &InstallOptions,
) -> Result<Changed> {
    let ground = Ground::take(environment, options.patience, options.say)?;
    let mut changed = Changed::default();
    let present = Present::read(&ground)?;
    let going = present.find(projects.iter())?;
    let removal = Removal::plan(&ground, &present, &going, &mut changed.warnings)?;
    changed
        .warnings
        .extend(removal.lost.iter().map(|lost| lost_with(lost, &ground.dir)));
    let left = journal::carry_out(&ground, &removal.outs, &[])?;
    changed.warnings.extend(left);
    changed.removed = present.named(&going);
    changed.absent = present.missing(projects);
    Ok(changed)
}

/// Whether nothing is left of a path, or what is below it.
fn is_end(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with('/')
}

/// What to tell of a file that an uninstalled project had put in the place of another's.
fn lost_with((path, owner): &(String, Name), dir: &Path) -> String {
    let env = env_flag(Some(dir));
    format!(
        "{} of {owner} goes, too: what was there was another project's, and \
         `isolab venv install{env} --reinstall {owner}` brings its own back",
        named(path)
    )
}

/// Finishes or undoes what a killed process was changing in `environment`; whether there was
/// anything. What a live one is changing is left to it.
///
/// # Errors
/// [`Error::Io`] where it cannot be undone.
pub fn recover(environment: &Environment) -> Result<bool> {
    if !is_unfinished(environment) {
        return Ok(false);
    }
    match Ground::take(environment, Duration::ZERO, |_| {}) {
        Ok(ground) => Ok(ground.recovered),
        Err(Error::InUse { .. }) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Waits for whoever is changing `environment`, and clears up after who died of it: what is
/// there then is whole. Where nobody is, this is one look.
pub(crate) fn settle(environment: &Environment, options: &InstallOptions) -> Result<()> {
    match is_unfinished(environment) {
        true => Ground::take(environment, options.patience, options.say).map(drop),
        false => Ok(()),
    }
}

/// Whether a process that was changing `environment` left something, or is at it just now.
#[must_use]
pub fn is_unfinished(environment: &Environment) -> bool {
    environment.dir.join(ground::STAGING).exists()
}

/// The first lines of a script for the interpreter at `python`.
pub(crate) fn shebang(python: &std::path::Path) -> Vec<u8> {
    launcher::Shebang::of(python, false).into_bytes()
}

/// The paths that a journal names, for the fuzzer.
#[cfg(fuzzing)]
#[must_use]
pub fn journal_paths(text: &[u8]) -> Option<(Vec<String>, Vec<String>)> {
    journal::parse(text)
}

/// Whether each wheel is for this interpreter.
fn check_fit(additions: &[Addition<'_>], interpreter: &Interpreter) -> Result<()> {
    let remedy = "choose a file that is for this Python, or an environment of another";
    let (major, minor, patch) = interpreter.version;
    let version = Version::new([major, minor, patch].map(u64::from));
    let tags = interpreter.tags();
    for Addition { stored, .. } in additions {
        let refused = |cause| refused("install", &stored.name.project, cause, remedy);
        if let Some(versions) = stored.requires_python()
            && !takes(versions, &version)
        {
            let why = format!("it is for Python {versions}, and this is {version}");
            return Err(refused(why));
        }
        if tags.best(&stored.name.tags).is_none() {
            let tag = stored.name.tags.first();
            let tag = tag.map(ToString::to_string).unwrap_or_default();
            let why = format!("its file is for {tag}, which this Python {version} does not accept");
            return Err(refused(why));
        }
    }
    Ok(())
}

/// The refusal of a project.
fn refused(
    action: &'static str,
    project: &Name,
    cause: impl Into<String>,
    remedy: &'static str,
) -> Error {
    Error::Impossible {
        action,
        project: project.to_string(),
        cause: Refusal::new(cause),
        remedy,
    }
}

/// Whether a path from the environment's top is one of the files that make it one.
fn is_own(path: &str) -> bool {
    if matches!(
        path,
        "pyvenv.cfg" | "lib64" | ".gitignore" | "CACHEDIR.TAG" | "bin" | "lib" | "include"
    ) || path.split('/').next() == Some(ground::STAGING)
        || is_legacy_own(path)
    {
        return true;
    }
    let Some(name) = path.strip_prefix("bin/") else {
        return false;
    };
    let name = name.to_lowercase();
    let of = |start: &str| {
        let rest = name.strip_prefix(start);
        rest.is_some_and(|rest| {
            rest.chars()
                .all(|c| c.is_ascii_digit() || c == '.' || c == 't')
        })
    };
    of("python") || of("pypy") || name == "activate" || name.starts_with("activate.")
}

/// Whether it is part of the library that an environment of Python 2.7 has: everything but its
/// packages.
fn is_legacy_own(path: &str) -> bool {
    if path.strip_prefix("include/python2.7").is_some_and(is_end) {
        return true;
    }
    let path = path.strip_prefix("lib64/").or(path.strip_prefix("lib/"));
    let rest = match path {
        Some(path) => path.strip_prefix("python2.7").filter(|rest| is_end(rest)),
        None => None,
    };
    rest.is_some_and(|rest| {
        let inside = rest.strip_prefix("/site-packages");
        !inside.is_some_and(|inside| inside.starts_with('/'))
    })
}

/// A path of the environment in a message.
fn at(ground: &Ground, path: &str) -> PathBuf {
    ground.dir.join(path)
}

/// A path in a sentence.
fn named(path: &str) -> String {
    shown(path)
}

#[cfg(test)]
mod tests {
    use super::is_own;

    #[test]
    fn what_makes_an_environment_is_its_own_and_what_packages_bring_is_not() {
        for path in [
            "pyvenv.cfg",
            "lib64",
            ".isolab/journal",
            "bin/python",
            "bin/Python3.11",
            "bin/activate.fish",
            "lib/python2.7",
            "lib/python2.7/site.py",
            "lib/python2.7/site.pyc",
            "lib/python2.7/os.py",
            "lib/python2.7/lib-dynload",
            "lib/python2.7/lib-dynload/math.so",
            "lib/python2.7/site-packages",
            "lib64/python2.7/os.py",
            "include/python2.7",
            "include/python2.7/Python.h",
        ] {
            assert!(is_own(path), "{path}");
        }
        for path in [
            "bin/pythonic",
            "bin/tool",
            "lib/python2.7/site-packages/os.py",
            "lib/python2.7/site-packages/tool/site.py",
            "lib/python2.70/os.py",
            "lib/python3.11/site-packages/os.py",
            "include/site/python2.7/tool/tool.h",
            "share/python2.7/os.py",
        ] {
            assert!(!is_own(path), "{path}");
        }
    }
}
