//! A project: the versions that can be taken, and why the others cannot.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::mem::discriminant;
use std::rc::Rc;

use pep440_rs::{Version, VersionSpecifiers};

use super::demand::Demand;
use super::package::Flaw;
use super::said::{Said, is_pin, names_prerelease};
use super::set::Versions;
use crate::catalogue::{Kind, Offer};
use crate::requirement::{Name, takes};
use crate::wheel::{Digest, Metadata, Tag};

/// A project, as far as the solver is concerned.
#[derive(Debug)]
pub(super) struct Project {
    pub(super) name: Name,
    /// The versions that can be taken, in order.
    pub(super) candidates: Vec<Candidate>,
    /// The others, in order.
    pub(super) excluded: Vec<Excluded>,
    /// Whether its pre-releases count like its releases.
    pub(super) prereleases_count: bool,
    /// Whether only what is installed was looked at.
    pub(super) is_partial: bool,
    /// The address that it is taken from, where the user names one.
    pub(super) url: Option<String>,
}

/// A version that can be taken.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) version: Version,
    pub(super) supply: Supply,
    /// Whether it was taken back, and the user does not name it.
    pub(super) is_yanked: bool,
    /// What its METADATA says, once somebody asked.
    pub(super) metadata: OnceCell<Result<Rc<Metadata>, Flaw>>,
}

/// Where a version comes from.
#[derive(Debug)]
pub(super) enum Supply {
    /// It is there.
    Installed,
    /// This wheel.
    Wheel(Box<Offer>),
}

/// A version that cannot be taken.
#[derive(Debug)]
pub(super) struct Excluded {
    pub(super) version: Version,
    pub(super) why: Exclusion,
}

/// Why a version cannot be taken, as is known without its METADATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Exclusion {
    /// Its wheels are for other interpreters: those.
    Python(VersionSpecifiers),
    /// Its wheels are for other interpreters or platforms: those.
    Platform(Vec<Tag>),
    /// There is no wheel of it.
    Sources,
    /// The user wants no wheel of it.
    NoBinary,
    /// No file of it is one that the user vouches for.
    Hash,
    /// The user vouches for no file of the project.
    Unvouched,
    /// A constraint, which is this.
    Constraint(String),
}

impl Project {
    /// The candidates that `versions` takes.
    pub(super) fn matching(&self, versions: &VersionSpecifiers) -> Versions {
        // An address is taken whatever PEP 440 thinks of its version's kind.
        let is_free = self.prereleases_count || self.url.is_some();
        let prereleases = is_free || names_prerelease(versions);
        Versions::of(self.candidates.iter().map(|candidate| {
            let Candidate { version, .. } = candidate;
            takes(versions, version)
                && (prereleases || !version.any_prerelease() || candidate.is_installed())
                && (!candidate.is_yanked || versions.iter().any(is_pin))
        }))
    }

    /// All candidates.
    pub(super) fn all(&self) -> Versions {
        Versions::first(self.candidates.len())
    }

    pub(super) fn candidate(&self, place: u32) -> &Candidate {
        &self.candidates[place as usize]
    }
}

impl Candidate {
    pub(super) fn new(version: Version, supply: Supply) -> Self {
        Self {
            version,
            supply,
            is_yanked: false,
            metadata: OnceCell::new(),
        }
    }

    pub(super) fn is_installed(&self) -> bool {
        matches!(self.supply, Supply::Installed)
    }

    pub(super) fn offer(&self) -> Option<&Offer> {
        match &self.supply {
            Supply::Installed => None,
            Supply::Wheel(offer) => Some(offer),
        }
    }
}

/// Sorts what there is of a project into what can be taken and what cannot.
pub(super) fn sort(
    offers: Vec<Offer>,
    said: Option<&Said>,
    demand: &Demand<'_>,
    python: &Version,
    name: &Name,
) -> (Vec<Candidate>, Vec<Excluded>) {
    // Not the offers themselves, which are large, and of which few stay.
    let mut order: Vec<usize> = (0..offers.len()).collect();
    order.sort_by(|one, other| offers[*one].version().cmp(offers[*other].version()));
    let judge = Judge {
        said,
        demand,
        python,
        no_binary: demand.rules.no_binary.contains(name),
    };
    let version = |place: &usize| offers[*place].version();
    let groups = order.chunk_by(|one, other| version(one) == version(other));
    let mut chosen = Vec::new();
    let mut excluded = Vec::new();
    for group in groups {
        let version = version(&group[0]);
        let files = group.iter().map(|place| (*place, &offers[*place]));
        match judge.best(version, files) {
            Ok(place) => chosen.push((version.clone(), place)),
            Err(why) => excluded.push(Excluded {
                version: version.clone(),
                why,
            }),
        }
    }
    let mut offers: Vec<Option<Offer>> = offers.into_iter().map(Some).collect();
    let candidates = chosen.into_iter().filter_map(|(version, place)| {
        let offer = offers[place].take()?;
        let is_pinned = said.is_some_and(|said| said.pins(&version));
        Some(Candidate {
            is_yanked: offer.yanked.is_some() && !is_pinned,
            ..Candidate::new(version, Supply::Wheel(Box::new(offer)))
        })
    });
    (candidates.collect(), excluded)
}

