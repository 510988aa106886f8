//! Debian's registry server, to push to.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

/// Debian's `docker-registry` on a port of its own.
pub(crate) struct Registry {
    process: Child,
    pub(crate) address: String,
    pub(crate) directory: tempfile::TempDir,
}

/// The password `pass:word` of `me`, as bcrypt makes it.
const HTPASSWD: &str = "me:$2b$04$.iUGm7YwqX7MJQFu6DVtV.3.xLUGFCbkLlJiPJlbROLSFvmPFvHaa\n";

impl Registry {
    pub(crate) fn start() -> Self {
        Self::begin("")
    }

    /// One that lets only `me` in.
    pub(crate) fn start_guarded() -> Self {
        Self::begin("auth:\n  htpasswd:\n    realm: here\n    path: PLACE/htpasswd\n")
    }

    fn begin(more: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let free = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = free.local_addr().unwrap().to_string();
        drop(free);
        let root = directory.path().display().to_string();
        fs::write(directory.path().join("htpasswd"), HTPASSWD).unwrap();
        let config = format!(
            "version: 0.1\nlog:\n  level: info\nstorage:\n  filesystem:\n    \
             rootdirectory: {root}/data\n  delete:\n    enabled: true\nhttp:\n  addr: {address}\n{}",
            more.replace("PLACE", &root)
        );
        let path = directory.path().join("config.yml");
        fs::write(&path, config).unwrap();
        let log = fs::File::create(directory.path().join("log")).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&path)
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let registry = Self {
            process,
            address,
            directory,
        };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(&registry.address).is_err() {
            assert!(Instant::now() < deadline, "{}", registry.log());
            thread::sleep(Duration::from_millis(20));
        }
        registry
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap_or_default()
    }

    /// How many requests of this kind it has noted.
    pub(crate) fn count(&self, method: &str, part: &str) -> usize {
        let begins = format!("\"{method} ");
        let log = self.log();
        let noted = log.lines().filter(|line| line.contains(&begins));
        noted.filter(|line| line.contains(part)).count()
    }

    /// The bytes and the number of the blobs that it stores.
    pub(crate) fn stored(&self) -> (u64, usize) {
        let blobs = self.directory.path().join("data/docker/registry/v2/blobs");
        let mut pending: Vec<PathBuf> = vec![blobs];
        let (mut bytes, mut count) = (0, 0);
        while let Some(path) = pending.pop() {
            if path.is_dir() {
                pending.extend(
                    fs::read_dir(path)
                        .unwrap()
                        .map(|entry| entry.unwrap().path()),
                );
            } else if path.ends_with("data") && path.is_file() {
                bytes += fs::metadata(&path).unwrap().len();
                count += 1;
            }
        }
        (bytes, count)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
