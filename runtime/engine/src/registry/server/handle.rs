//! Serving a request: each endpoint a function, which reads as the specification's
//! section about it.
//!
//! Source: OCI distribution specification 1.1, "Pull", "Push", "Content Discovery",
//! "Content Management".

use std::future::poll_fn;
use std::io::{Seek as _, SeekFrom, Write as _};
use std::pin::Pin;
use std::time::{Duration, Instant};

use hyper::body::{Body as _, Incoming};
use hyper::header::{
    ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, HOST, HeaderName, LINK, LOCATION,
    ORIGIN, RANGE,
};
use hyper::{HeaderMap, Method, Request, Response};
use tokio::task::block_in_place;
use tokio::time::timeout;

use super::super::header::{Span, Wanted};
use super::super::url::{encoded, is_address, is_loopback};
use super::library::{Library, blob_unknown, name_unknown};
use super::reply::{Content, Fault, empty, json, say, with};
use super::route::{Name, Route, Which, parameter};
use super::uploads::{Upload, Uploads};
use crate::image::{Descriptor, Digest, Index, LONGEST_DOCUMENT, MediaType};
use crate::store::BlobWriter;

const DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
const UPLOAD: HeaderName = HeaderName::from_static("docker-upload-uuid");
const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");
const FILTERS: HeaderName = HeaderName::from_static("oci-filters-applied");
const VERSION: HeaderName = HeaderName::from_static("docker-distribution-api-version");

/// The most entries of a page.
const LONGEST_PAGE: usize = 10_000;
/// How long a request waits for another that is at the same upload.
const TURN: Duration = Duration::from_secs(5);
/// Slower than this, in bytes a second, is not at all.
const SLOWEST: u64 = 1024;

/// What is served, and how.
pub(super) struct Desk {
    pub(super) library: Library,
    pub(super) uploads: Uploads,
    pub(super) stall: Duration,
    pub(super) longest_blob: u64,
}

/// Who asks.
pub(super) struct Peer {
    pub(super) address: String,
    /// Whether they came over this machine's own interface.
    pub(super) is_local: bool,
    /// Whether everybody may push.
    pub(super) all_push: bool,
}

type Answer = Result<Response<Content>, Fault>;

impl Desk {
    /// The answer to a request, whatever it is.
    pub(super) async fn answer(
        &self,
        request: Request<Incoming>,
        peer: &Peer,
    ) -> Response<Content> {
        let answer = self.serve(request, peer).await;
        let mut response = answer.unwrap_or_else(Fault::into_response);
        say(&mut response, VERSION, "registry/2.0");
        response
    }

    async fn serve(&self, request: Request<Incoming>, peer: &Peer) -> Answer {
        let method = request.method().clone();
        let route = Route::parse(request.uri().path())?;
        let reads = matches!(method, Method::GET | Method::HEAD);
        check_who_asks(peer, request.headers(), reads)?;
        let query = request.uri().query().map(str::to_owned);
        let query = query.as_deref();
        match (route, method) {
            (Route::Base, _) if reads => Ok(json(200, &serde_json::json!({}))),
            (Route::Catalog, _) if reads => block_in_place(|| self.catalog(query)),
            (Route::Tags(name), _) if reads => block_in_place(|| self.tags(&name, query)),
            (Route::Referrers(name, digest), _) if reads => {
                block_in_place(|| self.referrers(&name, &digest, query))
            }
            (Route::Blob(name, digest), _) if reads => {
                let range = header(request.headers(), RANGE);
                block_in_place(|| self.blob(&name, &digest, range))
            }
            (Route::Blob(name, digest), Method::DELETE) => {
                self.library.unlink(&name, &digest)?;
                Ok(empty(202))
            }
            (Route::Manifest(name, which), _) if reads => {
                block_in_place(|| self.manifest(&name, &which))
            }
            (Route::Manifest(name, which), Method::PUT) => {
                self.put_manifest(&name, &which, request, peer).await
            }
            (Route::Manifest(name, which), Method::DELETE) => {
                block_in_place(|| self.library.delete(&name, &which))?;
                Ok(empty(202))
            }
            (Route::Uploads(name), Method::POST) => self.begin(&name, query, request).await,
            (Route::Upload(name, id), Method::GET) => {
                let upload = self.uploads.find(&name, &id)?;
                let writer = turn(&upload).await?;
                let bytes = writer.as_ref().map_or(0, BlobWriter::bytes);
                Ok(state(204, &name, &id, bytes))
            }
            (Route::Upload(name, id), Method::PATCH) => self.patch(&name, &id, request).await,
            (Route::Upload(name, id), Method::PUT) => self.put(&name, &id, query, request).await,
            (Route::Upload(name, id), Method::DELETE) => {
                self.uploads.find(&name, &id)?;
                self.uploads.end(&id);
                Ok(empty(204))
            }
            _ => Err(Fault::new(405, "UNSUPPORTED", "that is not done here")),
        }
    }

