//! Links into the store that lead nowhere: what they led to was pruned, or the store was moved.
//!
//! Pruning keeps what the links of an environment need, wherever that was moved on its file
//! system. One that was copied to another, or whose store was removed by hand, has nothing that
//! told of it.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::{Ailment, AilmentKind, Repair, kept};
use crate::config::env_flag;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::installed::{Distribution, Installed};
use crate::occupancy::{Found, Occupied};
use crate::places::Search;
use crate::requirement::Name;
use crate::store::{Store, Stored};

/// What ails the links, and which these are.
pub(super) fn examine(
    environment: &Environment,
    installed: &Installed,
    search: &Search,
) -> (Vec<Ailment>, HashSet<PathBuf>) {
    let (mut ailments, mut all) = (Vec::new(), HashSet::new());
    let mut store = None;
    for one in &installed.distributions {
        let links = dangling(one);
        if links.is_empty() {
            continue;
        }
        let store = store.get_or_insert_with(|| Store::of(&search.cache).ok());
        let has = |link: &PathBuf| {
            store
                .as_ref()
                .is_some_and(|store| home(store, one, link).is_some())
        };
        let is_there = links.iter().all(has);
        ailments.push(ailment(environment, one, &links, is_there));
        all.extend(links);
    }
    (ailments, all)
}

fn ailment(
    environment: &Environment,
    one: &Distribution,
    links: &[PathBuf],
    is_there: bool,
) -> Ailment {
    let first = links[0].strip_prefix(&environment.dir).unwrap_or(&links[0]);
    Ailment {
        kind: AilmentKind::BrokenLink,
        what: format!(
            "{} links of {} {} into the store lead nowhere, such as {}",
            links.len(),
            one.written_name,
            one.version(),
            first.display()
        ),
        why: "the wheel that they lead into was removed from the store, or the store was moved"
            .to_owned(),
        remedy: match is_there {
            true => "lead them into the store that there is".to_owned(),
            false => format!(
                "`isolab venv install{} --reinstall {}`",
                env_flag(Some(&environment.dir)),
                one.name()
            ),
        },
        repair: is_there.then(|| Repair::IntoStore(one.name().clone())),
    }
}

/// The links of `one` into a store that lead nowhere.
fn dangling(one: &Distribution) -> Vec<PathBuf> {
    let files = one.files().unwrap_or_default().into_iter();
    let bare = files.filter(|file| file.digest.is_none());
    let links = bare.map(|file| file.path);
    links
        .filter(|path| fs::read_link(path).is_ok_and(|to| is_of_a_store(&to)))
        .filter(|path| fs::metadata(path).is_err())
        .collect()
}

/// `…/wheels/SHA256/tree/…`
fn is_of_a_store(target: &Path) -> bool {
    let names: Vec<_> = target.iter().filter_map(|name| name.to_str()).collect();
    let is_digest = |name: &str| name.len() == 64 && name.bytes().all(|c| c.is_ascii_hexdigit());
    names
        .windows(3)
        .any(|names| names[0] == "wheels" && is_digest(names[1]) && names[2] == "tree")
}

/// The wheels of this project and version that the store has.
pub(super) fn wheels(store: &Store, one: &Distribution) -> Vec<Stored> {
    let stored = store.entries().unwrap_or_default().into_iter();
    let same = stored.filter(|stored| {
        (&stored.name.project, &stored.name.version) == (one.name(), one.version())
    });
    same.collect()
}

/// What the link is to lead to: of the very wheel that `one` is, as far as its METADATA and its
/// WHEEL tell.
fn home(store: &Store, one: &Distribution, link: &Path) -> Option<(Stored, PathBuf)> {
    let inside = link.strip_prefix(&one.location).ok()?;
    let info = one.path.file_name()?;
    let same = |tree: &Path, name: &str| {
        let (here, there) = (one.path.join(name), tree.join(info).join(name));
        matches!((fs::read(here), fs::read(there)), (Ok(here), Ok(there)) if here == there)
    };
    wheels(store, one).into_iter().find_map(|stored| {
        let tree = fs::canonicalize(stored.tree()).ok()?;
        let target = tree.join(inside);
        let fits = target.exists() && same(&tree, "METADATA") && same(&tree, "WHEEL");
        fits.then_some((stored, target))
    })
}

/// Leads the links of `project` into the store that there is.
pub(super) fn lead_back(held: &Occupied, project: &Name, search: &Search) -> Result<String> {
    let environment = Environment::open(&held.dir)?;
    let installed = Installed::of(&environment)?;
    let store = Store::of(&search.cache)?;
    let real = fs::canonicalize(&held.dir).map_err(Error::io("find", &held.dir))?;
    let of_project = installed.distributions.iter();
    let mut count = 0;
    for one in of_project.filter(|one| one.name() == project) {
        for link in dangling(one) {
            let path = kept::named(held, &link)?;
            let Some((stored, target)) = home(&store, one, &link) else {
                continue;
            };
            if held.look(path)? == Found::Other {
                // Before it is there, as when it is installed: nothing prunes in between.
                stored.remember_links(&[real.join(path)])?;
                kept::relink(held, path, &target)?;
                count += 1;
            }
        }
    }
    Ok(format!("led {count} links of {project} into the store"))
}
