//! Wishes for one project that exclude each other, whatever versions there are.

use pep440_rs::{Version, VersionSpecifier};

use crate::requirement::{Requirement, Source, takes};
use crate::resolve::project::Project;
use crate::resolve::said::is_pin;

/// The version that a specifier names, one just above it, and one just below.
fn around(specifier: &VersionSpecifier) -> [Version; 3] {
    let version = specifier.version();
    let release = version.release();
    let above = Version::new(release.iter().copied().chain([0, 1]));
    let mut below: Vec<u64> = release.to_vec();
    if let Some(place) = below.iter().rposition(|number| *number > 0) {
        below[place] -= 1;
        below.truncate(place + 1);
        below.push(u64::from(u32::MAX));
    }
    [version.clone(), above, Version::new(below)]
}

/// Two of `requirements` of which each could be met and both cannot: their places.
///
/// A version that is named exactly counts as one that there is.
pub(super) fn of(project: &Project, requirements: &[&Requirement]) -> Option<(usize, usize)> {
    let known = project.candidates.iter().map(|one| &one.version);
    let excluded = project.excluded.iter().map(|one| &one.version);
    let named = requirements.iter().flat_map(|one| match &one.source {
        Source::Versions(versions) => versions.iter().filter(|one| is_pin(one)).collect(),
        Source::Url(_) => Vec::new(),
    });
    let mut versions: Vec<&Version> = known.chain(excluded).collect();
    versions.extend(named.map(pep440_rs::VersionSpecifier::version));
    // What lies between the versions that there are: a wish for one of those is no contradiction.
    let bounds: Vec<Version> = requirements
        .iter()
        .flat_map(|one| match &one.source {
            Source::Versions(versions) => versions.iter().flat_map(around).collect(),
            Source::Url(_) => Vec::new(),
        })
        .collect();
    let does = |place: usize, version: &Version| match &requirements[place].source {
        Source::Versions(specifiers) => takes(specifiers, version),
        Source::Url(_) => true,
    };
    let can_be_met = |place: &usize| versions.iter().any(|version| does(*place, version));
    let places: Vec<usize> = (0..requirements.len()).filter(can_be_met).collect();
    for (at, one) in places.iter().enumerate() {
        for other in &places[at + 1..] {
            let both = |version: &&&Version| does(*one, version) && does(*other, version);
            let conceivable: Vec<&Version> = bounds.iter().collect();
            if !versions
                .iter()
                .chain(&conceivable)
                .any(|version| both(&version))
            {
                return Some((*one, *other));
            }
        }
    }
    None
}
