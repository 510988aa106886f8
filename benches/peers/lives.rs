//! The other verbs of a container's life: create and start, exec, delete.

use std::fs;
use std::path::Path;
use std::rc::Rc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::contestant::{Contestant, Race, Target};
use crate::crowd::{Crowd, quietly};
use crate::runtimes::{Field, Runtime, at_most, start_targets};

/// How long a program that exits at once may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// How many containers run beside, and what that race is.
const BESIDE: usize = 100;
const BESIDE_ABOUT: &str = "the same, while 100 other containers run, all of them isorun's";

/// A race for each, and one beside a crowd.
pub(crate) fn races(field: &Field) -> Result<Vec<Race>> {
    let each = |make: fn(&Runtime, &Field) -> Contestant| -> Vec<Contestant> {
        field.runtimes.iter().map(|r| make(r, field)).collect()
    };
    let both = |names: [&'static str; 2], about, make, targets: fn() -> Vec<Target>| {
        let alone = field.race(names[0], about, each(make), targets());
        let crowd = Crowd::new(field.ours(), field.bundle.held.clone(), BESIDE);
        let beside = field.race(names[1], BESIDE_ABOUT, each(make), targets());
        [alone, beside.beside(crowd)]
    };
    let half = || at_most("crun", 0.5);
    let races = [
        both(
            [
                "containers: create and start",
                "containers: create and start, beside 100",
            ],
            "`create` and then `start` of a static program that exits at once: two commands, \
             the sum of their times",
            create_and_start,
            start_targets,
        ),
        both(
            ["containers: exec", "containers: exec, beside 100"],
            "`exec` of a static program that exits at once, in a container that runs",
            exec,
            half,
        ),
        both(
            ["containers: delete", "containers: delete, beside 100"],
            "`delete` of a container whose program has ended",
            delete,
            half,
        ),
    ];
    Ok(races.into_iter().flatten().collect())
}

fn create_and_start(runtime: &Runtime, field: &Field) -> Contestant {
    let (own, bundle) = (runtime.clone(), field.bundle.timed.clone());
    let after = runtime.clone();
    let version = runtime.version.clone();
    Contestant::of_several(runtime.name, runtime.role, version, move |turn| {
        let create = own.command_of("create", &bundle, &turn.id);
        vec![create, own.command(&["start", &turn.id])]
    })
    .around_trial(
        |_| Ok(()),
        move |turn| quietly(&mut after.command(&["delete", "--force", &turn.id])),
    )
}

fn exec(runtime: &Runtime, field: &Field) -> Contestant {
    let crowd = Rc::new(Crowd::new(runtime, field.bundle.held.clone(), 1));
    let (first, last) = (crowd.clone(), crowd.clone());
    runtime
        .contestant(move |own, _| {
            let id = crowd.ids().pop().unwrap_or_default();
            own.command(&["exec", &id, crate::bundle::PROGRAM, "exit"])
        })
        .around_turn(move |turn| first.raise(&turn.id), move |_| last.end())
}

fn delete(runtime: &Runtime, field: &Field) -> Contestant {
    let (before, bundle) = (runtime.clone(), field.bundle.timed.clone());
    let pid_file = field.scratch.join("pid");
    runtime
        .contestant(|own, turn| own.command(&["delete", &turn.id]))
        .around_trial(
            move |turn| {
                quietly(&mut before.create_with_pid_file(&bundle, &turn.id, &pid_file))?;
                quietly(&mut before.command(&["start", &turn.id]))?;
                wait_for_end(&pid_file)
            },
            |_| Ok(()),
        )
}

/// Waits until the process whose number is in the file has ended.
fn wait_for_end(pid_file: &Path) -> Result<()> {
    let pid = fs::read_to_string(pid_file).context("cannot read the pid file")?;
    let stat = format!("/proc/{}/stat", pid.trim());
    let end = Instant::now() + PATIENCE;
    // proc_pid_stat(5): the state stands behind the name's parenthesis.
    while fs::read_to_string(&stat).is_ok_and(|text| !text.contains(") Z")) {
        ensure!(Instant::now() < end, "{stat}: its program does not end");
        thread::sleep(Duration::from_millis(1));
    }
    Ok(())
}
