//! bubblewrap, as its own documentation introduces it: the host's /usr, read
//! only, a /proc and a /dev, and new processes. It isolates what it is told to.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;

use super::site::{PROGRAM, REQUEST, VERB};
use super::{Asked, Place, PlaceName, Site, ask_by};
use crate::environment::tools;
use crate::hint;
use crate::inside::attempt::Attempt;
use crate::inside::canary::Traces;
use crate::interrupt::Interrupt;

/// bubblewrap.
pub(super) struct Bubblewrap<'a> {
    site: &'a Site,
    program: PathBuf,
}

impl<'a> Bubblewrap<'a> {
    pub(super) fn find(site: &'a Site) -> Result<Self> {
        let Some(program) = tools::find("bwrap") else {
            return Err(hint::with(
                "bwrap is not installed",
                "apt install bubblewrap",
            ));
        };
        Ok(Self { site, program })
    }
}

impl Place for Bubblewrap<'_> {
    fn name(&self) -> PlaceName {
        PlaceName::Bwrap
    }

    fn ask(&self, attempts: &[Attempt], traces: &Traces, interrupt: &Interrupt) -> Result<Asked> {
        let mut request = self.site.request_in_root(attempts, traces);
        // The host's own, which lies in its /usr or is not to be had.
        let interpreter = self.site.interpreter().ok();
        request.python = interpreter
            .map(|found| found.executable.clone())
            .filter(|path| path.starts_with("/usr"));
        let path = self.site.write_request("bwrap", &request)?;
        let mut command = Command::new(&self.program);
        command.args(["--ro-bind", "/usr", "/usr"]);
        for link in ["bin", "sbin", "lib", "lib32", "lib64"] {
            // Where /usr is merged, these are links into it.
            if let Ok(target) = std::fs::read_link(format!("/{link}")) {
                command
                    .arg("--symlink")
                    .args([target, format!("/{link}").into()]);
            }
        }
        command
            .args(["--proc", "/proc", "--dev", "/dev"])
            .args(["--unshare-pid", "--new-session", "--die-with-parent"])
            .arg("--ro-bind")
            .arg(self.site.program())
            .arg(PROGRAM)
            .arg("--ro-bind")
            .arg(path)
            .args([REQUEST, PROGRAM, VERB, REQUEST]);
        ask_by(&command, &request.attempts, interrupt)
    }
}
