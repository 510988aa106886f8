//! What an environment gets to begin with: the wheels that come with its interpreter.
//!
//! `ensurepip` would run pip to install pip. The same wheels are installed by our installer, from
//! the store, in which each is unpacked once.

use std::fs;
use std::path::{Path, PathBuf};

use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::install::{Addition, InstallOptions, install};
use crate::interpreter::Interpreter;
use crate::options::Options;
use crate::refusal::Refusal;
use crate::store::Store;
use crate::wheel::WheelName;

/// What distributions do with the wheels that they do not want a second copy of (Debian, Fedora).
const OF_DISTRIBUTIONS: &str = "/usr/share/python-wheels";

/// The wheels that `python -m venv` would install: the newest of each project that `python` has.
///
/// Source: CPython's `Lib/ensurepip`; setuptools is not part of it since 3.12.
pub(crate) fn wheels(python: &Interpreter) -> Result<Vec<PathBuf>> {
    let bundled = python.stdlib.join("ensurepip/_bundled");
    let directories = [&bundled, Path::new(OF_DISTRIBUTIONS)];
    let newest = |project: &str| directories.iter().find_map(|place| newest(place, project));
    let pip = newest("pip").ok_or_else(|| Error::Impossible {
        action: "seed the environment with",
        project: "pip".to_owned(),
        cause: Refusal::new(format!(
            "there is no wheel of it in {} or {OF_DISTRIBUTIONS}",
            bundled.display()
        )),
        remedy: "install what brings it (Debian, Ubuntu: `apt install python3-venv`), or make the environment without `--seed`",
    })?;
    let setuptools = Some("setuptools").filter(|_| python.version < (3, 12, 0));
    let mut wheels = vec![pip];
    wheels.extend(setuptools.and_then(newest));
    Ok(wheels)
}

/// The wheel of `project` with the highest version in `directory`.
fn newest(directory: &Path, project: &str) -> Option<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let named = entries.filter_map(|entry| {
        let name: WheelName = entry.file_name().to_str()?.parse().ok()?;
        (name.project.as_str() == project).then(|| (name.version, entry.path()))
    });
    named
        .max_by(|(one, _), (other, _)| one.cmp(other))
        .map(|(_, path)| path)
}

/// Installs them into `environment`.
pub(crate) fn install_into(
    environment: &Environment,
    python: &Interpreter,
    wheels: &[PathBuf],
    options: &Options,
) -> Result<()> {
    let store = Store::of(&options.cache)?;
    let stored: Result<Vec<_>> = wheels.iter().map(|wheel| store.add(wheel)).collect();
    let stored = stored?;
    let additions: Vec<_> = stored
        .iter()
        .map(|stored| Addition {
            stored,
            requested: true,
            direct_url: None,
        })
        .collect();
    let how = InstallOptions::default();
    install(environment, python, &additions, &[], &store, &how).map(drop)
}
