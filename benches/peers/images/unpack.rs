//! From an archive on the disk to files that a container can have.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use anyhow::{Result, ensure};
use nix::unistd::geteuid;

use super::keeper::{Place, Who};
use super::sample::{BASE, Packed, Sample};
use super::seat::Seat;
use crate::contestant::{Contestant, Race, Role};
use crate::find_program;
use crate::runtimes::first_line;

pub(super) fn races(sample: &Sample, place: &Rc<Place>, scratch: &Path) -> Vec<Race> {
    let race = |name, about, packed: &Packed, way| {
        let contestants = contestants(packed, place, way);
        let mut race = super::race(name, about, contestants, &[("tar", 2.0)], scratch);
        race.notes.push(sample.about.clone());
        race
    };
    let about = "the files of an image, from an archive or a layout on the disk; tar unpacks the \
                 layer alone and checks nothing";
    let mut races = vec![race("images: unpack", about, &sample.gzip, "--gzip")];
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
    Some(Contestant::new("umoci", Role::Peer, version, move |turn| {
        let mut umoci = Command::new(&program);
        umoci.args(["unpack", "--image", &image]);
        umoci.args((!geteuid().is_root()).then_some("--rootless"));
        umoci.arg(&turn.dir);
        umoci
    }))
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
