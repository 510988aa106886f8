//! Bringing wheels here: several at once, each unpacked as soon as it is down.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use nix::fcntl::OFlag;

use super::plan::Plan;
use super::supply::Supply;
use super::{Means, Step};
use crate::cache::Cache;
use crate::catalogue::{Kind, Location, Offer};
use crate::error::{Error, Result};
use crate::refusal::{Refusal, shown};
use crate::resolve::Pick;
use crate::staging::Staging;
use crate::store::{Store, Stored};
use crate::wheel::Digest;

/// As many files come at once.
const AT_ONCE: usize = 8;

/// Each addition of the plan in the store, in their order. What the store has by its digest is
/// not fetched.
pub(super) fn into_store(
    plan: &Plan,
    supply: &Supply,
    store: &Store,
    means: &Means<'_>,
) -> Result<Vec<Stored>> {
    let picks: Vec<&Pick> = plan.additions().collect();
    let mut wheels: Vec<Option<Stored>> = picks.iter().map(|pick| known(pick, store)).collect();
    let missing: Vec<usize> = (0..picks.len())
        .filter(|at| wheels[*at].is_none())
        .collect();
    if missing.is_empty() {
        return Ok(wheels.into_iter().flatten().collect());
    }
    let fetched = |pick: &&Pick| matches!(offer(pick).location, Location::Url(_));
    let here = match missing.iter().map(|at| &picks[*at]).any(fetched) {
        true => Some(here(means.cache)?),
        false => None,
    };
    let directory = here
        .as_ref()
        .map_or(Path::new("/nonexistent"), Staging::path);
    announce(missing.iter().map(|at| picks[*at]), means);
    let found = all(&missing, |at| {
        let pick = picks[at];
        let path = fetch(pick, supply, directory, means)?;
        let stored = match vouched(offer(pick)) {
            // What was checked on its way here is the store's to keep.
            Some(sha256) if path.starts_with(directory) => {
                check(pick, &path, Some(sha256))?;
                store.take(&path, sha256)?
            }
            _ => {
                let stored = store.add(&path)?;
                check(pick, &path, Some(&stored.sha256))?;
                stored
            }
        };
        is_picked(pick, &stored, &path)?;
        (means.progress)(Step::Stored(&offer(pick).file_name));
        Ok(stored)
    })?;
    for (at, stored) in missing.into_iter().zip(found) {
        wheels[at] = Some(stored);
    }
    Ok(wheels.into_iter().flatten().collect())
}

/// Each addition of the plan as a file of `directory`, in their order.
pub(super) fn into_directory(
    plan: &Plan,
    supply: &Supply,
    directory: &Path,
    means: &Means<'_>,
) -> Result<Vec<PathBuf>> {
    fs::create_dir_all(directory).map_err(Error::io("create directory", directory))?;
    let picks: Vec<&Pick> = plan.additions().collect();
    announce(picks.iter().copied(), means);
    let order: Vec<usize> = (0..picks.len()).collect();
    all(&order, |at| {
        let pick = picks[at];
        let path = fetch(pick, supply, directory, means)?;
        check(pick, &path, None)?;
        let place = directory.join(&offer(pick).file_name);
        // A wheel of this machine stays where it is, and a copy comes.
        if !same_file(&path, &place) {
            copy(&path, directory, &place).map_err(Error::io("write", &place))?;
        }
        (means.progress)(Step::Stored(&offer(pick).file_name));
        Ok(place)
    })
}

/// A copy of `path` at `place` in `directory`, there only when it is whole. Anybody may be able to
/// write to the directory: on the way it has a name that cannot be guessed, and no link is followed.
fn copy(path: &Path, directory: &Path, place: &Path) -> io::Result<()> {
    let number = RandomState::new().hash_one(place);
    let new = directory.join(format!(".new-{number:016x}"));
    let mut from = File::open(path)?;
    let mut to = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o644)
        .custom_flags(OFlag::O_NOFOLLOW.bits())
        .open(&new)?;
    let copied = io::copy(&mut from, &mut to).and_then(|_| fs::rename(&new, place));
    if copied.is_err() {
        let _ = fs::remove_file(&new);
    }
    copied
}

fn same_file(one: &Path, other: &Path) -> bool {
    matches!((fs::canonicalize(one), fs::canonicalize(other)), (Ok(one), Ok(other)) if one == other)
}

fn offer(pick: &Pick) -> &Offer {
    // Only additions come here, and they have one.
    pick.offer.as_ref().expect("an addition has an offer")
}

