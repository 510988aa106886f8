//! Asking a server: with patience, with limits, and with a name and password for those only who
//! may know them.
//!
//! Redirects are followed here and not by the HTTP library, because each step is a new question:
//! is it encrypted, is there a proxy, who may be told what. What a server answers is bounded in
//! size and in time; a server that sends a byte now and then is one that does not answer.

use std::io::{self, Read};
use std::path::Path;
use std::sync::OnceLock;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ureq::http::{HeaderMap, HeaderValue, header};
use ureq::tls::{RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{Agent, Body};

use super::names::Names;
use super::settings::IndexSettings;
use super::url::{Scheme, Url};
use crate::error::{Error, Result};
use crate::refusal::{Refusal, shown};
use crate::trouble::Trouble;

/// Asks servers as the settings say. Connections are kept and shared between threads.
pub(super) struct Client {
    settings: IndexSettings,
    agents: [OnceLock<Agent>; 3],
}

/// How a server is made sure of.
#[derive(Clone, Copy)]
enum Assurance {
    Plain,
    Proven,
    Trusted,
}

/// What is asked for.
#[derive(Default)]
pub(super) struct Question<'a> {
    /// The kinds of answer that are understood.
    pub(super) accept: &'a str,
    /// Whether the answer may come compressed.
    pub(super) packed: bool,
    /// These bytes only: from, and to where known, or so many of the end.
    pub(super) range: Option<Range>,
    /// More headers.
    pub(super) headers: &'a [(&'static str, String)],
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Range {
    From(u64),
    Within(u64, u64),
    Last(u64),
}

/// What a server answered, its body still to be read.
pub(super) struct Answer {
    pub(super) status: u16,
    /// Who answered, after all redirects.
    pub(super) url: Url,
    headers: HeaderMap,
    body: Body,
    pace: Duration,
}

const MOST_REDIRECTS: usize = 10;
/// What a library keeps open to one server.
const CONNECTIONS: usize = 32;

impl Client {
    pub(super) fn new(settings: IndexSettings) -> Self {
        Self {
            settings,
            agents: Default::default(),
        }
    }

    pub(super) fn settings(&self) -> &IndexSettings {
        &self.settings
    }

    /// Does `attempt` again where it may end otherwise the next time, with longer and longer
    /// pauses.
    pub(super) fn patiently<T>(
        &self,
        mut attempt: impl FnMut() -> Result<T, Trouble>,
    ) -> Result<T, Trouble> {
        let mut pause = Duration::from_millis(100);
        for _ in 0..self.settings.retries {
            match attempt() {
                Err(trouble) if trouble.may_pass() => thread::sleep(pause),
                result => return result,
            }
            pause = (pause * 2).min(Duration::from_secs(5));
        }
        attempt()
    }

