//! Several at once: a few threads that take one piece of work after the other,
//! and stop when one fails.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::progress::{Fate, Progress};
use super::session::lock;
use crate::error::Result;
use crate::image::Descriptor;

/// Does `work` for each of `items`, with `parallel` threads; gives what came of
/// each in their order, or the first error.
pub(super) fn each_of<I: Sync, T: Send>(
    items: &[I],
    parallel: usize,
    progress: &dyn Progress,
    work: impl Fn(&I, &dyn Progress) -> Result<T> + Sync,
) -> Result<Vec<T>> {
    let next = AtomicUsize::new(0);
    let stops = Stops {
        progress,
        failed: AtomicBool::new(false),
    };
    let done: Mutex<Vec<Option<T>>> = Mutex::new(items.iter().map(|_| None).collect());
    let failure = Mutex::new(None);
    thread::scope(|scope| {
        for _ in 0..parallel.clamp(1, items.len().max(1)) {
            scope.spawn(|| {
                while !stops.is_cancelled() {
                    let at = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(at) else { return };
                    match work(item, &stops) {
                        Ok(result) => lock(&done)[at] = Some(result),
                        Err(error) => {
                            stops.failed.store(true, Ordering::Relaxed);
                            lock(&failure).get_or_insert(error);
                        }
                    }
                }
            });
        }
    });
    if let Some(error) = lock(&failure).take() {
        return Err(error);
    }
    let done = done
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    let all: Option<Vec<T>> = done.into_iter().collect();
    all.ok_or_else(|| super::trouble::Trouble::Cancelled.about("go on", ""))
}

/// Tells the others that one has failed.
struct Stops<'a> {
    progress: &'a dyn Progress,
    failed: AtomicBool,
}

impl Progress for Stops<'_> {
    fn moved(&self, blob: &Descriptor, bytes: u64) {
        self.progress.moved(blob, bytes);
    }

    fn done(&self, blob: &Descriptor, fate: Fate) {
        self.progress.done(blob, fate);
    }

    fn waits(&self, why: &str, pause: Duration) {
        self.progress.waits(why, pause);
    }

    fn is_cancelled(&self) -> bool {
        self.failed.load(Ordering::Relaxed) || self.progress.is_cancelled()
    }
}
