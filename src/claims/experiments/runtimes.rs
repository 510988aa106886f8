//! Other people's OCI runtimes, which start the very bundle that ours starts.

use std::path::Path;

use anyhow::Result;

use super::engines::said;
use crate::environment::tools;
use crate::{guard, hint};

/// The runtimes to try.
pub(super) const NAMES: [&str; 3] = ["runc", "crun", "youki"];

/// Runs the bundle at `bundle` with the runtime `name`, which keeps its state in
/// `state`; what the container's program said.
pub(super) fn run(name: &str, bundle: &Path, state: &Path) -> Result<String> {
    let Some(program) = tools::find(name) else {
        let install = match name {
            "youki" => "https://github.com/youki-dev/youki/releases".to_owned(),
            packaged => format!("apt install {packaged}"),
        };
        return Err(hint::with(format!("{name} is not installed"), install));
    };
    let first = ask(&program, &[], bundle, state);
    if first.is_ok() || name != "crun" {
        return first;
    }
    // It refuses hosts with both versions of control groups, but not to do without.
    ask(&program, &["--cgroup-manager=disabled"], bundle, state).or(first)
}

fn ask(program: &Path, options: &[&str], bundle: &Path, state: &Path) -> Result<String> {
    let mut command = guard::command(program)?;
    command
        .arg("--root")
        .arg(state)
        .args(options)
        .args(["run", "--bundle"])
        .arg(bundle)
        .arg(format!("isolab-claims-{}", std::process::id()));
    said(&mut command)
}
