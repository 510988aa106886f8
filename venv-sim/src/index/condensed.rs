//! A project's page, condensed: what choosing asks of each file in front, the rest of it behind.
//!
//! A page has thousands of files, each with an address, digests and a date, and one of them is
//! taken. So what was understood of a page is remembered beside it: the versions in order, what
//! their names and ranges of interpreters say, each once, and for each file a few numbers. The
//! rest of a file is read when somebody wants the whole of it.

use std::collections::HashMap;
use std::sync::Arc;

use crate::catalogue::{Brief, Built, Kind, Listing, Location, MetadataOffer, Offer, Parts};
use crate::requirement::Name;
use crate::wheel::{Digest, WheelName};

/// The first bytes; another number for each change of what follows.
const MARK: &[u8; 8] = b"isolab\x00\x01";
/// Where a number says that there is none.
const NONE: u32 = u32::MAX;

/// Condenses the files of a page; `None` where one of them is not on a server.
pub(super) fn condense(offers: &[Offer]) -> Option<Vec<u8>> {
    let mut offers: Vec<&Offer> = offers.iter().collect();
    offers.sort_by(|one, other| one.version().cmp(other.version()));
    let (mut versions, mut builds, mut pythons) =
        (Texts::default(), Texts::default(), Texts::default());
    let (mut files, mut details) = (Vec::new(), Vec::new());
    for offer in offers.iter().copied() {
        let build = match &offer.kind {
            Kind::Wheel(_) => builds.place(behind_version(&offer.file_name)?)?,
            Kind::Source { .. } => NONE,
        };
        let python = offer.requires_python.as_ref();
        let python = python.map(|python| pythons.place(&python.to_string()));
        let numbers = [
            versions.place(&offer.version().to_string())?,
            build,
            python.unwrap_or(Some(NONE))?,
            u32::from(offer.yanked.is_some()),
            u32::try_from(details.len()).ok()?,
        ];
        files.extend(numbers.into_iter().flat_map(u32::to_le_bytes));
        put_details(&mut details, offer)?;
    }
    let mut condensed = MARK.to_vec();
    for texts in [versions, builds, pythons] {
        texts.put(&mut condensed)?;
    }
    put_number(&mut condensed, offers.len())?;
    condensed.extend(files);
    condensed.extend(details);
    Some(condensed)
}

/// What [`condense`] made of the files of `project`; `None` where it cannot be that.
pub(super) fn open(condensed: Vec<u8>, project: &Name, origin: &str) -> Option<Listing> {
    let mut rest = Reader(condensed.strip_prefix(MARK)?);
    let mut versions = Vec::new();
    for text in rest.texts()? {
        versions.push(text.parse().ok()?);
    }
    let mut builds = Vec::new();
    for text in rest.texts()? {
        let name: WheelName = format!("x-0-{text}.whl").parse().ok()?;
        let tags = Arc::new(name.tags);
        let build = name.build;
        builds.push(Built { build, tags });
    }
    let mut pythons = Vec::new();
    for text in rest.texts()? {
        pythons.push(Arc::new(text.parse().ok()?));
    }
    let count = rest.number()?;
    let numbers = rest.bytes(count.checked_mul(20)?)?;
    let (mut files, mut starts) = (Vec::with_capacity(count), Vec::with_capacity(count));
    for numbers in numbers.chunks_exact(20) {
        let mut numbers = Reader(numbers);
        let version = numbers.number()?;
        let build = numbers.place(builds.len())?;
        let python = numbers.place(pythons.len())?;
        let is_yanked = numbers.number()? != 0;
        starts.push(numbers.number()?);
        files.push(Brief {
            version: (version < versions.len()).then_some(version)?,
            build,
            python,
            is_yanked,
        });
    }
    let details = condensed.len() - rest.0.len();
    let (project, origin) = (project.clone(), origin.to_owned());
    let whole = move |parts: &Parts, place: usize| {
        let start = details.checked_add(*starts.get(place)?)?;
        let rest = Reader(condensed.get(start..)?);
        whole(rest, parts, parts.files.get(place)?, &project, &origin)
    };
    Some(Listing::new(Parts {
        versions,
        builds,
        pythons,
        files,
        whole: Box::new(whole),
    }))
}

