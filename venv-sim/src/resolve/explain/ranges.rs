//! Versions in words.

use pep440_rs::Version;

use crate::resolve::project::Project;
use crate::resolve::set::Versions;

/// So many runs of versions are named.
const MOST: usize = 3;

/// The candidates in `versions`: `1.0`, `1.0 to 1.4`, `1.0, 1.2 to 1.5 and 2.0`.
pub(super) fn of_set(project: &Project, versions: &Versions) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for place in versions.places(project.candidates.len()) {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == place => *last = place,
            _ => runs.push((place, place)),
        }
    }
    let version = |place: u32| &project.candidate(place).version;
    let runs = runs
        .into_iter()
        .map(|(first, last)| run(version(first), version(last)));
    listed(runs.collect())
}

/// The verb for one version or for many.
pub(super) fn verb(
    project: &Project,
    versions: &Versions,
    one: &'static str,
    many: &'static str,
) -> &'static str {
    match versions.places(project.candidates.len()).nth(1) {
        None => one,
        Some(_) => many,
    }
}

/// `1.0` alone, `1.0 to 1.4` otherwise.
pub(super) fn run(first: &Version, last: &Version) -> String {
    match first == last {
        true => first.to_string(),
        false => format!("{first} to {last}"),
    }
}

/// `a`, `a and b`, `a, b and c`; the oldest of many runs are left out.
pub(super) fn listed(mut runs: Vec<String>) -> String {
    if runs.len() > MOST {
        runs.drain(..runs.len() - MOST);
        runs.insert(0, "some older ones".to_owned());
    }
    let last = runs.pop().unwrap_or_default();
    match runs.is_empty() {
        true => last,
        false => format!("{} and {last}", runs.join(", ")),
    }
}
