//! Scripts and recordings: those inside the program, which are there offline and
//! on every machine, and those that a rehearsal made in the room, which are
//! preferred.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Command;

use super::cast::{self, Cast};
use super::embedded::EMBEDDED;
use super::script::{self, Script};
use crate::report::{input, text::shown};
use crate::{hint, places};

/// The scripts inside the program: name and text.
pub const SCRIPTS: [(&str, &str); 2] = [
    ("ten", include_str!("scripts/ten.toml")),
    ("forty", include_str!("scripts/forty.toml")),
];

/// The script inside the program that is called `name`, or the one in the file
/// of that name.
///
/// # Errors
/// If there is none, or it cannot be accepted.
pub fn script(name: &str, isolab: &Command) -> Result<Script> {
    if let Some((_, text)) = SCRIPTS.iter().find(|(known, _)| *known == name) {
        return script::parse(text.as_bytes(), isolab)
            .with_context(|| format!("cannot show the script `{name}` of this version"));
    }
    let path = Path::new(name);
    let text = bounded(path, script::SIZE_LIMIT).map_err(|error| {
        let known: Vec<&str> = SCRIPTS.iter().map(|(name, _)| *name).collect();
        hint::with(
            format!("cannot read the script {}: {error}", shown(name)),
            format!("name a file, or one of ours: {}", known.join(", ")),
        )
    })?;
    script::parse(&text, isolab).map_err(|fault| {
        hint::with(
            format!("cannot accept the script {}: {fault}", shown(name)),
            "docs/DEMO.md has the format; `isolab demo --check FILE` reads it again",
        )
    })
}

/// Where rehearsals keep their recordings; `None` without a home.
#[must_use]
pub fn rehearsed() -> Option<PathBuf> {
    Some(places::data()?.join("demo"))
}

/// The recordings to choose from.
#[derive(Clone, Debug, Default)]
pub struct Recordings {
    /// Where those of the room are.
    dir: Option<PathBuf>,
}

impl Recordings {
    /// Those inside the program, and before them those in `dir`.
    #[must_use]
    pub fn new(dir: Option<PathBuf>) -> Self {
        Self { dir }
    }

    /// The recording of `words`. One that is damaged or of another command is as
    /// good as none: a demo goes on.
    #[must_use]
    pub fn of(&self, words: &[String]) -> Option<Cast> {
        let name = cast::file_name(words);
        let own = || {
            self.dir
                .as_ref()
                .and_then(|dir| read(&dir.join(&name)).ok())
        };
        let embedded = || {
            let (_, text) = EMBEDDED.iter().find(|(known, _)| *known == name)?;
            cast::parse(text.as_bytes()).ok()
        };
        let fits = |cast: &Cast| cast.header.isolab.words == words;
        own().filter(fits).or_else(|| embedded().filter(fits))
    }
}

/// Reads the recording in the file at `path`.
///
/// # Errors
/// If it cannot be read or accepted.
pub fn read(path: &Path) -> Result<Cast> {
    let refuse = |why: String| {
        hint::with(
            format!("cannot accept the recording {}: {why}", path.display()),
            "remove it, or make it again: isolab demo --rehearse",
        )
    };
    let text = bounded(path, cast::SIZE_LIMIT).map_err(|error| refuse(error.to_string()))?;
    cast::parse(&text).map_err(|fault| refuse(fault.to_string()))
}

/// A file's content, if there are not many more than `most` bytes of it.
fn bounded(path: &Path, most: usize) -> std::io::Result<Vec<u8>> {
    let file = input::open(path)?;
    if !file.metadata()?.is_file() {
        return Err(std::io::Error::other("it is not a file"));
    }
    let mut text = Vec::new();
    file.take(most as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::demo::cast::tests::example;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(|&word| word.to_owned()).collect()
    }

    #[test]
    fn a_rooms_recording_is_used_if_it_is_whole_and_of_this_command() {
        let dir = tempfile::tempdir().unwrap();
        let recordings = Recordings::new(Some(dir.path().to_owned()));
        let asked = words(&["matrix", "never", "recorded"]);
        let path = dir.path().join(cast::file_name(&asked));
        assert_eq!(recordings.of(&asked), None);
        let cast = example(&["matrix", "never", "recorded"], &[(1, "x")]);
        fs::write(&path, cast.to_text()).unwrap();
        assert_eq!(recordings.of(&asked), Some(cast.clone()));
        assert_eq!(recordings.of(&words(&["matrix", "never-recorded"])), None);
        fs::write(&path, &cast.to_text()[..100]).unwrap();
        assert_eq!(recordings.of(&asked), None);
        assert!(read(&path).unwrap_err().to_string().contains("line 1"));
    }

    #[test]
    fn every_recording_inside_the_program_is_filed_under_its_command() {
        for (name, text) in EMBEDDED {
            let cast =
                cast::parse(text.as_bytes()).unwrap_or_else(|fault| panic!("{name}: {fault}"));
            assert_eq!(cast::file_name(&cast.header.isolab.words), *name);
        }
    }
}
