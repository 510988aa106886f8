//! Making an environment, as a list of steps.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::layout;
use crate::occupancy::Occupied;
use crate::options::Options;
use crate::seed;
use crate::staging::Staging;
use crate::upgrade::upgrade;

/// Makes an environment for `python` at `dir`, and `dir`'s parents where missing.
///
/// It appears under its name complete or not at all, also if this process is killed: it is
/// built in a hidden directory beside it, which the next creation of that name removes if
/// need be. It holds no pip unless [`Options::seed`] asks for it.
///
/// # Errors
/// [`Error::Occupied`] if something is there: anything but an empty directory, or an environment
/// with [`Options::clear`]. [`Error::Stays`] if the environment there cannot be upgraded. [`Error::BadLocation`], [`Error::Unwritable`] if Python or a shell
/// could not use it there. [`Error::Busy`] if another process is creating it just now, and
/// [`Error::InUse`] if one is changing the environment that is to be replaced or upgraded.
///
/// Source: PEP 405; CPython's `Lib/venv`.
pub fn create(dir: &Path, python: &Interpreter, options: &Options) -> Result<Environment> {
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    if options.upgrade {
        return upgrade(&dir, python, options);
    }
    let occupied = check_location(&dir, options.clear)?;
    let wheels = match options.seed {
        true => seed::wheels(python)?,
        false => Vec::new(),
    };
    let staging = match options.seed {
        true => Staging::begin_apart(&dir)?,
        false => Staging::begin(&dir)?,
    };
    layout::build(staging.path(), &dir, python, options)?;
    let (major, minor, _) = python.version;
    let environment = Environment {
        python: dir.join("bin/python"),
        site_packages: dir.join(&python.site_packages),
        version: (major, minor),
        home: layout::home_of(python).to_owned(),
        system_site_packages: options.system_site_packages,
        prompt: options.prompt.clone(),
        relocatable: options.relocatable,
        dir: dir.clone(),
    };
    if options.seed {
        // Where it is now, for where it will be.
        let here = Environment {
            site_packages: staging.path().join(&python.site_packages),
            dir: staging.path().to_owned(),
            ..environment.clone()
        };
        seed::install_into(&here, python, &wheels, options)?;
    }
    if occupied {
        // Who is installing there is done before it goes; who waits meanwhile finds the new one.
        let _held = Occupied::take(&dir, options.patience, options.say)?;
        check_location(&dir, options.clear)?;
        staging.replace()?;
    } else {
        staging.place()?;
    }
    Ok(environment)
}

/// Whether an environment is there that may be replaced.
fn check_location(dir: &Path, clear: bool) -> Result<bool> {
    let bad = |cause| {
        Err(Error::BadLocation {
            dir: dir.to_owned(),
            cause,
        })
    };
    if dir.as_os_str().as_bytes().contains(&b':') {
        return bad("its path holds a colon, which separates the entries of PATH");
    }
    let found = match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found.map_err(Error::io("look at", dir))?,
    };
    let occupied = |what, clearable| {
        Err(Error::Occupied {
            dir: dir.to_owned(),
            what,
            clearable,
        })
    };
    if found.is_symlink() {
        return bad("it is a symbolic link; name the directory that it leads to");
    }
    if !found.is_dir() {
        return occupied("a file", false);
    }
    let environment = dir.join("pyvenv.cfg").is_file();
    let mut entries = fs::read_dir(dir).map_err(Error::io("read directory", dir))?;
    if !environment && entries.next().is_some() {
        return occupied(
            "a directory that is no environment, and is not empty,",
            false,
        );
    }
    if environment && !clear {
        return occupied("an environment", true);
    }
    let working = std::env::current_dir().and_then(fs::canonicalize);
    let real = fs::canonicalize(dir).map_err(Error::io("resolve", dir))?;
    if working.is_ok_and(|working| working.starts_with(real)) {
        return bad("it is the working directory, which would be replaced; go to the one above");
    }
    Ok(environment)
}
