//! A file on a server, read here and there.
//!
//! The list of a zip archive stands at its end. A few ranges of bytes give the METADATA of a
//! wheel of hundreds of MB, where the server gives ranges.
//!
//! Source: RFC 9110, section 14.

use std::collections::BTreeMap;
use std::io::{self, Read, Seek, SeekFrom};

use super::client::{Answer, Client, Question, Range, wrong};
use super::url::Url;
use crate::trouble::Trouble;

/// What a server gave that was asked for the end of a file.
pub(super) enum Opened<'a> {
    /// It gives ranges.
    Ranges(Remote<'a>),
    /// It gives the whole file, whatever is asked.
    Whole(Answer),
}

/// A file on a server that gives ranges.
pub(super) struct Remote<'a> {
    client: &'a Client,
    url: Url,
    length: u64,
    /// What it had to be called for all ranges to be of one file.
    etag: Option<String>,
    /// By where they begin.
    blocks: BTreeMap<u64, Vec<u8>>,
    fetched: u64,
    position: u64,
    /// The trouble behind an `io::Error` that the archive's reader saw.
    trouble: Option<Trouble>,
}

/// How much is asked for at once, in bytes: most of the lists, and METADATA beside them, fit.
const BLOCK: u64 = 64 * 1024;
/// More than the list of any wheel, in bytes.
const MOST: u64 = 64 << 20;

/// Asks for the end of the file at `url`.
pub(super) fn open<'a>(
    client: &'a Client,
    url: &Url,
    size: Option<u64>,
) -> Result<Opened<'a>, Trouble> {
    let question = |range| Question {
        accept: "*/*",
        range,
        ..Question::default()
    };
    let answer = match client.ask(url, &question(Some(Range::Last(BLOCK)))) {
        // It knows ranges, but not this form; or it knows none and says so.
        Err(Trouble::Failed(400 | 416 | 501)) => client.ask(url, &question(None)),
        answer => answer,
    }?;
    if answer.status != 206 {
        return Ok(Opened::Whole(answer));
    }
    let (first, last, length) = content_range(&answer)?;
    if last + 1 != length || size.is_some_and(|size| size != length) {
        return Err(wrong("it sends another part of the file than its end"));
    }
    let strong = answer.header("etag").filter(|etag| etag.starts_with('"'));
    let mut remote = Remote {
        client,
        etag: strong.map(str::to_owned),
        // Where it was found, so that the way is gone once.
        url: answer.url.clone(),
        length,
        blocks: BTreeMap::new(),
        fetched: 0,
        position: 0,
        trouble: None,
    };
    remote.keep(first, last, answer)?;
    Ok(Opened::Ranges(remote))
}

/// First byte, last byte, and length of the whole.
fn content_range(answer: &Answer) -> Result<(u64, u64, u64), Trouble> {
    let parsed = answer.header("content-range").and_then(|text| {
        let (range, length) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let number = |text: &str| text.trim().parse::<u64>().ok();
        let (first, last, length) = (number(first)?, number(last)?, number(length)?);
        (first <= last && last < length).then_some((first, last, length))
    });
    parsed.ok_or_else(|| wrong("it sends a part of the file and does not say which"))
}

/// What [`Range::From`] gave: where it begins, and how long the whole is.
pub(super) fn continues_at(answer: &Answer) -> Result<(u64, u64), Trouble> {
    let (first, last, length) = content_range(answer)?;
    match last + 1 == length {
        true => Ok((first, length)),
        false => Err(wrong("it sends less of the file than was asked for")),
    }
}

impl Remote<'_> {
    /// The trouble because of which reading failed.
    pub(super) fn into_trouble(self) -> Option<Trouble> {
        self.trouble
    }

    fn keep(&mut self, first: u64, last: u64, answer: Answer) -> Result<(), Trouble> {
        let length = last - first + 1;
        self.fetched += length;
        if self.fetched > MOST {
            return Err(wrong("the list of what is in the file has no end"));
        }
        let bytes = answer.into_bytes(length)?;
        if bytes.len() as u64 != length {
            return Err(wrong("it sends another part of the file than it says"));
        }
        self.blocks.insert(first, bytes);
        Ok(())
    }

    /// The bytes from `position` on that are here, fetched if need be.
    fn at(&mut self, position: u64) -> Result<&[u8], Trouble> {
        let has = |(first, bytes): (&u64, &Vec<u8>)| position < first + bytes.len() as u64;
        if !self.blocks.range(..=position).next_back().is_some_and(has) {
            let first = position / BLOCK * BLOCK;
            let last = first.saturating_add(BLOCK).min(self.length) - 1;
            let headers: Vec<_> = self
                .etag
                .iter()
                .map(|etag| ("if-range", etag.clone()))
                .collect();
            let question = Question {
                accept: "*/*",
                range: Some(Range::Within(first, last)),
                headers: &headers,
                ..Question::default()
            };
            let answer = self.client.ask(&self.url, &question)?;
            let is_asked =
                answer.status == 206 && content_range(&answer)? == (first, last, self.length);
            if !is_asked {
                return Err(wrong(
                    "it sends another part of the file than was asked for",
                ));
            }
            self.keep(first, last, answer)?;
        }
        let found = self.blocks.range(..=position).next_back();
        let (first, bytes) = found.ok_or_else(|| wrong("it sends nothing"))?;
        let skipped = usize::try_from(position - first).unwrap_or(usize::MAX);
        Ok(bytes.get(skipped..).unwrap_or_default())
    }
}

impl Read for Remote<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.position >= self.length || buffer.is_empty() {
            return Ok(0);
        }
        match self.at(self.position) {
            Ok(bytes) => {
                let count = bytes.len().min(buffer.len());
                buffer[..count].copy_from_slice(&bytes[..count]);
                self.position += count as u64;
                Ok(count)
            }
            Err(trouble) => {
                let error = io::Error::other(trouble.to_string());
                self.trouble = Some(trouble);
                Err(error)
            }
        }
    }
}

impl Seek for Remote<'_> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let position = match to {
            SeekFrom::Start(position) => Some(position),
            SeekFrom::End(offset) => self.length.checked_add_signed(offset),
            SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = position.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.position)
    }
}
