//! What a file sets for all of its lines.

use crate::index::IndexFlags;
use crate::requirement::Name;

/// Options that stand on lines of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Settings {
    /// `--index-url`, the last.
    pub index_url: Option<String>,
    /// `--extra-index-url`, each.
    pub extra_index_urls: Vec<String>,
    /// `--no-index`.
    pub no_index: bool,
    /// `--find-links`, each.
    pub find_links: Vec<String>,
    /// `--trusted-host`, each.
    pub trusted_hosts: Vec<String>,
    /// `--pre`.
    pub prereleases: bool,
    /// `--require-hashes`.
    pub require_hashes: bool,
    /// `--no-binary`, in the end.
    pub no_binary: Chosen,
}

/// Some projects, as `--no-binary` and `--only-binary` name them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chosen {
    /// `:all:`, without those that were taken out again.
    pub all: bool,
    /// These.
    pub names: Vec<Name>,
    /// And not these.
    pub but: Vec<Name>,
}

impl Chosen {
    /// Whether `name` is one of them.
    #[must_use]
    pub fn contains(&self, name: &Name) -> bool {
        match self.all {
            true => !self.but.contains(name),
            false => self.names.contains(name),
        }
    }
}

impl Settings {
    /// Puts them into what the command line says, which comes first where there can be but one.
    pub fn add_to(&self, flags: &mut IndexFlags) {
        if flags.index_url.is_none() {
            flags.index_url.clone_from(&self.index_url);
        }
        flags.no_index |= self.no_index;
        flags
            .extra_index_urls
            .extend_from_slice(&self.extra_index_urls);
        flags.find_links.extend_from_slice(&self.find_links);
        flags.trusted_hosts.extend_from_slice(&self.trusted_hosts);
    }
}
