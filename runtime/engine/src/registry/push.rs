//! Pushing: blobs before what lists them, and of blobs only those that the
//! registry lacks.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::result::Result;

use ureq::http::{Method, header};

use super::client::Client;
use super::header::received;
use super::line::{Answer, Payload};
use super::progress::{Blob, Fate, Progress};
use super::session::{Question, Session, Site};
use super::several::each_of;
use super::trouble::{Trouble, wrong};
use super::url::Url;
use crate::error::Error;
use crate::image::{Descriptor, Digest, Document, Platform, Reference};
use crate::store::Store;

/// Up to here a blob goes in one request; a longer one goes in a way that can be
/// gone on with. In bytes.
const SHORT: u64 = 1 << 20;
/// How many other repositories are tried for a blob.
const MOST_MOUNTS: usize = 3;
/// As far as an index may lead to an index.
const DEEPEST_INDEX: u32 = 4;

/// What a push brought.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Pushed {
    /// What the name stands for at the registry: what was asked for, or of an
    /// index that is not whole here, the manifest of the one platform.
    pub target: Descriptor,
    /// The bytes of blobs that went over the network.
    pub sent: u64,
    /// The bytes of blobs that the registry had in this repository.
    pub skipped: u64,
    /// The bytes of blobs that it took from another repository.
    pub mounted: u64,
    /// The configurations and layers.
    pub blobs: Vec<Blob>,
}

impl Client {
    /// Sends what `target` leads to to the registry of `reference`, and lets its
    /// tag stand for it.
    ///
    /// # Errors
    /// [`Error::Registry`]; [`Error::Missing`] where the store has not all of it.
    pub fn push(
        &self,
        store: &Store,
        target: &Descriptor,
        reference: &Reference,
        progress: &dyn Progress,
    ) -> crate::Result<Pushed> {
        self.session.line.while_wanted(progress, || {
            self.send_all(store, target, reference, progress)
        })
    }

    fn send_all(
        &self,
        store: &Store,
        target: &Descriptor,
        reference: &Reference,
        progress: &dyn Progress,
    ) -> crate::Result<Pushed> {
        let registry = reference.registry();
        let about = |trouble: Trouble| trouble.about(format!("push {reference}"), registry);
        let target = whole(store, target)?;
        let mut cargo = Cargo::default();
        cargo.load(store, &target, DEEPEST_INDEX)?;
        let site = Site::new(&self.session.settings, reference, "pull,push").map_err(about)?;
        let goal = Goal {
            session: &self.session,
            site: &site,
            store,
            reference,
            progress,
        };
        let parallel = self.session.settings.parallel;
        let blobs = each_of(&cargo.blobs, parallel, progress, |blob, progress| {
            let goal = Goal { progress, ..goal };
            goal.blob(blob).map_err(|trouble| {
                trouble.about(
                    format!("send blob {} to {reference}", blob.digest),
                    registry,
                )
            })
        })?;
        // A manifest comes after all that it lists, and the named one last.
        for manifest in &cargo.manifests {
            goal.manifest(manifest, &manifest.digest.to_string())
                .map_err(about)?;
        }
        if reference.tag().is_some() {
            let tag = reference.tag().unwrap_or_default();
            goal.manifest(&target, tag).map_err(about)?;
        }
        let digests = blobs.iter().map(|blob| &blob.descriptor.digest);
        store.remember_repository(registry, reference.repository(), digests)?;
        let sizes = |wanted: fn(Fate) -> bool| {
            let some = blobs.iter().filter(|blob| wanted(blob.fate));
            some.map(|blob| blob.descriptor.size).sum()
        };
        Ok(Pushed {
            target,
            sent: blobs.iter().map(|blob| blob.moved).sum(),
            skipped: sizes(|fate| fate == Fate::Skipped),
            mounted: sizes(|fate| fate == Fate::Mounted),
            blobs,
        })
    }
}

/// What can be sent of `target`: of an index of which some platforms were never
/// fetched, the manifest of this machine, or of the first platform that is here.
fn whole(store: &Store, target: &Descriptor) -> crate::Result<Descriptor> {
    let try_load = |target: &Descriptor| Cargo::default().load(store, target, DEEPEST_INDEX);
    let Err(missing) = try_load(target) else {
        return Ok(target.clone());
    };
    let by = target.digest.to_string();
    if !matches!(missing, Error::Missing { .. }) {
        return Err(missing);
    }
    let Ok(Document::Index(index)) = store.read_manifest(target, &by) else {
        return Err(missing);
    };
    let host = index.choose(&Platform::host());
    let candidates = host.into_iter().chain(&index.manifests);
    for candidate in candidates {
        if try_load(candidate).is_ok() {
            let mut chosen = candidate.clone();
            chosen.platform = None;
            return Ok(chosen);
        }
    }
    Err(missing)
}

/// What is to be sent.
#[derive(Default)]
struct Cargo {
    blobs: Vec<Descriptor>,
    /// Those below the target first, without it where it has a tag.
    manifests: Vec<Descriptor>,
}

