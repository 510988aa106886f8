//! What is asked for, as it was typed.

use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::index::IndexFlags;
use crate::refusal::{Refusal, shown};
use crate::requirement::{Requirement, Source};
use crate::requirements_file::Wanted;
use crate::resolve::Rules;
use crate::wheel::WheelName;

/// What is to be in an environment.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// What is asked for.
    pub wanted: Vec<Wanted>,
    /// What must hold of a project if it is needed.
    pub constraints: Vec<Wanted>,
    /// By which rules versions are chosen.
    pub rules: Rules,
    /// Whether everything else is taken out.
    pub is_exact: bool,
    /// Whether it is only planned.
    pub is_dry_run: bool,
    /// What files of requirements say of the index.
    pub index: IndexFlags,
}

impl Order {
    /// What the command line says of the index, with what files of requirements add to it.
    pub(super) fn index_flags(&self, typed: &IndexFlags) -> IndexFlags {
        let mut flags = typed.clone();
        let said = &self.index;
        flags.index_url = flags.index_url.or_else(|| said.index_url.clone());
        flags.no_index |= said.no_index;
        for (flags, said) in [
            (&mut flags.extra_index_urls, &said.extra_index_urls),
            (&mut flags.find_links, &said.find_links),
            (&mut flags.trusted_hosts, &said.trusted_hosts),
        ] {
            flags.extend(said.iter().cloned());
        }
        flags
    }
}

/// What a word of the command line asks for: a requirement, or a wheel by its path or address.
///
/// # Errors
/// [`Error::BadRequirement`] where it is neither.
pub fn typed(word: &str, directory: &Path) -> Result<Wanted> {
    let refused = |cause: Refusal, remedy| Error::BadRequirement {
        at: "the command line".to_owned(),
        cause,
        remedy,
    };
    let requirement = if is_file(word) {
        by_file(word, directory).map_err(|(cause, remedy)| refused(cause, remedy))?
    } else {
        let remedy = "quote it as one word: 'django>=4.2,<6'";
        word.parse().map_err(|cause| refused(cause, remedy))?
    };
    Ok(Wanted {
        requirement,
        hashes: Vec::new(),
        at: None,
    })
}

/// Whether a word names a file and no project.
fn is_file(word: &str) -> bool {
    let path = word.split(['[', '#', '?']).next().unwrap_or(word);
    let is_requirement = word.contains(" @ ") || word.contains(';');
    !is_requirement && (path.ends_with(".whl") || word.contains('/') || word.starts_with('.'))
}

/// The requirement for the wheel at a path or address, with extras behind it in brackets.
fn by_file(word: &str, directory: &Path) -> Result<Requirement, (Refusal, &'static str)> {
    let (place, extras) = match word
        .strip_suffix(']')
        .and_then(|word| word.rsplit_once('['))
    {
        Some((place, extras)) => (place, extras),
        None => (word, ""),
    };
    let url = match place.contains("://") {
        true => place.to_owned(),
        false => address(&directory.join(place)),
    };
    let path = url.split(['#', '?']).next().unwrap_or(&url);
    let file = path.rsplit('/').next().unwrap_or(path);
    let file = file.replace("%2B", "+").replace("%2b", "+");
    if !file.ends_with(".whl") {
        let why = format!("{} is no wheel", shown(word));
        return Err((
            Refusal::new(why),
            "build one of it first (`python -m build --wheel`), and name that",
        ));
    }
    let name: WheelName = file
        .parse()
        .map_err(|why| (why, "name a file that is a wheel"))?;
    if !place.contains("://") && !directory.join(place).is_file() {
        let why = format!("there is no file {}", shown(place));
        return Err((Refusal::new(why), "name a wheel that is there"));
    }
    let extra = |extra: &str| extra.trim().parse();
    let extras = extras
        .split(',')
        .filter(|extra| !extra.trim().is_empty())
        .map(extra);
    let extras: Result<_, Refusal> = extras.collect();
    Ok(Requirement {
        name: name.project,
        extras: extras.map_err(|why| (why, "name extras in brackets: FILE.whl[extra]"))?,
        source: Source::Url(url),
        marker: None,
    })
}

/// The address of the file at `path`, absolute, as RFC 8089 and 3986 write it.
fn address(path: &Path) -> String {
    let path: PathBuf = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let mut url = "file://".to_owned();
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'-' | b'.' | b'_' | b'~' => {
                url.push(char::from(*byte));
            }
            byte => url.push_str(&format!("%{byte:02X}")),
        }
    }
    url
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wheel_is_named_by_its_path_with_its_extras() {
        let home = tempfile::tempdir().expect("a directory");
        let dir = home.path().join("my wheels");
        std::fs::create_dir(&dir).expect("made");
        std::fs::write(dir.join("demo-1.0+local-py3-none-any.whl"), "").expect("written");
        let wanted = typed("./demo-1.0+local-py3-none-any.whl[fast, tls]", &dir).expect("read");
        let requirement = wanted.requirement;
        assert_eq!(requirement.name.as_str(), "demo");
        let extras: Vec<_> = requirement
            .extras
            .iter()
            .map(crate::requirement::Name::as_str)
            .collect();
        assert_eq!(extras, ["fast", "tls"]);
        let Source::Url(url) = requirement.source else {
            panic!("an address")
        };
        assert!(
            url.starts_with("file:///") && url.contains("my%20wheels"),
            "{url}"
        );
        assert!(url.ends_with("/demo-1.0%2Blocal-py3-none-any.whl"), "{url}");
    }

    #[track_caller]
    fn check(word: &str, what: &str) {
        let error = typed(word, "/nowhere".as_ref()).expect_err("refused");
        assert!(error.hint().is_some());
        assert!(error.to_string().contains(what), "{error}");
    }

    #[test]
    fn what_is_neither_a_requirement_nor_a_wheel_is_refused() {
        check("./sources", "no wheel");
        check("demo-1.0.tar.gz/", "no wheel");
        check("gone-1.0-py3-none-any.whl", "no file");
        check("dj ango", "dj ango");
        check("django=4", "django=4");
    }

    #[test]
    fn a_requirement_is_read_as_one() {
        for word in [
            "django>=4.2,<6",
            "psycopg[binary]",
            "a @ https://host.example/a-1-py3-none-any.whl",
        ] {
            assert!(typed(word, "/nowhere".as_ref()).is_ok(), "{word}");
        }
        let wanted = typed(
            "https://host.example/a-1-py3-none-any.whl#sha256=00",
            "/".as_ref(),
        );
        assert_eq!(wanted.expect("read").requirement.name.as_str(), "a");
    }
}
