//! Debian's registry server, on a port of its own and with a storage of its own.

use std::fs::{self, File};
use std::io;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::daemon::ending_with_us;
use crate::find_program;

/// How long it gets to begin.
const PATIENCE: Duration = Duration::from_secs(10);

/// A registry that answers; it ends with this.
pub(super) struct Registry {
    process: Child,
    data: PathBuf,
    /// HOST:PORT.
    pub(super) address: String,
}

impl Registry {
    /// An empty one in `dir`.
    pub(super) fn start(dir: &Path) -> Result<Self> {
        let program =
            find_program("docker-registry").context("docker-registry is not installed")?;
        fs::create_dir_all(dir)?;
        let free = TcpListener::bind("127.0.0.1:0")?;
        let address = free.local_addr()?.to_string();
        drop(free);
        let data = dir.join("data");
        let config = dir.join("config.yml");
        let text = format!(
            "version: 0.1\nlog:\n  level: error\n  accesslog:\n    disabled: true\nstorage:\n  \
             filesystem:\n    rootdirectory: {}\nhttp:\n  addr: {address}\n",
            data.display()
        );
        fs::write(&config, text)?;
        let log = File::create(dir.join("log"))?;
        let process = ending_with_us(&program)
            .arg("serve")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start docker-registry")?;
        let registry = Self {
            process,
            data,
            address,
        };
        let end = Instant::now() + PATIENCE;
        while TcpStream::connect(&registry.address).is_err() {
            if Instant::now() > end {
                bail!("docker-registry does not answer");
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(registry)
    }

    /// How many bytes of blobs and manifests it has.
    pub(super) fn bytes(&self) -> Result<u64> {
        match bytes_below(&self.data.join("docker/registry/v2/blobs")) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            counted => counted.context("cannot count what the registry has"),
        }
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        bytes += match entry.file_type()?.is_dir() {
            true => bytes_below(&entry.path())?,
            false => entry.metadata()?.len(),
        };
    }
    Ok(bytes)
}
