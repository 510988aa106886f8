//! The files that an index or a directory lists, and what their names say of them.

use std::path::Path;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};

use super::url::Url;
use crate::catalogue::{Kind, Location, MetadataOffer, Offer};
use crate::requirement::Name;
use crate::wheel::{Digest, WheelName};

/// A file as a page lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Listed {
    pub(super) name: String,
    pub(super) url: Url,
    pub(super) digests: Vec<Digest>,
    pub(super) size: Option<u64>,
    pub(super) requires_python: Option<String>,
    pub(super) yanked: Option<String>,
    pub(super) metadata: MetadataOffer,
}

impl Listed {
    /// A file of which nothing is known but where it lies.
    pub(super) fn at(url: Url) -> Option<Self> {
        Some(Self {
            name: url.file_name()?,
            url,
            digests: Vec::new(),
            size: None,
            requires_python: None,
            yanked: None,
            metadata: MetadataOffer::No,
        })
    }

    /// What can be had of `project` by it; nothing, where it is another's, or a kind of file that
    /// nobody installs any more.
    pub(super) fn offer(self, project: &Name, origin: &str) -> Option<Offer> {
        let kind = kind(&self.name, project)?;
        let location = match self.url.to_path() {
            Some(path) => Location::Path(path),
            None => Location::Url(self.url.public().to_text()),
        };
        // As pip has it: what cannot be read forbids nothing.
        let requires = self.requires_python.as_deref().map(str::trim);
        let requires = requires.filter(|text| !text.is_empty());
        Some(Offer {
            file_name: self.name,
            kind,
            location,
            digests: self.digests,
            size: self.size,
            requires_python: requires.and_then(|text| VersionSpecifiers::from_str(text).ok()),
            yanked: self.yanked,
            metadata: self.metadata,
            origin: origin.to_owned(),
        })
    }
}

/// What `file` says that it is, if it is one of `project`.
fn kind(file: &str, project: &Name) -> Option<Kind> {
    if !is_plain(file) {
        return None;
    }
    if file.ends_with(".whl") {
        let name = WheelName::from_str(file).ok()?;
        return (name.project == *project).then_some(Kind::Wheel(name));
    }
    let version = source_version(file, project)?;
    Some(Kind::Source { version })
}

/// Whether a file may have this name in a directory of ours.
pub(super) fn is_plain(file: &str) -> bool {
    Path::new(file).file_name() == Some(file.as_ref())
        && !file.starts_with('.')
        && file.len() <= 255
        && !file.chars().any(char::is_control)
}

const SOURCES: [&str; 6] = [".tar.gz", ".zip", ".tar.bz2", ".tgz", ".tar.xz", ".tar.Z"];

/// The version in `NAME-VERSION.tar.gz`. Old names hold more `-`, so that only whoever knows the
/// project can tell where it ends.
fn source_version(file: &str, project: &Name) -> Option<Version> {
    let stem = SOURCES.iter().find_map(|end| file.strip_suffix(end))?;
    let dashes = stem.match_indices('-').map(|(at, _)| at);
    dashes
        .filter(|at| stem[..*at].parse() == Ok(project.clone()))
        .find_map(|at| {
            // A date with dashes is a version, too, but not one that anybody would mean.
            let version = &stem[at + 1..];
            let has_blank = version.contains(char::is_whitespace);
            Version::from_str(version).ok().filter(|_| !has_blank)
        })
}

/// Which project a file is of: its name up to where a version may begin.
pub(super) fn project(file: &str) -> Option<Name> {
    if let Ok(name) = WheelName::from_str(file) {
        return Some(name.project);
    }
    let stem = SOURCES.iter().find_map(|end| file.strip_suffix(end))?;
    let (project, version) = stem.rsplit_once('-')?;
    Version::from_str(version).ok()?;
    project.parse().ok()
}

/// The digests of a fragment, or of an attribute: `sha256=…`. `None` where one cannot be read.
pub(super) fn digests(text: &str) -> Option<Vec<Digest>> {
    let mut digests = Vec::new();
    for pair in text.split('&') {
        if let Some((algorithm, hex)) = pair.split_once('=') {
            add_digest(&mut digests, algorithm, hex)?;
        }
    }
    Some(digests)
}

/// Adds one by an algorithm that vouches for something; others say nothing.
pub(super) fn add_digest(digests: &mut Vec<Digest>, algorithm: &str, hex: &str) -> Option<()> {
    if matches!(algorithm, "sha256" | "sha384" | "sha512") {
        digests.push(Digest::from_hex(algorithm, hex).ok()?);
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Name {
        text.parse().expect("a name")
    }

    #[test]
    fn names_of_sources_are_read_by_who_knows_the_project() {
        for (file, project, version) in [
            ("Django-5.1.2.tar.gz", "django", Some("5.1.2")),
            ("zope.interface-7.0.zip", "zope-interface", Some("7.0")),
            ("a-b-1.0.tar.bz2", "a-b", Some("1.0")),
            ("a-b-1.0.tar.bz2", "a", None),
            ("foo-bar-2-1.0.tgz", "foo-bar-2", Some("1.0")),
            ("x-1.0.exe", "x", None),
            ("x-1.0-py2.7.egg", "x", None),
            ("x-one.tar.gz", "x", None),
            ("x- 1.0.tar.gz", "x", None),
            ("x-1.0 .tar.gz", "x", None),
        ] {
            let found = source_version(file, &name(project)).map(|version| version.to_string());
            assert_eq!(found.as_deref(), version, "{file}");
        }
    }

    #[test]
    fn files_of_others_and_names_that_are_paths_are_no_offers() {
        for file in [
            "b-1.0-py3-none-any.whl",
            "../a-1.0-py3-none-any.whl",
            ".a-1.0.tar.gz",
            "a-1.0/../x.tar.gz",
            "a-1.0.tar.gz\n",
            "",
            "..",
        ] {
            assert_eq!(kind(file, &name("a")), None, "{file}");
        }
        assert!(kind("a-1.0-py3-none-any.whl", &name("a")).is_some());
    }

    proptest! {
        #[test]
        fn no_name_panics_and_no_offer_is_a_path(file in "\\PC{0,20}|[a-z./-]{0,10}-[0-9.]{0,5}(\\.whl|\\.tar\\.gz|\\.zip)") {
            for project in ["a", "a-b"] {
                if kind(&file, &name(project)).is_some() {
                    prop_assert!(!file.contains('/') && file != ".." );
                }
            }
            let _ = project(&file);
        }
    }
}
