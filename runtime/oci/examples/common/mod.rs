//! A bundle for the examples: a root file system of one busybox.

use std::error::Error;
use std::path::Path;

use isolab_oci::sys::process::effective_ids;
use isolab_oci::{Bundle, Spec};

/// A bundle in `directory` whose program is a shell that does `script`.
///
/// # Errors
/// Where there is no busybox, or it cannot be copied.
pub(crate) fn bundle(directory: &Path, script: &str) -> Result<Bundle, Box<dyn Error>> {
    let places = ["/bin/busybox", "/usr/bin/busybox", "/usr/sbin/busybox"];
    let busybox = places.iter().find(|path| Path::new(path).exists());
    let busybox = busybox.ok_or("there is no busybox (Debian: busybox-static)")?;
    let bin = directory.join("rootfs/bin");
    std::fs::create_dir_all(&bin)?;
    std::fs::copy(busybox, bin.join("sh"))?;
    // An ordinary user needs a user namespace, in which he is root.
    let mut spec = match effective_ids() {
        (0, _) => Spec::example(),
        (uid, gid) => Spec::example_rootless(uid, gid),
    };
    if let Some(process) = &mut spec.process {
        process.terminal = false;
        process.args = ["sh", "-c", script].map(str::to_owned).to_vec();
    }
    Ok(Bundle::new(directory, spec)?)
}
