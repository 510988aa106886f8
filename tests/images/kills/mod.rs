//! SIGKILL at any moment of any verb, and the store is as good as before: every tag
//! resolves, what is counted is what the disk holds, and nothing of the dead is left.
//!
//! Verbs on two stores, a user's and the one that a registry serves to him, are
//! started at random, often several at once, and killed at a moment between their
//! beginning and their usual end, with or without the processes that they started.
//! Then the machine and both stores are looked at by other means than the verbs.
//!
//! `ISOLAB_SEED` draws the same verbs and moments again, `ISOLAB_KILLS` more of them.

mod deed;
mod layout;
mod lot;
pub(crate) mod party;
mod state;
mod world;

use std::time::Instant;

use libtest_mimic::{Failed, Trial};

use crate::place::{no, no_busybox, trial};
use lot::Lot;
use party::User;
use world::World;

/// After how many kills everything is looked at.
const BATCH: u64 = 50;

pub(crate) fn trials() -> Vec<Trial> {
    let why_not = |user: User| {
        let peers = no_busybox().or_else(|| no("tar"));
        peers.or_else(|| user.why_not())
    };
    let mut trials = Vec::new();
    for user in [User::Myself, User::Granted, User::Single] {
        let name = format!("random kills leave both stores whole, {}", user.name());
        trials.push(trial(&name, why_not(user), move || kill_many(user, 100)));
    }
    let why = why_not(User::Myself).or_else(|| Some("takes half an hour".to_owned()));
    let name = "ten thousand random kills leave both stores whole";
    trials.push(trial(name, why, || kill_many(User::Myself, 10_000)));
    trials
}

/// A number of the environment.
fn asked(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

fn kill_many(user: User, kills: u64) -> Result<(), Failed> {
    let kills = asked("ISOLAB_KILLS").unwrap_or(kills);
    let seed = asked("ISOLAB_SEED").unwrap_or_else(|| fastrand::u64(..));
    let mut world = World::new(user)?;
    let mut lot = Lot::new(seed);
    let begun = Instant::now();
    let outcome = rounds(&mut world, &mut lot, kills);
    let (verbs, passed) = (world.told(), begun.elapsed());
    eprintln!(
        "{} kills of seed {seed} in {passed:.0?}: {verbs}",
        world.killed
    );
    outcome.map_err(|failed| {
        let why = failed.message().unwrap_or_default().to_owned();
        let (last, place) = (world.last(), world.keep());
        format!("seed {seed}, {place}:\n{why}\nafter\n{last}").into()
    })
}

fn rounds(world: &mut World, lot: &mut Lot, kills: u64) -> Result<(), Failed> {
    while world.killed < kills {
        let next = world.killed + BATCH;
        while world.killed < next {
            world.round(lot)?;
        }
        state::look(world, lot)?;
    }
    state::clean(world)
}

/// That something is as it must be.
fn same<T: PartialEq + std::fmt::Debug>(found: &T, must: &T, what: &str) -> Result<(), Failed> {
    match found == must {
        true => Ok(()),
        false => Err(format!("{what}: {found:?}, and must be {must:?}").into()),
    }
}
