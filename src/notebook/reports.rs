//! The reports of comparisons on this machine, kept so that `explain` and
//! `reveal` need no file name, and so that progress can be seen.

use std::fs::{self, OpenOptions};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::report::{self, Report};
use crate::{hint, places};

/// How many reports stay; the oldest go first. One is some 50 kB.
pub const KEPT: usize = 100;

/// Keeps `report`, and lets the oldest go.
///
/// # Errors
/// If it cannot be written; what was kept before is untouched.
pub fn keep(report: &Report) -> Result<PathBuf> {
    let dir = places::make_data()?.join("reports");
    places::make_private(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    keep_in(&dir, report).with_context(|| format!("cannot keep the report in {}", dir.display()))
}

/// The newest report that was kept, with its file; `None` if there is none.
///
/// # Errors
/// If the newest is there and cannot be read.
pub fn newest() -> Result<Option<(PathBuf, Report)>> {
    let Some(path) = dir().and_then(|dir| listed(&dir).pop()) else {
        return Ok(None);
    };
    let report = report::load(&path)?;
    Ok(Some((path, report)))
}

/// The newest report that was kept, for verbs that need one.
///
/// # Errors
/// If there is none, or it cannot be read.
pub fn newest_or_remedy() -> Result<Report> {
    let newest = newest()?.map(|(_, report)| report);
    newest.ok_or_else(|| {
        hint::with(
            "no report is kept here yet",
            "`isolab compare --quick` measures and keeps one; or name a report's file",
        )
    })
}

/// All that were kept, oldest first, and the files that cannot be read.
#[must_use]
pub fn all() -> (Vec<Report>, Vec<report::Error>) {
    let mut reports = Vec::new();
    let mut damaged = Vec::new();
    for path in dir().map(|dir| listed(&dir)).unwrap_or_default() {
        match report::load(&path) {
            Ok(report) => reports.push(report),
            Err(error) => damaged.push(error),
        }
    }
    (reports, damaged)
}

fn dir() -> Option<PathBuf> {
    Some(places::data()?.join("reports"))
}

fn keep_in(dir: &Path, report: &Report) -> Result<PathBuf> {
    let lock = super::open(
        OpenOptions::new().write(true).create(true),
        &dir.join("writing.lock"),
    )?;
    lock.lock()?;
    // Sorted by name is sorted by time; a second run within a second comes after.
    let time: String = report
        .created
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let path = (0..)
        .map(|number| dir.join(format!("{time}-{number:04}.json")))
        .find(|path| !path.exists())
        .unwrap_or_else(|| dir.join("report.json"));
    report::write(&path, report)?;
    let listed = listed(dir);
    for old in listed.iter().take(listed.len().saturating_sub(KEPT)) {
        fs::remove_file(old)?;
    }
    Ok(path)
}

/// The reports in `dir`, oldest first.
fn listed(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let mut paths: Vec<PathBuf> = entries
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_file()))
        .map(|entry| entry.path())
        .filter(|path| {
            path.extension()
                .is_some_and(|extension| extension == "json")
        })
        .collect();
    paths.sort();
    paths
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::{Environment, SCHEMA, Settings};

    fn report(created: &str) -> Report {
        Report {
            schema: SCHEMA.to_owned(),
            created: created.to_owned(),
            environment: Environment::capture(Path::new("/")),
            settings: Settings {
                runs: 1,
                seed: 1,
                quick: true,
                subjects: Vec::new(),
                workloads: Vec::new(),
            },
            observations: Vec::new(),
            missing: Vec::new(),
            warnings: Vec::new(),
            interrupted: false,
            predictions: Vec::new(),
        }
    }

    #[test]
    fn the_newest_comes_last_and_the_oldest_go() {
        let dir = tempfile::tempdir().unwrap();
        let mut report = report("2025-01-31T12:00:00Z");
        for day in 0..=KEPT {
            report.created = format!("2025-01-{:02}T12:{:02}:00Z", 1 + day / 50, day % 50);
            keep_in(dir.path(), &report).unwrap();
        }
        let newest = keep_in(dir.path(), &report).unwrap();
        fs::write(dir.path().join(".isolab-report-x"), "half").unwrap();
        keep_in(dir.path(), &report).unwrap();
        let listed = listed(dir.path());
        assert_eq!(listed.len(), KEPT);
        assert_eq!(listed[KEPT - 2], newest);
        assert!(!dir.path().join(".isolab-report-x").exists());
        let first = report::load(&listed[0]).unwrap();
        assert_eq!(first.created, "2025-01-01T12:03:00Z");
    }
}
