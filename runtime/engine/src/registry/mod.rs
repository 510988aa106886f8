//! Registries: where images are shared, and the two sides of that, after the OCI
//! distribution specification 1.1.
//!
//! A [`Client`] pulls and pushes. What it is sent is checked against a digest
//! while it comes, so that neither the registry nor who stands between has to be
//! trusted; what a store or a registry has already does not move.
//!
//! ```no_run
//! use isolab_engine::image::Platform;
//! use isolab_engine::registry::{Client, Settings};
//! use isolab_engine::store::{Origin, Provenance, Store};
//!
//! let store = Store::open("/tmp/images".as_ref())?;
//! let client = Client::new(Settings::of_process());
//! let name = "docker.io/library/hello-world:latest".parse()?;
//! let pulled = client.pull(&name, &Platform::host(), &store, &())?;
//! store.keep(&name, &pulled.target, &Provenance::now(Origin::Pulled))?;
//!
//! let copy = "localhost:5000/hello:v1".parse()?;
//! let pushed = client.push(&store, &pulled.target, &copy, &())?;
//! println!("{} bytes sent, {} skipped", pushed.sent, pushed.skipped);
//! # Ok::<(), isolab_engine::Error>(())
//! ```
//!
//! [`serve`] is the other side, over the same store: what `isolab images` shows as
//! `app` is `HOST:PORT/app` for everybody who can reach it.
//!
//! ```no_run
//! use std::sync::Arc;
//! use std::sync::atomic::AtomicBool;
//!
//! use isolab_engine::registry::{Serving, serve};
//! use isolab_engine::store::Store;
//!
//! let store = Arc::new(Store::open("/tmp/images".as_ref())?);
//! let listener = std::net::TcpListener::bind("127.0.0.1:5000").unwrap();
//! let stop = AtomicBool::new(false); // which a signal's handler sets
//! serve(&store, listener, &Serving::default(), &stop)?;
//! # Ok::<(), isolab_engine::Error>(())
//! ```

mod asked;
mod blob;
mod client;
mod credentials;
mod docker_config;
mod file;
mod found;
#[cfg(fuzzing)]
pub mod fuzzed;
mod hang_up;
mod header;
mod line;
mod progress;
mod proxy;
mod pull;
mod push;
mod reach;
mod server;
mod session;
mod settings;
mod several;
mod trouble;
mod trust;
mod url;

pub use asked::{Logins, ask_for_login};
pub use client::Client;
pub use docker_config::{DockerConfig, Login};
pub use file::Fetched;
pub use found::Found;
pub use progress::{Blob, Fate, Progress};
pub use pull::Pulled;
pub use push::Pushed;
pub use server::{Log, Served, Serving, serve};
pub use settings::{Elsewhere, LookUp, Settings};
pub(crate) use url::decoded;
