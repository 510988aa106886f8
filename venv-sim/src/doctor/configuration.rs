//! `pyvenv.cfg`: whether Python finds in it what it looks for.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Ailment, AilmentKind, Repair, kept};
use crate::config::{Config, shell_word};
use crate::error::{Error, Result};
use crate::occupancy::{Found, Occupied};

/// The keys that Python and everything else look for, and what their absence leads to.
const KEYS: [(&str, &str); 3] = [
    (
        "home",
        "without it Python does not know where its standard library is",
    ),
    (
        "include-system-site-packages",
        "without it Python also sees the packages of the base interpreter",
    ),
    (
        "version",
        "without it tools do not know where its packages are",
    ),
];

/// Looks for the keys.
pub(super) fn examine(dir: &Path) -> Result<Vec<Ailment>> {
    let file = dir.join("pyvenv.cfg");
    let is_there = file.is_file();
    let config = match is_there {
        true => Config::read(dir)?,
        false => Config::default(),
    };
    let found = Told::at(dir);
    if !is_there && found.version.is_none() {
        return Err(Error::NotAnEnvironment {
            dir: dir.to_owned(),
            cause: "it has no pyvenv.cfg, and no packages of a Python".to_owned(),
        });
    }
    let is_missing = |key: &str| match key {
        "version" => config.version().is_none(),
        key => config.get(key).is_none(),
    };
    let missing: Vec<_> = KEYS
        .into_iter()
        .filter(|(key, _)| is_missing(key))
        .collect();
    if missing.is_empty() {
        return Ok(Vec::new());
    }
    let value = |key: &str| match key {
        "home" => found.home.as_ref()?.to_str().map(str::to_owned),
        "version" => found.version.clone(),
        // What a new environment has; whoever wants more says so.
        _ => Some("false".to_owned()),
    };
    let lines: Option<Vec<_>> = missing
        .iter()
        .map(|(key, _)| Some((*key, value(key)?)))
        .collect();
    let names: Vec<&str> = missing.iter().map(|(key, _)| *key).collect();
    let what = match is_there {
        false => "it has no pyvenv.cfg".to_owned(),
        true => format!("its pyvenv.cfg does not say {}", names.join(", ")),
    };
    let whys: Vec<&str> = missing.iter().map(|(_, why)| *why).collect();
    let remedy = match &lines {
        Some(lines) => {
            let lines = lines
                .iter()
                .map(|(key, value)| format!("`{key} = {value}`"));
            format!("add {}", lines.collect::<Vec<_>>().join(", "))
        }
        None => format!(
            "create it anew: `isolab venv create --clear {}`",
            shell_word(dir.as_os_str())
        ),
    };
    Ok(vec![Ailment {
        kind: AilmentKind::Configuration,
        what,
        why: whys.join("; "),
        remedy,
        repair: lines.map(Repair::Configure),
    }])
}

/// What the rest of the environment tells.
struct Told {
    home: Option<PathBuf>,
    version: Option<String>,
}

impl Told {
    fn at(dir: &Path) -> Self {
        let real = fs::canonicalize(dir.join("bin/python")).ok();
        let outside = real.filter(|real| !real.starts_with(dir));
        let entries = fs::read_dir(dir.join("lib"))
            .into_iter()
            .flatten()
            .flatten();
        let mut versions = entries.filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name.strip_prefix("python").or(name.strip_prefix("pypy"))?;
            let has_packages = entry.path().join("site-packages").is_dir();
            has_packages.then(|| version.trim_end_matches('t').to_owned())
        });
        // Of two nobody can tell which is the right one.
        let version = versions.next().filter(|_| versions.next().is_none());
        Self {
            home: outside.and_then(|real| real.parent().map(Path::to_owned)),
            version,
        }
    }
}

/// Adds the lines, and leaves what is there as it is.
pub(super) fn complete(held: &Occupied, lines: &[(&'static str, String)]) -> Result<String> {
    let file = "pyvenv.cfg";
    let mut text = match held.look(file)? {
        Found::Nothing => Vec::new(),
        _ => {
            let text = kept::read(held, file)?;
            kept::copy(held, file)?;
            text
        }
    };
    if text.last().is_some_and(|last| *last != b'\n') {
        text.push(b'\n');
    }
    for (key, value) in lines {
        text.extend_from_slice(format!("{key} = {value}\n").as_bytes());
    }
    kept::replace(held, file, &text)?;
    let keys: Vec<&str> = lines.iter().map(|(key, _)| *key).collect();
    Ok(format!("wrote {} into pyvenv.cfg", keys.join(", ")))
}
