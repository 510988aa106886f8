//! The facts in a proof, without its steps.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use pubgrub::{DerivationTree, External, VersionSet};

use crate::resolve::package::{Flaw, Package};
use crate::resolve::set::Versions;

/// What a proof rests on.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// Who needs what.
    pub(super) needs: Vec<Needing>,
    /// Which versions of a project cannot be used, and why.
    pub(super) flaws: BTreeMap<u32, Vec<(Versions, Flaw)>>,
}

/// Who needs something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Needer {
    User,
    /// A project, or one of its extras.
    Project(u32, Option<u32>),
}

/// Some versions of one need some versions of another.
#[derive(Debug, Clone)]
pub(super) struct Needing {
    pub(super) from: Needer,
    pub(super) versions: Versions,
    pub(super) to: u32,
    pub(super) allowed: Versions,
}

impl Facts {
    /// Collects them. A proof shares its parts, so each is looked at once; and it may be deep.
    pub(super) fn of(tree: &DerivationTree<Package, Versions, Flaw>) -> Self {
        let mut facts = Self::default();
        let mut seen = HashSet::new();
        let mut left = vec![tree];
        while let Some(tree) = left.pop() {
            match tree {
                DerivationTree::External(external) => facts.add(external),
                DerivationTree::Derived(derived) => {
                    let causes = [&derived.cause1, &derived.cause2];
                    let fresh = causes
                        .into_iter()
                        .filter(|cause| seen.insert(Arc::as_ptr(cause)));
                    left.extend(fresh.map(|cause| &**cause));
                }
            }
        }
        facts.needs.sort_by_key(|need| need.to);
        facts
    }

    fn add(&mut self, external: &External<Package, Versions, Flaw>) {
        match external {
            External::FromDependencyOf(from, versions, to, allowed) => {
                let from = match *from {
                    Package::User => Needer::User,
                    Package::Project(number) => Needer::Project(number, None),
                    Package::Beyond(number, extra) => Needer::Project(number, Some(extra)),
                    // That an extra goes with its project is told by its name.
                    Package::Extra(..) => return,
                };
                if let Some(to) = to.project() {
                    self.add_need(from, versions, to, allowed);
                }
            }
            External::Custom(package, versions, flaw) => {
                let number = package.project();
                let flaws = number.map(|number| self.flaws.entry(number).or_default());
                flaws
                    .into_iter()
                    .for_each(|flaws| flaws.push((versions.clone(), flaw.clone())));
            }
            External::NotRoot(..) | External::NoVersions(..) => {}
        }
    }

    /// What is needed twice by the same, of different versions, is told together. An empty set
    /// stays apart: it is told why it is empty.
    fn add_need(&mut self, from: Needer, versions: &Versions, to: u32, allowed: &Versions) {
        let same = |need: &&mut Needing| {
            need.from == from && need.to == to && need.allowed.is_empty() == allowed.is_empty()
        };
        match self.needs.iter_mut().find(same) {
            Some(need) => {
                need.versions = need.versions.union(versions);
                need.allowed = need.allowed.union(allowed);
            }
            None => self.needs.push(Needing {
                from,
                versions: versions.clone(),
                to,
                allowed: allowed.clone(),
            }),
        }
    }

    /// What a project needs, or the user.
    pub(super) fn of_project(&self, project: Option<u32>) -> Vec<Needing> {
        let is_of = |need: &&Needing| match need.from {
            Needer::User => project.is_none(),
            Needer::Project(number, _) => project == Some(number),
        };
        self.needs.iter().filter(is_of).cloned().collect()
    }
}
