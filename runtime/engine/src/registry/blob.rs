//! One blob on its way: over as many connections as it takes, kept and hashed while
//! it comes, and handed on.

use std::io::{self, Read, Write as _};
use std::result::Result;

use ureq::http::header;

use super::header::content_range;
use super::line::reading;
use super::progress::Progress;
use super::session::{Question, Session, Site};
use super::trouble::{Trouble, wrong};
use crate::error::Error;
use crate::image::Descriptor;
use crate::store::{BlobWriter, Store};

/// Enough of a blob for a failure to be forgiven, in bytes.
const FORGIVING: u64 = 1 << 20;

/// From where a blob comes, and where to.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub(super) session: &'a Session,
    pub(super) site: &'a Site,
    pub(super) store: &'a Store,
    pub(super) progress: &'a dyn Progress,
}

/// The bytes of a blob, whatever number of connections they take: what an earlier
/// command left, then what the registry sends, all of it kept and hashed. At the
/// end stands the verdict.
pub(super) struct Stream<'a> {
    source: Source<'a>,
    blob: &'a Descriptor,
    /// Until the verdict.
    writer: Option<BlobWriter<'a>>,
    left_here: Box<dyn Read + Send>,
    answer: Option<Box<dyn Read + Send>>,
    /// How many bytes came over the network.
    moved: u64,
    failures: u32,
    /// When the last failure was.
    failed_at: u64,
    verdict: Option<Result<(), Trouble>>,
}

impl<'a> Stream<'a> {
    pub(super) fn new(
        source: Source<'a>,
        blob: &'a Descriptor,
        writer: BlobWriter<'a>,
    ) -> Result<Self, Trouble> {
        let left_here: Box<dyn Read + Send> = Box::new(writer.reread()?);
        Ok(Self {
            source,
            blob,
            writer: Some(writer),
            left_here,
            answer: None,
            moved: 0,
            failures: 0,
            failed_at: 0,
            verdict: None,
        })
    }

    /// How many bytes came over the network, and the verdict; what nobody has read yet
    /// is read for it.
    pub(super) fn finish(mut self) -> (u64, Result<(), Trouble>) {
        if self.verdict.is_none() {
            let _ = io::copy(&mut self, &mut io::sink());
        }
        let cut = || Err(Trouble::Unreachable("it broke off".to_owned()));
        (self.moved, self.verdict.take().unwrap_or_else(cut))
    }

    fn next(&mut self, buffer: &mut [u8]) -> Result<usize, Trouble> {
        let store = self.source.store;
        let count = self.left_here.read(buffer);
        match count.map_err(Error::read(store.root()))? {
            0 => {}
            count => return Ok(count),
        }
        loop {
            if self.source.progress.is_cancelled() {
                return Err(Trouble::Cancelled);
            }
            let writer = self.writer.as_mut().ok_or(Trouble::Cancelled)?;
            let left = self.blob.size.saturating_sub(writer.bytes());
            if left == 0 {
                let whole = self.writer.take();
                return match whole.map(|writer| writer.finish_as(self.blob)) {
                    Some(Err(error)) => Err(error.into()),
                    _ => Ok(0),
                };
            }
            let trouble = match self.receive(buffer, left) {
                Ok(count) => return Ok(count),
                Err(trouble) => trouble,
            };
            self.answer = None;
            if self.moved - self.failed_at >= FORGIVING {
                self.failures = 0;
            }
            self.failed_at = self.moved;
            let (session, progress) = (self.source.session, self.source.progress);
            session.pause(trouble, &mut self.failures, progress)?;
        }
    }

    /// Some bytes of those that are `left`, kept.
    fn receive(&mut self, buffer: &mut [u8], left: u64) -> Result<usize, Trouble> {
        let stall = self.source.session.settings.stall;
        let from = self.blob.size - left;
        let answer = match &mut self.answer {
            Some(answer) => answer,
            None => self.answer.insert(self.source.ask_for(self.blob, from)?),
        };
        // Never more than was promised, whatever is sent.
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let count = answer.read(&mut buffer[..most]);
        let count = count.map_err(|why| reading(&why, stall))?;
        if count == 0 {
            let why = format!("it sent {from} bytes of {} and ended", self.blob.size);
            return Err(Trouble::Unreachable(why));
        }
        let writer = self.writer.as_mut().ok_or(Trouble::Cancelled)?;
        let kept = writer.write_all(&buffer[..count]);
        let what = || format!("blob {}", self.blob.digest);
        kept.map_err(|error| {
            let (needed, kept) = (Some(self.blob.size), writer.bytes());
            self.source.store.unwritten(what(), needed, kept)(error)
        })?;
        self.moved += count as u64;
        self.source.progress.moved(self.blob, count as u64);
        Ok(count)
    }
}

impl Read for Stream<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match &self.verdict {
            Some(Ok(())) => return Ok(0),
            Some(Err(_)) => return Err(io::Error::other("the blob could not be fetched")),
            None if buffer.is_empty() => return Ok(0),
            None => {}
        }
        match self.next(buffer) {
            Ok(0) => {
                self.verdict = Some(Ok(()));
                Ok(0)
            }
            Ok(count) => Ok(count),
            Err(trouble) => {
                self.verdict = Some(Err(trouble));
                Err(io::Error::other("the blob could not be fetched"))
            }
        }
    }
}

impl Source<'_> {
    /// What the registry sends of `blob` from its byte `from` on.
    fn ask_for(&self, blob: &Descriptor, from: u64) -> Result<Box<dyn Read + Send>, Trouble> {
        let url = self.site.below(&format!("blobs/{}", blob.digest));
        let mut question = Question::get(url);
        if from > 0 {
            question = question.header(header::RANGE, format!("bytes={from}-"));
        }
        let answer = self.session.ask(self.site, question)?.expect(&[200, 206])?;
        if answer
            .header("content-encoding")
            .is_some_and(|kind| kind != "identity")
        {
            return Err(wrong("it packs a blob that has to come as it is"));
        }
        let begins = match answer.status {
            206 => {
                let range = answer.header("content-range").and_then(content_range);
                let (span, whole) =
                    range.ok_or_else(|| wrong("it does not say which bytes it sends"))?;
                if span.first != from || whole.is_some_and(|whole| whole != blob.size) {
                    return Err(wrong("it sends other bytes than it was asked for"));
                }
                from
            }
            // It cannot begin in the middle.
            _ => 0,
        };
        let (length, size) = (answer.length(), blob.size);
        if let Some(length) = length.filter(|length| length.saturating_add(begins) != size) {
            return Err(Trouble::Local(Error::Untrusted {
                what: format!("blob {}", blob.digest),
                reason: format!(
                    "its registry sends {length} bytes from byte {begins} on; it has {size}"
                ),
            }));
        }
        let stall = self.session.settings.stall;
        let mut reader = answer.into_reader();
        let skipped = from - begins;
        let passed = io::copy(&mut (&mut reader).take(skipped), &mut io::sink());
        match passed.map_err(|why| reading(&why, stall))? == skipped {
            true => Ok(Box::new(reader)),
            false => Err(Trouble::Unreachable("it broke off".to_owned())),
        }
    }
}
