//! What must be so when nothing runs any more.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use libtest_mimic::Failed;
use nix::sys::signal::Signal;

use super::layout;
use super::lot::Lot;
use super::party::Party;
use super::same;
use super::world::World;
use crate::place::said;

/// Looks at the machine, then at both stores, then at what their images do.
pub(crate) fn look(world: &mut World, lot: &mut Lot) -> Result<(), Failed> {
    let how = [Signal::SIGKILL, Signal::SIGTERM][lot.below(2) as usize];
    world.stop(how)?;
    nothing_runs(&world.name())?;
    // The next commands, which clear away.
    world.registry.says(&["system", "prune"])?;
    world.serve()?;
    let kept = world.there("kept:1");
    let number = world.user.says(&["run", "--pull", "always", &kept])?;
    same(&number.as_str(), &"7\n", "what the kept image says")?;
    let build = [
        "build",
        "-q",
        "-f",
        "context/scratch",
        "-t",
        "next",
        "--build-arg",
        "N=0",
    ];
    world.user.says(&[&build[..], &["context"]].concat())?;
    world.user.says(&["push", &kept])?;
    world.user.says(&["save", "-o", "saved-0.tar", &kept])?;
    for party in [&world.user, &world.registry] {
        store(world, party, lot)?;
    }
    saved(&world.user)?;
    nothing_runs(&world.name())?;
    let left = groups(&world.dead);
    left.is_empty()
        .then_some(())
        .ok_or_else(|| format!("control groups: {left:?}").into())
}

/// Everything that was ever written goes when it is told to.
pub(crate) fn clean(world: &mut World) -> Result<(), Failed> {
    world.stop(Signal::SIGTERM)?;
    for party in [&world.user, &world.registry] {
        party.says(&["system", "clean", "--yes"])?;
        for place in ["data/isolab", "cache/isolab"] {
            let left = party.home().join(place);
            same(&left.exists(), &false, place)?;
        }
    }
    Ok(())
}

/// One store: by the specification, and by our verbs.
fn store(world: &World, party: &Party, lot: &mut Lot) -> Result<(), Failed> {
    let at = party.store();
    let left = layout::unfinished(&at)?;
    if !left.is_empty() {
        return Err(format!("unfinished: {left:?}").into());
    }
    let tags = layout::read(&at)?;
    let kept = world.there("kept:1");
    let kept = tags
        .get(&kept)
        .or_else(|| tags.get("docker.io/library/kept:1"));
    same(&kept, &Some(&world.kept), "what nobody touched")?;
    let told = party.json(&["system", "df", "--json"])?;
    let counted = told["images"].as_object().ok_or("no images")?.iter();
    let counted = counted.filter(|(part, _)| *part != "tags");
    let sum: u64 = counted.filter_map(|(_, bytes)| bytes.as_u64()).sum();
    same(
        &sum,
        &layout::allocated(&at)?,
        "what is counted of images, by du",
    )?;
    let all = layout::allocated(&party.home().join("data/isolab"))?;
    same(
        &told["bytes"].as_u64(),
        &Some(all),
        "what is counted in all, by du",
    )?;
    let tags: Vec<_> = tags.into_iter().collect();
    for (name, digest) in &tags {
        let log = party.json(&["image", "log", name, "--json"])?;
        let current = log["versions"].as_array().ok_or("no versions")?.iter();
        let current = current.filter(|version| version["current"] == true);
        let digests: Vec<_> = current.map(|version| version["digest"].as_str()).collect();
        same(&digests, &vec![Some(digest.as_str())], name)?;
        party.json(&["image", "inspect", name])?;
    }
    for (name, _) in lot.some(&tags, 4) {
        runs(party, name)?;
    }
    Ok(())
}

/// An image says the number that its label has.
fn runs(party: &Party, name: &str) -> Result<(), Failed> {
    let told = party.json(&["image", "inspect", name])?;
    match told[0]["Config"]["Labels"]["n"].as_str() {
        Some(number) => same(&party.says(&["run", name])?, &format!("{number}\n"), name),
        None => same(
            &party.says(&["run", name, "echo", "x"])?,
            &"x\n".to_owned(),
            name,
        ),
    }
}

/// What was saved is there whole or not at all.
fn saved(party: &Party) -> Result<(), Failed> {
    for entry in fs::read_dir(party.home())? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        let path = party.home().join(&name);
        match &*name {
            "context" | "data" | "cache" => {}
            _ if name.ends_with(".tar") => {
                let listed = said(Command::new("tar").arg("-tf").arg(path))?;
                same(&listed.ends_with("manifest.json\n"), &true, &name)?;
            }
            _ => return Err(format!("{name} is left in the home").into()),
        }
    }
    Ok(())
}

/// Waits until no process and no mount has to do with `name`: the kernel ends
/// namespaces a moment after the process that kept them. The registry may run.
fn nothing_runs(name: &str) -> Result<(), Failed> {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        let left = [processes_of(name), mounts_of(name)].concat();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() > patience {
            return Err(format!("left behind: {left:#?}").into());
        }
        sleep(Duration::from_millis(5));
    }
}

/// Processes in whose words or mounts the world is named.
fn processes_of(name: &str) -> Vec<String> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let ids = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let ids = ids.filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
    let found = ids.filter_map(|id| {
        let read = |file: &str| fs::read(format!("/proc/{id}/{file}")).unwrap_or_default();
        let words = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        let mounts = String::from_utf8_lossy(&read("mountinfo")).into_owned();
        let is_ours = words.contains(name) || mounts.contains(name);
        (is_ours && !words.contains(" registry serve ")).then(|| format!("{id} {words}"))
    });
    found.collect()
}

/// The mounts that this process sees.
fn mounts_of(name: &str) -> Vec<String> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let lines = table.lines().filter(|line| line.contains(name));
    lines.map(str::to_owned).collect()
}

/// Control groups that name one of `dead` as their owner.
fn groups(dead: &BTreeSet<u32>) -> Vec<String> {
    let hierarchies = isolab_oci::cgroup::discover().unwrap_or_default();
    let places = hierarchies.iter().flat_map(|h| [&h.own, &h.mount_point]);
    let entries = places
        .filter_map(|place| fs::read_dir(place).ok())
        .flatten();
    let names = entries
        .flatten()
        .map(|entry| entry.path().display().to_string());
    let is_theirs = |path: &String| {
        let name = path
            .rsplit('/')
            .next()
            .and_then(|name| name.strip_prefix("isolab-"));
        let owner = name.and_then(|rest| {
            let mut parts = rest.split('-').skip(1);
            Some((parts.next()?.parse().ok()?, parts.next()?))
        });
        owner.is_some_and(|(owner, began)| dead.contains(&owner) && !is_alive(owner, began))
    };
    names.filter(is_theirs).collect()
}

/// Whether a process that began at that tick is there: ids are given again, and others have
/// containers of their own meanwhile.
fn is_alive(process: u32, began: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    // Behind the name, which may hold anything; the 22nd field of proc_pid_stat(5).
    let behind = stat.rsplit_once(')').map_or("", |(_, behind)| behind);
    behind.split_whitespace().nth(19) == Some(began)
}
