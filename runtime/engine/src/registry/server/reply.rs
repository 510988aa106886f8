//! Answers: their heads, their bodies, and what is said when something is wrong.
//!
//! Source: OCI distribution specification, "Error Codes".

use std::fs::File;
use std::io::{self, Read as _};
use std::pin::Pin;
use std::task::{Context, Poll};

use hyper::Response;
use hyper::body::{Body, Bytes, Frame, SizeHint};
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use serde::Serialize;

/// A request that cannot be served.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) status: u16,
    pub(super) code: &'static str,
    pub(super) message: String,
    /// Headers that belong to it.
    pub(super) headers: Vec<(HeaderName, String)>,
}

impl Fault {
    pub(super) fn new(status: u16, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
            headers: Vec::new(),
        }
    }

    pub(super) fn into_response(self) -> Response<Content> {
        let errors = serde_json::json!({
            "errors": [{ "code": self.code, "message": self.message }],
        });
        let mut response = json(self.status, &errors);
        for (name, value) in self.headers {
            say(&mut response, name, &value);
        }
        response
    }
}

/// Something of this machine went wrong: a full disk, a damaged store.
impl From<crate::Error> for Fault {
    fn from(error: crate::Error) -> Self {
        // With its cause: whoever asks may be the one who can make room.
        let cause = std::error::Error::source(&error);
        let cause = cause.map(|cause| format!(": {cause}")).unwrap_or_default();
        let (status, code) = match &error {
            crate::Error::Untrusted { .. } => (400, "DIGEST_INVALID"),
            crate::Error::Missing { .. } => (404, "BLOB_UNKNOWN"),
            crate::Error::NotFound { .. } => (404, "MANIFEST_UNKNOWN"),
            _ => (500, "UNKNOWN"),
        };
        let message = match &error {
            // Paths of this machine are nobody's business.
            crate::Error::Read { .. } => format!("the store cannot be read{cause}"),
            crate::Error::Write { .. } => format!("the store cannot be written{cause}"),
            other => other.to_string(),
        };
        Self::new(status, code, message)
    }
}

/// An answer without a body.
pub(super) fn empty(status: u16) -> Response<Content> {
    with(status, Content::Bytes(Bytes::new()))
}

pub(super) fn with(status: u16, content: Content) -> Response<Content> {
    let mut response = Response::new(content);
    *response.status_mut() = hyper::StatusCode::from_u16(status).unwrap_or_default();
    response
}

pub(super) fn json(status: u16, value: &impl Serialize) -> Response<Content> {
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = with(status, Content::Bytes(text.into()));
    say(&mut response, CONTENT_TYPE, "application/json");
    response
}

/// Adds a header; one that cannot be said is left out.
pub(super) fn say(response: &mut Response<Content>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// What is sent.
pub(super) enum Content {
    Bytes(Bytes),
    /// So many bytes of a file, piece by piece.
    File(File, u64),
}

/// What is read of a file at once, in bytes.
const PIECE: u64 = 64 << 10;

impl Body for Content {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let piece = match self.get_mut() {
            Self::Bytes(bytes) => std::mem::take(bytes),
            Self::File(_, 0) => return Poll::Ready(None),
            Self::File(file, left) => {
                let mut piece = Vec::new();
                let read = file.take((*left).min(PIECE)).read_to_end(&mut piece);
                match read {
                    Err(error) => return Poll::Ready(Some(Err(error))),
                    Ok(0) => return Poll::Ready(Some(Err(io::ErrorKind::UnexpectedEof.into()))),
                    Ok(count) => *left -= count as u64,
                }
                piece.into()
            }
        };
        Poll::Ready((!piece.is_empty()).then(|| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::File(_, left) => *left,
        })
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Bytes(bytes) => bytes.is_empty(),
            Self::File(_, left) => *left == 0,
        }
    }
}
