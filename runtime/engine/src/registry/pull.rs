//! Pulling: from a name to blobs in the store, each held to its digest while it
//! comes.

use std::io::{self, Read, Write as _};
use std::result::Result;

use ureq::http::header;

use super::client::Client;
use super::header::content_range;
use super::line::reading;
use super::progress::{Blob, Fate, Progress};
use super::session::{Question, Session, Site};
use super::several::each_of;
use super::trouble::{Trouble, shown, wrong};
use crate::error::Error;
use crate::image::{
    Descriptor, Digest, Document, Hasher, LONGEST_DOCUMENT, Manifest, MediaType, Platform,
    Reference,
};
use crate::store::{BlobWriter, Store};

/// How far an index may lead to an index: further is a circle, or an attempt.
const DEEPEST_INDEX: u32 = 4;
/// Enough of a blob for a failure to be forgiven, in bytes.
const FORGIVING: u64 = 1 << 20;

/// What a pull brought.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pulled {
    /// What the name stands for: the manifest, or the index that it was chosen
    /// from.
    pub target: Descriptor,
    /// The manifest of the platform.
    pub manifest: Descriptor,
    /// The bytes of blobs that came over the network.
    pub fetched: u64,
    /// The bytes of blobs that were here.
    pub skipped: u64,
    /// The configuration, and the layers from the base up.
    pub blobs: Vec<Blob>,
}

/// Takes the bytes of a layer while they come.
///
/// It has to read to the end: there an error says that they were not what the
/// descriptor promises. Where it fails, so does the pull. It is called again, from
/// the first byte, where what an interrupted command left was not good.
pub type Unpack<'a> = dyn Fn(&Descriptor, &mut dyn Read) -> crate::Result<()> + Sync + 'a;

impl Client {
    /// Brings the image that `reference` names, for `platform`, into the store. It
    /// has no tag there yet.
    ///
    /// # Errors
    /// [`Error::Registry`]; [`Error::Untrusted`] for what is not what its digest
    /// says; [`Error::NotFound`] where there is nothing for the platform;
    /// [`Error::Write`].
    pub fn pull(
        &self,
        reference: &Reference,
        platform: &Platform,
        store: &Store,
        progress: &dyn Progress,
    ) -> crate::Result<Pulled> {
        self.pull_through(reference, platform, store, progress, &|_, bytes| {
            let copied = io::copy(bytes, &mut io::sink());
            copied.map(drop).map_err(Error::read(store.root()))
        })
    }

    /// The same, and hands the bytes of each layer that is fetched to `unpack`
    /// while they come: fetching, hashing and unpacking are one pass.
    ///
    /// # Errors
    /// As [`pull`](Self::pull), and those of `unpack`.
    pub fn pull_through(
        &self,
        reference: &Reference,
        platform: &Platform,
        store: &Store,
        progress: &dyn Progress,
        unpack: &Unpack<'_>,
    ) -> crate::Result<Pulled> {
        let registry = reference.registry();
        let about = |trouble: Trouble| trouble.about(format!("pull {reference}"), registry);
        let site = Site::new(&self.session.settings, reference, "pull").map_err(about)?;
        let source = Source {
            session: &self.session,
            site: &site,
            store,
            progress,
        };
        let (target, document) = source.named(reference).map_err(about)?;
        let (manifest, blobs) = source.choose(&target, document, platform).map_err(about)?;
        let unpacked = |blob: &Descriptor, bytes: &mut dyn Read| match blob.media_type.layer() {
            Some(_) => unpack(blob, bytes),
            None => {
                let read = io::copy(bytes, &mut io::sink());
                read.map(drop).map_err(Error::read(store.root()))
            }
        };
        let mut wanted = Vec::new();
        for blob in std::iter::once(&blobs.config).chain(&blobs.layers) {
            if !wanted
                .iter()
                .any(|known: &&Descriptor| known.digest == blob.digest)
            {
                wanted.push(blob);
            }
        }
        let parallel = self.session.settings.parallel;
        let fetched = each_of(&wanted, parallel, progress, |blob, progress| {
            let source = Source { progress, ..source };
            source.blob(blob, &unpacked).map_err(|trouble| {
                trouble.about(
                    format!("fetch blob {} of {reference}", blob.digest),
                    registry,
                )
            })
        })?;
        let (known, digests) = (
            reference.repository(),
            wanted.iter().map(|blob| &blob.digest),
        );
        store.remember_repository(registry, known, digests)?;
        Ok(Pulled {
            target,
            manifest,
            fetched: fetched.iter().map(|blob| blob.moved).sum(),
            skipped: fetched
                .iter()
                .map(|blob| blob.descriptor.size.saturating_sub(blob.moved))
                .sum(),
            blobs: fetched,
        })
    }
}

