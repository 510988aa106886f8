//! From an archive on the disk to files that a container can have.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use anyhow::{Result, ensure};
use nix::unistd::geteuid;

use super::keeper::{Place, Who};
use super::pull::puller;
use super::registry::Registry;
use super::sample::{BASE, Packed, Sample};
use super::seat::Seat;
use crate::contestant::{Contestant, Race, Role};
use crate::find_program;
use crate::runtimes::first_line;

/// Who does it all, from a registry on this machine: what unpacking is a part of.
const PULL: &str = "podman pull";

/// Without a registry nobody pulls beside those who unpack.
pub(super) fn races(
    sample: &Sample,
    place: &Rc<Place>,
    registry: Option<&Rc<Registry>>,
    scratch: &Path,
) -> Vec<Race> {
    let race = |name, about, packed: &Packed, way| {
        let contestants = contestants(packed, place, way);
        let targets = [("tar", 2.0), (PULL, 0.2)];
        let mut race = super::race(name, about, contestants, &targets, scratch);
        race.notes.push(sample.about.clone());
        race
    };
    let about = "the files of an image, from an archive or a layout on the disk; tar unpacks the \
                 layer alone and checks nothing";
    let mut gzip = race("images: unpack", about, &sample.gzip, "--gzip");
    if let Some(registry) = registry.filter(|_| Who::Podman.program().is_some()) {
        let puller = puller(PULL, Who::Podman, place, registry);
        let note =
            "it fetches the image, from a registry on this machine: unpacking is a part of that";
        gzip.contestants.push(puller.noting(note));
    }
    let mut races = vec![gzip];
    if let Some(zstd) = &sample.zstd {
        races.push(race("images: unpack, zstd", about, zstd, "--zstd"));
    }
    races
}

fn contestants(packed: &Packed, place: &Rc<Place>, way: &'static str) -> Vec<Contestant> {
    let installed = |who: &Who| who.program().is_some();
    let keepers = Who::ALL.into_iter().filter(installed);
    let mut all: Vec<_> = keepers.map(|who| loader(who, packed, place)).collect();
    all.extend(umoci(packed));
    all.push(tar(packed, way));
    all
}

fn loader(who: Who, packed: &Packed, place: &Rc<Place>) -> Contestant {
    let seat = Seat::new(who, place);
    let (before, after) = (seat.clone(), seat.clone());
    let archive = packed.archive.clone();
    let contestant = seat.contestant(who.name(), move |keeper, _| {
        let mut load = keeper.command(&["load", "--quiet", "--input"]);
        load.arg(&archive);
        load
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

/// Whether a layer lies unpacked in the store of ours below `data`.
pub(super) fn is_unpacked(data: &Path) -> Result<bool> {
    let mut layers = Vec::new();
    for owners in fs::read_dir(data.join("isolab/images/layers"))? {
        layers.extend(fs::read_dir(owners?.path())?);
    }
    Ok(!layers.is_empty())
}

fn umoci(packed: &Packed) -> Option<Contestant> {
    let program = find_program("umoci")?;
    let version = first_line(&program);
    let image = format!("{}:{BASE}", packed.layout.display());
    let contestant = Contestant::new("umoci", Role::Peer, version, move |turn| {
        let mut umoci = Command::new(&program);
        umoci.args(["unpack", "--image", &image]);
        umoci.args((!geteuid().is_root()).then_some("--rootless"));
        umoci.arg(&turn.dir);
        umoci
    });
    // Nothing but what the others have: a synced disk, a pause, and memory.
    Some(contestant.around_trial(|_| Ok(()), |_| Ok(())))
}

fn tar(packed: &Packed, way: &'static str) -> Contestant {
    let layer = packed.layer.clone();
    let version = first_line(Path::new("tar"));
    let command = move |turn: &crate::contestant::Turn| {
        let mut tar = Command::new("tar");
        tar.args(["--extract", way, "--file"]).arg(&layer);
        tar.arg("--directory").arg(&turn.dir);
        tar
    };
    Contestant::new("tar", Role::Limit, version, command)
        .around_trial(|turn| Ok(fs::create_dir(&turn.dir)?), |_| Ok(()))
}
