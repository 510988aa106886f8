//! Asking before anybody needs the answer: threads that do so while the resolver thinks.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;

/// Jobs that threads of their own do, in order, until nobody is left who gives any.
pub(super) struct Ahead<J> {
    queue: Arc<Queue<J>>,
}

struct Queue<J> {
    state: Mutex<State<J>>,
    changed: Condvar,
}

struct State<J> {
    jobs: VecDeque<J>,
    idle: usize,
    threads: usize,
    is_over: bool,
}

/// As many questions as one server is asked at once.
const MOST_THREADS: usize = 24;

impl<J: Send + 'static> Ahead<J> {
    pub(super) fn new() -> Self {
        let state = State {
            jobs: VecDeque::new(),
            idle: 0,
            threads: 0,
            is_over: false,
        };
        let queue = Queue {
            state: Mutex::new(state),
            changed: Condvar::new(),
        };
        Self {
            queue: Arc::new(queue),
        }
    }

    /// Gives jobs to the threads, of which there may be too few yet.
    pub(super) fn give(
        &self,
        jobs: impl IntoIterator<Item = J>,
        work: &Arc<dyn Fn(J) + Send + Sync>,
    ) {
        let mut state = self
            .queue
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.jobs.extend(jobs);
        let missing = state.jobs.len().saturating_sub(state.idle);
        for _ in 0..missing.min(MOST_THREADS - state.threads) {
            let (queue, work) = (Arc::clone(&self.queue), Arc::clone(work));
            let spawned = thread::Builder::new()
                .name("isolab-index".to_owned())
                .spawn(move || queue.work(&*work));
            // Without, whoever needs the answer asks for it.
            state.threads += usize::from(spawned.is_ok());
        }
        drop(state);
        self.queue.changed.notify_all();
    }
}

impl<J> Drop for Ahead<J> {
    fn drop(&mut self) {
        let mut state = self
            .queue
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        state.is_over = true;
        state.jobs.clear();
        drop(state);
        // Whoever waits for a server is not waited for: a slow one would hold the program back.
        self.queue.changed.notify_all();
    }
}

impl<J> Queue<J> {
    fn work(&self, work: &dyn Fn(J)) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.is_over {
            if let Some(job) = state.jobs.pop_front() {
                drop(state);
                work(job);
                state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            } else {
                state.idle += 1;
                let woken = self.changed.wait(state);
                state = woken.unwrap_or_else(PoisonError::into_inner);
                state.idle -= 1;
            }
        }
    }
}
