//! What the settings are read from, as plain values: a test can fake all of it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Environment variables by name. What is not UTF-8 is no setting of an index.
pub type Variables = BTreeMap<String, String>;

/// The machine, the interpreter, and the environment, as far as they say which index to ask.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// The environment that is installed into: its `pip.conf` counts.
    pub environment: Option<&'a Path>,
    /// The directory of the interpreter's standard library: the pip that `ensurepip` bundles
    /// lies below it.
    pub stdlib: Option<&'a Path>,
    /// The environment variables.
    pub variables: &'a Variables,
    /// The section of pip's configuration that comes before `[global]`: `install`, `download`.
    pub command: &'a str,
    /// What the machine's own files lie below: `/`, but for tests.
    pub root: &'a Path,
}

impl Inputs<'_> {
    pub(super) fn below_root(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// The variables of this process.
#[must_use]
pub fn variables_of_process() -> Variables {
    let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// What the command line says; it comes before everything else.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct IndexFlags {
    /// `--index-url`.
    pub index_url: Option<String>,
    /// `--extra-index-url`, each.
    pub extra_index_urls: Vec<String>,
    /// `--no-index`.
    pub no_index: bool,
    /// `--find-links`, each: a directory, a file, or the address of a page.
    pub find_links: Vec<String>,
    /// `--cert`: a file of certificates, in place of the machine's.
    pub cert: Option<PathBuf>,
    /// `--trusted-host`, each: `HOST` or `HOST:PORT`.
    pub trusted_hosts: Vec<String>,
    /// `--proxy`.
    pub proxy: Option<String>,
    /// `--timeout`: how long nothing may come.
    pub timeout: Option<Duration>,
    /// `--retries`.
    pub retries: Option<u32>,
    /// `--index-strategy`.
    pub strategy: Strategy,
    /// `--offline`: what is remembered, and no more.
    pub offline: bool,
    /// `--refresh`: what is remembered is asked for again.
    pub refresh: bool,
}

/// Which of several indexes a project is taken from.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Strategy {
    /// The first that has it at all: who puts a higher version of a private name onto a public
    /// index gains nothing.
    #[default]
    FirstIndex,
    /// The one with the best version, whoever may have put it there.
    UnsafeBestMatch,
}
