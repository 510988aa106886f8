//! The bundle that every runtime gets: what `isorun spec` writes, which is what
//! `runc spec` writes, around the static program of about a kilobyte.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use isolab::program::TRUE;
use isolab_oci::Spec;
use isolab_oci::sys::process::effective_ids;

/// A bundle, once to be timed and once to be looked at: the same root and the
/// same configuration, but for the program's one argument.
#[derive(Clone)]
pub(crate) struct Bundle {
    /// The program exits at once.
    pub(crate) timed: PathBuf,
    /// The program waits on its standard input.
    pub(crate) held: PathBuf,
    /// The root file system of both.
    pub(crate) root: PathBuf,
    pub(crate) spec: Spec,
}

/// The program's path in the container.
pub(crate) const PROGRAM: &str = "/true";

impl Bundle {
    /// Writes both below `dir`.
    pub(crate) fn write(dir: &Path) -> Result<Self> {
        let root = dir.join("rootfs");
        for directory in ["proc", "dev", "sys"] {
            fs::create_dir_all(root.join(directory))?;
        }
        let program = root.join("true");
        fs::write(&program, TRUE)?;
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;

        let (uid, gid) = effective_ids();
        let mut spec = match uid {
            0 => Spec::example(),
            _ => Spec::example_rootless(uid, gid),
        };
        let at = spec.root.as_mut().context("the example has no root")?;
        at.path = root.clone();
        let bundle = Self {
            timed: dir.join("timed"),
            held: dir.join("held"),
            root,
            spec,
        };
        for (place, argument) in [(&bundle.timed, "exit"), (&bundle.held, "hold")] {
            let spec = bundle.spec_of(argument)?;
            fs::create_dir_all(place)?;
            fs::write(place.join("config.json"), serde_json::to_vec_pretty(&spec)?)?;
        }
        Ok(bundle)
    }
    /// The configuration with the program told to `exit` or to `hold`.
    pub(crate) fn spec_of(&self, argument: &str) -> Result<Spec> {
        let mut spec = self.spec.clone();
        let process = spec
            .process
            .as_mut()
            .context("the example has no process")?;
        process.terminal = false;
        process.args = vec![PROGRAM.to_owned(), argument.to_owned()];
        Ok(spec)
    }
}