/// From where a pull comes, and where to.
#[derive(Clone, Copy)]
struct Source<'a> {
    session: &'a Session,
    site: &'a Site,
    store: &'a Store,
    progress: &'a dyn Progress,
}

impl Source<'_> {
    /// What a name stands for.
    fn named(&self, reference: &Reference) -> Result<(Descriptor, Document), Trouble> {
        let (bytes, media_type, said) = self.manifest(&reference.asked())?;
        let digest = match (reference.digest(), said) {
            (Some(asked), _) => asked.clone(),
            (None, Some(said)) => said,
            (None, None) => Digest::of(&bytes),
        };
        let descriptor = Descriptor::new(media_type, digest, bytes.len() as u64);
        let document = self.keep(&descriptor, &bytes)?;
        Ok((descriptor, document))
    }

    /// A manifest that another document promises.
    fn promised(&self, descriptor: &Descriptor) -> Result<Document, Trouble> {
        if self.store.has(descriptor)
            && let Ok(document) = self.store.read_manifest(descriptor, "the pull")
        {
            return Ok(document);
        }
        if descriptor.size > LONGEST_DOCUMENT {
            let size = descriptor.size;
            return Err(wrong(format!(
                "manifest {} of {size} bytes is longer than {LONGEST_DOCUMENT}",
                descriptor.digest
            )));
        }
        let (bytes, _, _) = self.manifest(&descriptor.digest.to_string())?;
        self.keep(descriptor, &bytes)
    }

    /// Checks a manifest against its digest, reads it, and then keeps it.
    fn keep(&self, descriptor: &Descriptor, bytes: &[u8]) -> Result<Document, Trouble> {
        let mut hasher = Hasher::new(descriptor.digest.algorithm());
        hasher.update(bytes);
        let digest = hasher.finish();
        if digest != descriptor.digest || bytes.len() as u64 != descriptor.size {
            let reason = format!(
                "its content has {} bytes and the digest {digest}, not {} bytes",
                bytes.len(),
                descriptor.size
            );
            let what = format!("manifest {}", descriptor.digest);
            return Err(Trouble::Local(Error::Untrusted { what, reason }));
        }
        let document = Document::parse(bytes, &descriptor.media_type);
        let document = document.map_err(|invalid| {
            wrong(format!(
                "manifest {}: {}",
                descriptor.digest, invalid.reason
            ))
        })?;
        self.store.put_as(descriptor, bytes)?;
        Ok(document)
    }

    /// The bytes of a manifest, its type, and the digest that the registry says
    /// it has.
    fn manifest(&self, asked: &str) -> Result<(Vec<u8>, MediaType, Option<Digest>), Trouble> {
        let accept = [
            MediaType::Index,
            MediaType::Manifest,
            MediaType::DockerList,
            MediaType::DockerManifest,
        ];
        let accept = accept.each_ref().map(MediaType::name).join(", ");
        let url = self.site.below(&format!("manifests/{asked}"));
        self.session.patiently(self.progress, || {
            let question = Question::get(url.clone()).header(header::ACCEPT, &*accept);
            let answer = self.session.ask(self.site, question)?.expect(&[200])?;
            let kind = answer.header("content-type").unwrap_or_default();
            let kind = MediaType::of(kind);
            let said = answer.header("docker-content-digest");
            let said = said.and_then(|text| text.parse().ok());
            let bytes = answer.into_bytes(LONGEST_DOCUMENT)?;
            let kind = real_type(kind, &bytes)?;
            Ok((bytes, kind, said))
        })
    }

    /// The manifest for `platform` that `target` leads to.
    fn choose(
        &self,
        target: &Descriptor,
        document: Document,
        platform: &Platform,
    ) -> Result<(Descriptor, Manifest), Trouble> {
        let mut descriptor = target.clone();
        let mut document = document;
        for _ in 0..DEEPEST_INDEX {
            match document {
                Document::Manifest(manifest) => return Ok((descriptor, *manifest)),
                Document::Index(index) => {
                    let chosen = index.choose(platform).cloned();
                    descriptor = chosen.ok_or_else(|| Error::NotFound {
                        what: format!("an image for {platform} in index {}", target.digest),
                    })?;
                    document = self.promised(&descriptor)?;
                }
            }
        }
        Err(wrong(format!(
            "index {} leads to an index more than {DEEPEST_INDEX} times",
            target.digest
        )))
    }

    /// Brings a blob, or finds it here.
    fn blob(
        &self,
        blob: &Descriptor,
        unpack: &dyn Fn(&Descriptor, &mut dyn Read) -> crate::Result<()>,
    ) -> Result<Blob, Trouble> {
        if self.store.has(blob) {
            self.progress.done(blob, Fate::Skipped);
            return Ok(Blob {
                descriptor: blob.clone(),
                fate: Fate::Skipped,
                moved: 0,
            });
        }
        let mut writer = self.store.resume_blob(blob)?;
        let mut lost = 0;
        loop {
            let had = writer.bytes();
            let mut stream = Stream::new(*self, blob, writer)?;
            let unpacked = unpack(blob, &mut stream);
            let unpacked = unpacked.map_err(Trouble::Local);
            let moved = stream.moved + lost;
            match stream.finish().and(unpacked) {
                Ok(()) => {
                    let fate = match had {
                        0 => Fate::Moved,
                        had => Fate::Resumed { had },
                    };
                    self.progress.done(blob, fate);
                    return Ok(Blob {
                        descriptor: blob.clone(),
                        fate,
                        moved,
                    });
                }
                // What was left here was damaged, not what the registry sends.
                Err(Trouble::Local(Error::Untrusted { .. })) if had > 0 => {
                    writer = self.store.resume_blob(blob)?;
                    writer.restart()?;
                    lost = moved;
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }
}

/// A type that says nothing, or none, is told by the content.
fn real_type(kind: MediaType, bytes: &[u8]) -> Result<MediaType, Trouble> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named {
        media_type: Option<MediaType>,
    }
    if kind.is_manifest() || kind.is_index() {
        return Ok(kind);
    }
    let named = serde_json::from_slice::<Named>(bytes);
    let named = named.map_err(|_| {
        let kind = shown(kind.name(), 80);
        wrong(format!(
            "it sends no manifest, but something of type `{kind}`"
        ))
    })?;
    if let Some(named) = named.media_type {
        return Ok(named);
    }
    let document = Document::parse(bytes, &MediaType::Other(String::new()));
    Ok(match document {
        Ok(Document::Index(_)) => MediaType::Index,
        _ => MediaType::Manifest,
    })
}

/// The bytes of a blob, whatever number of connections they take: what an earlier
/// command left, then what the registry sends, all of it kept and hashed. At the
/// end stands the verdict.
struct Stream<'a> {
    source: Source<'a>,
    blob: &'a Descriptor,
    /// Until the verdict.
    writer: Option<BlobWriter<'a>>,
    left_here: Box<dyn Read>,
    answer: Option<Box<dyn Read + Send>>,
    /// How many bytes came over the network.
    moved: u64,
    failures: u32,
    /// When the last failure was.
    failed_at: u64,
    verdict: Option<Result<(), Trouble>>,
}

impl<'a> Stream<'a> {
    fn new(
        source: Source<'a>,
        blob: &'a Descriptor,
        writer: BlobWriter<'a>,
    ) -> Result<Self, Trouble> {
        let left_here: Box<dyn Read> = Box::new(writer.reread()?);
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

    /// The verdict; what nobody has read yet is read for it.
    fn finish(mut self) -> Result<(), Trouble> {
        if self.verdict.is_none() {
            let _ = io::copy(&mut self, &mut io::sink());
        }
        let cut = || Err(Trouble::Unreachable("it broke off".to_owned()));
        self.verdict.take().unwrap_or_else(cut)
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
        kept.map_err(Error::write(self.source.store.root()))?;
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
