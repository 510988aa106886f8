//! The line to a server: one question, one answer, with limits on both.
//!
//! Redirects and credentials are no matter of it: who leads elsewhere, and who is
//! told what, is decided above, question by question.

use std::io::{self, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ureq::http::{HeaderMap, HeaderValue, Method, Request, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::{Agent, Body, SendBody};

use super::hang_up::{Waits, while_wanted};
use super::progress::Progress;
use super::proxy::Proxies;
use super::reach::{self, Names};
use super::session::lock;
use super::settings::{LookUp, Settings};
use super::trouble::{Refusal, Trouble, wrong};
use super::url::Url;

/// Asks servers; connections are kept, and shared between threads.
pub(super) struct Line {
    plain: Mutex<Option<Agent>>,
    proven: Mutex<Option<Agent>>,
    waits: Waits,
    proxies: Proxies,
    connect: Duration,
    stall: Duration,
    look_up: Option<Arc<LookUp>>,
}

/// What is sent along.
pub(super) enum Payload<'a> {
    None,
    Bytes(&'a [u8]),
    /// So many bytes of it.
    Stream(&'a mut dyn Read, u64),
}

/// What a server answered, its body still to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Who answered.
    pub(super) url: Url,
    headers: HeaderMap,
    body: Body,
    stall: Duration,
}

/// What is read of a body that says why something was refused, in bytes.
const LONGEST_COMPLAINT: u64 = 64 << 10;
/// Slower than this, in bytes a second, is not at all.
const SLOWEST: u64 = 1024;

impl Line {
    pub(super) fn new(settings: &Settings) -> Self {
        Self {
            plain: Mutex::default(),
            proven: Mutex::default(),
            waits: Waits::default(),
            proxies: Proxies::of(|name| std::env::var(name).ok()),
            connect: settings.connect,
            stall: settings.stall,
            look_up: settings.look_up.clone(),
        }
    }

    /// Does `work`, whose connections are closed as soon as it is unwanted: whoever
    /// waits on one is told that it ended.
    pub(super) fn while_wanted<T>(&self, progress: &dyn Progress, work: impl FnOnce() -> T) -> T {
        let done = while_wanted(progress, || self.hang_up(), work);
        // What is asked for next is wanted again.
        self.waits.begin();
        done
    }

    fn hang_up(&self) {
        self.waits.end();
        for agent in [&self.plain, &self.proven] {
            if let Some(agent) = lock(agent).take() {
                agent.shutdown();
            }
        }
    }

    /// Asks once.
    pub(super) fn ask(
        &self,
        method: &Method,
        url: &Url,
        headers: &[(header::HeaderName, String)],
        payload: Payload<'_>,
    ) -> Result<Answer, Trouble> {
        let agent = self.agent(url.encrypted)?;
        let mut request = Request::builder()
            .method(method)
            .uri(url.to_string())
            .header(header::ACCEPT_ENCODING, "identity");
        for (name, value) in headers {
            let value = HeaderValue::from_str(value);
            let mut value = value.map_err(|_| wrong(format!("its {name} cannot be sent")))?;
            value.set_sensitive(*name == header::AUTHORIZATION);
            request = request.header(name, value);
        }
        let length = match &payload {
            Payload::None => None,
            Payload::Bytes(bytes) => Some(bytes.len() as u64),
            Payload::Stream(_, length) => Some(*length),
        };
        if let Some(length) = length {
            request = request.header(header::CONTENT_LENGTH, length);
        }
        match payload {
            Payload::None => self.run(&agent, url, request.body(())),
            Payload::Bytes(bytes) => self.run(&agent, url, request.body(bytes)),
            Payload::Stream(reader, _) => {
                self.run(&agent, url, request.body(SendBody::from_reader(reader)))
            }
        }
    }

    fn run<B: ureq::AsSendBody>(
        &self,
        agent: &Agent,
        url: &Url,
        request: Result<Request<B>, ureq::http::Error>,
    ) -> Result<Answer, Trouble> {
        let request = request.map_err(|_| wrong("its address cannot be sent"))?;
        let request = agent
            .configure_request(request)
            .proxy(self.proxies.to(url).cloned())
            .build();
        let response = agent.run(request).map_err(|error| self.trouble(&error))?;
        let (parts, body) = response.into_parts();
        Ok(Answer {
            status: parts.status.as_u16(),
            url: url.clone(),
            headers: parts.headers,
            body,
            stall: self.stall,
        })
    }

    /// The certificates are read when the first server has to prove itself.
    fn agent(&self, encrypted: bool) -> Result<Agent, Trouble> {
        let known = if encrypted { &self.proven } else { &self.plain };
        let mut known = lock(known);
        if let Some(agent) = &*known {
            return Ok(agent.clone());
        }
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(rustls::crypto::ring::default_provider().into());
        let certificates = match encrypted {
            false => Arc::default(),
            true => super::trust::certificates(|name| std::env::var(name).ok()),
        };
        if encrypted && certificates.is_empty() {
            let why = "this machine has no certificates of authorities where they are looked for";
            return Err(Trouble::Wrong(why.to_owned()));
        }
        let tls = tls.root_certs(RootCerts::Specific(certificates));
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("isolab/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(Some(self.connect))
            .timeout_connect(Some(self.connect))
            .timeout_send_request(Some(self.stall))
            // A registry hashes a blob again before it answers.
            .timeout_recv_response(Some(self.stall * 4))
            .timeout_per_read(Some(self.stall))
            .timeout_per_write(Some(self.stall))
            .max_idle_connections_per_host(8)
            .build();
        let names = Names::new(self.look_up.clone(), self.waits.clone());
        let agent = Agent::with_parts(config, reach::connector(self.waits.clone()), names);
        Ok(known.insert(agent).clone())
    }

    fn trouble(&self, error: &ureq::Error) -> Trouble {
        match error {
            ureq::Error::Timeout(_) => silent(self.stall),
            ureq::Error::HostNotFound => Trouble::Unreachable("nobody knows its name".to_owned()),
            ureq::Error::Rustls(why) => untrusted(why),
            ureq::Error::Io(why) => broken(why, self.stall),
            ureq::Error::Protocol(why) => {
                // Also what a connection looks like that ends before the answer.
                Trouble::Unreachable(format!("what it answers is not HTTP: {why}"))
            }
            ureq::Error::LargeResponseHeader(..) => wrong("the head of its answer has no end"),
            ureq::Error::ConnectProxyFailed(why) => {
                Trouble::Unreachable(format!("the proxy does not lead to it: {why}"))
            }
            other => Trouble::Unreachable(other.to_string()),
        }
    }
}

fn silent(stall: Duration) -> Trouble {
    Trouble::Unreachable(format!("nothing moved for {} s", stall.as_secs_f32()))
}

fn untrusted(why: &rustls::Error) -> Trouble {
    match why {
        rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer) => {
            wrong("nobody whom this machine trusts vouches for its certificate")
        }
        rustls::Error::InvalidCertificate(why) => wrong(format!("its certificate: {why}")),
        why => Trouble::Unreachable(format!("no encrypted connection comes about: {why}")),
    }
}

fn broken(why: &io::Error, stall: Duration) -> Trouble {
    let inner = why.get_ref();
    if let Some(why) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return untrusted(why);
    }
    if let Some(ureq::Error::Timeout(_)) = inner.and_then(|inner| inner.downcast_ref()) {
        return silent(stall);
    }
    match why.kind() {
        io::ErrorKind::UnexpectedEof => {
            Trouble::Unreachable("the connection ended before the answer did".to_owned())
        }
        _ => Trouble::Unreachable(why.to_string()),
    }
}

impl Answer {
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// Every value of a header that may be there more than once.
    pub(super) fn headers(&self, name: &str) -> impl Iterator<Item = &str> {
        let all = self.headers.get_all(name).iter();
        all.filter_map(|value| value.to_str().ok())
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// When it wants to be asked again.
    fn retry_after(&self) -> Option<Duration> {
        let said = self.header("retry-after")?.trim();
        let seconds = said.parse().ok().map(Duration::from_secs);
        seconds.or_else(|| {
            // HTTP's own dates are left to those who have a calendar: a moment.
            (!said.is_empty()).then_some(Duration::from_secs(5))
        })
    }

    /// The body, at a pace.
    pub(super) fn into_reader(self) -> impl Read + Send {
        let stall = self.stall;
        Paced {
            inner: self.body.into_reader(),
            since: Instant::now(),
            bytes: 0,
            window: stall * 2,
        }
    }

    /// The whole body, of at most `longest` bytes.
    pub(super) fn into_bytes(self, longest: u64) -> Result<Vec<u8>, Trouble> {
        let stall = self.stall;
        if self.length().is_some_and(|length| length > longest) {
            return Err(wrong(format!("its answer is longer than {longest} bytes")));
        }
        let mut bytes = Vec::new();
        let read = self.into_reader().take(longest + 1).read_to_end(&mut bytes);
        read.map_err(|why| broken(&why, stall))?;
        match bytes.len() as u64 > longest {
            true => Err(wrong(format!("its answer is longer than {longest} bytes"))),
            false => Ok(bytes),
        }
    }

    /// What it says no with.
    pub(super) fn into_refusal(self) -> Trouble {
        let (status, retry_after) = (self.status, self.retry_after());
        let body = self.into_bytes(LONGEST_COMPLAINT).unwrap_or_default();
        Trouble::Refused(Refusal::read(status, &body, retry_after))
    }

    /// Itself where it is one of `expected`.
    pub(super) fn expect(self, expected: &[u16]) -> Result<Self, Trouble> {
        match self.status {
            status if expected.contains(&status) => Ok(self),
            400.. => Err(self.into_refusal()),
            status => Err(wrong(format!("it answers with HTTP {status}"))),
        }
    }
}

/// What went wrong while a body was read.
pub(super) fn reading(why: &io::Error, stall: Duration) -> Trouble {
    broken(why, stall)
}

/// A reader that gives up on a server which sends just enough to seem alive.
struct Paced<R> {
    inner: R,
    since: Instant,
    bytes: u64,
    window: Duration,
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        let elapsed = self.since.elapsed();
        if elapsed > self.window {
            if count > 0 && self.bytes < SLOWEST * elapsed.as_secs().max(1) {
                let (bytes, seconds) = (self.bytes, elapsed.as_secs_f32());
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("it sent {bytes} bytes in {seconds:.1} s"),
                ));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
        }
        Ok(count)
    }
}
