//! An environment that stays, with another interpreter of the same minor version.
//!
//! A whole environment is built in a hidden directory inside, and its files take the places of
//! the old ones by `rename`, one at a time. A failure puts the old ones back. A kill in the middle
//! leaves old and new side by side, which works: both are of one minor version. The next upgrade
//! completes it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::config::Config;
use crate::environment::{Environment, site_packages};
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::layout;
use crate::occupancy::Occupied;
use crate::options::Options;
use crate::staging::Staging;

/// Changes the environment at `dir`, which is absolute, to `python`.
pub(crate) fn upgrade(dir: &Path, python: &Interpreter, options: &Options) -> Result<Environment> {
    Environment::version_at(dir)?; // or it is none
    let _held = Occupied::take(dir, options.patience, options.say)?;
    // While one waited, another may have come under the name.
    check_packages_stay(dir, Environment::version_at(dir)?, python)?;
    let options = kept(dir, options)?;

    // Named after the file that comes last: it lies inside, and two upgrades meet there.
    let staging = Staging::begin(&dir.join("pyvenv.cfg")).map_err(|error| match error {
        Error::Busy { .. } => Error::Busy {
            dir: dir.to_owned(),
        },
        other => other,
    })?;
    let new = staging.path();
    layout::build(new, dir, python, &options)?;
    let mut exchange = Exchange {
        old: new.join("old"),
        done: Vec::new(),
    };
    fs::create_dir(&exchange.old).map_err(Error::io("create directory", &exchange.old))?;
    exchange.all(new, dir, python)?;
    let upgraded = Environment::open(dir)?;
    exchange.done.clear(); // nothing goes back
    Ok(upgraded)
}

/// What was built for one minor version is not even looked for by another.
fn check_packages_stay(dir: &Path, old: (u8, u8), python: &Interpreter) -> Result<()> {
    let (major, minor, patch) = python.version;
    let stays = |cause| Error::Stays {
        dir: dir.to_owned(),
        version: format!("{major}.{minor}.{patch}"),
        cause,
    };
    if python.is_legacy() {
        return Err(stays(
            "its layout is the legacy one, which is made anew".to_owned(),
        ));
    }
    if old != (major, minor) {
        let (major, minor) = old;
        return Err(stays(format!(
            "its packages are for Python {major}.{minor}, and another would not see them"
        )));
    }
    match site_packages(dir, old) {
        Some(place) if place != dir.join(&python.site_packages) => Err(stays(format!(
            "its packages are in {}, where this build does not look",
            place.display()
        ))),
        _ => Ok(()),
    }
}

/// The options as they are asked for, and else as the environment has them.
fn kept(dir: &Path, options: &Options) -> Result<Options> {
    let old = Config::read(dir)?;
    let program = fs::symlink_metadata(dir.join("bin/python"));
    Ok(Options {
        prompt: options.prompt.clone().or_else(|| old.prompt()),
        system_site_packages: options.system_site_packages
            || old.is("include-system-site-packages"),
        copies: options.copies || program.is_ok_and(|program| program.is_file()),
        relocatable: options.relocatable || old.is("relocatable"),
        ..options.clone()
    })
}

/// New files in the places of old ones; dropped before its list is cleared, it puts them back.
struct Exchange {
    /// Where the old files are kept.
    old: PathBuf,
    /// Each place, and what was there.
    done: Vec<(PathBuf, Option<PathBuf>)>,
}

impl Exchange {
    fn all(&mut self, new: &Path, dir: &Path, python: &Interpreter) -> Result<()> {
        let mut library = PathBuf::new();
        let mut directories = vec![PathBuf::from("bin"), "include".into()];
        directories.extend(python.site_packages.iter().map(|part| {
            library.push(part);
            library.clone()
        }));
        for directory in directories.iter().map(|name| dir.join(name)) {
            match fs::create_dir(&directory) {
                Err(error) if error.kind() != ErrorKind::AlreadyExists => {
                    return Err(Error::io("create directory", &directory)(error));
                }
                _ => {}
            }
            // A link would have files of ours written to where it leads.
            let found = fs::symlink_metadata(&directory);
            if !found.is_ok_and(|found| found.is_dir()) {
                let error = ErrorKind::NotADirectory.into();
                return Err(Error::io("write to", &directory)(error));
            }
        }
        // What its user may have changed stays.
        for name in ["lib64", ".gitignore", "CACHEDIR.TAG"] {
            if fs::symlink_metadata(dir.join(name)).is_err() && new.join(name).exists() {
                self.put(&new.join(name), &dir.join(name))?;
            }
        }
        // The interpreter that the other names lead to comes first, the file that names its
        // library last.
        let names = python.names();
        let is_later = |name: &String| !names.contains(name);
        let bin = fs::read_dir(new.join("bin")).map_err(Error::io("read directory", new))?;
        let found = bin.flatten().map(|entry| entry.file_name());
        let mut scripts: Vec<_> = found
            .filter_map(|name| name.into_string().ok())
            .filter(is_later)
            .collect();
        scripts.sort();
        for name in names.iter().chain(&scripts) {
            self.put(&new.join("bin").join(name), &dir.join("bin").join(name))?;
        }
        self.put(&new.join("pyvenv.cfg"), &dir.join("pyvenv.cfg"))
    }

    fn put(&mut self, new: &Path, place: &Path) -> Result<()> {
        let kept = self.old.join(self.done.len().to_string());
        let had = match fs::hard_link(place, &kept) {
            Ok(()) => Some(kept),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Error::io("keep", place)(error)),
        };
        fs::rename(new, place).map_err(Error::io("replace", place))?;
        self.done.push((place.to_owned(), had));
        Ok(())
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        for (place, had) in self.done.drain(..).rev() {
            let _ = match had {
                Some(old) => fs::rename(old, place),
                None => fs::remove_file(place),
            };
        }
    }
}