/// What decides between the files of a version.
struct Judge<'a> {
    said: Option<&'a Said>,
    demand: &'a Demand<'a>,
    python: &'a Version,
    no_binary: bool,
}

impl Judge<'_> {
    /// The best wheel of a version: one not taken back, with the best tag, then the latest build,
    /// then the first in the order of the origins. Its number among `offers`.
    fn best<'o>(
        &self,
        version: &Version,
        offers: impl Iterator<Item = (usize, &'o Offer)>,
    ) -> Result<usize, Exclusion> {
        for (versions, text) in self.said.iter().flat_map(|said| &said.constraints) {
            if !takes(versions, version) {
                return Err(Exclusion::Constraint(text.clone()));
            }
        }
        let mut why = None;
        let mut best = None;
        for (place, offer) in offers {
            match self.rank(offer) {
                Ok(rank) => {
                    let build = match &offer.kind {
                        Kind::Wheel(name) => name.build.as_ref(),
                        Kind::Source { .. } => None,
                    };
                    let score = (offer.yanked.is_some(), rank, Reverse(build));
                    if best.as_ref().is_none_or(|(other, _)| score < *other) {
                        best = Some((score, place));
                    }
                }
                Err(exclusion) => why = Some(nearer(why, exclusion)),
            }
        }
        match (best, why) {
            (Some((_, place)), _) => Ok(place),
            (None, why) => Err(why.unwrap_or(Exclusion::Sources)),
        }
    }

    fn rank(&self, offer: &Offer) -> Result<usize, Exclusion> {
        let Kind::Wheel(name) = &offer.kind else {
            return Err(Exclusion::Sources);
        };
        if self.no_binary {
            return Err(Exclusion::NoBinary);
        }
        if let Some(python) = &offer.requires_python
            && !takes(python, self.python)
        {
            return Err(Exclusion::Python(python.clone()));
        }
        let ranks = name.tags.iter().filter_map(|tag| (self.demand.rank)(tag));
        let rank = ranks.min();
        let rank = rank.ok_or_else(|| Exclusion::Platform(name.tags.clone()))?;
        match self.said.is_none_or(|said| vouches(said, &offer.digests)) {
            true => Ok(rank),
            false => Err(Exclusion::Hash),
        }
    }
}

/// Whether one of each list of the user's is the file's, or may be: a digest by an algorithm that
/// the list does not name contradicts nothing, and the content itself is held to the list later.
fn vouches(said: &Said, digests: &[Digest]) -> bool {
    let compares = |hashes: &[Digest], digest: &Digest| {
        let mut listed = hashes.iter().map(discriminant);
        listed.any(|algorithm| algorithm == discriminant(digest))
    };
    let meets = |hashes: &Vec<Digest>| {
        digests.iter().any(|digest| hashes.contains(digest))
            || !digests.iter().any(|digest| compares(hashes, digest))
    };
    said.hashes.iter().all(meets)
}

/// Of two reasons the one nearer to being taken, which is the one to tell.
fn nearer(one: Option<Exclusion>, other: Exclusion) -> Exclusion {
    let distance = |why: &Exclusion| match why {
        Exclusion::Hash => 0,
        Exclusion::Platform(_) => 1,
        Exclusion::Python(_) => 2,
        Exclusion::NoBinary | Exclusion::Unvouched | Exclusion::Constraint(_) => 3,
        Exclusion::Sources => 4,
    };
    match (one, other) {
        (Some(Exclusion::Platform(mut tags)), Exclusion::Platform(more)) => {
            tags.extend(more);
            Exclusion::Platform(tags)
        }
        (Some(one), other) if distance(&one) <= distance(&other) => one,
        (_, other) => other,
    }
}
