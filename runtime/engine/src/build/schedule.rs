//! Stages at once: each as soon as those that it needs are there.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;

/// What became of which stages.
#[derive(Debug)]
struct Board<E> {
    waiting: Vec<usize>,
    done: BTreeSet<usize>,
    /// The first failure.
    failure: Option<E>,
    /// Whether nothing more is to begin: one failed, or panicked.
    is_over: bool,
}

/// Ends all where a thread panics: those that wait for its stage would wait for ever.
struct Guard<'a, E, S: Fn()> {
    board: &'a Mutex<Board<E>>,
    changed: &'a Condvar,
    stop: &'a S,
}

impl<E, S: Fn()> Drop for Guard<'_, E, S> {
    fn drop(&mut self) {
        if thread::panicking() {
            (self.stop)();
            lock(self.board).is_over = true;
            self.changed.notify_all();
        }
    }
}

/// Does `work` for each of `order`, after all that it `needs`, and several at once as
/// far as there are processors, but two at least: one may wait for a registry. With
/// the first failure nothing more begins, and `stop` is to end what is under way.
///
/// # Panics
/// As `work` does, once all have ended.
pub(super) fn all<E: Send>(
    order: &[usize],
    needs: impl Fn(usize) -> Vec<usize> + Sync,
    work: impl Fn(usize) -> Result<(), E> + Sync,
    stop: impl Fn() + Sync,
) -> Result<(), E> {
    let board = Mutex::new(Board {
        waiting: order.to_vec(),
        done: BTreeSet::new(),
        failure: None,
        is_over: false,
    });
    let changed = Condvar::new();
    let processors = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        for _ in 0..processors.max(2).min(order.len()) {
            scope.spawn(|| {
                let _guard = Guard {
                    board: &board,
                    changed: &changed,
                    stop: &stop,
                };
                while let Some(next) = take(&board, &changed, &needs) {
                    let worked = work(next);
                    let mut board = lock(&board);
                    match worked {
                        Ok(()) => {
                            board.done.insert(next);
                        }
                        // Those after the first only end because of it.
                        Err(error) if board.failure.is_none() => {
                            stop();
                            board.failure = Some(error);
                            board.is_over = true;
                        }
                        Err(_) => {}
                    }
                    changed.notify_all();
                }
            });
        }
    });
    let board = board.into_inner().unwrap_or_else(PoisonError::into_inner);
    board.failure.map_or(Ok(()), Err)
}

/// The next that can be begun, once there is one; `None` where there will be none.
fn take<E>(
    board: &Mutex<Board<E>>,
    changed: &Condvar,
    needs: impl Fn(usize) -> Vec<usize>,
) -> Option<usize> {
    let mut now = lock(board);
    loop {
        if now.is_over || now.waiting.is_empty() {
            return None;
        }
        let is_ready = |index: &usize| needs(*index).iter().all(|need| now.done.contains(need));
        if let Some(at) = now.waiting.iter().position(is_ready) {
            return Some(now.waiting.remove(at));
        }
        now = changed.wait(now).unwrap_or_else(PoisonError::into_inner);
    }
}

fn lock<E>(board: &Mutex<Board<E>>) -> MutexGuard<'_, Board<E>> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::panic::catch_unwind;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    /// 0 and 1 need nothing, 2 needs both, 3 needs 2.
    fn needs(index: usize) -> Vec<usize> {
        [vec![], vec![], vec![0, 1], vec![2]][index].clone()
    }

    #[test]
    fn what_needs_nothing_of_each_other_is_done_at_once_and_the_rest_after_it() {
        let together = Barrier::new(2);
        let done = Mutex::new(Vec::new());
        let work = |index: usize| {
            if index < 2 {
                together.wait(); // for ever, if the other were not under way
            }
            done.lock().unwrap().push(index);
            Ok::<(), ()>(())
        };
        all(&[0, 1, 2, 3], needs, work, || {}).unwrap();
        assert_eq!(done.into_inner().unwrap()[2..], [2, 3]);
    }

    #[test]
    fn the_first_failure_is_told_and_ends_the_others() {
        let stopped = AtomicUsize::new(0);
        let begun = AtomicUsize::new(0);
        let work = |index: usize| {
            begun.fetch_add(1, Ordering::SeqCst);
            match index {
                0 => Err("own"),
                _ => {
                    while stopped.load(Ordering::SeqCst) == 0 {
                        thread::yield_now();
                    }
                    Err("ended")
                }
            }
        };
        let stop = || {
            stopped.fetch_add(1, Ordering::SeqCst);
        };
        assert_eq!(all(&[0, 1, 2, 3], needs, work, stop), Err("own"));
        assert_eq!(stopped.into_inner(), 1);
        assert!(begun.into_inner() <= 2, "what needs them is not begun");
    }

    #[test]
    fn a_panic_ends_all_and_is_passed_on() {
        let work = |index: usize| match index {
            0 => panic!("of the test"),
            _ => Ok::<(), ()>(()),
        };
        let worked = catch_unwind(|| all(&[0, 1, 2, 3], needs, work, || {}));
        assert!(worked.is_err());
    }
}
