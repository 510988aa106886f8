//! Why there is no answer, in words.
//!
//! The solver proves that there is none: a tree whose leaves are facts (who needs what, what
//! cannot be used) and whose inner nodes are steps of the proof. People follow the facts more
//! easily than the steps, so the facts are told, each once, from what the user asks for along
//! what that needs. Versions are those that exist: `1.0 to 1.4`, and not `>=1.0, <1.5`.

mod contradiction;
mod facts;
mod missing;
mod ranges;
mod wheels;

use std::collections::{BTreeMap, BTreeSet};

use pubgrub::{DerivationTree, VersionSet};

use self::facts::{Facts, Needer, Needing};
use super::package::{Flaw, Package};
use super::project::Project;
use super::said::{short, written, written_where};
use super::set::Versions;
use super::world::World;
use crate::error::Error;
use crate::requirement::{Name, Requirement, Source, takes};

/// So many reasons are told.
const MOST: usize = 24;

/// So many different needs of one project for another are told apart.
const MOST_KINDS: usize = 3;

/// The error that tells why nothing fits.
pub(super) fn conflict(world: &World<'_>, tree: &DerivationTree<Package, Versions, Flaw>) -> Error {
    let mut told = Told {
        world,
        facts: Facts::of(tree),
        lines: Vec::new(),
        remedy: None,
    };
    told.tell();
    let more = told.lines.len().saturating_sub(MOST);
    told.lines.truncate(MOST);
    if more > 0 {
        told.lines.push(format!("and {more} more such reasons"));
    }
    Error::Unsatisfiable {
        why: told
            .lines
            .iter()
            .map(|line| format!("\n  {line}"))
            .collect(),
        remedy: told.remedy,
    }
}

/// What was told so far.
struct Told<'w, 'a> {
    world: &'w World<'a>,
    facts: Facts,
    lines: Vec<String>,
    remedy: Option<&'static str>,
}

impl Told<'_, '_> {
    fn tell(&mut self) {
        let mut seen = BTreeSet::new();
        let mut left = vec![None];
        let mut met = BTreeSet::new();
        while let Some(project) = left.pop() {
            if !seen.insert(project) {
                continue;
            }
            if let Some(number) = project {
                self.tell_flaws(number);
            }
            let needs = self.facts.of_project(project);
            for need in &needs {
                self.tell_need(need);
                if need.allowed.is_empty() && met.insert(need.to) {
                    self.tell_missing(need);
                }
            }
            left.extend(needs.iter().rev().map(|need| Some(need.to)));
        }
        self.tell_others(&mut met);
        self.tell_contested();
        for number in seen.into_iter().flatten() {
            if !met.contains(&number) {
                self.tell_newer(number);
            }
        }
    }

    fn tell_flaws(&mut self, number: u32) {
        let project = self.world.project(number);
        let mut kinds: BTreeMap<String, Versions> = BTreeMap::new();
        for (versions, flaw) in self.facts.flaws.get(&number).into_iter().flatten() {
            let text = match flaw {
                Flaw::Python(python) => {
                    format!("for Python {python}, and this one is {}", self.world.python)
                }
                _ => flaw.to_string(),
            };
            let known = kinds.entry(text).or_insert_with(Versions::empty);
            *known = known.union(versions);
        }
        for (text, versions) in kinds {
            let which = ranges::of_set(&project, &versions);
            self.lines.push(format!("{} {which}: {text}", project.name));
        }
    }

    fn tell_need(&mut self, need: &Needing) {
        match need.from {
            Needer::User => {
                let name = &self.world.project(need.to).name;
                let asked = self.world.wanted_of(name);
                let asked: Vec<_> = match asked[..] {
                    [only] => vec![written(only)],
                    // Of several one wants to know which is which.
                    _ => asked.into_iter().map(written_where).collect(),
                };
                self.lines
                    .push(format!("you ask for {}", asked.join(" and for ")));
            }
            Needer::Project(number, extra) => {
                let project = self.world.project(number);
                let extra = extra.map(|extra| self.world.extra(extra));
                let named = match &extra {
                    Some(extra) => format!("{}[{extra}]", project.name),
                    None => project.name.to_string(),
                };
                let kinds = self.kinds(&project, extra.as_ref(), need);
                if kinds.len() > MOST_KINDS {
                    let which = ranges::of_set(&project, &need.versions);
                    let to = self.world.project(need.to);
                    let needed = ranges::of_set(&to, &need.allowed);
                    self.lines.push(format!(
                        "{named} {which} need {} {needed}, each some of these",
                        to.name
                    ));
                    return;
                }
                for (text, versions) in kinds {
                    let which = ranges::of_set(&project, &versions);
                    let verb = ranges::verb(&project, &versions, "needs", "need");
                    let whole = match project.all().subset_of(&versions) {
                        true if project.candidates.len() > 1 => ", all that there are,",
                        _ => "",
                    };
                    self.lines
                        .push(format!("{named} {which}{whole} {verb} {text}"));
                }
            }
        }
    }

