//! The example config, for whoever runs the tests.

use isolab_oci::Spec;
use isolab_oci::sys::process::effective_ids;

/// With a program of `args` and without a terminal.
pub(crate) fn spec(args: &[&str]) -> Spec {
    match effective_ids() {
        (0, _) => with(Spec::example(), args),
        (uid, gid) => rootless(uid, gid, args),
    }
}

/// The same of the user `uid`, who is root inside.
pub(crate) fn rootless(uid: u32, gid: u32, args: &[&str]) -> Spec {
    with(Spec::example_rootless(uid, gid), args)
}

fn with(mut spec: Spec, args: &[&str]) -> Spec {
    if let Some(process) = &mut spec.process {
        process.terminal = false;
        process.args = args.iter().map(|&word| word.to_owned()).collect();
    }
    spec
}