    /// Asks once, and follows where it leads.
    pub(super) fn ask(&self, url: &Url, question: &Question<'_>) -> Result<Answer, Trouble> {
        let mut url = url.clone();
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.ask_directly(&url, question)?;
            let leads = match answer.status {
                301 | 302 | 303 | 307 | 308 => answer.header("location"),
                _ => return answer.checked(),
            };
            let leads = leads.ok_or_else(|| wrong("it leads elsewhere and does not say where"))?;
            let next = url
                .join(leads)
                .map_err(|why| wrong(&format!("it leads elsewhere: {why}")))?;
            // Who leads elsewhere has no say in who we are there.
            url = next.public();
        }
        Err(wrong("it leads elsewhere again and again"))
    }

    fn ask_directly(&self, url: &Url, question: &Question<'_>) -> Result<Answer, Trouble> {
        if self.settings.offline {
            return Err(Trouble::Offline);
        }
        let assurance = self.assurance(url)?;
        let agent = self.agent(assurance)?;
        let mut request = agent.get(url.to_text());
        let headers = request
            .headers_mut()
            .ok_or_else(|| wrong("its address cannot be sent"))?;
        headers.insert(header::ACCEPT, value(question.accept)?);
        let encoding = if question.packed { "gzip" } else { "identity" };
        headers.insert(header::ACCEPT_ENCODING, value(encoding)?);
        if let Some(range) = question.range {
            headers.insert(header::RANGE, value(&range.to_string())?);
        }
        for (name, content) in question.headers {
            headers.insert(*name, value(content)?);
        }
        if let Some((name, password)) = self.credentials(url) {
            let credentials = STANDARD.encode(format!("{name}:{password}"));
            let mut credentials = value(&format!("Basic {credentials}"))?;
            credentials.set_sensitive(true);
            headers.insert(header::AUTHORIZATION, credentials);
        }
        let proxy = self.settings.proxies.to(url).cloned();
        let request = request.config().proxy(proxy).build();
        let response = request.call().map_err(|error| self.trouble(url, &error))?;
        let (parts, body) = response.into_parts();
        Ok(Answer {
            status: parts.status.as_u16(),
            url: url.clone(),
            headers: parts.headers,
            body,
            pace: self.settings.timeout,
        })
    }

    /// Who the user is to that server: as the address says, as that of an index there says, as
    /// the netrc says.
    pub(super) fn credentials(&self, url: &Url) -> Option<(String, String)> {
        if let Some(own) = url.credentials() {
            return Some(own);
        }
        let common = |index: &&Url| {
            let same = index.path.bytes().zip(url.path.bytes());
            same.take_while(|(one, other)| one == other).count()
        };
        let named = || {
            self.settings
                .indexes
                .iter()
                .chain(&self.settings.find_links)
        };
        let there = named().filter(|index| index.same_server(url));
        let is_named = there.clone().next().is_some();
        // Of several on one server, the one whose path is most alike.
        let nearest = there
            .filter(|index| index.user.is_some())
            .max_by_key(common);
        if let Some(credentials) = nearest.and_then(Url::credentials) {
            return Some(credentials);
        }
        let host = url.host.trim_start_matches('[').trim_end_matches(']');
        let (name, password) = self.settings.netrc.of_host(host, is_named)?;
        Some((name.to_owned(), password.to_owned()))
    }

    fn assurance(&self, url: &Url) -> Result<Assurance, Trouble> {
        let is_trusted = self.settings.trusted_hosts.iter().any(|(host, port)| {
            *host == url.host && port.is_none_or(|port| port == url.port_or_default())
        });
        match url.scheme {
            Scheme::Https if is_trusted => Ok(Assurance::Trusted),
            Scheme::Https => Ok(Assurance::Proven),
            Scheme::Http if is_trusted || url.is_loopback() => Ok(Assurance::Plain),
            Scheme::Http => Err(Trouble::Insecure),
            Scheme::File => Err(wrong("it is a file of this machine, and no server")),
        }
    }

    /// The certificates are read when the first server has to prove itself with them.
    fn agent(&self, assurance: Assurance) -> Result<&Agent, Trouble> {
        let cell = &self.agents[assurance as usize];
        if let Some(agent) = cell.get() {
            return Ok(agent);
        }
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(rustls::crypto::ring::default_provider().into());
        let tls = match assurance {
            Assurance::Plain => tls.root_certs(RootCerts::Specific(Default::default())),
            Assurance::Trusted => tls.disable_verification(true),
            Assurance::Proven => {
                let certificates = self.settings.trust.certificates();
                let certificates =
                    certificates.map_err(|why| Trouble::Untrusted(why.to_string()))?;
                if certificates.is_empty() {
                    let why =
                        "this machine has no certificates of authorities where they are looked for";
                    return Err(Trouble::Untrusted(why.to_owned()));
                }
                tls.root_certs(RootCerts::Specific(certificates))
            }
        };
        let timeout = Some(self.settings.timeout);
        let config = Agent::config_builder()
            .tls_config(tls.build())
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .user_agent(concat!("isolab/", env!("CARGO_PKG_VERSION")))
            .timeout_resolve(timeout)
            .timeout_connect(timeout)
            .timeout_send_request(timeout)
            .timeout_recv_response(timeout)
            .timeout_per_read(timeout)
            .max_idle_connections(2 * CONNECTIONS)
            .max_idle_connections_per_host(CONNECTIONS)
            .build();
        Ok(cell.get_or_init(|| {
            let names = Names::of(Path::new("/"));
            Agent::with_parts(config, DefaultConnector::default(), names)
        }))
    }

    fn trouble(&self, url: &Url, error: &ureq::Error) -> Trouble {
        let seconds = self.settings.timeout.as_secs_f32();
        match error {
            ureq::Error::Timeout(_) => {
                Trouble::Unreachable(format!("nothing came from it for {seconds} s"))
            }
            // Where there is a proxy, it is the only one whose name is looked up here.
            ureq::Error::HostNotFound => {
                Trouble::Unreachable(match self.settings.proxies.to(url) {
                    Some(proxy) => {
                        format!("nobody knows the name {} of the proxy", shown(proxy.host()))
                    }
                    None => format!("nobody knows the name {}", shown(&url.host)),
                })
            }
            ureq::Error::Rustls(why) => untrusted(why),
            ureq::Error::Io(why) => unreachable(why, self.settings.timeout),
            ureq::Error::ConnectProxyFailed(why) => {
                Trouble::Unreachable(format!("the proxy does not lead to it: {why}"))
            }
            ureq::Error::Protocol(why) => wrong(&format!("what it answers is not HTTP: {why}")),
            ureq::Error::LargeResponseHeader(..) => wrong("the head of its answer has no end"),
            other => Trouble::Unreachable(format!("it cannot be reached: {other}")),
        }
    }
}

