//! A server that answers as a test wants it to, good or bad, and remembers what it was asked.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) path: String,
    headers: Vec<(String, String)>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case(name));
        found.next().map(|(_, value)| value.as_str())
    }

    /// First and last byte of the range that is asked for, of a file of `length` bytes.
    pub(crate) fn range(&self, length: usize) -> Option<(usize, usize)> {
        let (first, last) = self
            .header("range")?
            .strip_prefix("bytes=")?
            .split_once('-')?;
        match (first.parse::<usize>(), last.parse::<usize>()) {
            (Ok(first), Ok(last)) => Some((first, last.min(length - 1))),
            (Ok(first), Err(_)) => Some((first, length - 1)),
            (Err(_), Ok(count)) => Some((length.saturating_sub(count), length - 1)),
            _ => None,
        }
    }
}

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// The connection ends after so many bytes of the body, whatever was said.
    pub(crate) cut: Option<usize>,
    /// Nothing more is sent after so many bytes of the body, and the connection stays.
    pub(crate) stall: Option<usize>,
    /// One byte at a time, with this pause.
    pub(crate) drip: Option<Duration>,
}

impl Answer {
    pub(crate) fn new(status: u16, kind: &str, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), kind.to_owned())],
            body: body.into(),
            cut: None,
            stall: None,
            drip: None,
        }
    }

    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "application/vnd.pypi.simple.v1+json", body)
    }

    pub(crate) fn html(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "text/html; charset=utf-8", body)
    }

    pub(crate) fn file(body: impl Into<Vec<u8>>) -> Self {
        Self::new(200, "application/octet-stream", body)
    }

    pub(crate) fn missing() -> Self {
        Self::new(404, "text/plain", "no")
    }

    pub(crate) fn redirect(to: &str) -> Self {
        Self::new(302, "text/plain", "").with("Location", to)
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The part of the file that is asked for, as a server that gives ranges has it.
    pub(crate) fn ranged(request: &Request, file: &[u8]) -> Self {
        match request.range(file.len()) {
            None => Self::file(file),
            Some((first, last)) => {
                let mut answer = Self::file(&file[first..=last]);
                answer.status = 206;
                let range = format!("bytes {first}-{last}/{}", file.len());
                answer.with("Content-Range", &range)
            }
        }
    }
}

/// A server on this machine, until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    log: Arc<Mutex<Vec<Request>>>,
    is_over: Arc<AtomicBool>,
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Request) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let log = Arc::new(Mutex::new(Vec::new()));
        let is_over = Arc::new(AtomicBool::new(false));
        let answer = Arc::new(answer);
        let (requests, over) = (Arc::clone(&log), Arc::clone(&is_over));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if over.load(Ordering::Relaxed) {
                    return;
                }
                let (answer, requests) = (Arc::clone(&answer), Arc::clone(&requests));
                thread::spawn(move || serve(&stream, &*answer, &requests));
            }
        });
        Self {
            address,
            log,
            is_over,
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// All that was asked so far.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.log.lock().expect("a log").clone()
    }

    /// How often `path` was asked for.
    pub(crate) fn count(&self, path: &str) -> usize {
        self.requests()
            .iter()
            .filter(|request| request.path == path)
            .count()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        // So that it notices.
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(stream: &TcpStream, answer: &dyn Fn(&Request) -> Answer, log: &Mutex<Vec<Request>>) {
    let _ = stream.set_nodelay(true);
    let mut reader = BufReader::new(stream);
    while let Some(request) = read(&mut reader) {
        log.lock().expect("a log").push(request.clone());
        if write(stream, &answer(&request)).is_none() {
            let _ = stream.shutdown(std::net::Shutdown::Both);
            return;
        }
    }
}

fn read(reader: &mut BufReader<&TcpStream>) -> Option<Request> {
    let mut line = String::new();
    reader
        .read_line(&mut line)
        .ok()
        .filter(|length| *length > 0)?;
    let mut words = line.split_whitespace();
    let path = words.nth(1)?.to_owned();
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        reader
            .read_line(&mut line)
            .ok()
            .filter(|length| *length > 0)?;
        match line.trim_end().split_once(':') {
            Some((name, value)) => headers.push((name.to_owned(), value.trim().to_owned())),
            None => {
                return Some(Request { path, headers });
            }
        }
    }
}

/// `None` where the connection has to end.
fn write(mut stream: &TcpStream, answer: &Answer) -> Option<()> {
    let mut head = format!("HTTP/1.1 {} Said\r\n", answer.status);
    let says_length = answer.headers.iter().any(|(name, _)| {
        name.eq_ignore_ascii_case("content-length")
            || name.eq_ignore_ascii_case("transfer-encoding")
    });
    for (name, value) in &answer.headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    if !says_length && answer.status != 304 {
        head.push_str(&format!("Content-Length: {}\r\n", answer.body.len()));
    }
    head.push_str("\r\n");
    stream.write_all(head.as_bytes()).ok()?;
    if let Some(pause) = answer.drip {
        for byte in &answer.body {
            stream.write_all(&[*byte]).ok()?;
            thread::sleep(pause);
        }
        return Some(());
    }
    let end = answer.cut.or(answer.stall).unwrap_or(answer.body.len());
    stream
        .write_all(&answer.body[..end.min(answer.body.len())])
        .ok()?;
    if answer.stall.is_some() {
        // Until the other side gives up.
        let _ = stream.set_read_timeout(Some(Duration::from_secs(30)));
        let _ = stream.read(&mut [0; 1]);
        return None;
    }
    answer.cut.is_none().then_some(())
}
