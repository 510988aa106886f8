//! A project: the versions that can be taken, and why the others cannot.

use std::cell::OnceCell;
use std::cmp::Reverse;
use std::mem::discriminant;
use std::sync::Arc;

use pep440_rs::{Version, VersionSpecifiers};

use super::demand::Demand;
use super::package::Flaw;
use super::said::{Said, is_pin, names_prerelease};
use super::set::Versions;
use crate::catalogue::{Brief, Listing, Offer};
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
    pub(super) metadata: OnceCell<Result<Arc<Metadata>, Flaw>>,
}

/// Where a version comes from.
#[derive(Debug)]
pub(super) enum Supply {
    /// It is there.
    Installed,
    /// A wheel.
    Wheel(Wheel),
}

/// A wheel by its place in the listing, and whole once somebody wants it so.
#[derive(Debug)]
pub(super) struct Wheel {
    listing: Listing,
    place: usize,
    whole: OnceCell<Option<Box<Offer>>>,
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
    Python(Arc<VersionSpecifiers>),
    /// Its wheels are for other interpreters or platforms: those, by wheel.
    Platform(Vec<Arc<Vec<Tag>>>),
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
            Supply::Wheel(wheel) => {
                let whole = || wheel.listing.offer(wheel.place).map(Box::new);
                wheel.whole.get_or_init(whole).as_deref()
            }
        }
    }
}

/// Sorts what there is of a project into what can be taken and what cannot.
pub(super) fn sort(
    listing: &Listing,
    said: Option<&Said>,
    demand: &Demand<'_>,
    python: &Version,
    name: &Name,
) -> (Vec<Candidate>, Vec<Excluded>) {
    let parts = listing.parts();
    let judge = Judge::new(listing, said, demand, python, name);
    let same = |one: &Brief, other: &Brief| {
        one.version == other.version || parts.versions[one.version] == parts.versions[other.version]
    };
    let mut candidates = Vec::new();
    let mut excluded = Vec::new();
    let mut first = 0;
    for group in parts.files.chunk_by(same) {
        let version = &parts.versions[group[0].version];
        match judge.best(version, first, group) {
            Ok(place) => {
                let is_pinned = said.is_some_and(|said| said.pins(version));
                let wheel = Wheel {
                    listing: listing.clone(),
                    place,
                    whole: OnceCell::new(),
                };
                candidates.push(Candidate {
                    is_yanked: parts.files[place].is_yanked && !is_pinned,
                    ..Candidate::new(version.clone(), Supply::Wheel(wheel))
                });
            }
            Err(why) => excluded.push(Excluded {
                version: version.clone(),
                why,
            }),
        }
        first += group.len();
    }
    (candidates, excluded)
}

/// What decides between the files of a version.
struct Judge<'a> {
    said: Option<&'a Said>,
    listing: &'a Listing,
    no_binary: bool,
    /// The rank of each build of the listing; none where it is not for this interpreter.
    ranks: Vec<Option<usize>>,
    /// Whether each range of interpreters has this one in it.
    takes: Vec<bool>,
}

impl<'a> Judge<'a> {
    fn new(
        listing: &'a Listing,
        said: Option<&'a Said>,
        demand: &Demand<'_>,
        python: &Version,
        name: &Name,
    ) -> Self {
        let parts = listing.parts();
        let rank = |tags: &[Tag]| tags.iter().filter_map(|tag| (demand.rank)(tag)).min();
        let ranks = parts.builds.iter().map(|built| rank(&built.tags));
        let takes = parts.pythons.iter().map(|asked| takes(asked, python));
        Self {
            said,
            listing,
            no_binary: demand.rules.no_binary.contains(name),
            ranks: ranks.collect(),
            takes: takes.collect(),
        }
    }

    /// The best wheel of a version: one not taken back, with the best tag, then the latest build,
    /// then the first in the order of the origins. `files` begin at the place `first`, as does
    /// the answer.
    fn best(&self, version: &Version, first: usize, files: &[Brief]) -> Result<usize, Exclusion> {
        for (versions, text) in self.said.iter().flat_map(|said| &said.constraints) {
            if !takes(versions, version) {
                return Err(Exclusion::Constraint(text.clone()));
            }
        }
        let mut best = None;
        for (place, file) in (first..).zip(files) {
            if let Ok(rank) = self.rank(place, file) {
                let built = file.build.map(|build| &self.listing.parts().builds[build]);
                let build = built.and_then(|built| built.build.as_ref());
                let score = (file.is_yanked, rank, Reverse(build));
                if best.as_ref().is_none_or(|(other, _)| score < *other) {
                    best = Some((score, place));
                }
            }
        }
        if let Some((_, place)) = best {
            return Ok(place);
        }
        let whys = (first..)
            .zip(files)
            .filter_map(|(place, file)| self.rank(place, file).err());
        let why = whys.fold(None, |why, other| Some(nearer(why, other)));
        Err(why.unwrap_or(Exclusion::Sources))
    }

    fn rank(&self, place: usize, file: &Brief) -> Result<usize, Exclusion> {
        let parts = self.listing.parts();
        let Some(build) = file.build else {
            return Err(Exclusion::Sources);
        };
        if self.no_binary {
            return Err(Exclusion::NoBinary);
        }
        if let Some(python) = file.python.filter(|python| !self.takes[*python]) {
            return Err(Exclusion::Python(Arc::clone(&parts.pythons[python])));
        }
        let rank = self.ranks[build];
        let tags = || Exclusion::Platform(vec![Arc::clone(&parts.builds[build].tags)]);
        let rank = rank.ok_or_else(tags)?;
        match self.said.is_none_or(|said| self.is_vouched(said, place)) {
            true => Ok(rank),
            false => Err(Exclusion::Hash),
        }
    }

    fn is_vouched(&self, said: &Said, place: usize) -> bool {
        said.hashes.is_empty()
            || self
                .listing
                .offer(place)
                .is_some_and(|offer| vouches(said, &offer.digests))
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
