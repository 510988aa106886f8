//! `.egg-info`: what distutils and setuptools left before there were wheels.
//!
//! distutils wrote one file, setuptools a directory with its requirements in a file of their
//! own. Neither has a list of files with digests: what they installed can be seen, and only
//! guessed at when it is to be removed.
//!
//! Source: setuptools' *The Internal Structure of Python Eggs*.

use std::path::{Path, PathBuf};

use super::dist_info::described;
use super::{Distribution, Form, text};
use crate::refusal::Refusal;
use crate::requirement::{Name, Requirement};

/// Reads the file or directory at `path`.
pub(super) fn read(path: &Path) -> Result<Distribution, String> {
    let directory = path.is_dir();
    let file = match directory {
        true => path.join("PKG-INFO"),
        false => path.to_owned(),
    };
    let (name, mut metadata, mut refused) = described(&text(&file)?)?;
    let requires = path.join("requires.txt");
    if directory && requires.is_file() {
        let (requires, extras, others) = requirements(&text(&requires)?);
        metadata.requires = requires;
        metadata.extras = extras;
        refused = others;
    }
    Ok(Distribution {
        written_name: name,
        metadata,
        refused,
        form: Form::EggInfo,
        location: path.parent().unwrap_or(path).to_owned(),
        installer: None,
        is_requested: false,
        direct_url: None,
        path: path.to_owned(),
    })
}

/// Reads the `.egg-link` at `path`, and the `.egg-info` in the directory that it names.
pub(super) fn follow(path: &Path) -> Result<Distribution, String> {
    let written = text(path)?;
    let sources = PathBuf::from(written.lines().next().unwrap_or("").trim());
    // It goes into lines of requirements, each of which is one requirement.
    let is_odd = sources.to_string_lossy().contains(char::is_control);
    if !sources.is_absolute() || is_odd {
        return Err("it names no directory".to_owned());
    }
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let info = format!("{}.egg-info", name.replace('-', "_"));
    let found = read(&sources.join(info)).map_err(|why| {
        let shown = crate::refusal::shown(&sources.to_string_lossy());
        format!("it leads to {shown}: {why}")
    })?;
    Ok(Distribution {
        form: Form::EggLink,
        location: sources,
        ..found
    })
}

/// `requires.txt`: lines of requirements, below `[EXTRA]`, `[EXTRA:MARKER]` and `[:MARKER]`.
fn requirements(text: &str) -> (Vec<Requirement>, Vec<Name>, Vec<Refusal>) {
    let (mut found, mut extras, mut refused) = (Vec::new(), Vec::new(), Vec::new());
    let mut condition = String::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if let Some(section) = line.strip_prefix('[').and_then(|l| l.strip_suffix(']')) {
            let (extra, marker) = section.split_once(':').unwrap_or((section, ""));
            let name = extra.parse::<Name>();
            extras.extend(name.clone());
            let asked = name.map(|name| format!("extra == \"{name}\""));
            condition = match (asked, marker) {
                (Ok(asked), "") => asked,
                (Ok(asked), marker) => format!("{asked} and ({marker})"),
                (Err(_), marker) => marker.to_owned(),
            };
            continue;
        }
        let written = match condition.is_empty() {
            true => line.to_owned(),
            false => format!("{line} ; {condition}"),
        };
        match written.parse() {
            Ok(requirement) => found.push(requirement),
            Err(why) => refused.push(why),
        }
    }
    (found, extras, refused)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sections_become_extras_and_markers() {
        let text = "pytz\n\n[:sys_platform == \"win32\"]\ncolorama>=0.4\n\n[test:python_version < \"3\"]\n\
            mock\n\n[test]\npytest\nnot a requirement at all\n";
        let (requires, extras, refused) = requirements(text);
        let expected = [
            "pytz",
            "colorama>=0.4 ; sys_platform == 'win32'",
            "mock ; extra == 'test' and python_version < '3'",
            "pytest ; extra == 'test'",
        ];
        let expected: Vec<Requirement> = expected.iter().map(|r| r.parse().unwrap()).collect();
        assert_eq!(requires, expected);
        assert!(extras.iter().all(|extra| extra.as_str() == "test"));
        assert_eq!(refused.len(), 1);
    }
}
