//! What should not make a start slower, and how much slower it does: Docker's
//! system-call filter, and a hundred containers that run already.

use std::fs;
use std::path::PathBuf;
use std::rc::Rc;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};
use isolab_oci::sys::process::effective_ids;

use crate::contestant::{Contestant, Race, Role};
use crate::crowd::Crowd;
use crate::runtimes::{Field, Runtime, at_most, floor};

/// How many containers run beside.
const BESIDE: usize = 100;

/// What a start of ours is held against.
const PLAIN: &str = "isorun, plain";

/// How long the kernel is left to what it puts off when containers come or go:
/// a hundred network namespaces take it seconds to take apart.
const REST: Duration = Duration::from_secs(3);

/// A race for each.
pub(crate) fn races(field: &Field) -> Result<Vec<Race>> {
    Ok(vec![filtered(field)?, beside(field)?])
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

fn beside(field: &Field) -> Result<Race> {
    let in_crowd = |contestant: Contestant| {
        let crowd = Crowd::new(field.ours(), field.bundle.held.clone(), BESIDE);
        let first = Rc::new(crowd);
        let last = first.clone();
        contestant.around_turn(
            move |turn| {
                let raised = first.raise(&turn.id);
                sleep(REST);
                raised
            },
            move |_| {
                let ended = last.end();
                sleep(REST);
                ended
            },
        )
    };
    let all = field.runtimes.iter();
    let mut contestants: Vec<Contestant> = all
        .map(|runtime| in_crowd(runs(runtime, field.bundle.timed.clone())))
        .collect();
    contestants.push(plain(field));
    if effective_ids().0 == 0 {
        // What the kernel itself is slower by.
        contestants.push(in_crowd(floor(field)?));
        let mut alone = floor(field)?;
        alone.name = "its floor, plain";
        contestants.push(alone);
    }
    Ok(field.race(
        "containers: run, beside 100",
        "`run` while 100 containers run already, all of them isorun's; plain is the same without \
         them, in the same rounds",
        contestants,
        at_most(PLAIN, 1.10),
    ))
}