/// What stands behind the version in the name of a wheel: its build, and for whom it is.
fn behind_version(file: &str) -> Option<&str> {
    file.strip_suffix(".whl")?.splitn(3, '-').nth(2)
}

fn put_details(details: &mut Vec<u8>, offer: &Offer) -> Option<()> {
    let Location::Url(url) = &offer.location else {
        return None;
    };
    put_text(details, &offer.file_name)?;
    // Most addresses end with the name.
    let before = url.strip_suffix(&offer.file_name);
    details.push(u8::from(before.is_some()));
    put_text(details, before.unwrap_or(url))?;
    details.extend(offer.size.unwrap_or(u64::MAX).to_le_bytes());
    put_text(details, offer.yanked.as_deref().unwrap_or_default())?;
    put_digests(details, &offer.digests)?;
    match &offer.metadata {
        MetadataOffer::No => details.push(0),
        MetadataOffer::Yes { digests } => {
            details.push(1);
            put_digests(details, digests)?;
        }
    }
    Some(())
}

fn whole(
    mut rest: Reader<'_>,
    parts: &Parts,
    brief: &Brief,
    project: &Name,
    origin: &str,
) -> Option<Offer> {
    let version = parts.versions[brief.version].clone();
    let kind = match brief.build {
        None => Kind::Source { version },
        Some(build) => Kind::Wheel(WheelName {
            project: project.clone(),
            version,
            build: parts.builds[build].build.clone(),
            tags: parts.builds[build].tags.to_vec(),
        }),
    };
    let file_name = rest.text()?.to_owned();
    let ends_with_name = rest.byte()? != 0;
    let mut url = rest.text()?.to_owned();
    if ends_with_name {
        url.push_str(&file_name);
    }
    let size = u64::from_le_bytes(rest.bytes(8)?.try_into().ok()?);
    let yanked = rest.text()?;
    Some(Offer {
        file_name,
        kind,
        location: Location::Url(url),
        size: (size != u64::MAX).then_some(size),
        requires_python: brief.python.map(|place| (*parts.pythons[place]).clone()),
        yanked: brief.is_yanked.then(|| yanked.to_owned()),
        digests: rest.digests()?,
        metadata: match rest.byte()? {
            0 => MetadataOffer::No,
            _ => MetadataOffer::Yes {
                digests: rest.digests()?,
            },
        },
        origin: origin.to_owned(),
    })
}

/// Texts, each once.
#[derive(Default)]
struct Texts {
    places: HashMap<String, u32>,
    texts: Vec<String>,
}

impl Texts {
    fn place(&mut self, text: &str) -> Option<u32> {
        if let Some(place) = self.places.get(text) {
            return Some(*place);
        }
        let place = u32::try_from(self.texts.len()).ok()?;
        self.places.insert(text.to_owned(), place);
        self.texts.push(text.to_owned());
        Some(place)
    }

    fn put(&self, bytes: &mut Vec<u8>) -> Option<()> {
        put_number(bytes, self.texts.len())?;
        self.texts.iter().try_for_each(|text| put_text(bytes, text))
    }
}

fn put_number(bytes: &mut Vec<u8>, number: usize) -> Option<()> {
    bytes.extend(u32::try_from(number).ok()?.to_le_bytes());
    Some(())
}

fn put_text(bytes: &mut Vec<u8>, text: &str) -> Option<()> {
    put_number(bytes, text.len())?;
    bytes.extend(text.as_bytes());
    Some(())
}

fn put_digests(bytes: &mut Vec<u8>, digests: &[Digest]) -> Option<()> {
    put_number(bytes, digests.len())?;
    for digest in digests {
        let (name, content) = match digest {
            Digest::Sha256(content) => (0, &content[..]),
            Digest::Sha384(content) => (1, &content[..]),
            Digest::Sha512(content) => (2, &content[..]),
        };
        bytes.push(name);
        bytes.extend(content);
    }
    Some(())
}

