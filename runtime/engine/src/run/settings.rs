//! What differs from container to container, as a user says it.

use std::path::PathBuf;

use crate::spec::Privileges;

/// A container's settings: those of its image with what its user asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// The environment, `KEY=value`; the last one of a name holds.
    pub env: Vec<String>,
    /// The working directory inside; made where it is missing.
    pub cwd: PathBuf,
    /// `USER`, `USER:GROUP`, by name or number; root where empty.
    pub user: String,
    /// Further groups, by name or number.
    pub groups: Vec<String>,
    /// Whether the root file system may not be written to.
    pub read_only: bool,
    /// What of the host is seen inside.
    pub binds: Vec<Bind>,
    /// Directories in memory.
    pub tmpfs: Vec<Tmpfs>,
    /// Which network it has.
    pub network: Network,
    /// The host name inside.
    pub hostname: String,
    /// Whether its standard streams are a terminal, which is relayed to ours.
    pub terminal: bool,
    /// Which capabilities root has.
    pub privileges: Privileges,
}

/// A directory or file of the host, seen inside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bind {
    /// Its path on the host, absolute.
    pub source: PathBuf,
    /// Its path inside, absolute.
    pub destination: PathBuf,
    /// Whether it may not be written to through there.
    pub read_only: bool,
}

/// A directory in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tmpfs {
    /// Its path inside, absolute.
    pub destination: PathBuf,
    /// At most so many bytes; half of the machine's memory where nothing is said.
    pub size: Option<u64>,
}

/// Which network a container has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Network {
    /// Its own loopback and nothing else.
    #[default]
    None,
    /// The host's.
    Host,
}

/// `PATH` where neither image nor user says, Docker's.
pub const DEFAULT_PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

impl Settings {
    /// A program as the image's root, without network, with what Docker leaves
    /// to root.
    #[must_use]
    pub fn new<A: Into<String>>(args: impl IntoIterator<Item = A>) -> Self {
        Self {
            args: args.into_iter().map(Into::into).collect(),
            env: Vec::new(),
            cwd: "/".into(),
            user: String::new(),
            groups: Vec::new(),
            read_only: false,
            binds: Vec::new(),
            tmpfs: Vec::new(),
            network: Network::None,
            hostname: "isolab".to_owned(),
            terminal: false,
            privileges: Privileges::Docker,
        }
    }

    /// The environment with what every program expects there.
    #[must_use]
    pub fn environment(&self, home: Option<&str>) -> Vec<String> {
        let mut env = self.env.clone();
        let mut default = |entry: String| {
            let name = entry.split_inclusive('=').next().unwrap_or_default();
            if !env.iter().any(|given| given.starts_with(name)) {
                env.push(entry);
            }
        };
        default(DEFAULT_PATH.to_owned());
        default(format!("HOSTNAME={}", self.hostname));
        default(format!("HOME={}", home.unwrap_or("/")));
        if self.terminal {
            default("TERM=xterm".to_owned());
        }
        env
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_is_not_replaced_by_a_default() {
        let mut settings = Settings::new(["sh"]);
        settings.env = vec!["HOME=/data".to_owned(), "HOMES=x".to_owned()];
        let env = settings.environment(Some("/root"));
        assert!(env.contains(&"HOME=/data".to_owned()) && env.contains(&DEFAULT_PATH.to_owned()));
        assert!(!env.contains(&"HOME=/root".to_owned()));
        let env = Settings::new(["sh"]).environment(None);
        assert!(env.contains(&"HOME=/".to_owned()), "{env:?}");
    }
}
