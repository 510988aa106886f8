//! The time line of a start: what was done when, by whom.
//!
//! Built only with the feature `trace`; without it every function here is empty
//! and no clock is read.

/// One thing that was done.
#[cfg(feature = "trace")]
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Event {
    /// By the runtime, or by the child that becomes the container.
    pub by: By,
    /// What was done, as errors name it.
    pub what: String,
    /// When it began, in nanoseconds since the plan was made.
    pub begin_ns: u64,
    /// When the next thing began.
    pub end_ns: u64,
}

/// Who did something.
#[cfg(feature = "trace")]
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum By {
    /// The process that starts the container.
    Runtime,
    /// The intermediate child or the container's first process, until it executes.
    Child,
}

#[cfg(feature = "trace")]
pub(super) use recording::Marks;

#[cfg(not(feature = "trace"))]
pub(super) use silence::Marks;

#[cfg(not(feature = "trace"))]
mod silence {
    /// Nothing is noted.
    #[derive(Debug)]
    pub(in super::super) struct Marks;

    impl Marks {
        pub(in super::super) fn new(_steps: usize) -> Self {
            Self
        }

        pub(in super::super) fn runtime(&self, _what: &'static str) {}

        pub(in super::super) fn step(&self, _index: u32) {}
    }
}

#[cfg(feature = "trace")]
mod recording {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::{By, Event};
    use crate::sys::clock::monotonic;

    /// Clock readings: those of the child in memory that it shares, since it
    /// may not allocate.
    #[derive(Debug)]
    pub(in super::super) struct Marks {
        begun: u64,
        /// By step; the last is the execution.
        child: Vec<AtomicU64>,
        runtime: Mutex<Vec<(&'static str, u64)>>,
    }

    impl Marks {
        pub(in super::super) fn new(steps: usize) -> Self {
            let child = (0..=steps).map(|_| AtomicU64::new(0)).collect();
            Self {
                begun: monotonic(),
                child,
                runtime: Mutex::new(Vec::with_capacity(16)),
            }
        }

        /// From here on the runtime does `what`.
        pub(in super::super) fn runtime(&self, what: &'static str) {
            if let Ok(mut marks) = self.runtime.lock() {
                marks.push((what, monotonic()));
            }
        }

        /// From here on the child is at step `index`. Runs in the child.
        pub(in super::super) fn step(&self, index: u32) {
            let last = self.child.len() - 1;
            let slot = self.child.get((index as usize).min(last));
            if let Some(slot) = slot {
                slot.store(monotonic(), Ordering::Relaxed);
            }
        }

        /// The events, by time; `name` tells what a step does.
        pub(in super::super) fn events(self, name: impl Fn(u32) -> String) -> Vec<Event> {
            let now = monotonic();
            let child = self.child.iter().enumerate().filter_map(|(index, at)| {
                let at = at.load(Ordering::Relaxed);
                let index = u32::try_from(index).unwrap_or(u32::MAX);
                (at != 0).then(|| (name(index), at))
            });
            let child: Vec<_> = child.collect();
            let runtime = self.runtime.into_inner().unwrap_or_default();
            let runtime: Vec<_> = runtime
                .into_iter()
                .map(|(what, at)| (what.to_owned(), at))
                .collect();
            let mut all = Vec::with_capacity(child.len() + runtime.len());
            for (by, marks) in [(By::Runtime, runtime), (By::Child, child)] {
                let ends = marks.iter().skip(1).map(|(_, at)| *at).chain([now]);
                let ends: Vec<u64> = ends.collect();
                for ((what, begin), end) in marks.into_iter().zip(ends) {
                    all.push(Event {
                        by,
                        what,
                        begin_ns: begin.saturating_sub(self.begun),
                        end_ns: end.saturating_sub(self.begun),
                    });
                }
            }
            all.sort_by_key(|event| event.begin_ns);
            all
        }
    }
}

#[cfg(all(test, feature = "trace"))]
mod tests {
    use super::*;

    #[test]
    fn each_thing_ends_when_its_doer_begins_the_next() {
        let marks = Marks::new(2);
        marks.runtime("a");
        marks.step(0);
        marks.runtime("b");
        marks.step(1);
        marks.step(u32::MAX);
        let events = marks.events(|index| index.to_string());
        let of = |by: By| -> Vec<&Event> { events.iter().filter(|e| e.by == by).collect() };
        let names =
            |list: &[&Event]| -> Vec<String> { list.iter().map(|e| e.what.clone()).collect() };
        let (runtime, child) = (of(By::Runtime), of(By::Child));
        assert_eq!(names(&runtime), ["a", "b"]);
        assert_eq!(names(&child), ["0", "1", "2"]);
        for list in [&runtime, &child] {
            for pair in list.windows(2) {
                assert_eq!(pair[0].end_ns, pair[1].begin_ns);
            }
        }
        assert!(
            events
                .windows(2)
                .all(|pair| pair[0].begin_ns <= pair[1].begin_ns)
        );
    }
}
