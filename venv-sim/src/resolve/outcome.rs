//! From the solver's answer to the user's: what to install, in order, and what to know.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::Arc;

use pubgrub::SelectedDependencies;

use super::demand::Demand;
use super::package::{Flaw, Package};
use super::project::Project;
use super::resolution::{Pick, Resolution};
use super::said::{short, written};
use super::world::World;
use crate::error::Result;
use crate::requirement::{Name, Requirement, Source, takes};
use crate::requirements_file::Wanted;
use crate::wheel::Metadata;

/// What was chosen of one project.
struct Chosen {
    project: Rc<Project>,
    place: u32,
    metadata: Arc<Metadata>,
    extras: BTreeSet<Name>,
    needed_by: BTreeSet<Name>,
    needs: BTreeSet<Name>,
}

/// Puts the answer together.
pub(super) fn gather(
    world: &World<'_>,
    solution: SelectedDependencies<Package, u32>,
) -> Result<Resolution> {
    let mut chosen = chosen(world, solution)?;
    connect(world, &mut chosen);
    let wanted = || {
        world
            .demand
            .wanted
            .iter()
            .filter(|one| holds(&world.demand, one))
    };
    let asked: BTreeSet<&Name> = wanted().map(|one| &one.requirement.name).collect();
    let mut order = Vec::new();
    let mut seen = BTreeSet::new();
    for one in wanted() {
        visit(&chosen, &one.requirement.name, &mut seen, &mut order);
    }
    let notes = notes(world, &chosen);
    let picks = order.into_iter().filter_map(|name| {
        let one = chosen.remove(&name)?;
        let candidate = one.project.candidate(one.place);
        let said = world.said(&name);
        Some(Pick {
            version: candidate.version.clone(),
            offer: candidate.offer().cloned(),
            hashes: said.map_or_else(Vec::new, |said| said.hashes.clone()),
            extras: one.extras.into_iter().collect(),
            requested: asked.contains(&name),
            url: one.project.url.clone(),
            needed_by: one.needed_by.into_iter().collect(),
            name,
        })
    });
    Ok(Resolution {
        picks: picks.collect(),
        notes,
    })
}

fn holds(demand: &Demand<'_>, wanted: &Wanted) -> bool {
    let marker = wanted.requirement.marker.as_ref();
    marker.is_none_or(|marker| marker.holds(demand.markers, &[]))
}

/// What was chosen, by name.
fn chosen(
    world: &World<'_>,
    solution: SelectedDependencies<Package, u32>,
) -> Result<BTreeMap<Name, Chosen>> {
    let mut chosen = BTreeMap::new();
    let mut extras = Vec::new();
    for (package, place) in solution {
        match package {
            Package::Project(number) => {
                let project = world.project(number);
                // It is known: the solver asked for it.
                if let Ok(metadata) = world.metadata(&project, place)? {
                    let one = Chosen {
                        place,
                        metadata,
                        extras: BTreeSet::new(),
                        needed_by: BTreeSet::new(),
                        needs: BTreeSet::new(),
                        project: Rc::clone(&project),
                    };
                    chosen.insert(project.name.clone(), one);
                }
            }
            Package::Extra(number, extra) => extras.push((number, extra)),
            Package::User | Package::Beyond(..) => {}
        }
    }
    for (number, extra) in extras {
        if let Some(one) = chosen.get_mut(&world.project(number).name) {
            one.extras.insert(world.extra(extra));
        }
    }
    Ok(chosen)
}

/// What the version that was chosen needs, with its extras.
fn requirements<'c>(world: &World<'_>, one: &'c Chosen) -> Vec<&'c Requirement> {
    if world.demand.rules.no_dependencies {
        return Vec::new();
    }
    let requires = &one.metadata.requires;
    let mut needed: Vec<_> = world.active(requires, None).collect();
    for extra in &one.extras {
        needed.extend(world.active(requires, Some(extra)));
    }
    needed
}

/// Says of each who needs it.
fn connect(world: &World<'_>, chosen: &mut BTreeMap<Name, Chosen>) {
    let mut edges = Vec::new();
    for (name, one) in &*chosen {
        for needed in requirements(world, one) {
            if needed.name != *name {
                edges.push((name.clone(), needed.name.clone()));
            }
        }
    }
    for (from, to) in edges {
        if let Some(one) = chosen.get_mut(&to) {
            one.needed_by.insert(from.clone());
        }
        if let Some(one) = chosen.get_mut(&from) {
            one.needs.insert(to);
        }
    }
}

/// Puts `name` into the order, behind what it needs. Not by recursion: a stranger's chain of
/// requirements must not exhaust the stack.
fn visit(
    chosen: &BTreeMap<Name, Chosen>,
    name: &Name,
    seen: &mut BTreeSet<Name>,
    order: &mut Vec<Name>,
) {
    let mut left = vec![(name.clone(), false)];
    while let Some((name, is_done)) = left.pop() {
        if is_done {
            order.push(name);
            continue;
        }
        let Some(one) = chosen.get(&name) else {
            continue;
        };
        if !seen.insert(name.clone()) {
            continue;
        }
        left.push((name, true));
        left.extend(one.needs.iter().rev().map(|needed| (needed.clone(), false)));
    }
}

fn notes(world: &World<'_>, chosen: &BTreeMap<Name, Chosen>) -> Vec<String> {
    let mut notes = Vec::new();
    for wanted in world.demand.wanted {
        if !holds(&world.demand, wanted) {
            let written = written(wanted);
            notes.push(format!(
                "passed over {written}: it is not for this interpreter"
            ));
        }
    }
    for (name, one) in chosen {
        let candidate = one.project.candidate(one.place);
        let version = &candidate.version;
        for extra in one
            .extras
            .iter()
            .filter(|extra| !one.metadata.extras.contains(extra))
        {
            notes.push(format!("{name} {version} has no extra `{extra}`"));
        }
        for other in &one.project.candidates[one.place as usize + 1..] {
            if let Some(Err(Flaw::Broken(why))) = other.metadata.get() {
                notes.push(format!("passed over {name} {}: {why}", other.version));
            }
        }
        if let Some(why) = candidate.offer().and_then(|offer| offer.yanked.as_ref()) {
            let why = match why.is_empty() {
                true => "without a reason".to_owned(),
                false => crate::refusal::shown(why),
            };
            notes.push(format!(
                "{name} {version} was taken back by its author: {why}"
            ));
        }
    }
    notes.extend(broken(world, chosen));
    notes
}

/// What is installed, stays, and will no longer have what it needs.
fn broken(world: &World<'_>, chosen: &BTreeMap<Name, Chosen>) -> Vec<String> {
    let mut notes = Vec::new();
    for held in world.demand.held {
        let Metadata { name, version, .. } = &held.metadata;
        if chosen.contains_key(name) {
            continue;
        }
        for needed in world.active(&held.metadata.requires, None) {
            let Some(one) = chosen.get(&needed.name) else {
                continue;
            };
            let candidate = one.project.candidate(one.place);
            let Source::Versions(versions) = &needed.source else {
                continue;
            };
            if !candidate.is_installed() && !takes(versions, &candidate.version) {
                notes.push(format!(
                    "{name} {version}, which is installed, needs {}, and will have {}",
                    short(needed),
                    candidate.version
                ));
            }
        }
    }
    notes
}
