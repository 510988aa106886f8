//! What is to be installed, and from where, as the changing verbs are told it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use venv_sim::fill::{Order, Sources};
use venv_sim::index::{IndexFlags, Strategy, variables_of_process};
use venv_sim::install::{InstallOptions, LinkMode};
use venv_sim::{Name, Rules};

use super::parts::Parts;
use crate::hint;
use crate::stderr;

/// Which index is asked, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "Where from")]
pub(super) struct Index {
    /// The index, in place of the one that the interpreter's pip would ask
    #[arg(short, long, value_name = "URL")]
    index_url: Option<String>,
    /// One more index, asked before that one
    #[arg(long, value_name = "URL")]
    extra_index_url: Vec<String>,
    /// Ask no index
    #[arg(long)]
    no_index: bool,
    /// Also what lies in a directory or on a page
    #[arg(short, long, value_name = "DIR|URL")]
    find_links: Vec<String>,
    /// Of several indexes, take a project from the first that has it, or the best version of all
    #[arg(long, value_enum, default_value_t = IndexStrategy::FirstIndex)]
    index_strategy: IndexStrategy,
    /// A file of certificates to trust, in place of the machine's
    #[arg(long, value_name = "FILE")]
    cert: Option<PathBuf>,
    /// A host whose certificate is not checked
    #[arg(long, value_name = "HOST[:PORT]")]
    trusted_host: Vec<String>,
    /// A proxy to go through
    #[arg(long, value_name = "URL")]
    proxy: Option<String>,
    /// How long nothing may come from a server
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u64).range(1..=3600))]
    timeout: Option<u64>,
    /// How often a request is tried again
    #[arg(long, value_name = "N")]
    retries: Option<u32>,
    /// Ask nobody: only what is remembered and stored
    #[arg(long)]
    offline: bool,
    /// Ask again what is remembered
    #[arg(long, conflicts_with = "offline")]
    refresh: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum IndexStrategy {
    /// Who puts a higher version of a private name onto a public index gains nothing
    FirstIndex,
    /// Whoever may have put it there
    UnsafeBestMatch,
}

impl Index {
    pub(super) fn flags(&self) -> IndexFlags {
        IndexFlags {
            index_url: self.index_url.clone(),
            extra_index_urls: self.extra_index_url.clone(),
            no_index: self.no_index,
            find_links: self.find_links.clone(),
            cert: self.cert.clone(),
            trusted_hosts: self.trusted_host.clone(),
            proxy: self.proxy.clone(),
            timeout: self.timeout.map(Duration::from_secs),
            retries: self.retries,
            strategy: match self.index_strategy {
                IndexStrategy::FirstIndex => Strategy::FirstIndex,
                IndexStrategy::UnsafeBestMatch => Strategy::UnsafeBestMatch,
            },
            offline: self.offline,
            refresh: self.refresh,
        }
    }
}

/// By which rules versions are chosen.
#[derive(Debug, Args)]
#[command(next_help_heading = "Which versions")]
pub(super) struct Choice {
    /// Constraints: what must hold of a project if it is needed
    #[arg(short, long, value_name = "FILE")]
    constraint: Vec<PathBuf>,
    /// Only what is named, not what it needs
    #[arg(long)]
    no_deps: bool,
    /// Take pre-releases, too
    #[arg(long)]
    pre: bool,
    /// Take only what a hash vouches for
    #[arg(long)]
    require_hashes: bool,
}

/// How files get into an environment.
#[derive(Debug, Args)]
#[command(next_help_heading = "How")]
pub(super) struct Means {
    /// By clone, hard link, copy or symbolic link; of itself the first of these that is possible
    #[arg(long, value_enum, default_value_t = Link::Auto)]
    link_mode: Link,
    /// Compile what is installed, so that its first start is as fast as the second
    #[arg(long)]
    compile_bytecode: bool,
    /// Only show what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Print what was done as JSON
    #[arg(long)]
    pub(super) json: bool,
    /// Say nothing but what is wrong
    #[arg(short, long, conflicts_with = "json")]
    pub(super) quiet: bool,
    /// Also say which index is asked, where each wheel comes from, and how long what takes
    #[arg(short, long, conflicts_with = "quiet")]
    pub(super) verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Link {
    /// A clone where the file system has them, else a hard link, else a copy
    Auto,
    /// Share blocks until one side is written (Btrfs, XFS)
    Clone,
    /// One file under two names: an edit in the environment is one in the store
    #[value(alias = "hard-link")]
    Hardlink,
    /// A file of its own
    Copy,
    /// A link to each package in the store; gone with the store
    Symlink,
}

impl Means {
    /// Whether environments get links into what is kept.
    pub(super) fn links(&self) -> bool {
        self.link_mode == Link::Symlink
    }

    pub(super) fn options(&self) -> InstallOptions {
        InstallOptions {
            link_mode: match self.link_mode {
                Link::Auto => LinkMode::Auto,
                Link::Clone => LinkMode::Clone,
                Link::Hardlink => LinkMode::HardLink,
                Link::Copy => LinkMode::Copy,
                Link::Symlink => LinkMode::Symlink,
            },
            compile_bytecode: self.compile_bytecode,
            say,
            ..InstallOptions::default()
        }
    }
}

/// What is said while it is waited for.
pub(super) fn say(sentence: &str) {
    stderr::tell(sentence);
}

impl Choice {
    /// The order for what was typed and what files of requirements say.
    pub(super) fn order(
        &self,
        words: &[String],
        files: &[PathBuf],
        parts: &Parts,
    ) -> Result<Order> {
        let rules = Rules {
            prereleases: self.pre,
            no_dependencies: self.no_deps,
            require_hashes: self.require_hashes,
            ..Rules::default()
        };
        let variables = variables_of_process();
        let sources = Sources {
            words,
            files,
            extras: Some(&parts.extras(files)?),
            groups: &parts.groups()?,
            constraints: &self.constraint,
        };
        let order = Order::read_from(&sources, rules, &variables)?;
        if order.asked.wanted.is_empty() {
            stderr::tell("warning: nothing is asked for: the files name no requirement");
        }
        Ok(order)
    }
}

/// The projects that files of requirements name.
pub(super) fn named_in(files: &[PathBuf]) -> Result<Vec<Name>> {
    let order = Order::read(&[], files, &[], Rules::default(), &variables_of_process())?;
    Ok(order.names().cloned().collect())
}

/// Whether anything was asked for.
pub(super) fn check_not_empty(words: &[String], files: &[PathBuf]) -> Result<()> {
    if words.is_empty() && files.is_empty() {
        return Err(hint::with(
            "nothing was asked for",
            "name a requirement ('django>=4.2'), a wheel, or a file of requirements (-r FILE)",
        ));
    }
    Ok(())
}