    fn catalog(&self, query: Option<&str>) -> Answer {
        let all: Vec<String> = self.library.names()?.into_iter().collect();
        let (page, link) = page("/v2/_catalog", &all, query)?;
        let mut response = json(200, &serde_json::json!({ "repositories": page }));
        if let Some(link) = link {
            say(&mut response, LINK, &link);
        }
        Ok(response)
    }

    fn tags(&self, name: &Name, query: Option<&str>) -> Answer {
        let holdings = self.library.holdings(name)?;
        let known = self.library.store.repositories()?.contains(&name.key());
        if !known {
            return Err(name_unknown());
        }
        let all: Vec<String> = holdings.tags.keys().cloned().collect();
        let (page, link) = page(&format!("/v2/{}/tags/list", name.text), &all, query)?;
        let mut response = json(200, &serde_json::json!({ "name": name.text, "tags": page }));
        if let Some(link) = link {
            say(&mut response, LINK, &link);
        }
        Ok(response)
    }

    fn referrers(&self, name: &Name, digest: &Digest, query: Option<&str>) -> Answer {
        let kind = parameter(query, "artifactType");
        let found = self.library.referrers(name, digest, kind.as_deref())?;
        let mut response = json(200, &Index::new(found));
        say(&mut response, CONTENT_TYPE, MediaType::Index.name());
        if kind.is_some() {
            say(&mut response, FILTERS, "artifactType");
        }
        Ok(response)
    }

    fn blob(&self, name: &Name, digest: &Digest, range: Option<&str>) -> Answer {
        let bytes = self.library.blob(name, digest)?.ok_or_else(blob_unknown)?;
        let media_type = MediaType::Other("application/octet-stream".to_owned());
        let descriptor = Descriptor::new(media_type, digest.clone(), bytes);
        let mut file = self.library.store.open_blob(&descriptor, &name.text)?;
        let mut response = match Wanted::parse(range, bytes) {
            Wanted::Whole => with(200, Content::File(file, bytes)),
            Wanted::Part(span) => {
                let sought = file.seek(SeekFrom::Start(span.first));
                sought.map_err(|_| blob_unknown())?;
                let mut response = with(206, Content::File(file, span.length()));
                let part = format!("bytes {}-{}/{bytes}", span.first, span.last);
                say(&mut response, CONTENT_RANGE, &part);
                response
            }
            Wanted::Beyond => {
                let mut fault = Fault::new(416, "SIZE_INVALID", "there are no such bytes");
                fault
                    .headers
                    .push((CONTENT_RANGE, format!("bytes */{bytes}")));
                return Err(fault);
            }
        };
        say(&mut response, CONTENT_TYPE, "application/octet-stream");
        say(&mut response, ACCEPT_RANGES, "bytes");
        say(&mut response, DIGEST, &digest.to_string());
        Ok(response)
    }

    fn manifest(&self, name: &Name, which: &Which) -> Answer {
        let descriptor = self.library.manifest(name, which)?;
        let bytes = self.library.store.read_document(&descriptor, &name.text)?;
        let mut response = with(200, Content::Bytes(bytes.into()));
        say(&mut response, CONTENT_TYPE, descriptor.media_type.name());
        say(&mut response, DIGEST, &descriptor.digest.to_string());
        Ok(response)
    }

    async fn put_manifest(
        &self,
        name: &Name,
        which: &Which,
        request: Request<Incoming>,
        peer: &Peer,
    ) -> Answer {
        let (head, body) = request.into_parts();
        let mut bytes = Vec::new();
        let mut pieces = Pieces::new(body, self.stall, LONGEST_DOCUMENT);
        while let Some(piece) = pieces.next().await? {
            bytes.extend_from_slice(&piece);
        }
        let declared = header(&head.headers, CONTENT_TYPE);
        let put = || {
            let by = &peer.address;
            self.library.put_manifest(name, which, declared, &bytes, by)
        };
        let (descriptor, subject) = block_in_place(put)?;
        let mut response = empty(201);
        let place = format!("/v2/{}/manifests/{}", name.text, descriptor.digest);
        say(&mut response, LOCATION, &place);
        say(&mut response, DIGEST, &descriptor.digest.to_string());
        if let Some(subject) = subject {
            say(&mut response, SUBJECT, &subject.to_string());
        }
        Ok(response)
    }

