//! The world as it looks from inside a process, an environment, a container or
//! a guest.
//!
//! What a container keeps apart cannot be read off its configuration: it has to
//! be tried from inside. So the lab sends its own program into each [`place`]
//! with a list of [`attempts`](attempt::Attempt), and gets an
//! [`Answer`]: for each attempt the system call and what the
//! kernel said. To have something to reach for, the lab first puts a
//! [`canary`] on the host: a process, a file, a listener and a message queue
//! that are there for nothing else.
//!
//! Every attempt is harmless, also where nothing stops it, as in a bare process
//! of root: where a call would change something, it is made so that the kernel
//! checks the right to do it and then finds nothing to do.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;

use crate::stdout;

pub mod answer;
pub mod attempt;
pub mod canary;
pub mod place;
mod tries;

pub use answer::{Answer, Outcome, Said};
pub use attempt::{Attempt, Request};
pub use canary::{Canary, Traces};
pub use place::{Asked, Place, PlaceName, Site};

/// The seconds after which the kernel ends an inquiry that hangs.
const ALARM: u32 = 60;

/// What `__inside` is given.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The list of attempts
    request: PathBuf,
}

/// Makes the attempts that a file asks for and prints the answer, a line of JSON:
/// what runs inside a place.
///
/// # Errors
/// If there is no such list. What an attempt meets is no error.
pub fn run(args: &Args) -> Result<ExitCode> {
    // Whoever asked may be gone, and a container has no other bound of time.
    nix::unistd::alarm::set(ALARM);
    let request = Request::load(&args.request)?;
    stdout::print(tries::make(&request).to_line())?;
    Ok(ExitCode::SUCCESS)
}
