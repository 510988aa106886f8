//! Tests of another package: where their program is, and what it said.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The program of the integration test `name` of `package`, made as this one was.
///
/// Cargo tells a test where the programs of its own package are, and not where the
/// tests of others are: it is asked again, and has made them already where the whole
/// workspace is tested.
pub(crate) fn executable(package: &str, name: &str) -> Result<PathBuf, String> {
    let ours = Path::new(env!("CARGO_BIN_EXE_isolab"));
    let directory = ours.parent().and_then(Path::file_name);
    let mut cargo = Command::new(env!("CARGO"));
    cargo
        .args([
            "test",
            "--workspace",
            "--locked",
            "--no-run",
            "--test",
            name,
        ])
        .args(["--message-format", "json"])
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    if directory.is_some_and(|name| name == "release") {
        cargo.arg("--release");
    }
    let output = cargo.output().map_err(|error| format!("cargo: {error}"))?;
    let messages = String::from_utf8_lossy(&output.stdout);
    let mut found = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let id = message["package_id"].as_str()?;
        let named = id.contains(&format!("#{package}@")) && message["target"]["name"] == name;
        Some(PathBuf::from(
            message["executable"].as_str().filter(|_| named)?,
        ))
    });
    found.next_back().ok_or_else(|| {
        let errors = String::from_utf8_lossy(&output.stderr);
        format!("cargo made no test `{name}`: {errors}")
    })
}

/// Whether a test program, run `times`, ended well each time by what it `said`, and tried
/// what it is here for.
pub(crate) fn judge(said: &str, times: usize) -> Result<(), String> {
    let ends: Vec<_> = said
        .lines()
        .filter(|line| line.starts_with("test result:"))
        .collect();
    let is_well = |line: &&str| {
        let passed = line.strip_prefix("test result: ok. ");
        passed.is_some_and(|passed| !passed.starts_with("0 "))
    };
    if ends.len() != times || !ends.iter().all(is_well) {
        return Err(format!(
            "not all of the tests passed, {times} times:\n{said}"
        ));
    }
    // It may not be missing for want of what this guest is there for.
    let wanting = |line: &&str| line.contains("not here") && line.contains("group");
    match said.lines().find(|line| wanting(line)) {
        Some(line) => Err(format!("it was not tried: {line}")),
        None => Ok(()),
    }
}
