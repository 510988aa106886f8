//! `isolab` with scratch space of its own, and what it printed.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

pub(crate) struct Lab(tempfile::TempDir);

impl Lab {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn isolab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            .env("NO_COLOR", "1");
        command
    }

    /// The matrix of `places`.
    pub(crate) fn matrix(&self, places: &str) -> Value {
        let mut command = self.isolab(&["matrix", "--json", "--places", places]);
        parsed(&command.output().unwrap())
    }

    /// What of ours is still in the scratch directory.
    pub(crate) fn left_behind(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.path().join("cache/isolab/scratch"));
        let entries = entries.into_iter().flatten().flatten();
        entries
            .map(|entry| entry.path().display().to_string())
            .collect()
    }
}

pub(crate) fn parsed(output: &Output) -> Value {
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|e| panic!("{e}: {said}"))
}

/// The cell of a place, as JSON.
pub(crate) fn row(matrix: &Value, place: &str, axis: &str) -> Value {
    let columns = matrix["columns"].as_array().unwrap();
    let column = columns.iter().find(|column| column["place"] == place);
    let column = column.unwrap_or_else(|| panic!("{place}: {}", matrix["missing"]));
    let rows = column["cells"].as_array().unwrap();
    rows.iter().find(|row| row["axis"] == axis).unwrap().clone()
}

/// The word of a cell.
pub(crate) fn cell(matrix: &Value, place: &str, axis: &str) -> String {
    row(matrix, place, axis)["cell"]
        .as_str()
        .unwrap()
        .to_owned()
}

/// Why `place` was not asked, if it was not.
pub(crate) fn missing(matrix: &Value, place: &str) -> Option<String> {
    let missing = matrix["missing"].as_array().unwrap();
    let missing = missing.iter().find(|missing| missing["place"] == place)?;
    Some(missing["why"].as_str().unwrap().to_owned())
}
