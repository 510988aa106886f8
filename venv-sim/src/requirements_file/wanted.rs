//! A requirement, and what else its line says.

use std::fmt;
use std::path::{Path, PathBuf};

use super::address;
use crate::refusal::{Refusal, shown, shown_line, shown_url};
use crate::requirement::{Name, Requirement, Source};
use crate::wheel::{Digest, WheelName};

/// A requirement of the user's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// What is asked for.
    pub requirement: Requirement,
    /// What the file's content has to be, any of these; whatever it is where there are none.
    pub hashes: Vec<Digest>,
    /// Where it is written; none for what was typed.
    pub at: Option<Position>,
}

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// The file, as it was named.
    pub file: String,
    /// Its line, from 1; that on which it begins.
    pub line: usize,
}

/// Why a requirement is none here, and what to do.
pub(crate) type Refused = (Refusal, &'static str);

/// How to get what cannot be had here.
pub(crate) const BUILD: &str = "only wheels are installed here: build one of it first (`python -m \
    build --wheel` in its sources), and name that wheel or the directory that holds it";

const AS_NAMED: &str = "a requirement is `NAME`, `NAME>=1.0,<2`, `NAME[EXTRA] @ ADDRESS`, or a \
    wheel's path or address";

impl Wanted {
    /// What somebody typed: a requirement, or the path or the address of a wheel.
    ///
    /// # Errors
    /// [`crate::Error::BadRequirement`] where it cannot be read, or is no wheel.
    pub fn typed(text: &str) -> crate::Result<Self> {
        let requirement = requirement(text).map_err(|(cause, remedy)| {
            let at = shown_line(text);
            crate::Error::BadRequirement { at, cause, remedy }
        })?;
        Ok(Self {
            requirement,
            hashes: Vec::new(),
            at: None,
        })
    }
}

/// The requirement that a text is. Paths are seen from the working directory, as pip has it.
pub(super) fn requirement(text: &str) -> Result<Requirement, Refused> {
    let text = text.trim();
    let (what, marker) = apart(text);
    if !address::is_one(what) && !is_path(what) {
        return specifier(text);
    }
    let (what, extras) = extras(what)?;
    let url = match address::is_one(what) {
        true => what.to_owned(),
        false => address::of_path(&existing(what)?),
    };
    let wheel = wheel_at(&url)?;
    let extras = match extras {
        Some(extras) => format!("[{extras}]"),
        None => String::new(),
    };
    let written = format!("{}{extras} @ {url} {marker}", wheel.project);
    written.parse().map_err(|why| (why, AS_NAMED))
}

/// The requirement that a text is where it cannot be a path.
pub(super) fn specifier(text: &str) -> Result<Requirement, Refused> {
    let read: Requirement = text.parse().map_err(|why| (why, AS_NAMED))?;
    if let Source::Url(url) = &read.source {
        let wheel = wheel_at(url)?;
        if wheel.project != read.name {
            let why = format!("{} is a wheel of {}", shown_url(url), wheel.project);
            return Err((Refusal::new(why), "name a wheel of the project"));
        }
    }
    Ok(read)
}

/// The marker behind an address begins with `;` behind a space; behind a path, at any `;`.
fn apart(text: &str) -> (&str, &str) {
    let at = match address::is_one(text) {
        true => text.find(" ;").or(text.find("; ")),
        false => text.find(';'),
    };
    match at {
        Some(at) => (text[..at].trim(), text[at..].trim()),
        None => (text, ""),
    }
}

/// `./a.whl[x,y]`
fn extras(what: &str) -> Result<(&str, Option<&str>), Refused> {
    let Some((path, extras)) = what
        .strip_suffix(']')
        .and_then(|what| what.rsplit_once('['))
    else {
        return Ok((what, None));
    };
    let are_names = extras
        .split(',')
        .all(|extra| extra.trim().parse::<Name>().is_ok());
    match are_names {
        true => Ok((path, Some(extras))),
        false => Err((
            Refusal::new(format!("{} are no extras", shown(extras))),
            AS_NAMED,
        )),
    }
}

/// Whether a text is meant as a path, and not as a project: by its beginning, or as the name of a
/// file.
fn is_path(what: &str) -> bool {
    let name = what.split(['[', ' ']).next().unwrap_or(what);
    let end = name.rsplit('/').next().unwrap_or(name).to_ascii_lowercase();
    name.starts_with(['.', '/', '~'])
        || (name.contains('/') && !what.contains('@'))
        || [
            ".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar",
        ]
        .iter()
        .any(|suffix| end.ends_with(suffix))
}

fn existing(path: &str) -> Result<PathBuf, Refused> {
    let missing = |why: &str| {
        // An address without its scheme looks like a path.
        let path = match path.starts_with(['.', '/', '~']) {
            true => shown(path),
            false => shown_url(path),
        };
        let why = Refusal::new(format!("{path} {why}"));
        (
            why,
            "look at the path, which begins at the working directory",
        )
    };
    let found = std::path::absolute(path).map_err(|_| missing("is no path"))?;
    if found.is_dir() {
        let why = format!("{} is a directory of sources", shown(path));
        return Err((Refusal::new(why), BUILD));
    }
    match found.is_file() {
        true => Ok(found),
        false => Err(missing("is not there")),
    }
}

/// What the name of the wheel at an address says.
fn wheel_at(url: &str) -> Result<WheelName, Refused> {
    let scheme = url.split(':').next().unwrap_or(url);
    if let Some((system, _)) = scheme.split_once('+') {
        let why = format!("{} is a repository of {system}", shown_url(url));
        return Err((Refusal::new(why), BUILD));
    }
    if !matches!(scheme, "http" | "https" | "file") {
        let why = format!("nothing can be got from {}", shown_url(url));
        return Err((Refusal::new(why), "name an address of `https:` or `file:`"));
    }
    let name = address::file_name(url);
    if !Path::new(&name)
        .extension()
        .is_some_and(|it| it.eq_ignore_ascii_case("whl"))
    {
        let why = format!("{} is no wheel but sources", shown_url(url));
        return Err((Refusal::new(why), BUILD));
    }
    name.parse()
        .map_err(|why| (why, "name a wheel by the name that it was built with"))
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}
