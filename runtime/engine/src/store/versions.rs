//! Tags, and the versions that each had: setting a tag adds one, going back
//! makes an older one count again and copies nothing.

use super::Store;
use super::index::REF_NAME;
use super::provenance::{Origin, Provenance};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Reference};

/// The name of a tag's version, which the versions that no longer count keep.
const NAME: &str = "isolab.name";
/// Its number.
const NUMBER: &str = "isolab.version";

/// One version of a tag, or an image that is held by its digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Version {
    /// The tag, whole: `docker.io/library/app:latest`; `docker.io/library/app@DIGEST` of
    /// what has none.
    pub name: String,
    /// 1 for the first that the tag ever had; 0 where there is no tag.
    pub number: u32,
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// Where it comes from, where that is known.
    pub provenance: Option<Provenance>,
    /// Whether the tag stands for it now.
    pub current: bool,
}

impl Version {
    /// Whether it is held by its digest alone.
    #[must_use]
    pub fn is_untagged(&self) -> bool {
        self.number == 0
    }

    pub(super) fn of(entry: &Descriptor) -> Option<Self> {
        let said = |key: &str| entry.annotations.get(key);
        let current = said(REF_NAME);
        // Another tool's names are as short as its user typed them.
        let whole = |name: &String| {
            name.parse()
                .map_or(name.clone(), |tag: Reference| tag.name())
        };
        let name = said(NAME).cloned().or_else(|| current.map(whole))?;
        let number = said(NUMBER).and_then(|text| text.parse().ok());
        let mut descriptor = entry.clone();
        descriptor.annotations.clear();
        Some(Self {
            name,
            number: number.unwrap_or(1),
            descriptor,
            provenance: Provenance::of(&entry.annotations),
            current: current.is_some(),
        })
    }

    pub(super) fn to_entry(&self) -> Descriptor {
        let mut entry = self.descriptor.clone();
        if let Some(provenance) = &self.provenance {
            entry.annotations = provenance.annotations();
        }
        let mut say = |key: &str, value: String| entry.annotations.insert(key.to_owned(), value);
        say(NAME, self.name.clone());
        say(NUMBER, self.number.to_string());
        if self.current {
            say(REF_NAME, self.name.clone());
        }
        entry
    }
}

impl Store {
    /// Every tag's version that counts, in the order of the names.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Untrusted`].
    pub fn tags(&self) -> Result<Vec<Version>> {
        let mut tags = self.versions_where(|version| version.current)?;
        tags.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(tags)
    }

    /// Every version of `tag`, the first first.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is none.
    pub fn log(&self, tag: &Reference) -> Result<Vec<Version>> {
        let name = tag.name();
        let mut log = self.versions_where(|version| version.name == name)?;
        log.sort_by_key(|version| version.number);
        match log.is_empty() {
            true => Err(no_image(tag)),
            false => Ok(log),
        }
    }

    /// What `tag` stands for; `None` where there is no such tag.
    ///
    /// # Errors
    /// [`Error::Read`], [`Error::Untrusted`].
    pub fn tagged(&self, tag: &Reference) -> Result<Option<Version>> {
        let name = tag.name();
        let mut found = self.versions_where(|version| version.current && version.name == name)?;
        Ok(found.pop())
    }

    /// Lets `tag` stand for `descriptor` from now on, and notes it in its log. A
    /// tag that stands for it already stays as it is.
    ///
    /// # Errors
    /// [`Error::Invalid`] for a name with a digest, which is one image's for ever;
    /// [`Error::Missing`] where the blob is not here; [`Error::Write`].
    pub fn tag(
        &self,
        tag: &Reference,
        descriptor: &Descriptor,
        provenance: &Provenance,
    ) -> Result<Version> {
        tag.check_can_be_given()?;
        if !self.has(descriptor) {
            return Err(Error::Missing {
                digest: descriptor.digest.clone(),
                by: tag.to_string(),
            });
        }
        let name = tag.name();
        self.change_entries(|entries| Ok(advance(entries, &name, descriptor, provenance)))
    }

    /// Keeps what `name` was found to be. A tag stands for it from now on; with a digest
    /// it is held without one: whoever asks for that says nothing of the tag beside it,
    /// which may be the user's own image.
    ///
    /// # Errors
    /// [`Error::Untrusted`] where it has another digest than `name`; else as
    /// [`tag`](Self::tag).
    pub fn keep(
        &self,
        name: &Reference,
        descriptor: &Descriptor,
        provenance: &Provenance,
    ) -> Result<Version> {
        let Some(digest) = name.digest() else {
            return self.tag(name, descriptor, provenance);
        };
        if *digest != descriptor.digest {
            return Err(Error::Untrusted {
                what: format!("image {name}"),
                reason: format!("it has the digest {}", descriptor.digest),
            });
        }
        self.hold(name, descriptor, provenance)?;
        let held = self.of_repository(name, digest)?;
        held.ok_or_else(|| no_image(name))
    }