    /// What the versions of `need` say, and which say the same; the newest first.
    fn kinds(
        &self,
        project: &Project,
        extra: Option<&Name>,
        need: &Needing,
    ) -> Vec<(String, Versions)> {
        let to = self.world.project(need.to);
        let mut kinds: Vec<(String, Versions)> = Vec::new();
        for place in need.versions.places(project.candidates.len()).rev() {
            let known = project.candidate(place).metadata.get();
            let Some(Ok(metadata)) = known else {
                continue;
            };
            let active = self.world.active(&metadata.requires, extra);
            let texts: BTreeSet<String> = active
                .filter(|needed| needed.name == to.name)
                .map(short)
                .collect();
            let text = texts.into_iter().collect::<Vec<_>>().join(" and ");
            let place = Versions::singleton(place);
            match kinds.iter_mut().find(|(known, _)| *known == text) {
                Some((_, versions)) => *versions = versions.union(&place),
                None => kinds.push((text, place)),
            }
        }
        kinds
    }

    /// What else is asked for that cannot be had: the proof needs but one of them.
    fn tell_others(&mut self, met: &mut BTreeSet<u32>) {
        for number in self.world.hopeless() {
            if met.insert(number) {
                let need = Needing {
                    from: Needer::User,
                    versions: Versions::full(),
                    to: number,
                    allowed: Versions::empty(),
                };
                self.tell_need(&need);
                self.tell_missing(&need);
            }
        }
    }

    /// Why nothing that `need` allows can be taken.
    fn tell_missing(&mut self, need: &Needing) {
        let to = self.world.project(need.to);
        let requirements: Vec<Requirement> = match need.from {
            Needer::User => {
                let wanted = self.world.wanted_of(&to.name).into_iter();
                wanted.map(|wanted| wanted.requirement.clone()).collect()
            }
            Needer::Project(number, extra) => {
                let project = self.world.project(number);
                let extra = extra.map(|extra| self.world.extra(extra));
                let newest = need.versions.places(project.candidates.len()).next_back();
                let known = newest.and_then(|place| project.candidate(place).metadata.get());
                let metadata = known.and_then(|known| known.as_ref().ok());
                let requires = metadata.map(|metadata| &metadata.requires[..]);
                self.world
                    .active(requires.unwrap_or_default(), extra.as_ref())
                    .filter(|one| one.name == to.name)
                    .cloned()
                    .collect()
            }
        };
        if let Some((one, other)) = self.contradiction(need, &to, &requirements) {
            self.lines
                .push(format!("{one} and {other} exclude each other"));
            let remedy = "leave one of the two out";
            self.remedy = self
                .remedy
                .or((need.from == Needer::User).then_some(remedy));
            return;
        }
        let does = |version: &pep440_rs::Version| {
            requirements.iter().all(|one| match &one.source {
                Source::Versions(versions) => takes(versions, version),
                Source::Url(_) => true,
            })
        };
        let (lines, remedy) = missing::explain(self.world, &to, &does);
        self.lines.extend(lines);
        self.remedy = self.remedy.or(remedy);
    }

    /// Two of the requirements that exclude each other, and where they are written.
    fn contradiction(
        &self,
        need: &Needing,
        to: &Project,
        requirements: &[Requirement],
    ) -> Option<(String, String)> {
        // Where nothing is known of it, there is a better reason.
        if to.candidates.is_empty() && to.excluded.is_empty() {
            return None;
        }
        let all: Vec<&Requirement> = requirements.iter().collect();
        let (one, other) = contradiction::of(to, &all)?;
        Some(match need.from {
            Needer::User => {
                let asked = self.world.wanted_of(&to.name);
                (written_where(asked[one]), written_where(asked[other]))
            }
            Needer::Project(..) => (short(all[one]), short(all[other])),
        })
    }

    /// Which project is pulled in two directions.
    fn tell_contested(&mut self) {
        let mut allowed: BTreeMap<u32, (usize, Versions)> = BTreeMap::new();
        for need in self
            .facts
            .needs
            .iter()
            .filter(|need| !need.allowed.is_empty())
        {
            let (count, all) = allowed
                .entry(need.to)
                .or_insert_with(|| (0, Versions::full()));
            *count += 1;
            *all = all.intersection(&need.allowed);
        }
        for (number, (count, all)) in allowed {
            if count > 1 && all.is_empty() {
                let name = &self.world.project(number).name;
                self.lines
                    .push(format!("so no version of {name} does for all of them"));
            }
        }
    }

    /// What there is beyond the versions that could be chosen from.
    fn tell_newer(&mut self, number: u32) {
        let project = self.world.project(number);
        let newest = project.candidates.last().map(|newest| &newest.version);
        let newer = |version: &pep440_rs::Version| {
            newest.is_none_or(|newest| version > newest) && !version.any_prerelease()
        };
        if project.excluded.iter().any(|one| newer(&one.version)) {
            let lines = missing::excluded(self.world, &project, &newer);
            self.lines
                .extend(lines.0.into_iter().map(|line| format!("({line})")));
        }
    }
}
