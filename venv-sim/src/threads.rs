//! Threads that help, as many as there are to be had.
//!
//! A user, a container or a service may have as many processes as it is allowed to, and a thread
//! counts as one. Whoever wants help gets what there is, and does the rest alone.
//!
//! Source: `getrlimit(2)`, `RLIMIT_NPROC`; `pthread_create(3)`, `EAGAIN`.

use std::io;
use std::thread::{Builder, Scope, ScopedJoinHandle};

/// Starts a thread in `scope`.
///
/// # Errors
/// Where there is none to be had; then nothing was done.
pub(crate) fn start<'scope, T: Send + 'scope>(
    scope: &'scope Scope<'scope, '_>,
    work: impl FnOnce() -> T + Send + 'scope,
) -> io::Result<ScopedJoinHandle<'scope, T>> {
    #[cfg(test)]
    if tests::ARE_REFUSED.get() {
        return Err(io::ErrorKind::WouldBlock.into());
    }
    Builder::new().spawn_scoped(scope, work)
}

/// Has `count` threads `work` at most; the caller works beside them, or alone.
pub(crate) fn help<'scope>(
    scope: &'scope Scope<'scope, '_>,
    count: usize,
    work: impl Fn() + Clone + Send + 'scope,
) {
    for _ in 0..count {
        if start(scope, work.clone()).is_err() {
            return;
        }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::cell::Cell;
    use std::fs;
    use std::path::Path;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use super::*;

    thread_local! {
        pub(crate) static ARE_REFUSED: Cell<bool> = const { Cell::new(false) };
    }

    /// What `work` gives where this thread can start no other.
    pub(crate) fn alone<T>(work: impl FnOnce() -> T) -> T {
        ARE_REFUSED.set(true);
        let done = work();
        ARE_REFUSED.set(false);
        done
    }

    #[test]
    fn as_many_help_as_there_are_to_be_had() {
        let count = |most| {
            let helpers = AtomicUsize::new(0);
            let work = || {
                helpers.fetch_add(1, Ordering::Relaxed);
            };
            thread::scope(|scope| help(scope, most, work));
            helpers.into_inner()
        };
        assert_eq!(count(3), 3);
        assert_eq!(alone(|| count(3)), 0);
    }

    /// The code of a file, without its tests.
    fn code(path: &Path) -> String {
        let text = fs::read_to_string(path).expect("a source");
        let code = text.split("#[cfg(test)]\nmod tests").next();
        code.unwrap_or_default().to_owned()
    }

    #[test]
    fn nobody_starts_a_thread_by_what_ends_the_program_where_there_is_none() {
        let mut left = vec![Path::new(env!("CARGO_MANIFEST_DIR")).join("src")];
        let mut seen = 0;
        while let Some(path) = left.pop() {
            if path.is_dir() {
                let entries = fs::read_dir(&path).expect("a directory");
                left.extend(entries.map(|entry| entry.expect("an entry").path()));
            } else if !path.ends_with("tests.rs") && !path.ends_with("threads.rs") {
                seen += 1;
                let code = code(&path);
                for call in ["thread::spawn(", "scope.spawn("] {
                    assert!(!code.contains(call), "{}: {call}", path.display());
                }
            }
        }
        assert!(seen > 100, "{seen}");
    }
}
