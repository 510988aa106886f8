//! A registry over a store: for a classroom whose internet is down, and for the
//! machine next to this one.
//!
//! Each connection is a task; what it may take of memory, time and disk has a
//! bound, and what is too slow is closed. Bodies go from socket to file and back a
//! piece at a time.

mod handle;
mod library;
mod patient;
mod reply;
mod route;
mod uploads;

use std::collections::HashMap;
use std::convert::Infallible;
use std::future::{Future as _, poll_fn};
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use super::session::lock;
use crate::error::{Error, Result};
use crate::store::Store;
use handle::{Desk, Peer};
use library::Library;
use patient::Patient;

/// How a registry is served.
#[derive(Clone)]
pub struct Serving {
    /// Whether other machines may push. This one always may.
    pub allow_push: bool,
    /// How long nothing may move in the middle of a request.
    pub stall: Duration,
    /// The longest blob that is taken, in bytes.
    pub longest_blob: u64,
    /// The most connections at once; further ones wait.
    pub connections: usize,
    /// The most connections of another machine; further ones are closed.
    pub connections_of_one: usize,
    /// How long what is under way may go on after a stop.
    pub grace: Duration,
    /// Is told of each request that was answered.
    pub log: Option<Arc<Log>>,
}

/// Is told of requests.
pub type Log = dyn Fn(&Served) + Send + Sync;

/// A request that was answered.
#[derive(Clone, Debug)]
pub struct Served {
    /// Who asked.
    pub peer: SocketAddr,
    /// `GET`, ….
    pub method: String,
    /// The path and query, as they came.
    pub path: String,
    /// HTTP's code.
    pub status: u16,
}

impl Default for Serving {
    fn default() -> Self {
        Self {
            allow_push: false,
            stall: Duration::from_secs(30),
            longest_blob: 64 << 30,
            connections: 512,
            connections_of_one: 64,
            grace: Duration::from_secs(10),
            log: None,
        }
    }
}

/// The longest head of a request, in bytes.
const LONGEST_HEAD: usize = 32 << 10;
/// How often is looked whether to stop.
const TICK: Duration = Duration::from_millis(50);

/// Serves the images of `store` on `listener` until `stop` is set; then lets what
/// is under way end.
///
/// # Errors
/// [`Error::Write`] where the listener cannot be used.
pub fn serve(
    store: &Arc<Store>,
    listener: TcpListener,
    serving: &Serving,
    stop: &AtomicBool,
) -> Result<()> {
    let address = listener.local_addr().map(|address| address.to_string());
    let address = PathBuf::from(address.unwrap_or_default());
    let failed = |why: io::Error| Error::write(&address)(why);
    listener.set_nonblocking(true).map_err(failed)?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(4)
        .enable_io()
        .enable_time()
        .build()
        .map_err(|why| Error::write(&address)(why))?;
    let desk = Arc::new(Desk {
        library: Library::new(Arc::clone(store)),
        uploads: uploads::Uploads::default(),
        stall: serving.stall,
        longest_blob: serving.longest_blob,
    });
    let served = runtime.block_on(accept_all(listener, &desk, serving, stop));
    runtime.shutdown_timeout(Duration::from_secs(1));
    served.map_err(|why| Error::write(&address)(why))
}

async fn accept_all(
    listener: TcpListener,
    desk: &Arc<Desk>,
    serving: &Serving,
    stop: &AtomicBool,
) -> io::Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener)?;
    let places = Arc::new(Semaphore::new(serving.connections));
    let guests = Arc::new(Guests::default());
    let (ends, ending) = watch::channel(false);
    while !stop.load(Ordering::Relaxed) {
        let Ok(place) = timeout(TICK, Arc::clone(&places).acquire_owned()).await else {
            continue;
        };
        let (stream, peer) = match timeout(TICK, listener.accept()).await {
            Ok(Ok(accepted)) => accepted,
            // Of this connection, or of all: no descriptors are left.
            Ok(Err(_)) => {
                sleep(TICK).await;
                continue;
            }
            Err(_) => continue,
        };
        let Some(guest) = guests.admit(peer.ip(), serving.connections_of_one) else {
            continue;
        };
        let (desk, serving) = (Arc::clone(desk), serving.clone());
        let ending = ending.clone();
        tokio::spawn(async move {
            let _held = (place, guest);
            converse(stream, peer, desk, serving, ending).await;
        });
    }
    drop(listener);
    let _ = ends.send(true);
    let all = u32::try_from(serving.connections).unwrap_or(u32::MAX);
    let _ = timeout(serving.grace, places.acquire_many(all)).await;
    Ok(())
}

/// Answers the requests of one connection, until it ends or all does.
async fn converse(
    stream: TcpStream,
    peer: SocketAddr,
    desk: Arc<Desk>,
    serving: Serving,
    mut ending: watch::Receiver<bool>,
) {
    let local = stream.local_addr().map(|address| address.ip());
    let who = Peer {
        address: peer.ip().to_canonical().to_string(),
        is_local: local.is_ok_and(|ip| ip.to_canonical().is_loopback()),
        all_push: serving.allow_push,
    };
    let _ = stream.set_nodelay(true);
    let answer = service_fn(|request: hyper::Request<hyper::body::Incoming>| {
        let (desk, who, log) = (&desk, &who, &serving.log);
        async move {
            let (method, path) = (request.method().to_string(), request.uri().to_string());
            let response = desk.answer(request, who).await;
            if let Some(log) = log {
                let status = response.status().as_u16();
                log(&Served {
                    peer,
                    method,
                    path,
                    status,
                });
            }
            Ok::<_, Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(serving.stall)
        .max_buf_size(LONGEST_HEAD)
        .max_headers(64)
        .serve_connection(TokioIo::new(Patient::new(stream, serving.stall)), answer);
    let mut connection = pin!(connection);
    let mut ends = pin!(ending.wait_for(|ends| *ends));
    let mut told = false;
    let _ = poll_fn(|context| {
        if !told && ends.as_mut().poll(context).is_ready() {
            told = true;
            connection.as_mut().graceful_shutdown();
        }
        connection.as_mut().poll(context)
    })
    .await;
}

/// The path of a request, for the fuzzer.
#[cfg(fuzzing)]
pub(super) fn fuzz_path(path: &str) {
    use route::Route;
    if let Ok(
        Route::Blob(name, _)
        | Route::Uploads(name)
        | Route::Upload(name, _)
        | Route::Manifest(name, _)
        | Route::Tags(name)
        | Route::Referrers(name, _),
    ) = Route::parse(path)
    {
        assert!(!name.text.contains("..") && !name.text.starts_with('/'));
    }
}

/// How many connections each machine has.
#[derive(Default)]
struct Guests(Mutex<HashMap<IpAddr, usize>>);

struct Guest {
    all: Arc<Guests>,
    address: IpAddr,
}

impl Guests {
    /// One more of `address`; `None` where those are too many.
    fn admit(self: &Arc<Self>, address: IpAddr, most: usize) -> Option<Guest> {
        let mut all = lock(&self.0);
        let count = all.entry(address).or_default();
        if *count >= most && !address.to_canonical().is_loopback() {
            return None;
        }
        *count += 1;
        Some(Guest {
            all: Arc::clone(self),
            address,
        })
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut all = lock(&self.all.0);
        if let Some(count) = all.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                all.remove(&self.address);
            }
        }
    }
}