fn untrusted(why: &rustls::Error) -> Trouble {
    match why {
        rustls::Error::InvalidCertificate(why) => {
            let why = match why {
                rustls::CertificateError::UnknownIssuer => {
                    "nobody whom this machine trusts vouches for its certificate".to_owned()
                }
                why => format!("its certificate: {why}"),
            };
            Trouble::Untrusted(why)
        }
        why => Trouble::Unreachable(format!("no encrypted connection comes about: {why}")),
    }
}

fn unreachable(why: &io::Error, timeout: Duration) -> Trouble {
    let inner = why.get_ref();
    if let Some(why) = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        return untrusted(why);
    }
    if let Some(ureq::Error::Timeout(_)) = inner.and_then(|inner| inner.downcast_ref()) {
        let seconds = timeout.as_secs_f32();
        return Trouble::Unreachable(format!("nothing came from it for {seconds} s"));
    }
    match why.kind() {
        io::ErrorKind::UnexpectedEof => {
            Trouble::Unreachable("the connection ended before the answer did".to_owned())
        }
        _ => Trouble::Unreachable(format!("it cannot be reached: {why}")),
    }
}

pub(super) fn wrong(why: &str) -> Trouble {
    Trouble::Wrong(Refusal::new(why))
}

fn value(text: &str) -> Result<HeaderValue, Trouble> {
    HeaderValue::from_str(text).map_err(|_| wrong("what would be sent to it cannot be sent"))
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::From(first) => write!(f, "bytes={first}-"),
            Self::Within(first, last) => write!(f, "bytes={first}-{last}"),
            Self::Last(count) => write!(f, "bytes=-{count}"),
        }
    }
}

