//! What should not make a start slower, and how much slower it does: Docker's
//! system-call filter, and a hundred containers that run already.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result};

use crate::contestant::{Contestant, Race, Role};
use crate::crowd::Crowd;
use crate::runtimes::{Field, Runtime, at_most};

/// How many containers run beside.
const BESIDE: usize = 100;

/// What a start of ours is held against.
const PLAIN: &str = "isorun, plain";

/// A race for each.
pub(crate) fn races(field: &Field) -> Result<Vec<Race>> {
    Ok(vec![filtered(field)?, beside(field)])
}

/// A contestant that runs the bundle in the given place.
fn runs(runtime: &Runtime, bundle: PathBuf) -> Contestant {
    runtime.contestant(move |own, turn| own.command_of("run", &bundle, &turn.id))
}

/// Ours without the load, as a peer of ours with it.
fn plain(field: &Field) -> Contestant {
    let mut contestant = runs(field.ours(), field.bundle.timed.clone());
    (contestant.name, contestant.role) = (PLAIN, Role::Limit);
    contestant.version.clear();
    contestant
}

fn filtered(field: &Field) -> Result<Race> {
    let mut spec = field.bundle.spec_of("exit")?;
    let linux = spec.linux.as_mut().context("the example is for Linux")?;
    linux.seccomp = Some(isolab_engine::seccomp::default_profile());
    let bundle = field.scratch.join("bundle/filtered");
    fs::create_dir_all(&bundle)?;
    fs::write(
        bundle.join("config.json"),
        serde_json::to_vec_pretty(&spec)?,
    )?;
    let mut contestants: Vec<Contestant> = field
        .runtimes
        .iter()
        .map(|runtime| runs(runtime, bundle.clone()))
        .collect();
    contestants.push(plain(field));
    Ok(field.race(
        "containers: run, filtered",
        "`run` with Docker's default system-call filter in the bundle",
        contestants,
        at_most(PLAIN, 1.10),
    ))
}

fn beside(field: &Field) -> Race {
    let in_crowd = |runtime: &Runtime| {
        let crowd = Crowd::new(field.ours(), field.bundle.held.clone(), BESIDE);
        let first = Rc::new(crowd);
        let last = first.clone();
        runs(runtime, field.bundle.timed.clone())
            .around_turn(move |turn| first.raise(&turn.id), move |_| last.end())
    };
    let mut contestants: Vec<Contestant> = field.runtimes.iter().map(in_crowd).collect();
    contestants.push(plain(field));
    field.race(
        "containers: run, beside 100",
        "`run` while 100 containers run already, all of them isorun's; plain is the same without \
         them, in the same rounds",
        contestants,
        at_most(PLAIN, 1.10),
    )
}
