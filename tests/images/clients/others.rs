//! Podman, skopeo, umoci and low-level runtimes, each run by the one whose images
//! they are, with what it keeps in his home.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use libtest_mimic::Failed;

use crate::kills::party::Party;
use crate::place::said;

/// The first words of a command that ends in bounded time.
const BOUNDED: [&str; 4] = ["timeout", "-s", "KILL", "120"];

/// Takes from sight what control groups of version 2 there are beside those of
/// version 1, which crun refuses. Only who made the mount can take it away.
const HIDES: &str = "umount -l /sys/fs/cgroup/unified 2>/dev/null || \
                     mount -t tmpfs none /sys/fs/cgroup/unified 2>/dev/null; exec \"$@\"";

/// A program as root of mounts, and of users where he is not root.
fn apart(party: &Party, program: &str) -> Command {
    let mut command = party.command(BOUNDED[0]);
    command.args(&BOUNDED[1..]).args(["unshare", "--mount"]);
    if !party.is_root() {
        command.args(["--map-root-user", "--map-auto"]);
    }
    command.args(["sh", "-c", HIDES, "sh", program]);
    command
}

/// Podman with a store of its own.
pub(super) struct Podman<'a> {
    party: &'a Party,
    place: PathBuf,
}

impl<'a> Podman<'a> {
    pub(super) fn of(party: &'a Party) -> Self {
        let place = party.home().join("podman");
        Self { party, place }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.party.is_root() {
            true => apart(self.party, "podman"),
            // It makes its own namespaces, in which nothing can be hidden from crun.
            false => {
                let mut command = self.party.command(BOUNDED[0]);
                command.args(&BOUNDED[1..]).arg("podman");
                command
            }
        };
        let runtime = match self.party.is_root() {
            true => "crun",
            false => "runc",
        };
        command.arg("--root").arg(self.place.join("root"));
        command.arg("--runroot").arg(self.place.join("run"));
        command.args(["--storage-driver", "vfs", "--cgroup-manager", "cgroupfs"]);
        command.args(["--runtime", runtime]).args(arguments);
        command.stdin(Stdio::null());
        command
    }

    pub(super) fn says(&self, arguments: &[&str]) -> Result<String, Failed> {
        said(&mut self.command(arguments))
    }

    /// `podman run`, where limits may not be raised. Root's makes no control groups:
    /// where some hierarchies of version 1 are not mounted, it leaves directories
    /// that are none, and kills whoever has the numbers in them.
    pub(super) fn run(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(&["run", "--network", "none"]);
        if self.party.is_root() {
            command.arg("--cgroups=disabled");
        }
        command.args([
            "--ulimit",
            "nofile=1024:1024",
            "--ulimit",
            "nproc=1024:1024",
        ]);
        command.args(arguments);
        command
    }
}

impl Drop for Podman<'_> {
    fn drop(&mut self) {
        let _ = self.says(&["rm", "--all", "--force"]);
        if !self.party.is_root() {
            // What keeps an ordinary user's namespaces, and the files of his layers.
            let _ = self.says(&["system", "migrate"]);
            let _ = apart(self.party, "rm").arg("-rf").arg(&self.place).output();
        }
    }
}

/// `skopeo copy` to a registry without TLS.
pub(super) fn skopeo_copies(
    party: &Party,
    from: &str,
    to: &str,
    how: &[&str],
) -> Result<(), Failed> {
    let mut skopeo = party.command("skopeo");
    skopeo.args(["--insecure-policy", "copy", "-q", "--dest-tls-verify=false"]);
    said(skopeo.args(how).args([from, to])).map(drop)
}

/// A bundle that umoci made. The files of an ordinary user's have other owners
/// outside of his namespace, so it takes itself away.
pub(super) struct Bundle<'a> {
    party: &'a Party,
    path: PathBuf,
}

impl<'a> Bundle<'a> {
    /// Of an image in the store. It asks for a terminal, which tests have not.
    pub(super) fn of(party: &'a Party, name: &str) -> Result<Self, Failed> {
        let path = party.home().join("bundle");
        let image = format!("{}:{name}", party.store().display());
        let mut umoci = apart(party, "umoci");
        said(umoci.args(["unpack", "--image", &image]).arg(&path))?;
        let bundle = Self { party, path };
        let config = bundle.path.join("config.json");
        let mut sed = apart(party, "sed");
        sed.args(["-i", r#"s/"terminal": *true/"terminal":false/"#]);
        said(sed.arg(&config))?;
        Ok(bundle)
    }

    /// `RUNTIME run` of it.
    pub(super) fn run(&self, runtime: &str) -> Command {
        let mut command = apart(self.party, runtime);
        command.arg("--root").arg(self.party.home().join(runtime));
        if runtime == "crun" && !self.party.is_root() {
            command.args(["--cgroup-manager", "disabled"]);
        }
        // A keyring of their own cannot be had everywhere, as in a container of others.
        command.args(["run", "--no-new-keyring", "--bundle"]);
        command.arg(&self.path).arg(self.id());
        command.stdin(Stdio::null());
        command
    }

    /// A name that no other test's container has.
    fn id(&self) -> String {
        let place = self.party.home().parent().and_then(Path::file_name);
        place.unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for Bundle<'_> {
    fn drop(&mut self) {
        let _ = apart(self.party, "rm").arg("-rf").arg(&self.path).output();
        let _ = fs::remove_dir_all(&self.path);
    }
}