    /// Begins an upload; or takes the blob from another repository; or takes it
    /// whole, where its digest is named.
    async fn begin(&self, name: &Name, query: Option<&str>, request: Request<Incoming>) -> Answer {
        if let Some(digest) = parameter(query, "mount") {
            let digest = digest_of(&digest)?;
            let from = parameter(query, "from");
            let from = from.map(|from| Name::parse(&from)).transpose()?;
            if self.library.can_mount(from.as_ref(), &digest)? {
                self.library.link(name, &digest);
                return Ok(created(name, &digest));
            }
        }
        let id = self.uploads.begin(&self.library.store, name)?;
        match parameter(query, "digest") {
            None => Ok(state(202, name, &id, 0)),
            Some(_) => {
                let taken = self.put(name, &id, query, request).await;
                self.uploads.end(&id);
                taken
            }
        }
    }

    async fn patch(&self, name: &Name, id: &str, request: Request<Incoming>) -> Answer {
        let upload = self.uploads.find(name, id)?;
        let mut writer = turn(&upload).await?;
        let taken = self.append(name, id, &mut writer, request).await;
        self.drop_broken(id, &taken);
        Ok(state(202, name, id, taken?))
    }

    async fn put(
        &self,
        name: &Name,
        id: &str,
        query: Option<&str>,
        request: Request<Incoming>,
    ) -> Answer {
        let upload = self.uploads.find(name, id)?;
        let digest = parameter(query, "digest");
        let digest = digest_of(&digest.unwrap_or_default())?;
        let mut writer = turn(&upload).await?;
        let taken = self.append(name, id, &mut writer, request).await;
        self.drop_broken(id, &taken);
        let bytes = taken?;
        self.uploads.end(id);
        let writer = writer.take().ok_or_else(gone)?;
        let media_type = MediaType::Other(String::new());
        let expected = Descriptor::new(media_type, digest, bytes);
        block_in_place(|| writer.finish_as(&expected))?;
        self.library.link(name, &expected.digest);
        Ok(created(name, &expected.digest))
    }

    /// Takes the body of a request into an upload; gives how long that is then.
    async fn append(
        &self,
        name: &Name,
        id: &str,
        writer: &mut Option<BlobWriter<'static>>,
        request: Request<Incoming>,
    ) -> Result<u64, Fault> {
        let writer = writer.as_mut().ok_or_else(gone)?;
        let (head, body) = request.into_parts();
        let begins = writer.bytes();
        let promised = header(&head.headers, CONTENT_RANGE).map(|text| {
            let text = text.trim().trim_start_matches("bytes ");
            Span::parse(text.split('/').next().unwrap_or_default())
        });
        let length = header(&head.headers, CONTENT_LENGTH).and_then(|text| text.parse().ok());
        if let Some(promised) = promised {
            let fits = promised.is_some_and(|span| {
                span.first == begins && length.is_none_or(|length: u64| length == span.length())
            });
            if !fits {
                let why = format!("the upload goes on at byte {begins}");
                let mut fault = Fault::new(416, "BLOB_UPLOAD_INVALID", why);
                fault.headers = place(name, id, begins);
                return Err(fault);
            }
        }
        let left = self.longest_blob.saturating_sub(begins);
        let mut pieces = Pieces::new(body, self.stall, left);
        while let Some(piece) = pieces.next().await? {
            block_in_place(|| writer.write_all(&piece)).map_err(|why| {
                Fault::new(
                    500,
                    "UNKNOWN",
                    format!("the store cannot be written: {why}"),
                )
            })?;
        }
        Ok(writer.bytes())
    }

    /// What broke off is gone on with; what cannot be written, or is too long, is
    /// not.
    fn drop_broken(&self, id: &str, taken: &Result<u64, Fault>) {
        if taken
            .as_ref()
            .is_err_and(|fault| matches!(fault.status, 413 | 500))
        {
            self.uploads.end(id);
        }
    }
}

/// Who may push: this machine, and everybody where that was allowed. A page in a
/// browser of this machine is not this machine, whatever name it has for it.
fn check_who_asks(peer: &Peer, headers: &HeaderMap, reads: bool) -> Result<(), Fault> {
    let denied = |why: &str| Err(Fault::new(403, "DENIED", why));
    if !reads && headers.contains_key(ORIGIN) {
        return denied("pages of a browser may not push");
    }
    if peer.all_push {
        return Ok(());
    }
    if !reads && !peer.is_local {
        return denied("this registry is read-only for other machines");
    }
    let host = header(headers, HOST).unwrap_or("localhost");
    if peer.is_local && !is_loopback(host) && !is_address(host) {
        return denied("this registry is not known by that name");
    }
    Ok(())
}