impl Cargo {
    fn load(&mut self, store: &Store, from: &Descriptor, depth: u32) -> crate::Result<()> {
        let by = from.digest.to_string();
        if depth == 0 {
            return Err(Error::Untrusted {
                what: format!("index {by}"),
                reason: format!("it leads to an index more than {DEEPEST_INDEX} times"),
            });
        }
        let document = store.read_manifest(from, &by)?;
        for child in document.children() {
            let is_document = child.media_type.is_manifest() || child.media_type.is_index();
            if matches!(document, Document::Index(_)) && is_document {
                self.load(store, child, depth - 1)?;
            } else if !self.blobs.iter().any(|known| known.digest == child.digest) {
                if !store.has(child) {
                    // What only its own servers may hand on need not be here.
                    if !child.urls.is_empty() {
                        continue;
                    }
                    let digest = child.digest.clone();
                    return Err(Error::Missing { digest, by });
                }
                self.blobs.push(child.clone());
            }
        }
        if !self
            .manifests
            .iter()
            .any(|known| known.digest == from.digest)
        {
            self.manifests.push(from.clone());
        }
        Ok(())
    }
}

/// Where a push goes, and from where.
#[derive(Clone, Copy)]
struct Goal<'a> {
    session: &'a Session,
    site: &'a Site,
    store: &'a Store,
    reference: &'a Reference,
    progress: &'a dyn Progress,
}

/// How a blob's upload went.
enum Begun {
    Mounted,
    /// Where its bytes go.
    At(Url),
}

