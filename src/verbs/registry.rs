//! `isolab registry`: the images of this machine, served to others.

use std::net::{SocketAddr, TcpListener};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::Subcommand;
use isolab_engine::registry::{Serving, serve};

use crate::interrupt::Interrupt;
use crate::stderr;
use crate::verbs::image;

/// What can be done with a registry of one's own.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve the images that are here, by the OCI distribution API
    Serve(ServeArgs),
}

/// How they are served.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "What `isolab images` calls app is HOST:PORT/app for others. Ctrl-C ends it."
)]
pub struct ServeArgs {
    /// Where to listen; 0.0.0.0:5000 is for all who reach this machine
    #[arg(long, default_value = "127.0.0.1:5000", value_name = "ADDRESS:PORT")]
    address: SocketAddr,
    /// Let other machines push, too
    #[arg(long)]
    allow_push: bool,
    /// Tell nothing of requests
    #[arg(short, long)]
    quiet: bool,
}

/// Does it.
///
/// # Errors
/// If nobody can listen there, or there is no store.
pub fn run(command: &Command) -> Result<ExitCode> {
    let Command::Serve(args) = command;
    let interrupt = Interrupt::listen()?;
    let store = Arc::new(image::store()?);
    let address = args.address;
    let listener = TcpListener::bind(address);
    let listener = listener.with_context(|| format!("cannot listen on {address}"))?;
    let address = listener.local_addr()?;
    let stop = AtomicBool::new(false);
    let mut serving = Serving {
        allow_push: args.allow_push,
        ..Serving::default()
    };
    if !args.quiet {
        serving.log = Some(Arc::new(|served| {
            let (peer, method, path) = (served.peer, &served.method, &served.path);
            stderr::tell(format_args!("{peer} {method} {path} {}", served.status));
        }));
    }
    let who = match (address.ip().is_loopback(), args.allow_push) {
        (true, _) => "this machine alone",
        (false, false) => "everybody, who may pull; only this machine may push",
        (false, true) => "everybody, who may pull and push",
    };
    stderr::tell(format_args!(
        "serving {} on http://{address}/v2/ to {who}; Ctrl-C ends it",
        store.root().display()
    ));
    let over = AtomicBool::new(false);
    let served = thread::scope(|scope| {
        let (over, stop) = (&over, &stop);
        scope.spawn(move || {
            while !interrupt.raised() && !over.load(Ordering::Relaxed) {
                thread::sleep(Duration::from_millis(50));
            }
            stop.store(true, Ordering::Relaxed);
        });
        let served = serve(&store, listener, &serving, stop);
        over.store(true, Ordering::Relaxed);
        served
    });
    served?;
    Ok(ExitCode::SUCCESS)
}