impl Answer {
    /// The answer, where it is one.
    fn checked(self) -> Result<Self, Trouble> {
        match self.status {
            200 | 206 | 304 => Ok(self),
            status @ (401 | 403 | 407) => Err(Trouble::Forbidden(status)),
            status @ (404 | 410) => Err(Trouble::Missing(status)),
            status => Err(Trouble::Failed(status)),
        }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The kind of the content, without its parameters.
    pub(super) fn content_type(&self) -> String {
        let kind = self.header("content-type").unwrap_or_default();
        kind.split(';')
            .next()
            .unwrap_or_default()
            .trim()
            .to_lowercase()
    }

    pub(super) fn length(&self) -> Option<u64> {
        self.header("content-length")?.trim().parse().ok()
    }

    /// The body of a file, at the pace that is demanded.
    pub(super) fn into_reader(self) -> impl Read {
        Paced::new(self.body.into_reader(), self.pace * 2, None)
    }

    /// The whole body, unpacked, of at most `longest` bytes.
    pub(super) fn into_bytes(self, longest: u64) -> Result<Vec<u8>, Trouble> {
        let pace = self.pace;
        let packed = match self.header("content-encoding").map(str::trim) {
            None | Some("" | "identity") => false,
            Some("gzip" | "x-gzip") => true,
            Some(other) => {
                let shown = shown(other);
                return Err(wrong(&format!(
                    "its answer is packed in a way, {shown}, that was not asked for"
                )));
            }
        };
        let expected = self.length().unwrap_or(0).min(longest).min(1 << 20);
        let mut bytes = Vec::with_capacity(usize::try_from(expected).unwrap_or(0));
        let longest_wait = pace * WHOLE;
        let reader = Paced::new(self.body.into_reader(), pace * 2, Some(longest_wait));
        let read = match packed {
            // However little was sent, no more than the limit is unpacked.
            true => flate2::read::MultiGzDecoder::new(reader)
                .take(longest + 1)
                .read_to_end(&mut bytes),
            false => reader.take(longest + 1).read_to_end(&mut bytes),
        };
        match read {
            Err(why) if why.kind() == io::ErrorKind::InvalidInput && packed => {
                return Err(wrong("its answer cannot be unpacked"));
            }
            Err(why) => return Err(unreachable(&why, pace)),
            Ok(_) => {}
        }
        match bytes.len() as u64 > longest {
            true => Err(wrong(&format!(
                "its answer is longer than {} MiB",
                longest >> 20
            ))),
            false => Ok(bytes),
        }
    }
}

/// What went wrong while a body was read.
pub(super) fn reading(why: &io::Error, timeout: Duration) -> Trouble {
    unreachable(why, timeout)
}

/// A reader that gives up on a server which sends just enough to seem alive.
struct Paced<R> {
    inner: R,
    begun: Instant,
    /// All of it has to have come by then. Where nothing says when, more and more has to come.
    most: Option<Duration>,
    since: Instant,
    bytes: u64,
    window: Duration,
    /// In bytes a second.
    slowest: u64,
}

/// Slower than this, in bytes a second, is not at all.
const SLOWEST: u64 = 100;
/// A file that takes longer and longer has to come at this pace in the end: what was cut off goes
/// on at the next attempt.
const SLOWEST_AT_LAST: u64 = 16 * SLOWEST;
/// A page, or the METADATA of a wheel, may take so many times what an answer may: two minutes, where
/// the user sets nothing.
const WHOLE: u32 = 8;

impl<R> Paced<R> {
    fn new(inner: R, window: Duration, most: Option<Duration>) -> Self {
        let now = Instant::now();
        Self {
            inner,
            begun: now,
            most,
            since: now,
            bytes: 0,
            window,
            slowest: SLOWEST,
        }
    }
}

impl<R: Read> Read for Paced<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.bytes += count as u64;
        let late = |why| Err(io::Error::new(io::ErrorKind::TimedOut, why));
        if let Some(most) = self
            .most
            .filter(|most| count > 0 && self.begun.elapsed() > *most)
        {
            return late(format!(
                "it has been sending for {} s and has not ended",
                most.as_secs_f32()
            ));
        }
        let elapsed = self.since.elapsed();
        if elapsed > self.window {
            if count > 0 && self.bytes < self.slowest * elapsed.as_secs().max(1) {
                return late(format!(
                    "it sends {} bytes in {} s",
                    self.bytes,
                    elapsed.as_secs()
                ));
            }
            (self.since, self.bytes) = (Instant::now(), 0);
            if self.most.is_none() {
                self.slowest = (self.slowest * 2).min(SLOWEST_AT_LAST);
            }
        }
        Ok(count)
    }
}

/// As an error of this crate.
pub(super) fn at(url: &Url) -> impl FnOnce(Trouble) -> Error {
    let url = url.to_string();
    move |cause| Error::Index { url, cause }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Sends so many bytes at a time, with a pause before each.
    struct Trickle(usize, Duration);

    impl Read for Trickle {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            thread::sleep(self.1);
            let count = self.0.min(buffer.len());
            buffer[..count].fill(0);
            Ok(count)
        }
    }

    fn ends(most: Option<Duration>) -> String {
        // 500 bytes in each window at most, where 100 are enough at first and 1,600 in the end.
        let trickle = Trickle(100, Duration::from_millis(10));
        let paced = Paced::new(trickle, Duration::from_millis(50), most);
        // As much as comes in minutes.
        let read = io::copy(&mut paced.take(3_000_000), &mut io::sink());
        read.expect_err("it is given up").to_string()
    }

    #[test]
    fn a_page_that_trickles_is_given_up_however_steadily_it_comes() {
        let begun = Instant::now();
        let why = ends(Some(Duration::from_millis(200)));
        assert!(why.contains("for 0.2 s and has not ended"), "{why}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }

    #[test]
    fn a_file_that_trickles_has_to_come_faster_and_faster() {
        let begun = Instant::now();
        let why = ends(None);
        assert!(why.contains("bytes in 0 s"), "{why}");
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
}
