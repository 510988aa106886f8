//! Ending what waits for a server, as soon as nobody wants it any more.
//!
//! Whoever waits on a connection is in the kernel, and hears of nothing but the
//! connection's end. Somebody else has to see that it is unwanted, and to close it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use super::progress::Progress;

/// How often it is asked whether something is still wanted.
const OFTEN: Duration = Duration::from_millis(50);

/// Does `work`. As long as it is under way and unwanted, `hang_up` is called again and
/// again: it may begin something that waits in between.
pub(super) fn while_wanted<T>(
    progress: &dyn Progress,
    hang_up: impl Fn() + Sync,
    work: impl FnOnce() -> T,
) -> T {
    let (under_way, ended) = mpsc::channel::<()>();
    thread::scope(|scope| {
        scope.spawn(|| {
            let ended = ended;
            while ended.recv_timeout(OFTEN) == Err(RecvTimeoutError::Timeout) {
                if progress.is_cancelled() {
                    hang_up();
                }
            }
        });
        // Dropped at its end, also where it panics.
        let _under_way = under_way;
        work()
    })
}

/// What cannot be closed, because it is no connection yet: it is left to itself.
#[derive(Clone, Debug, Default)]
pub(super) struct Waits(Arc<AtomicBool>);

impl Waits {
    /// Lets all that wait go.
    pub(super) fn end(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Lets waiting begin again.
    pub(super) fn begin(&self) {
        self.0.store(false, Ordering::Relaxed);
    }

    /// What comes of `work`, which goes on for nobody where it is unwanted.
    pub(super) fn on<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> io::Result<T> {
        let (done, waits) = mpsc::channel();
        thread::Builder::new().spawn(move || done.send(work()))?;
        loop {
            match waits.recv_timeout(OFTEN) {
                Ok(done) => return Ok(done),
                Err(RecvTimeoutError::Timeout) if !self.0.load(Ordering::Relaxed) => {}
                Err(_) => return Err(io::Error::other("it was interrupted")),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn who_waits_for_what_cannot_be_closed_is_let_go() {
        let waits = Waits::default();
        assert_eq!(waits.on(|| 1).unwrap(), 1);
        let begun = Instant::now();
        let other = waits.clone();
        thread::spawn(move || other.end());
        let long = || thread::sleep(Duration::from_secs(60));
        assert!(waits.on(long).is_err() && begun.elapsed() < Duration::from_secs(30));
        waits.begin();
        assert_eq!(waits.on(|| 2).unwrap(), 2);
    }

    #[test]
    fn work_that_panics_keeps_nobody_waiting() {
        let panics = || while_wanted(&(), || {}, || panic!("of the test"));
        assert!(std::panic::catch_unwind(panics).is_err());
    }
}
