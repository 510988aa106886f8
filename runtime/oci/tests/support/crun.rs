//! crun on a host that it refuses.

use std::path::Path;
use std::process::Command;

/// crun refuses a host where version 2 of control groups is mounted beside
/// version 1, so it gets a mount namespace without that `hierarchy`: a command
/// that executes what its further arguments say. The namespace is a slave: what is
/// unmounted there stays mounted here, what is mounted here comes there. What crun
/// makes in that place instead goes with the namespace.
pub(crate) fn without(hierarchy: &Path) -> Command {
    let script = "umount \"$0\" && mount -t tmpfs none \"$0\" && exec \"$@\"";
    let mut command = Command::new("unshare");
    command.args(["-m", "--propagation", "slave", "sh", "-c", script]);
    command.arg(hierarchy);
    command
}
