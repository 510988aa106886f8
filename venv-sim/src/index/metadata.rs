//! What a wheel says of itself, by the cheapest way: its METADATA alone, where the index offers
//! that; a few ranges of the wheel, where the server gives them; else the wheel.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek, SeekFrom};

use sha2::{Digest as _, Sha256};

use super::client::{Client, Question, at, reading, wrong};
use super::ranges::{self, Opened};
use super::url::Url;
use crate::cache::Cache;
use crate::catalogue::{Kind, Location, MetadataOffer, Offer};
use crate::error::{Error, Result};
use crate::refusal::Refusal;
use crate::trouble::Trouble;
use crate::wheel::{Digest, Metadata, metadata_of, metadata_text};

/// Where METADATA is, in the cache.
pub(super) const PLACE: &str = "metadata";
/// The longest METADATA that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// The metadata of the wheel that is offered.
pub(super) fn of(client: &Client, cache: &Cache, offer: &Offer) -> Result<Metadata> {
    let Kind::Wheel(name) = &offer.kind else {
        let cause = Refusal::new("it holds sources: what it needs is known only when it is built");
        return Err(Error::BadWheel {
            path: offer.file_name.clone().into(),
            cause,
        });
    };
    let url = match &offer.location {
        Location::Path(path) => {
            let file = File::open(path).map_err(Error::io("open", path))?;
            let refused = |cause| Error::BadWheel {
                path: path.clone(),
                cause,
            };
            let text = metadata_text(BufReader::new(file)).map_err(refused)?;
            return metadata_of(name, &text).map_err(refused);
        }
        Location::Url(url) => url,
    };
    let refused = |cause| at_text(url)(Trouble::Wrong(cause));
    let url: Url = url.parse().map_err(refused)?;
    let entry = Key::of(offer).entry();
    if let Some(text) = entry.as_ref().and_then(|entry| remembered(cache, entry))
        && let Ok(metadata) = metadata_of(name, &text)
    {
        return Ok(metadata);
    }
    let text = fetched(client, &url, offer).map_err(at(&url))?;
    let metadata = metadata_of(name, &text).map_err(refused)?;
    if let Some(entry) = entry {
        // A cache that cannot be written costs time, nothing else.
        let _ = cache.write(&entry, headers(&text).as_bytes(), 0o600);
    }
    Ok(metadata)
}

fn at_text(url: &str) -> impl FnOnce(Trouble) -> Error {
    let url = crate::redaction::redacted(url);
    move |cause| Error::Index { url, cause }
}

/// What the METADATA is known by: who offers the wheel, where it lies, and everything that has to
/// hold of it. Whoever lies about one wheel must not be believed about another's, and two indexes
/// of one server need not be one person's.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key {
    origin: String,
    location: Location,
    digests: Vec<String>,
    /// Of the METADATA alone.
    promised: Vec<String>,
}

impl Key {
    pub(super) fn of(offer: &Offer) -> Self {
        let texts = |digests: &[Digest]| digests.iter().map(Digest::to_string).collect();
        Self {
            origin: offer.origin.clone(),
            location: offer.location.clone(),
            digests: texts(&offer.digests),
            promised: match &offer.metadata {
                MetadataOffer::No => Vec::new(),
                MetadataOffer::Yes { digests } => texts(digests),
            },
        }
    }

    /// Where it is remembered, for ever; nowhere where no digest says which wheel it is.
    fn entry(&self) -> Option<String> {
        let Location::Url(url) = &self.location else {
            return None;
        };
        self.digests.first()?;
        let mut name = Sha256::new();
        let mut add = |part: &str| {
            name.update((part.len() as u64).to_le_bytes());
            name.update(part);
        };
        add("2");
        add(&self.origin);
        add(url);
        for digests in [&self.digests, &self.promised] {
            add(&digests.len().to_string());
            digests.iter().for_each(|digest| add(digest));
        }
        let hex: String = name
            .finalize()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Some(format!("{PLACE}/{}/{}", &hex[..2], &hex[2..]))
    }
}

/// The text up to the first empty line: nobody chooses by the description behind it, which is
/// most of it.
fn headers(text: &str) -> &str {
    let mut end = 0;
    for line in text.split_inclusive('\n') {
        if matches!(line, "\n" | "\r\n") {
            break;
        }
        end += line.len();
    }
    &text[..end]
}

fn remembered(cache: &Cache, entry: &str) -> Option<String> {
    String::from_utf8(cache.read_up_to(entry, LONGEST)?).ok()
}

