//! What the user says about a project, in all places together.

use std::collections::HashMap;

use pep440_rs::{Operator, Version, VersionSpecifier, VersionSpecifiers};

use super::demand::Demand;
use crate::error::{Error, Result};
use crate::refusal::{Refusal, shown_url};
use crate::requirement::{Name, Source, takes_one};
use crate::requirements_file::Wanted;
use crate::wheel::Digest;

/// What the user says about one project.
#[derive(Debug, Default)]
pub(super) struct Said {
    /// The file to take, where one is named; its address without the fragment.
    pub(super) url: Option<Address>,
    /// Whether a pre-release is named.
    pub(super) names_prerelease: bool,
    /// The versions named exactly, which may be yanked ones.
    pub(super) pins: Vec<VersionSpecifier>,
    /// What must hold besides, each with its text and place.
    pub(super) constraints: Vec<(VersionSpecifiers, String)>,
    /// One of each list has to be the content's.
    pub(super) hashes: Vec<Vec<Digest>>,
}

/// A file at an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    /// The address, as it was written.
    pub(super) written: String,
    /// Where it was asked for.
    pub(super) asked: String,
}

/// What is said about each project, where the marker holds.
pub(super) fn of(demand: &Demand<'_>) -> Result<HashMap<Name, Said>> {
    let mut all: HashMap<Name, Said> = HashMap::new();
    let wanted = demand.wanted.iter().map(|wanted| (wanted, false));
    let constraints = demand.constraints.iter().map(|wanted| (wanted, true));
    for (wanted, is_constraint) in wanted.chain(constraints) {
        let requirement = &wanted.requirement;
        let holds = |marker: &crate::Marker| marker.holds(demand.markers, &[]);
        if !requirement.marker.as_ref().is_none_or(holds) {
            continue;
        }
        let said = all.entry(requirement.name.clone()).or_default();
        if !wanted.hashes.is_empty() {
            said.hashes.push(wanted.hashes.clone());
        }
        match &requirement.source {
            Source::Url(url) => said.take_from(url, wanted)?,
            Source::Versions(versions) => {
                said.names_prerelease |= names_prerelease(versions);
                let pins = versions.iter().filter(|one| is_pin(one));
                said.pins.extend(pins.cloned());
                if is_constraint {
                    let text = written(wanted);
                    said.constraints.push((versions.clone(), text));
                }
            }
        }
    }
    Ok(all)
}

/// Once one requirement has a hash, each has to be for one version and have one.
///
/// Source: *Hash-checking Mode* of pip's *Secure installs*.
pub(super) fn check_vouched(demand: &Demand<'_>, all: &HashMap<Name, Said>) -> Result<()> {
    for wanted in demand.wanted {
        // Not there where its marker does not hold.
        let Some(said) = all.get(&wanted.requirement.name) else {
            continue;
        };
        let refused = |why: &str| Error::BadRequirement {
            at: place(wanted),
            cause: Refusal::new(format!("{} {why}", wanted.requirement.name)),
            remedy: "pin each requirement with `==`, and give it a `--hash`, or leave all hashes out",
        };
        let by_address = said.url.as_ref();
        if said.pins.is_empty() && by_address.is_none() {
            return Err(refused(
                "is not pinned, and where hashes are asked for all have to be",
            ));
        }
        let has_digest = by_address.is_some_and(|url| url.written.contains("#sha"));
        if said.hashes.is_empty() && !has_digest {
            return Err(refused(
                "has no hash, and once one requirement has one all need one",
            ));
        }
    }
    Ok(())
}

impl Said {
    fn take_from(&mut self, url: &str, wanted: &Wanted) -> Result<()> {
        match &self.url {
            Some(other) if other.written != url => Err(Error::BadRequirement {
                at: place(wanted),
                cause: Refusal::new(format!(
                    "{} is asked for from {} and, by {}, from {}",
                    wanted.requirement.name,
                    shown_url(url),
                    other.asked,
                    shown_url(&other.written)
                )),
                remedy: "leave one of the two out",
            }),
            _ => {
                self.url = Some(Address {
                    written: url.to_owned(),
                    asked: place(wanted),
                });
                Ok(())
            }
        }
    }

    /// Whether the user names `version` exactly.
    pub(super) fn pins(&self, version: &Version) -> bool {
        self.pins.iter().any(|pin| takes_one(pin, version))
    }
}

/// Where it is written.
pub(super) fn place(wanted: &Wanted) -> String {
    match &wanted.at {
        Some(at) => at.to_string(),
        None => format!("`{}`", wanted.requirement),
    }
}

/// The requirement, and where it is written if that is a file.
pub(super) fn written(wanted: &Wanted) -> String {
    match &wanted.at {
        Some(at) => format!("{} ({at})", short(&wanted.requirement)),
        None => short(&wanted.requirement),
    }
}

/// The requirement, and where it is written, also if it was typed.
pub(super) fn written_where(wanted: &Wanted) -> String {
    match &wanted.at {
        Some(_) => written(wanted),
        None => format!("{} (on the command line)", short(&wanted.requirement)),
    }
}

/// A requirement without its marker, as people write it.
pub(super) fn short(requirement: &crate::Requirement) -> String {
    let plain = crate::Requirement {
        marker: None,
        ..requirement.clone()
    };
    plain.to_string().replace(", ", ",")
}

/// `==1.0` and `===1.0`, which name one version; `==1.*` names many.
pub(super) fn is_pin(specifier: &VersionSpecifier) -> bool {
    matches!(specifier.operator(), Operator::Equal | Operator::ExactEqual)
}

/// Whether a pre-release is asked for by naming one; who excludes one does not ask for others.
pub(super) fn names_prerelease(versions: &VersionSpecifiers) -> bool {
    let excludes =
        |operator: &Operator| matches!(operator, Operator::NotEqual | Operator::NotEqualStar);
    versions
        .iter()
        .any(|one| one.version().any_prerelease() && !excludes(one.operator()))
}
