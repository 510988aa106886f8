//! What is installed, as a tree of who needs whom.

use std::collections::BTreeSet;

use pep440_rs::Version;

use super::needs::{Needs, satisfies};
use super::{Distribution, Installed};
use crate::requirement::{MarkerEnvironment, Name, Requirement};

/// A distribution in the tree, or one that should be there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Its name, normalized.
    pub name: Name,
    /// Its name as its author writes it; the normalized one where it is not there.
    pub written_name: String,
    /// Its version; none where it is not there.
    pub version: Option<Version>,
    /// The requirement that leads here from the node above, without its marker.
    pub asked: Option<String>,
    /// What is to be said of it.
    pub mark: Option<Mark>,
    /// What it needs, or who needs it.
    pub below: Vec<Node>,
}

/// What is to be said of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// It is needed and not there.
    Missing,
    /// It is there in a version that the node above does not take.
    Conflict,
    /// It stands above itself.
    Cycle,
    /// What is below it was shown before.
    Shown,
}

/// A requirement between two.
#[derive(Clone, Copy)]
struct Edge<'a> {
    /// Whose it is.
    from: &'a Name,
    requirement: &'a Requirement,
}

/// How deep a tree is drawn: a stranger's metadata must not exhaust the stack.
const DEEPEST: usize = 200;

struct Drawing<'a> {
    installed: &'a Installed,
    edges: Vec<Edge<'a>>,
    is_inverted: bool,
    above: Vec<&'a Name>,
    shown: BTreeSet<&'a Name>,
}

impl Installed {
    /// The trees that begin with what nobody needs; inverted, with what needs nobody. Those of
    /// `only`, where it names any. What stands in a circle is in one of them, too.
    #[must_use]
    pub fn tree(
        &self,
        environment: &MarkerEnvironment,
        is_inverted: bool,
        only: &[Name],
    ) -> Vec<Node> {
        let needs = Needs::of(self, environment);
        let (mut edges, mut needed, mut needy) = (Vec::new(), BTreeSet::new(), BTreeSet::new());
        for one in &self.distributions {
            for requirement in needs.requirements(one) {
                let from = one.name();
                // Of an extra that names others of its own project, as `all` does.
                if requirement.name == *from {
                    continue;
                }
                edges.push(Edge { from, requirement });
                if self.find(&requirement.name).is_some() {
                    needed.insert(&requirement.name);
                    needy.insert(from);
                }
            }
        }
        let mut drawing = Drawing {
            installed: self,
            edges,
            is_inverted,
            above: Vec::new(),
            shown: BTreeSet::new(),
        };
        let inner = if is_inverted { needy } else { needed };
        let names = self.distributions.iter().map(Distribution::name);
        let (tops, others): (Vec<_>, Vec<_>) = match only {
            [] => names.partition(|name| !inner.contains(name)),
            only => (names.filter(|name| only.contains(name)).collect(), vec![]),
        };
        let mut trees: Vec<Node> = Vec::new();
        for name in tops {
            trees.push(drawing.node(name, None));
        }
        // Left are circles that nobody outside of them needs.
        for name in others {
            if !drawing.shown.contains(name) {
                trees.push(drawing.node(name, None));
            }
        }
        trees
    }
}

impl<'a> Drawing<'a> {
    /// Those that go on from `name`, and where they lead, each once.
    fn edges(&self, name: &Name) -> Vec<(&'a Name, &'a Requirement)> {
        let ends = self.edges.iter().map(|edge| match self.is_inverted {
            false => (edge.from, &edge.requirement.name, edge.requirement),
            true => (&edge.requirement.name, edge.from, edge.requirement),
        });
        let from_here = ends.filter(|(from, ..)| *from == name);
        let mut edges: Vec<_> = from_here.map(|(_, to, why)| (to, why)).collect();
        edges.sort_by_key(|(to, _)| *to);
        edges.dedup_by_key(|(to, _)| *to);
        edges
    }

    fn node(&mut self, name: &'a Name, by: Option<&Requirement>) -> Node {
        let found = self.installed.find(name);
        // The requirement is of the one above, or, inverted, of this one for the one above.
        let needed = match self.is_inverted {
            false => found,
            true => by.and_then(|requirement| self.installed.find(&requirement.name)),
        };
        let asked = by.map(|requirement| {
            let marker = None;
            Requirement {
                marker,
                ..requirement.clone()
            }
        });
        let mut node = Node {
            name: name.clone(),
            written_name: found.map_or_else(|| name.to_string(), |one| one.written_name.clone()),
            version: found.map(|found| found.version().clone()),
            asked: asked.map(|asked| asked.to_string()),
            mark: None,
            below: Vec::new(),
        };
        if found.is_none() {
            node.mark = Some(Mark::Missing);
            return node;
        }
        let fits = |requirement| needed.is_none_or(|needed| satisfies(needed, requirement));
        if !by.is_none_or(fits) {
            node.mark = Some(Mark::Conflict);
        }
        if self.above.contains(&name) {
            node.mark = Some(Mark::Cycle);
            return node;
        }
        let edges = self.edges(name);
        if edges.is_empty() {
            self.shown.insert(name);
            return node;
        }
        if !self.shown.insert(name) || self.above.len() == DEEPEST {
            node.mark = node.mark.or(Some(Mark::Shown));
            return node;
        }
        self.above.push(name);
        for (to, requirement) in edges {
            node.below.push(self.node(to, Some(requirement)));
        }
        self.above.pop();
        node
    }
}