impl Goal<'_> {
    fn blob(&self, blob: &Descriptor) -> Result<Blob, Trouble> {
        let (fate, moved) = match self.has(blob)? {
            true => (Fate::Skipped, 0),
            false => match self.begin(&blob.digest)? {
                Begun::Mounted => (Fate::Mounted, 0),
                Begun::At(place) => (Fate::Moved, self.upload(blob, place)?),
            },
        };
        self.progress.done(blob, fate);
        Ok(Blob {
            descriptor: blob.clone(),
            fate,
            moved,
        })
    }

    fn has(&self, blob: &Descriptor) -> Result<bool, Trouble> {
        let url = self.site.below(&format!("blobs/{}", blob.digest));
        self.session.patiently(self.progress, || {
            let question = Question::new(Method::HEAD, url.clone());
            let answer = self.session.ask(self.site, question)?;
            match answer.status {
                404 => Ok(false),
                // One of another length is none.
                _ => Ok(answer
                    .expect(&[200])?
                    .length()
                    .is_none_or(|n| n == blob.size)),
            }
        })
    }

    /// Asks to have the blob from another repository, else for a place to send it
    /// to.
    fn begin(&self, digest: &Digest) -> Result<Begun, Trouble> {
        let registry = &self.site.registry;
        let known = self.store.repositories_with(registry, digest);
        let others = known
            .into_iter()
            .filter(|name| *name != self.site.repository);
        for other in others.take(MOST_MOUNTS) {
            let site = self.site.clone().and(format!("repository:{other}:pull"));
            let url = site.below("blobs/uploads/");
            let url = url.with("mount", &digest.to_string()).with("from", &other);
            let answered = self.session.patiently(self.progress, || {
                self.post(&site, url.clone())?.expect(&[201, 202])
            });
            match answered {
                Ok(answer) if answer.status == 201 => return Ok(Begun::Mounted),
                Ok(answer) => return place(&answer).map(Begun::At),
                // It may be gone, or not for us: that is no reason not to send it.
                Err(Trouble::Refused(_)) => {}
                Err(trouble) => return Err(trouble),
            }
        }
        self.place().map(Begun::At)
    }

    fn place(&self) -> Result<Url, Trouble> {
        let url = self.site.below("blobs/uploads/");
        let answer = self.session.patiently(self.progress, || {
            self.post(self.site, url.clone())?.expect(&[202])
        })?;
        place(&answer)
    }

    fn post(&self, site: &Site, url: Url) -> Result<Answer, Trouble> {
        let question = Question::new(Method::POST, url).payload(Payload::Bytes(&[]));
        self.session.ask(site, question)
    }

    /// Sends a blob, and goes on where it broke off; gives the bytes that went
    /// over the network.
    fn upload(&self, blob: &Descriptor, place: Url) -> Result<u64, Trouble> {
        let mut upload = Upload {
            place,
            offset: 0,
            sent: 0,
        };
        let mut failures = 0;
        loop {
            let trouble = match self.send(blob, &mut upload) {
                Ok(()) => return Ok(upload.sent),
                Err(trouble) => trouble,
            };
            self.session.pause(trouble, &mut failures, self.progress)?;
            // The answer may be all that was lost.
            if self.has(blob)? {
                return Ok(upload.sent);
            }
            match self.received(&upload.place)? {
                Some((place, offset)) if offset <= blob.size => {
                    (upload.place, upload.offset) = (place, offset);
                }
                _ => (upload.place, upload.offset) = (self.place()?, 0),
            }
        }
    }

    fn send(&self, blob: &Descriptor, upload: &mut Upload) -> Result<(), Trouble> {
        let mut file = self.store.open_blob(blob, &self.reference.to_string())?;
        let digest = blob.digest.to_string();
        if blob.size <= SHORT && upload.offset == 0 {
            let place = upload.place.clone().with("digest", &digest);
            let payload = (&mut file, blob.size);
            let answer =
                self.transfer(blob, Method::PUT, place, payload, &mut upload.sent, None)?;
            return self.confirm(blob, &answer.expect(&[201, 204])?);
        }
        if upload.offset < blob.size {
            let sought = file.seek(SeekFrom::Start(upload.offset));
            sought.map_err(Error::read(&self.store.blob_path(&blob.digest)))?;
            let range = format!("{}-{}", upload.offset, blob.size - 1);
            let payload = (&mut file, blob.size - upload.offset);
            let (place_now, sent) = (upload.place.clone(), &mut upload.sent);
            let answer =
                self.transfer(blob, Method::PATCH, place_now, payload, sent, Some(range))?;
            let answer = answer.expect(&[202, 204])?;
            if let Ok(next) = place(&answer) {
                upload.place = next;
            }
            upload.offset = blob.size;
        }
        let url = upload.place.clone().with("digest", &digest);
        let question = Question::new(Method::PUT, url).payload(Payload::Bytes(&[]));
        let answer = self.session.ask(self.site, question)?;
        self.confirm(blob, &answer.expect(&[201, 204])?)
    }

    fn transfer(
        &self,
        blob: &Descriptor,
        method: Method,
        url: Url,
        (file, length): (&mut File, u64),
        sent: &mut u64,
        range: Option<String>,
    ) -> Result<Answer, Trouble> {
        let mut counted = Counted {
            file,
            blob,
            progress: self.progress,
            sent,
        };
        let mut question = Question::new(method, url)
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .payload(Payload::Stream(&mut counted, length));
        if let Some(range) = range {
            question = question.header(header::CONTENT_RANGE, range);
        }
        self.session.ask(self.site, question)
    }

    /// How much of an upload is there, and where it goes on; `None` where the
    /// registry has forgotten it.
    fn received(&self, place_now: &Url) -> Result<Option<(Url, u64)>, Trouble> {
        self.session.patiently(self.progress, || {
            let answer = self
                .session
                .ask(self.site, Question::get(place_now.clone()))?;
            if matches!(answer.status, 404 | 405) {
                return Ok(None);
            }
            let answer = answer.expect(&[204, 202, 200])?;
            let count = answer.header("range").and_then(received);
            let next = place(&answer).unwrap_or_else(|_| place_now.clone());
            Ok(count.map(|count| (next, count)))
        })
    }

    /// Holds the registry to what it says that it got.
    fn confirm(&self, what: &Descriptor, answer: &Answer) -> Result<(), Trouble> {
        let said = answer.header("docker-content-digest");
        let said = said.and_then(|text| text.parse::<Digest>().ok());
        match said
            .filter(|said| said.algorithm() == what.digest.algorithm() && *said != what.digest)
        {
            Some(other) => Err(wrong(format!("it took {} for {other}", what.digest))),
            None => Ok(()),
        }
    }

    fn manifest(&self, manifest: &Descriptor, name: &str) -> Result<(), Trouble> {
        let by = self.reference.to_string();
        let bytes = self.store.read_document(manifest, &by)?;
        let url = self.site.below(&format!("manifests/{name}"));
        self.session.patiently(self.progress, || {
            let question = Question::new(Method::PUT, url.clone())
                .header(header::CONTENT_TYPE, manifest.media_type.name())
                .payload(Payload::Bytes(&bytes));
            let answer = self.session.ask(self.site, question)?;
            self.confirm(manifest, &answer.expect(&[201])?)
        })
    }
}

/// An upload on its way.
struct Upload {
    place: Url,
    /// How much of the blob the registry has.
    offset: u64,
    /// How much went over the network.
    sent: u64,
}

fn place(answer: &Answer) -> Result<Url, Trouble> {
    let place = answer.header("location");
    let place = place.ok_or_else(|| wrong("it does not say where a blob goes"))?;
    let next = answer.url.join(place);
    next.map_err(|why| wrong(format!("where a blob goes: {why}")))
}

/// Tells how much was read.
struct Counted<'a> {
    file: &'a mut File,
    blob: &'a Descriptor,
    progress: &'a dyn Progress,
    sent: &'a mut u64,
}

impl Read for Counted<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.progress.is_cancelled() {
            return Err(io::Error::other("it was interrupted"));
        }
        let count = self.file.read(buffer)?;
        *self.sent += count as u64;
        self.progress.moved(self.blob, count as u64);
        Ok(count)
    }
}
