//! A home of its own for each test, and what this machine lacks.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

/// Why no guests can be booted here; `None` where they can. Where the peers are installed on
/// purpose, that they are missing fails.
pub(crate) fn no_guests() -> Option<String> {
    let why = match (vm_model::qemu::find(), vm_model::kernel::find()) {
        (Err(error), _) => error.to_string(),
        (_, Err(error)) => error.to_string(),
        (Ok(_), Ok(_)) => return None,
    };
    let demanded = std::env::var("CI").is_ok_and(|ci| ci == "true");
    assert!(!demanded, "CI has to have guests: {why}");
    Some(why)
}

pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let data = home.path().join("data/isolab");
        fs::create_dir_all(&data).unwrap();
        if let Some(kernels) = vm_model::kernel::store() {
            std::os::unix::fs::symlink(kernels, data.join("kernels")).unwrap();
        }
        home
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// `isolab model` with caches and data of its own.
    pub(crate) fn model(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .arg("model")
            .args(arguments)
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("XDG_DATA_HOME", self.path().join("data"))
            .env("NO_COLOR", "1");
        command.output().unwrap()
    }

    /// What it prints.
    pub(crate) fn says(&self, arguments: &[&str]) -> String {
        let output = self.model(arguments);
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {errors}");
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.says(arguments)).unwrap()
    }

    /// What it complains of.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.model(arguments);
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert!(
            output.stdout.is_empty(),
            "{arguments:?} printed all the same"
        );
        String::from_utf8(output.stderr).unwrap()
    }

    /// A calibration of this machine, changed by `change`, in a file.
    pub(crate) fn calibration(&self, change: impl FnOnce(&mut Value)) -> String {
        let here = isolab::calibration::machine();
        let parameter = |name: &str, unit: &str, value: f64| {
            json!({
                "name": name, "value": value, "unit": unit, "low": value * 0.95, "high": value * 1.05,
                "origin": {
                    "kind": "calibrated", "samples": 5, "how": "made up", "emulated_by": "QEMU TCG 7.2"
                },
            })
        };
        let mut file = json!({
            "schema": "isolab.calibration/1", "created": "2026-01-02T03:04:05Z", "isolab": "0.1.0",
            "machine": here,
            "was": { "load_before": 0.1, "load_after": 1.5, "hangs": 0, "took": 20.0 },
            "parameters": [
                parameter("vm.boot", "s", 1.5),
                parameter("vm.boot.memory", "s/B", 1e-10),
                parameter("vm.boot.archive", "s/B", 1e-9),
                parameter("vm.reference", "B", 268_435_456.0),
                parameter("vm.memory.vmm", "B", 9e7),
                parameter("vm.memory.kernel", "B", 9.5e7),
                parameter("vm.memory.accounts", "1", 0.02),
                parameter("vm.memory.archive", "1", 2.0),
            ],
        });
        change(&mut file);
        let path = self.path().join("calibration.json");
        fs::write(&path, file.to_string()).unwrap();
        path.to_str().unwrap().to_owned()
    }
}

#[track_caller]
pub(crate) fn contains(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no `{part}` in: {text}");
    }
}