fn fetched(client: &Client, url: &Url, offer: &Offer) -> Result<String, Trouble> {
    if let MetadataOffer::Yes { digests } = &offer.metadata {
        match alone(client, url, digests) {
            // It promised, but does not have it: then from the wheel.
            Err(Trouble::Missing(_)) => {}
            text => return text,
        }
    }
    client.patiently(|| match ranges::open(client, url, offer.size)? {
        Opened::Ranges(mut remote) => {
            let text = metadata_text(&mut remote);
            match (text, remote.into_trouble()) {
                (Ok(text), _) => Ok(text),
                (Err(_), Some(trouble)) => Err(trouble),
                (Err(refusal), None) => Err(Trouble::Wrong(refusal)),
            }
        }
        Opened::Whole(answer) => {
            let mut file = spool(client, answer.into_reader(), offer)?;
            file.seek(SeekFrom::Start(0)).map_err(|why| local(&why))?;
            metadata_text(BufReader::new(file)).map_err(Trouble::Wrong)
        }
    })
}

/// PEP 658: it lies beside the wheel.
fn alone(client: &Client, url: &Url, digests: &[Digest]) -> Result<String, Trouble> {
    let mut beside = url.clone();
    beside.path.push_str(".metadata");
    client.patiently(|| {
        let question = Question {
            accept: "*/*",
            packed: true,
            ..Question::default()
        };
        let bytes = client.ask(&beside, &question)?.into_bytes(LONGEST)?;
        if digests.iter().any(|digest| !digest.is_of(&bytes)) {
            let why = "the METADATA that it sends is not the one whose digest the index lists";
            return Err(Trouble::Lie(Refusal::new(why)));
        }
        String::from_utf8(bytes).map_err(|_| wrong("the METADATA that it sends is not UTF-8"))
    })
}

/// The whole wheel, in a file that has no name any more, of no more than its size.
fn spool(client: &Client, reader: impl Read, offer: &Offer) -> Result<File, Trouble> {
    let longest = offer.size.unwrap_or(super::fetch::LONGEST);
    let mut file = super::fetch::nameless().map_err(|why| local(&why))?;
    let copied = io::copy(&mut reader.take(longest.saturating_add(1)), &mut file)
        .map_err(|why| reading(&why, client.settings().timeout))?;
    match copied > longest {
        true => Err(Trouble::Lie(Refusal::new(
            "the wheel that it sends is longer than it said",
        ))),
        false => Ok(file),
    }
}

fn local(why: &io::Error) -> Trouble {
    super::fetch::unwritten(Some(&std::env::temp_dir()), why)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_remembered_of_a_wheel_is_not_anothers() {
        let file = "a-1.0-py3-none-any.whl";
        let url = |server: &str| Location::Url(format!("https://{server}/{file}"));
        let offer = Offer {
            file_name: file.to_owned(),
            kind: Kind::Wheel(file.parse().expect("a name")),
            location: url("files.test"),
            digests: vec![Digest::of(b"one")],
            size: None,
            requires_python: None,
            yanked: None,
            metadata: MetadataOffer::No,
            origin: "https://index.test/one/".to_owned(),
        };
        let (mut index, mut place, mut content, mut promise) =
            (offer.clone(), offer.clone(), offer.clone(), offer.clone());
        index.origin = "https://index.test/two/".to_owned();
        place.location = url("others.test");
        // The first digest is the same, and the second another.
        content.digests.push(Digest::Sha512([0; 64]));
        promise.metadata = MetadataOffer::Yes {
            digests: vec![Digest::of(b"METADATA")],
        };
        let offers = [&offer, &index, &place, &content, &promise];
        let entries: BTreeSet<Option<String>> = offers.map(|one| Key::of(one).entry()).into();
        assert_eq!(entries.len(), offers.len());
        assert_eq!(Key::of(&offer).entry(), Key::of(&offer.clone()).entry());
        let unknown = Offer {
            digests: Vec::new(),
            ..offer
        };
        assert_eq!(Key::of(&unknown).entry(), None);
    }

    #[test]
    fn of_metadata_what_stands_before_the_description_is_remembered() {
        for (text, kept) in [
            ("Name: a\nVersion: 1\n\nName: b\n", "Name: a\nVersion: 1\n"),
            ("Name: a\r\n\r\nName: b\r\n", "Name: a\r\n"),
            (
                "Name: a\n more\n \nVersion: 1",
                "Name: a\n more\n \nVersion: 1",
            ),
            ("Name: a\n\r\r\nVersion: 1", "Name: a\n\r\r\nVersion: 1"),
            ("", ""),
        ] {
            assert_eq!(headers(text), kept, "{text:?}");
        }
    }
}
