//! Directories of `RUN --mount=type=cache`, which stay from step to step.
//!
//! Several steps may want the same ones at once, of one build or of several. Each takes
//! its own in the order of their ids, and each id once: so nobody waits for who waits.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::time::Duration;

use super::ready::give;
use super::{Files, Mounted, What};
use crate::build::Event;
use crate::build::fault::Fault;
use crate::build::stage::{Stages, interrupted};
use crate::dockerfile::{Owner, Sharing};
use crate::error::Error;

/// How often it is asked whether somebody else's cache is free.
const OFTEN: Duration = Duration::from_millis(50);

/// All that a step wants, by their whole ids.
pub(super) struct Caches<'a>(BTreeMap<String, Cache<'a>>);

/// A directory that stays.
struct Cache<'a> {
    id: &'a str,
    owner: &'a Owner,
    sharing: Sharing,
    from: Option<&'a Files>,
    /// Where it lies, once it is taken.
    path: PathBuf,
    /// Open for its lock, where it is had alone.
    held: Option<File>,
}

impl<'a> Caches<'a> {
    pub(super) fn of(mounted: &'a [Mounted]) -> Self {
        let mut caches: BTreeMap<String, Cache<'_>> = BTreeMap::new();
        for mount in mounted {
            let What::Cache {
                id,
                owner,
                sharing,
                from,
                ..
            } = &mount.what
            else {
                continue;
            };
            let cache = caches
                .entry(whole(id, from.as_ref()))
                .or_insert_with(|| Cache {
                    id,
                    owner,
                    sharing: *sharing,
                    from: from.as_ref(),
                    path: PathBuf::new(),
                    held: None,
                });
            if strictness(*sharing) > strictness(cache.sharing) {
                cache.sharing = *sharing;
            }
        }
        Self(caches)
    }

    /// Takes each as it is shared; waits for those that others have alone.
    pub(super) fn take(&mut self, stages: &Stages<'_>) -> Result<(), Fault> {
        for (id, cache) in &mut self.0 {
            cache.take(id, stages)?;
        }
        Ok(())
    }

    /// Where one lies that was taken.
    pub(super) fn path(&self, id: &str, from: Option<&Files>) -> PathBuf {
        self.0[&whole(id, from)].path.clone()
    }

    /// The locks of those that are had alone.
    pub(super) fn held(self) -> Vec<File> {
        let caches = self.0.into_values();
        caches.filter_map(|cache| cache.held).collect()
    }
}

/// An id with what the cache holds at first.
fn whole(id: &str, from: Option<&Files>) -> String {
    match from {
        Some(files) => format!("{id} upon {}", files.digest),
        None => id.to_owned(),
    }
}

/// What is asked of one id twice is had as the one that shares the least asks.
fn strictness(sharing: Sharing) -> u8 {
    match sharing {
        Sharing::Shared => 0,
        Sharing::Private => 1,
        Sharing::Locked => 2,
    }
}

impl Cache<'_> {
    fn take(&mut self, whole: &str, stages: &Stages<'_>) -> Result<(), Fault> {
        let mut number = 0;
        let mut is_told = false;
        loop {
            self.path = self.directory(whole, stages, number)?;
            if self.sharing == Sharing::Shared {
                return Ok(());
            }
            let held = File::open(&self.path).map_err(Error::read(&self.path))?;
            if held.try_lock().is_ok() {
                self.held = Some(held);
                return Ok(());
            }
            if stages.is_unwanted() {
                return Err(interrupted());
            }
            // Whoever comes while others have theirs gets another.
            if self.sharing == Sharing::Private {
                number += 1;
                continue;
            }
            if !is_told {
                let text = format!(
                    "the cache `{}` is another step's: it is waited for",
                    self.id
                );
                (stages.attending.tell)(Event::Note { text: &text });
                is_told = true;
            }
            std::thread::sleep(OFTEN);
        }
    }

    /// The one of this number, made where it is not there.
    fn directory(&self, whole: &str, stages: &Stages<'_>, number: u32) -> Result<PathBuf, Fault> {
        let id = match number {
            0 => whole.to_owned(),
            more => format!("{whole} for {more} more"),
        };
        stages.store.cache_directory(&id, |new| {
            if let Some(files) = self.from {
                files.copy_to(new)?;
            }
            give(new, self.owner, 0o755)
        })
    }
}