/// What comes as a request's body: at a pace, and no more than `left`.
struct Pieces {
    body: Incoming,
    stall: Duration,
    left: u64,
    since: Instant,
    bytes: u64,
}

impl Pieces {
    fn new(body: Incoming, stall: Duration, left: u64) -> Self {
        Self {
            body,
            stall,
            left,
            since: Instant::now(),
            bytes: 0,
        }
    }

    async fn next(&mut self) -> Result<Option<hyper::body::Bytes>, Fault> {
        let slow = || Fault::new(408, "BLOB_UPLOAD_INVALID", "too little comes");
        loop {
            let body = &mut self.body;
            let frame = poll_fn(|context| Pin::new(&mut *body).poll_frame(context));
            let frame = timeout(self.stall, frame).await.map_err(|_| slow())?;
            let Some(frame) = frame else { return Ok(None) };
            let broken = |_| Fault::new(400, "BLOB_UPLOAD_INVALID", "what was sent broke off");
            let Ok(piece) = frame.map_err(broken)?.into_data() else {
                continue;
            };
            let count = piece.len() as u64;
            self.left = self.left.checked_sub(count).ok_or_else(|| {
                Fault::new(413, "SIZE_INVALID", "it is longer than is taken here")
            })?;
            self.bytes += count;
            let elapsed = self.since.elapsed();
            if elapsed > self.stall * 2 {
                if self.bytes < SLOWEST * elapsed.as_secs().max(1) {
                    return Err(slow());
                }
                (self.since, self.bytes) = (Instant::now(), 0);
            }
            return Ok(Some(piece));
        }
    }
}

/// The upload, when nobody else is at it.
async fn turn(
    upload: &Upload,
) -> Result<tokio::sync::MutexGuard<'_, Option<BlobWriter<'static>>>, Fault> {
    let waited = timeout(TURN, upload.lock()).await;
    waited.map_err(|_| Fault::new(409, "BLOB_UPLOAD_INVALID", "another request is at it"))
}

fn gone() -> Fault {
    Fault::new(404, "BLOB_UPLOAD_UNKNOWN", "there is no such upload")
}

fn digest_of(text: &str) -> Result<Digest, Fault> {
    text.parse()
        .map_err(|_| Fault::new(400, "DIGEST_INVALID", "it is no digest"))
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// Where an upload goes on, and how much of it there is.
fn place(name: &Name, id: &str, bytes: u64) -> Vec<(HeaderName, String)> {
    let place = format!("/v2/{}/blobs/uploads/{id}", name.text);
    let range = format!("0-{}", bytes.saturating_sub(1));
    vec![(LOCATION, place), (RANGE, range), (UPLOAD, id.to_owned())]
}

fn state(status: u16, name: &Name, id: &str, bytes: u64) -> Response<Content> {
    let mut response = empty(status);
    for (header, value) in place(name, id, bytes) {
        say(&mut response, header, &value);
    }
    response
}

fn created(name: &Name, digest: &Digest) -> Response<Content> {
    let mut response = empty(201);
    let place = format!("/v2/{}/blobs/{digest}", name.text);
    say(&mut response, LOCATION, &place);
    say(&mut response, DIGEST, &digest.to_string());
    response
}

/// The entries that `n` and `last` ask for, and where the rest is.
fn page<'a>(
    path: &str,
    all: &'a [String],
    query: Option<&str>,
) -> Result<(&'a [String], Option<String>), Fault> {
    let most = parameter(query, "n").map(|text| {
        let invalid = || Fault::new(400, "PAGINATION_NUMBER_INVALID", "n is no number");
        text.parse::<usize>().map_err(|_| invalid())
    });
    let most = most.transpose()?.unwrap_or(LONGEST_PAGE).min(LONGEST_PAGE);
    let last = parameter(query, "last").unwrap_or_default();
    let from = all.partition_point(|entry| *entry <= last);
    let rest = if last.is_empty() { all } else { &all[from..] };
    let page = &rest[..most.min(rest.len())];
    let link = page.last().filter(|_| page.len() < rest.len()).map(|last| {
        let last = encoded(last);
        format!("<{path}?n={most}&last={last}>; rel=\"next\"")
    });
    Ok((page, link))
}