/// What is left to be read. It may be anything: each step says whether there was enough.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(bytes)
    }

    fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    fn raw(&mut self) -> Option<u32> {
        Some(u32::from_le_bytes(self.bytes(4)?.try_into().ok()?))
    }

    fn number(&mut self) -> Option<usize> {
        usize::try_from(self.raw()?).ok()
    }

    /// A place among `count`, or none; nothing where it is neither.
    fn place(&mut self, count: usize) -> Option<Option<usize>> {
        match self.raw()? {
            NONE => Some(None),
            place => {
                let place = usize::try_from(place).ok()?;
                (place < count).then_some(Some(place))
            }
        }
    }

    fn text(&mut self) -> Option<&'a str> {
        let length = self.number()?;
        std::str::from_utf8(self.bytes(length)?).ok()
    }

    fn texts(&mut self) -> Option<Vec<&'a str>> {
        let count = self.number()?;
        // Each takes four bytes at least: no number makes room for more than there is.
        let mut texts = Vec::with_capacity(count.min(self.0.len() / 4));
        for _ in 0..count {
            texts.push(self.text()?);
        }
        Some(texts)
    }

    fn digests(&mut self) -> Option<Vec<Digest>> {
        let count = self.number()?;
        let mut digests = Vec::with_capacity(count.min(self.0.len() / 32));
        for _ in 0..count {
            digests.push(match self.byte()? {
                0 => Digest::Sha256(self.bytes(32)?.try_into().ok()?),
                1 => Digest::Sha384(self.bytes(48)?.try_into().ok()?),
                2 => Digest::Sha512(self.bytes(64)?.try_into().ok()?),
                _ => return None,
            });
        }
        Some(digests)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name() -> Name {
        "a".parse().expect("a name")
    }

    fn offer(file: &str, number: u8) -> Offer {
        let digest = Digest::of(&[number]);
        Offer {
            file_name: file.to_owned(),
            kind: match file.parse() {
                Ok(name) => Kind::Wheel(name),
                Err(_) => Kind::Source {
                    version: "1.0".parse().expect("a version"),
                },
            },
            location: Location::Url(format!("https://files.test/{number}/{file}")),
            digests: vec![digest.clone(), Digest::Sha512([number; 64])],
            size: (number > 1).then_some(u64::from(number)),
            requires_python: (number > 2).then(|| ">=3.8,!=3.9.*".parse().expect("versions")),
            yanked: (number > 3).then(|| "broken".to_owned()),
            metadata: match number {
                0 => MetadataOffer::No,
                _ => MetadataOffer::Yes {
                    digests: vec![digest],
                },
            },
            origin: "https://index.test/".to_owned(),
        }
    }

    /// In the order of their versions.
    fn offers() -> Vec<Offer> {
        let mut odd = offer("a-2.0+local_1-2b-cp312-abi3-linux_x86_64.whl", 4);
        odd.location = Location::Url("https://files.test/another-name".to_owned());
        vec![
            offer("a-0.9-py2.py3-none-any.whl", 0),
            offer("a-1.0.tar.gz", 1),
            // Equal to the one before, and written otherwise.
            offer("a-1.0.0-py3-none-any.whl", 2),
            offer("a-1.1rc1-py3-none-any.whl", 3),
            odd,
            offer("a-1!1.0-py3-none-any.whl", 5),
        ]
    }

    fn opened(condensed: &[u8]) -> Option<Listing> {
        open(condensed.to_vec(), &name(), "https://index.test/")
    }

    #[test]
    fn what_is_condensed_is_all_of_it_in_the_order_of_versions() {
        let mut mixed = offers();
        mixed.rotate_left(3);
        let condensed = condense(&mixed).expect("condensed");
        let listing = opened(&condensed).expect("opened");
        assert_eq!(listing.offers(), offers());
        let plain = Listing::from(mixed);
        let versions = |listing: &Listing| {
            let parts = listing.parts();
            let files = parts.files.iter();
            let texts = files.map(|file| parts.versions[file.version].to_string());
            texts.collect::<Vec<_>>()
        };
        assert_eq!(versions(&listing), versions(&plain));
        assert!(
            opened(&condense(&[]).expect("condensed"))
                .expect("opened")
                .is_empty()
        );
    }

    #[test]
    fn what_is_not_on_a_server_is_not_condensed() {
        let mut here = offer("a-1.0-py3-none-any.whl", 0);
        here.location = Location::Path("/a".into());
        assert_eq!(condense(&[here]), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(at in 0_usize..2000, byte: u8, end in 0_usize..2000) {
            let mut condensed = condense(&offers()).expect("condensed");
            let length = condensed.len();
            condensed[at % length] = byte;
            condensed.truncate(length - end % length);
            if let Some(listing) = opened(&condensed) {
                let _ = listing.offers();
            }
        }
    }
}
