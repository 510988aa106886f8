//! Of what is installed there may be newer versions.

use pep440_rs::{Version, VersionSpecifiers};

use super::order::Order;
use super::supply::Supply;
use super::{Means, Step};
use crate::catalogue::Catalogue as _;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::installed::{Distribution, Installed};
use crate::requirement::{Name, Requirement, Source};
use crate::requirements_file::Wanted;
use crate::resolve::{Demand, Rules, resolve};

/// What is newer than what is installed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Outdated {
    /// Those that have a newer version, in the order of their names.
    pub newer: Vec<Newer>,
    /// Those of which nobody knows: no index has them, or none in a form that fits.
    pub unknown: Vec<Name>,
}

/// A project that has a newer version than is installed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Newer {
    /// Its name, as its author writes it.
    pub written_name: String,
    /// What is installed.
    pub installed: Version,
    /// The newest that this interpreter can have, whatever others need.
    pub newest: Version,
}

/// Which of `installed` have newer versions that the interpreter of `environment` can have. What
/// was installed from an address has none.
///
/// # Errors
/// Those of the index.
pub fn outdated(
    environment: &Environment,
    installed: &Installed,
    prereleases: bool,
    means: &Means<'_>,
) -> Result<Outdated> {
    let interpreter = environment.interpreter(means.cache)?;
    let order = Order::default();
    let supply = Supply::of(Some(environment), &interpreter, "install", &order, means)?;
    (means.progress)(Step::Asking(&supply.explanation()));
    (means.progress)(Step::Choosing);
    let is_of_index = |one: &&Distribution| one.direct_url.is_none() && !one.is_editable();
    let asked: Vec<&Distribution> = installed.distributions.iter().filter(is_of_index).collect();
    let names: Vec<Name> = asked.iter().map(|one| one.name().clone()).collect();
    supply.expect(&names);
    let tags = interpreter.tags();
    let rules = Rules {
        prereleases,
        no_dependencies: true,
        ..Rules::default()
    };
    let mut found = Outdated::default();
    for one in asked {
        let demand = Demand {
            markers: &interpreter.markers,
            rank: &|tag| tags.rank(tag),
            wanted: &[any_of(one.name())],
            constraints: &[],
            held: &[],
            rules: &rules,
        };
        match resolve(&demand, &supply) {
            Ok(resolution) => found
                .newer
                .extend(resolution.picks.into_iter().filter_map(|pick| {
                    (pick.version > *one.version()).then(|| Newer {
                        written_name: one.written_name.clone(),
                        installed: one.version().clone(),
                        newest: pick.version,
                    })
                })),
            Err(Error::Unsatisfiable { .. }) => found.unknown.push(one.name().clone()),
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

/// Whichever version of it.
fn any_of(name: &Name) -> Wanted {
    Wanted {
        requirement: Requirement {
            name: name.clone(),
            extras: Vec::new(),
            source: Source::Versions(VersionSpecifiers::empty()),
            marker: None,
        },
        hashes: Vec::new(),
        at: None,
    }
}