fn announce<'a>(picks: impl Iterator<Item = &'a Pick>, means: &Means<'_>) {
    let (count, bytes) = picks.fold((0, 0), |(count, bytes), pick| {
        (count + 1, bytes + offer(pick).size.unwrap_or(0))
    });
    (means.progress)(Step::Gathering(count, bytes));
}

/// What the store has by the digest that the index promises. A page may promise another project's
/// digest: that wheel is not taken, and the file, once it is here, tells what it is.
fn known(pick: &Pick, store: &Store) -> Option<Stored> {
    let Kind::Wheel(name) = &offer(pick).kind else {
        return None;
    };
    let digest = vouched(offer(pick))?;
    if !pick.hashes.iter().all(|list| list.contains(digest)) {
        return None;
    }
    let stored = store.get(digest)?.called(name.clone()).ok()?;
    (stored.name.project == pick.name && stored.name.version == pick.version).then_some(stored)
}

/// Holds a wheel that came to what was chosen.
fn is_picked(pick: &Pick, stored: &Stored, path: &Path) -> Result<()> {
    let (project, version) = (&stored.name.project, &stored.name.version);
    if (project, version) == (&pick.name, &pick.version) {
        return Ok(());
    }
    let cause = format!(
        "it is {project} {version}, and {} {} was chosen",
        pick.name, pick.version
    );
    Err(Error::BadWheel {
        path: path.to_owned(),
        cause: Refusal::new(cause),
    })
}

/// The SHA-256 that is promised of an offer, if one is.
fn vouched(offer: &Offer) -> Option<&Digest> {
    let is_sha256 = |digest: &&Digest| matches!(digest, Digest::Sha256(_));
    offer.digests.iter().find(is_sha256)
}

fn fetch(pick: &Pick, supply: &Supply, directory: &Path, means: &Means<'_>) -> Result<PathBuf> {
    let offer = offer(pick);
    if let Location::Path(path) = &offer.location
        && offer.digests.is_empty()
        && offer.size.is_none()
    {
        return Ok(path.clone());
    }
    supply.fetch(offer, directory, &|count| {
        (means.progress)(Step::Came(&offer.file_name, count));
    })
}

/// Holds the file to the hashes that the user gave: of each list it has to have one.
fn check(pick: &Pick, path: &Path, sha256: Option<&Digest>) -> Result<()> {
    let is_open = |list: &&Vec<Digest>| !sha256.is_some_and(|digest| list.contains(digest));
    let open: Vec<_> = pick.hashes.iter().filter(is_open).collect();
    if open.is_empty() {
        return Ok(());
    }
    let listed: Vec<&Digest> = open.iter().copied().flatten().collect();
    let found = File::open(path).and_then(|file| Digest::read_from(file, &listed));
    let found = found.map_err(Error::io("read", path))?;
    let holds = |list: &&Vec<Digest>| found.iter().any(|digest| list.contains(digest));
    if open.iter().all(holds) {
        return Ok(());
    }
    let cause = format!(
        "its content is none of those that were asked for of {}",
        shown(pick.name.as_str())
    );
    Err(Error::BadWheel {
        path: path.to_owned(),
        cause: Refusal::new(cause),
    })
}

/// Does `work` on each, several at once, in this order; the first failure ends it.
fn all<T: Send>(order: &[usize], work: impl Fn(usize) -> Result<T> + Sync) -> Result<Vec<T>> {
    if let [only] = order {
        return work(*only).map(|done| vec![done]);
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(order.len()));
    let share = || {
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(at) = order.get(place) else { break };
            let done = work(*at);
            if done.is_err() {
                next.store(order.len(), Ordering::Relaxed);
            }
            let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
            results.push((place, done));
        }
    };
    thread::scope(|scope| {
        for _ in 1..AT_ONCE.min(order.len()) {
            // Where there may be no more threads, those that are here do it all.
            if thread::Builder::new().spawn_scoped(scope, share).is_err() {
                break;
            }
        }
        share();
    });
    let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    results.sort_by_key(|(place, done)| (done.is_ok(), *place));
    results.into_iter().map(|(_, done)| done).collect()
}

/// As many processes fetch at once.
const PROCESSES: u32 = 64;

/// A directory for what comes, gone with its value: in the cache, on whose file system the store is,
/// too. One that a killed process left is found under its name and emptied.
fn here(cache: &Cache) -> Result<Staging> {
    for number in 0..PROCESSES {
        let Some(place) = cache.path(&format!("fetched/{number}")) else {
            break;
        };
        match Staging::begin(&place) {
            Err(Error::Busy { .. }) => {}
            staging => return staging,
        }
    }
    Staging::begin_temporary("fetched")
}

#[cfg(test)]
mod tests;
