//! What a client is told once: whom it may ask without encryption, how long it
//! waits, and where credentials are kept.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::found::Found;
use crate::error::Result;

/// Looks up what a host's name means. A program that is linked statically cannot
/// leave that to the machine's libc.
pub type LookUp = dyn Fn(&str, Duration) -> std::io::Result<Vec<IpAddr>> + Send + Sync;

/// Knows who the user is to a registry and its repository.
pub type Elsewhere = dyn Fn(&str, &str) -> Result<Found> + Send + Sync;

/// How registries are asked.
#[derive(Clone)]
pub struct Settings {
    /// Registries, `HOST[:PORT]`, that may be asked without encryption. Those of
    /// this machine always are.
    pub insecure: Vec<String>,
    /// How long a connection may take to come about.
    pub connect: Duration,
    /// How long nothing may move on one.
    pub stall: Duration,
    /// How often what may pass is tried again.
    pub retries: u32,
    /// The pause before the second attempt; it doubles from there.
    pub pause: Duration,
    /// The longest wait that a registry may ask for before it is given up.
    pub longest_pause: Duration,
    /// How many blobs move at once.
    pub parallel: usize,
    /// Docker's and podman's files of credentials, the first that knows a
    /// registry counts; `isolab login` writes the first.
    pub credential_files: Vec<PathBuf>,
    /// What another process found there already, which counts instead.
    pub found: Option<Found>,
    /// Who is asked instead of the files, where they cannot be read here.
    pub elsewhere: Option<Arc<Elsewhere>>,
    /// How long a credential helper may take.
    pub helper: Duration,
    /// Who looks names up; libc, where nobody is named.
    pub look_up: Option<Arc<LookUp>>,
}

impl Settings {
    /// As the environment of this process says.
    #[must_use]
    pub fn of_process() -> Self {
        Self::of(|name| std::env::var(name).ok())
    }

    /// As these variables say: `DOCKER_CONFIG`, `REGISTRY_AUTH_FILE`,
    /// `XDG_RUNTIME_DIR`, `HOME`.
    ///
    /// Source: `containers-auth.json(5)`; docker's documentation, "Docker CLI
    /// configuration files".
    #[must_use]
    pub fn of(variable: impl Fn(&str) -> Option<String>) -> Self {
        let path = |name: &str| {
            let value = variable(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let home = path("HOME");
        let docker = path("DOCKER_CONFIG");
        let docker = docker.or_else(|| home.as_ref().map(|home| home.join(".docker")));
        let files = [
            docker.map(|directory| directory.join("config.json")),
            path("REGISTRY_AUTH_FILE"),
            path("XDG_RUNTIME_DIR").map(|directory| directory.join("containers/auth.json")),
            home.map(|home| home.join(".config/containers/auth.json")),
        ];
        Self {
            insecure: Vec::new(),
            connect: Duration::from_secs(15),
            stall: Duration::from_secs(30),
            retries: 4,
            pause: Duration::from_millis(250),
            longest_pause: Duration::from_secs(60),
            parallel: 4,
            credential_files: files.into_iter().flatten().collect(),
            found: None,
            elsewhere: None,
            helper: Duration::from_secs(20),
            look_up: None,
        }
    }
}

impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Settings")
            .field("insecure", &self.insecure)
            .field("stall", &self.stall)
            .field("retries", &self.retries)
            .field("credential_files", &self.credential_files)
            .finish_non_exhaustive()
    }
}
