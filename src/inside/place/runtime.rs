//! The other OCI runtimes: runc and crun, each started with a bundle of ours and
//! the configuration that they write themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::Result;
use isolab_engine::bundle;
use isolab_oci::Spec;
use isolab_oci::cgroup::{self, Version};
use isolab_oci::sys::process::effective_ids;

use super::site::{PROGRAM, REQUEST, VERB};
use super::{Asked, Place, PlaceName, Site, ask_by};
use crate::environment::{bounded, tools};
use crate::inside::attempt::Attempt;
use crate::inside::canary::Traces;
use crate::interrupt::Interrupt;
use crate::{hint, program};

/// How long a runtime gets to remove what is left of a container.
const CLEARING: Duration = Duration::from_secs(10);

/// runc or crun.
pub(super) struct Peer<'a> {
    site: &'a Site,
    name: PlaceName,
    program: PathBuf,
    directory: PathBuf,
}

impl<'a> Peer<'a> {
    pub(super) fn find(name: PlaceName, site: &'a Site) -> Result<Self> {
        let Some(program) = tools::find(name.name()) else {
            let install = format!("apt install {name}");
            return Err(hint::with(format!("{name} is not installed"), install));
        };
        Ok(Self {
            site,
            name,
            program,
            directory: site.directory(name.name())?,
        })
    }

    /// What `runc spec` writes, with `--rootless` for an ordinary user, and our
    /// program in place of its shell.
    fn spec() -> Spec {
        let mut spec = match effective_ids() {
            (0, _) => Spec::example(),
            (uid, gid) => Spec::example_rootless(uid, gid),
        };
        if let Some(process) = &mut spec.process {
            process.terminal = false;
            process.args = [PROGRAM, VERB, REQUEST].map(str::to_owned).to_vec();
            process.env = program::environment();
        }
        spec
    }

    /// With its books in a place of its own. crun refuses a host that mounts both
    /// versions of control groups; root can show it one where that is not so.
    fn command(&self) -> Command {
        let mut command = match second_hierarchy() {
            Some(mount_point) if self.name == PlaceName::Crun && effective_ids().0 == 0 => {
                let mut apart = Command::new("unshare");
                apart
                    .args(["--mount", "sh", "-c", "umount \"$0\" && exec \"$@\""])
                    .arg(mount_point)
                    .arg(&self.program);
                apart
            }
            _ => Command::new(&self.program),
        };
        command.arg("--root").arg(self.directory.join("state"));
        command
    }
}

impl Place for Peer<'_> {
    fn name(&self) -> PlaceName {
        self.name
    }

    fn ask(&self, attempts: &[Attempt], traces: &Traces, interrupt: &Interrupt) -> Result<Asked> {
        let request = self.site.request_in_root(attempts, traces);
        let mut spec = Self::spec();
        if let Some(root) = &mut spec.root {
            root.path = self.site.root(&request)?.to_owned();
        }
        if let (Some(linux), 0) = (&mut spec.linux, effective_ids().0) {
            // So that what is left after a kill is known as ours, and swept.
            linux.cgroups_path = Some(Path::new("/").join(cgroup::owned_name()));
        }
        bundle::write(&self.directory, &spec)?;
        let id = format!("isolab-{}", std::process::id());
        let mut run = self.command();
        run.args(["run", "--bundle"]).arg(&self.directory).arg(&id);
        let asked = ask_by(&run, &request.attempts, interrupt);
        if asked.is_err() {
            // Where the runtime was ended, its container was not.
            let mut delete = self.command();
            delete.args(["delete", "--force", &id]);
            let _ = bounded::run(&mut delete, CLEARING);
        }
        asked
    }
}

/// Where version 2 of the control groups is mounted beside version 1, if it is.
fn second_hierarchy() -> Option<PathBuf> {
    let hierarchies = cgroup::discover().unwrap_or_default();
    let second = hierarchies.iter().find(|h| h.version == Version::V2)?;
    (hierarchies.len() > 1).then(|| second.mount_point.clone())
}
