//! What a plan was made from, to be compared with what is there once the environment is held.
//!
//! Two installations that are planned at once from one state do not know of each other: each fits
//! what was there, and together they may not fit. So the second is planned again.

use std::ffi::OsString;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::environment::Environment;
use crate::error::{Error, Result};

/// Which file it is, and when it last changed: device, inode, change time.
type Stamp = (u64, u64, i64, i64);

/// What is installed, as far as a plan can depend on it: a look at each directory that says so,
/// and no file is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// Of `pyvenv.cfg`: another environment may have come under the name.
    configuration: Option<Stamp>,
    /// Of each directory of metadata, in order.
    distributions: Vec<(OsString, Option<Stamp>)>,
}

impl State {
    /// What `environment` is in just now.
    pub(crate) fn of(environment: &Environment) -> Result<Self> {
        let site = &environment.site_packages;
        let mut distributions = Vec::new();
        match fs::read_dir(site) {
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            entries => {
                for entry in entries.map_err(Error::io("read directory", site))? {
                    let entry = entry.map_err(Error::io("read directory", site))?;
                    let name = entry.file_name();
                    if says_what_is_installed(&name) {
                        let stamp = stamp(&entry.path());
                        distributions.push((name, stamp));
                    }
                }
            }
        }
        distributions.sort_unstable();
        Ok(Self {
            configuration: stamp(&environment.dir.join("pyvenv.cfg")),
            distributions,
        })
    }
}

fn says_what_is_installed(name: &OsString) -> bool {
    let ends = [&b".dist-info"[..], b".egg-info", b".egg-link"];
    ends.iter().any(|end| name.as_bytes().ends_with(end))
}

fn stamp(path: &Path) -> Option<Stamp> {
    let found = fs::symlink_metadata(path).ok()?;
    Some((found.dev(), found.ino(), found.ctime(), found.ctime_nsec()))
}