    /// Removes the tag and its log. What nothing else leads to is garbage then.
    ///
    /// # Errors
    /// [`Error::NotFound`].
    pub fn untag(&self, tag: &Reference) -> Result<Vec<Version>> {
        let name = tag.name();
        self.change_entries(|entries| {
            let is_its = |entry: &Descriptor| Version::of(entry).is_some_and(|v| v.name == name);
            let removed: Vec<_> = entries.iter().filter(|entry| is_its(entry)).collect();
            let removed: Vec<_> = removed.into_iter().filter_map(Version::of).collect();
            entries.retain(|entry| !is_its(entry));
            match removed.is_empty() {
                true => Err(no_image(tag)),
                false => Ok(removed),
            }
        })
    }

    /// Removes one version from its tag's log; the one that counts stays, whatever
    /// is asked.
    ///
    /// # Errors
    /// [`Error::NotFound`] where it is not, or counts now.
    pub fn forget(&self, version: &Version) -> Result<()> {
        self.change_entries(|entries| {
            let before = entries.len();
            entries.retain(|entry| {
                let is_it = |other: &Version| {
                    (&other.name, other.number) == (&version.name, version.number)
                };
                !Version::of(entry).is_some_and(|other| is_it(&other) && !other.current)
            });
            match entries.len() < before {
                true => Ok(()),
                false => Err(Error::NotFound {
                    what: format!(
                        "version {} of {} among those that no longer count",
                        version.number, version.name
                    ),
                }),
            }
        })
    }

    /// Removes every version that no longer counts, and tells how many there were.
    ///
    /// # Errors
    /// [`Error::Write`].
    pub fn forget_versions(&self) -> Result<usize> {
        self.change_entries(|entries| {
            let before = entries.len();
            entries.retain(|entry| Version::of(entry).is_none_or(|version| version.current));
            Ok(before - entries.len())
        })
    }

    /// Lets `tag` stand for its version `number` again; where none is named, for the
    /// one before the current.
    ///
    /// The log grows by one version, which is that older one: going back can be
    /// gone back on.
    ///
    /// # Errors
    /// [`Error::NotFound`] where there is no such tag or version;
    /// [`Error::Missing`] where its blobs are gone.
    pub fn roll_back(&self, tag: &Reference, number: Option<u32>) -> Result<Version> {
        let log = self.log(tag)?;
        let now = log.iter().find(|version| version.current);
        let now = now.ok_or_else(|| no_image(tag))?;
        let target = match number {
            Some(number) => log.iter().find(|version| version.number == number),
            None => before(&log, now),
        };
        let target = target.ok_or_else(|| Error::NotFound {
            what: match number {
                Some(number) => format!("version {number} of {tag}: see `isolab image log {tag}`"),
                None => format!("a version of {tag} before the one that it stands for"),
            },
        })?;
        let provenance = Provenance {
            from: Some(format!("version {}", target.number)),
            ..Provenance::now(Origin::RolledBack)
        };
        self.tag(tag, &target.descriptor, &provenance)
    }

    pub(super) fn versions_where(&self, wanted: impl Fn(&Version) -> bool) -> Result<Vec<Version>> {
        let versions = self.entries()?;
        let versions = versions.iter().filter_map(Version::of);
        Ok(versions.filter(wanted).collect())
    }
}

fn no_image(tag: &Reference) -> Error {
    Error::NotFound {
        what: format!("image {tag}"),
    }
}

/// The version that counted before `now` did. Going back twice goes two versions
/// back, not forth again: a version that was itself a way back stands for the one
/// that it went back to.
fn before<'a>(log: &'a [Version], now: &Version) -> Option<&'a Version> {
    let original = |version: &Version| {
        let mut first = log
            .iter()
            .filter(|v| v.descriptor.digest == version.descriptor.digest);
        first.next().map_or(version.number, |first| first.number)
    };
    let limit = original(now);
    log.iter().rfind(|version| version.number < limit)
}

/// Adds a version of `name` to the entries and lets it count.
fn advance(
    entries: &mut Vec<Descriptor>,
    name: &str,
    descriptor: &Descriptor,
    provenance: &Provenance,
) -> Version {
    let mut last = 0;
    for entry in entries.iter_mut() {
        let Some(mut version) = Version::of(entry).filter(|version| version.name == name) else {
            continue;
        };
        if version.current && version.descriptor.digest == descriptor.digest {
            return version;
        }
        last = last.max(version.number);
        if version.current {
            version.current = false;
            *entry = version.to_entry();
        }
    }
    let mut descriptor = descriptor.clone();
    descriptor.annotations.clear();
    let version = Version {
        name: name.to_owned(),
        number: last + 1,
        descriptor,
        provenance: Some(provenance.clone()),
        current: true,
    };
    entries.push(version.to_entry());
    version
}
