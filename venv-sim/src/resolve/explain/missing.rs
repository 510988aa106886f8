//! Why a project has no version that can be taken.

use pep440_rs::Version;

use super::{ranges, wheels};
use crate::refusal::shown;
use crate::requirement::Name;
use crate::requirements_file::BUILD;
use crate::resolve::project::{Exclusion, Project};
use crate::resolve::world::World;

/// Lines, and what to do.
pub(super) type Reasons = (Vec<String>, Option<&'static str>);

/// So many kinds of reasons are told of one project, the newest first.
const MOST: usize = 3;

/// Why none of the versions for which `does` holds can be taken.
pub(super) fn explain(
    world: &World<'_>,
    project: &Project,
    does: &dyn Fn(&Version) -> bool,
) -> Reasons {
    let name = &project.name;
    if project.candidates.is_empty() && project.excluded.is_empty() {
        return unknown(world, name);
    }
    let (mut lines, mut remedy) = excluded(world, project, does);
    let hidden = project.candidates.iter().filter(|one| does(&one.version));
    let (yanked, prereleases): (Vec<_>, Vec<_>) = hidden.partition(|one| one.is_yanked);
    if let Some(newest) = prereleases.last() {
        let version = &newest.version;
        lines.push(format!(
            "{name} {version} is a pre-release, and you name none"
        ));
        remedy = remedy.or(Some(
            "name the pre-release in a requirement of yours (`>=2.0rc1`), or allow them all with `--pre`",
        ));
    }
    if let Some(newest) = yanked.last() {
        let version = &newest.version;
        let why = newest.offer().and_then(|offer| offer.yanked.as_ref());
        let why = why.filter(|why| !why.is_empty());
        let why = why.map_or(String::new(), |why| format!(": {}", shown(why)));
        lines.push(format!(
            "{name} {version} was taken back by its author{why}"
        ));
        remedy = remedy.or(Some(
            "if you want a version that was taken back, pin it with `==` in a requirement of yours",
        ));
    }
    let elsewhere = world
        .elsewhere(name)
        .into_iter()
        .filter(|offer| does(offer.version()));
    if let Some(newest) = elsewhere.max_by(|one, other| one.version().cmp(other.version())) {
        lines.push(format!(
            "{name} {} is offered by {} and not looked at, since an index before has {name}",
            newest.version(),
            newest.origin
        ));
        remedy = remedy.or(Some(
            "name the index that should serve the project first; \
             `--index-strategy unsafe-best-match` trusts all of them alike",
        ));
    }
    if lines.is_empty() {
        lines.push(there_are(project));
        return (lines, Some("ask for a version that there is"));
    }
    let usual = project.candidates.iter().rev();
    let fitting = usual
        .filter(|one| !does(&one.version))
        .find(|one| !one.is_yanked && !one.version.any_prerelease());
    if let Some(newest) = fitting {
        lines.push(format!("{name} {} could be had", newest.version));
    }
    (lines, remedy)
}

/// What there is, when it is none of what was asked for.
fn there_are(project: &Project) -> String {
    let candidates = project.candidates.iter().map(|one| &one.version);
    let excluded = project.excluded.iter().map(|one| &one.version);
    let mut versions: Vec<&Version> = candidates.chain(excluded).collect();
    versions.sort();
    let name = &project.name;
    match versions[..] {
        [] => format!("there is no {name}"),
        [only] => format!("there is {name} {only}, and no other"),
        [first, .., last] => format!(
            "there are {} versions of {name}, from {first} to {last}, and none is that",
            versions.len()
        ),
    }
}

fn unknown(world: &World<'_>, name: &Name) -> Reasons {
    let near = world
        .projects()
        .into_iter()
        .filter(|other| !other.candidates.is_empty() && is_near(&other.name, name))
        .map(|other| other.name.clone())
        .next();
    let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    let asked = world.asked();
    if asked.indexes.is_empty() && asked.is_known {
        let line = match asked.places.is_empty() {
            true => {
                format!("no index is asked for {name}, and no place is named where it could lie")
            }
            false => format!(
                "no file of a project {name} lies in {}, and no index is asked{near}",
                asked.places.join(" or in ")
            ),
        };
        let remedy =
            "leave out `--no-index`, or name with `--find-links` the directory that holds it";
        return (vec![line], Some(remedy));
    }
    let line = format!("nobody that was asked knows a project {name}{near}");
    let remedy = "look for a slip in its name; a private project needs its index named";
    (vec![line], Some(remedy))
}

/// Whether one is the other but for one letter: too many, too few, another, or two exchanged.
fn is_near(one: &Name, other: &Name) -> bool {
    let (one, other) = (one.as_str().as_bytes(), other.as_str().as_bytes());
    let same = |(a, b): &(&u8, &u8)| a == b;
    let before = one.iter().zip(other).take_while(same).count();
    let behind = one
        .iter()
        .rev()
        .zip(other.iter().rev())
        .take_while(same)
        .count();
    let (shorter, longer) = (one.len().min(other.len()), one.len().max(other.len()));
    let is_exchange = one.len() == other.len()
        && before + behind + 2 == one.len()
        && one[before] == other[before + 1]
        && one[before + 1] == other[before];
    shorter > 2 && (is_exchange || (longer - shorter < 2 && before + behind + 1 >= longer))
}

/// Why the versions that never entered the search, and for which `does` holds, did not.
pub(super) fn excluded(
    world: &World<'_>,
    project: &Project,
    does: &dyn Fn(&Version) -> bool,
) -> Reasons {
    let mut groups: Vec<(String, Option<&'static str>, Vec<usize>)> = Vec::new();
    let asked = project
        .excluded
        .iter()
        .enumerate()
        .filter(|(_, one)| does(&one.version));
    for (index, one) in asked {
        let (text, remedy) = why(world, &one.why);
        match groups.iter_mut().find(|(known, ..)| *known == text) {
            Some((.., places)) => places.push(index),
            None => groups.push((text, remedy, vec![index])),
        }
    }
    groups.sort_by_key(|(.., places)| std::cmp::Reverse(places.last().copied()));
    groups.truncate(MOST);
    let remedy = groups.first().and_then(|(_, remedy, _)| *remedy);
    let lines = groups.into_iter().map(|(text, _, places)| {
        let version = |place: usize| &project.excluded[place].version;
        let mut runs: Vec<(usize, usize)> = Vec::new();
        for place in places {
            match runs.last_mut() {
                Some((_, last)) if *last + 1 == place => *last = place,
                _ => runs.push((place, place)),
            }
        }
        let runs = runs
            .into_iter()
            .map(|(first, last)| ranges::run(version(first), version(last)));
        format!(
            "{} {}: {text}",
            project.name,
            ranges::listed(runs.collect())
        )
    });
    (lines.collect(), remedy)
}

fn why(world: &World<'_>, why: &Exclusion) -> (String, Option<&'static str>) {
    match why {
        Exclusion::Python(versions) => (
            format!(
                "for Python {}, and this one is {}",
                versions.to_string().replace(", ", ","),
                world.python
            ),
            Some("ask for an older version, or make an environment of another Python"),
        ),
        Exclusion::Platform(tags) => wheels::only_for(world, tags),
        Exclusion::Sources => ("sources only, and no wheel".to_owned(), Some(BUILD)),
        Exclusion::NoBinary => (
            "`--no-binary` leaves out its wheels, and nothing is built here".to_owned(),
            Some(BUILD),
        ),
        Exclusion::Hash => (
            "no file of it has a hash that you list".to_owned(),
            Some(
                "list the hash of the file that you trust; if it should be this one, its content has changed",
            ),
        ),
        Exclusion::Unvouched => (
            "you list no hash of it, and once one requirement has a hash all need one".to_owned(),
            Some("list each project that is needed, pinned and with its hash"),
        ),
        Exclusion::Constraint(text) => (
            format!("left out by your constraint {text}"),
            Some("relax the constraint or the requirement"),
        ),
    }
}
