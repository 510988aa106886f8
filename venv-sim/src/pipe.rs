//! What a program says, read as it comes, by one thread from several pipes.

use std::io::Read;
use std::os::fd::AsFd;
use std::time::Duration;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// The end of a pipe that another program writes to.
pub(crate) struct Pipe<R>(Option<R>);

/// A pipe, whatever it is of.
pub(crate) trait End {
    /// To be waited for; nothing where it is closed.
    fn poll(&self) -> Option<PollFd<'_>>;
}

impl<R: AsFd> End for Pipe<R> {
    fn poll(&self) -> Option<PollFd<'_>> {
        let end = self.0.as_ref()?;
        Some(PollFd::new(end.as_fd(), PollFlags::POLLIN))
    }
}

/// Waits until one of these can be read, or was closed, or for so long.
pub(crate) fn wait_for(pipes: &[&dyn End], most: Duration) {
    let mut ends: Vec<PollFd<'_>> = pipes.iter().filter_map(|pipe| pipe.poll()).collect();
    // Whole milliseconds: less than one is one, so that no time is spent by asking again.
    let most = most.as_millis().clamp(1, i32::MAX as u128);
    let most = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
    // Whoever is interrupted looks, and waits again.
    let _ = poll(&mut ends, most);
}

impl<R: Read + AsFd> Pipe<R> {
    pub(crate) fn of(end: Option<R>) -> Self {
        Self(end)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.0.is_none()
    }

    /// Reads no more of it.
    pub(crate) fn close(&mut self) {
        self.0 = None;
    }

    /// What there is to be read now; closed where nothing will ever be.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        let mut bytes = vec![0; 16 * 1024];
        let Some(end) = self.0.as_mut().filter(|end| is_ready(*end)) else {
            return Vec::new();
        };
        match end.read(&mut bytes) {
            Ok(count) if count > 0 => bytes.truncate(count),
            _ => {
                bytes.clear();
                self.close();
            }
        }
        bytes
    }
}

fn is_ready(end: &impl AsFd) -> bool {
    let mut ends = [PollFd::new(end.as_fd(), PollFlags::POLLIN)];
    poll(&mut ends, PollTimeout::ZERO).is_ok_and(|count| count > 0)
}

#[cfg(test)]
mod tests {
    use std::io::{Write, pipe};

    use super::*;

    #[test]
    fn what_was_written_is_read_without_waiting_for_more_and_the_end_is_seen() {
        let (from, mut to) = pipe().expect("a pipe");
        let mut pipe = Pipe::of(Some(from));
        wait_for(&[&pipe], Duration::from_millis(1));
        assert_eq!((pipe.take(), pipe.is_closed()), (Vec::new(), false));
        to.write_all(b"some").expect("written");
        assert_eq!((pipe.take(), pipe.is_closed()), (b"some".to_vec(), false));
        drop(to);
        wait_for(&[&pipe], Duration::from_secs(60));
        assert_eq!((pipe.take(), pipe.is_closed()), (Vec::new(), true));
    }
}
