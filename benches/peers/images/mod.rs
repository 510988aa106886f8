//! Those who keep images: one image, of this machine's own packages, is unpacked,
//! fetched, built upon, committed and sent by each.
//!
//! Whatever a trial changes, it changes in a place of its own, which is moved away
//! afterwards. What takes a second and more has one trial a turn, behind the pause.

use std::path::Path;

use anyhow::Result;

use crate::contestant::{Contestant, Race, State, Target};

mod build;
mod daemon;
mod disk;
mod keeper;
mod pull;
mod push;
mod registry;
mod sample;
mod seat;
mod unpack;

use disk::Disk;
use keeper::Place;
use sample::Sample;

/// Whether a filter can mean one of these races or its peers.
pub(crate) fn is_meant(filter: &str) -> bool {
    let names = [
        "images", "unpack", "pull", "build", "commit", "push", "umoci", "podman", "buildah",
        "docker", "skopeo",
    ];
    names
        .iter()
        .any(|name| name.contains(filter) || filter.starts_with(name))
}

/// The races, or why there are none.
pub(crate) fn races(scratch: &Path, own_mounts: bool) -> Result<Vec<Race>> {
    let sample = Sample::make(scratch)?;
    let (disk, scratch, note) = match Disk::mount(scratch, own_mounts) {
        Ok(disk) => {
            let path = disk.path().to_owned();
            let note = "on an ext4 of their own, which began empty; synced before each trial";
            (Some(disk), path, note.to_owned())
        }
        Err(why) => {
            let note = format!("on a file system that others have used: {why:#}");
            (None, scratch.to_owned(), note)
        }
    };
    let scratch = &*scratch;
    let place = Place::new(disk)?;
    let served = pull::served(&sample, &place, scratch);
    let mut races = unpack::races(&sample, &place, served.as_ref().ok(), scratch);
    let further = [
        served.map(|registry| vec![pull::race(&sample, &place, &registry, scratch)]),
        build::races(&sample, &place, scratch),
        push::races(&sample, &place, scratch),
    ];
    for made in further {
        match made {
            Ok(made) => races.extend(made),
            Err(error) => println!("not raced: {error:#}"),
        }
    }
    for race in &mut races {
        race.notes.push(note.clone());
    }
    Ok(races)
}

/// A race whose trials take long, and so are few.
fn race(
    name: &'static str,
    about: &'static str,
    contestants: Vec<Contestant>,
    targets: &[(&'static str, f64)],
    scratch: &Path,
) -> Race {
    let target = |&(peer, at_most): &(&'static str, f64)| Target {
        peer,
        state: State::Cold,
        at_most,
    };
    Race {
        name,
        about,
        contestants,
        targets: targets.iter().map(target).collect(),
        inspection: None,
        notes: Vec::new(),
        weighs: true,
        turn: &[State::Cold],
        scratch: scratch.to_owned(),
        crowd: None,
    }
}
