//! Waiting for what another process does.

use std::time::{Duration, Instant};

/// Waits until `what` is so, ten seconds at most.
pub(crate) fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "ten seconds, and not yet: {what}"
        );
        std::thread::sleep(Duration::from_millis(2));
    }
}
