//! From a registry on this machine to files that a container can have.

use std::path::Path;
use std::rc::Rc;

use anyhow::{Result, ensure};

use super::keeper::{Keeper, Place, Who};
use super::registry::Registry;
use super::sample::{BASE, Sample};
use super::seat::Seat;
use super::unpack::is_unpacked;
use crate::contestant::{Contestant, Race};
use crate::crowd;

/// A registry on this machine that has the sample, by gzip.
pub(super) fn served(sample: &Sample, place: &Place, scratch: &Path) -> Result<Rc<Registry>> {
    let dir = scratch.join("pulled");
    let registry = Rc::new(Registry::start(&dir.join("registry"))?);
    let keeper = Keeper::new(Who::Isolab, place, &dir.join("isolab"))?;
    keeper.load(&sample.gzip.archive)?;
    let name = format!("{}/base:latest", registry.address);
    crowd::quietly(&mut keeper.command(&["push", "--image", BASE, &name]))?;
    Ok(registry)
}

pub(super) fn race(
    sample: &Sample,
    place: &Rc<Place>,
    registry: &Rc<Registry>,
    scratch: &Path,
) -> Race {
    let installed = |who: &Who| who.program().is_some();
    let keepers = Who::ALL.into_iter().filter(installed);
    let contestants = keepers
        .map(|who| puller(who.name(), who, place, registry))
        .collect();
    let about = "the same image, by gzip, from docker-registry on this machine";
    let mut race = super::race(
        "images: pull",
        about,
        contestants,
        &[("podman", 0.2)],
        scratch,
    );
    race.notes.push(sample.about.clone());
    race
}

/// Who fetches the sample, under a name of this race's.
pub(super) fn puller(
    name: &'static str,
    who: Who,
    place: &Rc<Place>,
    registry: &Rc<Registry>,
) -> Contestant {
    let seat = Seat::new(who, place);
    let (before, after, registry) = (seat.clone(), seat.clone(), Rc::clone(registry));
    let contestant = seat.contestant(name, move |keeper, _| {
        let mut pull = keeper.command(&["pull", "--quiet"]);
        pull.args((who == Who::Podman).then_some("--tls-verify=false"));
        pull.arg(format!("{}/base:latest", registry.address));
        pull
    });
    contestant.around_trial(
        move |turn| before.begin(turn),
        move |turn| {
            after.end();
            ensure!(
                who != Who::Isolab || is_unpacked(&turn.dir)?,
                "there are no files of it"
            );
            Ok(())
        },
    )
}
