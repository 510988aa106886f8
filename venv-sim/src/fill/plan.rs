//! What has to change for an order to be fulfilled.

use pep440_rs::Version;

use super::order::Order;
use super::supply::Supply;
use crate::error::Result;
use crate::installed::{DirectUrl, Distribution, Installed};
use crate::interpreter::Interpreter;
use crate::requirement::Name;
use crate::resolve::{Demand, Held, Pick, resolve};
use crate::store::Stored;

/// What has to change.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Plan {
    /// Everything that is needed, each behind what it needs.
    pub picks: Vec<Pick>,
    /// What goes, and nothing comes in its place.
    pub removals: Vec<Name>,
    /// The version of each that is there now, of what comes or goes.
    pub before: Vec<(Name, Version)>,
    /// What the user should know.
    pub notes: Vec<String>,
}

impl Plan {
    /// Chooses versions; what is installed and fits, in the environment or where it also looks
    /// (`base`), is kept without asking anybody. Only what is in the environment can go.
    pub(super) fn make(
        order: &Order,
        interpreter: &Interpreter,
        installed: &Installed,
        base: &Installed,
        supply: &Supply,
    ) -> Result<Self> {
        let tags = interpreter.tags();
        let is_hidden = |one: &&Distribution| installed.find(one.name()).is_some();
        let seen = base.distributions.iter().filter(|one| !is_hidden(one));
        let held: Vec<Held> = installed
            .distributions
            .iter()
            .chain(seen)
            .map(held)
            .collect();
        let demand = Demand {
            markers: &interpreter.markers,
            rank: &|tag| tags.rank(tag),
            wanted: &order.asked.wanted,
            constraints: &order.asked.constraints,
            held: &held,
            rules: &order.rules,
        };
        let mut resolution = resolve(&demand, supply)?;
        for pick in &mut resolution.picks {
            if is_there(pick, order, installed, base) {
                pick.offer = None;
            }
        }
        let is_picked = |name: &Name| resolution.picks.iter().any(|pick| pick.name == *name);
        let others = installed.distributions.iter().map(Distribution::name);
        let mut removals: Vec<Name> = match order.is_exact {
            true => others.filter(|name| !is_picked(name)).cloned().collect(),
            false => Vec::new(),
        };
        removals.dedup();
        let is_touched = |name: &Name| {
            let comes = |pick: &Pick| pick.offer.is_some() && pick.name == *name;
            removals.contains(name) || resolution.picks.iter().any(comes)
        };
        let touched = installed
            .distributions
            .iter()
            .filter(|one| is_touched(one.name()));
        let before = touched.map(|one| (one.name().clone(), one.version().clone()));
        Ok(Self {
            before: before.collect(),
            picks: resolution.picks,
            removals,
            notes: resolution.notes,
        })
    }

    /// Whether everything is as it was asked for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.removals.is_empty() && self.additions().next().is_none()
    }

    /// Those that have to be had.
    pub fn additions(&self) -> impl Iterator<Item = &Pick> {
        self.picks.iter().filter(|pick| pick.offer.is_some())
    }

    /// The `direct_url.json` of each addition that was asked for by its address.
    pub(super) fn origins(&self, wheels: &[Stored]) -> Vec<Option<String>> {
        let origin = |(pick, stored): (&Pick, &Stored)| {
            let url = pick.url.as_ref()?;
            Some(DirectUrl::of_archive(url, &stored.sha256))
        };
        self.additions().zip(wheels).map(origin).collect()
    }
}

/// Whether the version that was chosen is the one that is installed: who asks for the newest has
/// it then. What an address or a hash says is found out by having it.
fn is_there(pick: &Pick, order: &Order, installed: &Installed, base: &Installed) -> bool {
    let found = installed.find(&pick.name).or_else(|| base.find(&pick.name));
    let is_same =
        found.is_some_and(|one| one.direct_url.is_none() && *one.version() == pick.version);
    is_same
        && pick.url.is_none()
        && pick.hashes.is_empty()
        && !order.rules.reinstall.contains(&pick.name)
}

fn held(one: &Distribution) -> Held {
    Held {
        metadata: one.metadata.clone(),
        url: one.direct_url.as_ref().map(|from| from.url.clone()),
    }
}
