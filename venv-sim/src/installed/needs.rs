//! Who needs whom: the requirements of what is installed that hold in its environment.

use std::collections::{BTreeMap, BTreeSet};

use super::{Distribution, Installed};
use crate::requirement::{MarkerEnvironment, Name, Requirement, Source};

/// The requirements that hold, and the extras that somebody asks for.
pub(super) struct Needs<'a> {
    environment: &'a MarkerEnvironment,
    extras: BTreeMap<&'a Name, BTreeSet<&'a Name>>,
}

impl<'a> Needs<'a> {
    /// Finds out which extras are asked for: those that a requirement that holds names, which
    /// may be one of an extra itself.
    pub(super) fn of(installed: &'a Installed, environment: &'a MarkerEnvironment) -> Self {
        let extras = BTreeMap::new();
        let mut needs = Self {
            environment,
            extras,
        };
        let mut pending: Vec<&Distribution> = installed.distributions.iter().collect();
        while let Some(one) = pending.pop() {
            for requirement in needs.requirements(one) {
                let asked = needs.extras.entry(&requirement.name).or_default();
                let before = asked.len();
                asked.extend(&requirement.extras);
                if asked.len() > before {
                    pending.extend(installed.find(&requirement.name));
                }
            }
        }
        needs
    }

    /// What `one` needs here, with the extras of it that others ask for.
    pub(super) fn requirements(&self, one: &'a Distribution) -> Vec<&'a Requirement> {
        let extras: Vec<Name> = match self.extras.get(one.name()) {
            Some(extras) => extras.iter().map(|extra| (*extra).clone()).collect(),
            None => Vec::new(),
        };
        let holds = |requirement: &&Requirement| match &requirement.marker {
            Some(marker) => marker.holds(self.environment, &extras),
            None => true,
        };
        one.metadata.requires.iter().filter(holds).collect()
    }
}

/// Whether `found` is what `requirement` asks for.
pub(super) fn satisfies(found: &Distribution, requirement: &Requirement) -> bool {
    match &requirement.source {
        // A version of before its release is one that somebody chose to install.
        Source::Versions(versions) => crate::requirement::takes(versions, found.version()),
        // What came from an address is not told from what came from an index by everybody.
        Source::Url(_) => true,
    }
}

impl Installed {
    /// The names of those that need `name` here, in order.
    #[must_use]
    pub fn required_by(&self, name: &Name, environment: &MarkerEnvironment) -> Vec<&Distribution> {
        let needs = Needs::of(self, environment);
        let asks = |one: &&Distribution| {
            let mut requirements = needs.requirements(one).into_iter();
            requirements.any(|requirement| requirement.name == *name)
        };
        self.distributions.iter().filter(asks).collect()
    }

    /// What `one` needs here, extras that others ask for included.
    #[must_use]
    pub fn requires<'a>(
        &'a self,
        one: &'a Distribution,
        environment: &'a MarkerEnvironment,
    ) -> Vec<&'a Requirement> {
        Needs::of(self, environment).requirements(one)
    }
}
