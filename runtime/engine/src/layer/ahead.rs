//! Reading ahead: one thread gets the packed bytes, and hashes and keeps them on their
//! way, while another inflates those that have come.
//!
//! Getting, inflating and writing files take about as long as each other. As three
//! steps they leave no processor idle, not even where one of two is a registry's.

use std::io::{self, BufRead, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

/// The size of a buffer, in bytes: it is hashed and inflated while it is in the cache.
const BUFFER: usize = 128 << 10;
/// How many go round: how far the one may be ahead, and the memory that it takes.
const BUFFERS: usize = 8;

/// Lets `take` read `source` while another thread is ahead of it. What `take` leaves
/// unread is left in `source`, but for what is in the buffers.
pub(super) fn read_ahead<T>(
    source: &mut (dyn Read + Send),
    take: impl FnOnce(&mut (dyn BufRead + Send)) -> T,
) -> T {
    let (send_filled, filled) = sync_channel(BUFFERS);
    let (empty, take_empty) = sync_channel(BUFFERS);
    for _ in 0..BUFFERS {
        // There is room for all of them.
        let _ = empty.try_send(Vec::new());
    }
    thread::scope(|scope| {
        let reader = scope.spawn(move || fill(source, &send_filled, &take_empty));
        let mut ahead = Ahead {
            filled,
            empty,
            buffer: Vec::new(),
            at: 0,
            ended: false,
        };
        let taken = take(&mut ahead);
        // The other side may be waiting for either.
        drop(ahead);
        reader.join().unwrap_or_else(|panic| resume_unwind(panic));
        taken
    })
}

/// Reads into the buffers that come back, to the end and while somebody wants it.
fn fill(
    source: &mut (dyn Read + Send),
    filled: &SyncSender<io::Result<Vec<u8>>>,
    empty: &Receiver<Vec<u8>>,
) {
    while let Ok(mut buffer) = empty.recv() {
        buffer.resize(BUFFER, 0);
        let read = loop {
            match source.read(&mut buffer) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        let goes_on = matches!(read, Ok(count) if count > 0);
        let part = read.map(|count| {
            buffer.truncate(count);
            buffer
        });
        if filled.send(part).is_err() || !goes_on {
            return;
        }
    }
}

/// What has been read, in its order; an empty part is the end.
struct Ahead {
    filled: Receiver<io::Result<Vec<u8>>>,
    empty: SyncSender<Vec<u8>>,
    buffer: Vec<u8>,
    at: usize,
    ended: bool,
}

impl BufRead for Ahead {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.buffer.len() && !self.ended {
            // Nothing follows an error, and that is no end.
            let part = self.filled.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            let used = std::mem::replace(&mut self.buffer, part?);
            self.at = 0;
            self.ended = self.buffer.is_empty();
            // Nobody takes it when all is read.
            let _ = self.empty.try_send(used);
        }
        Ok(&self.buffer[self.at..])
    }

    fn consume(&mut self, length: usize) {
        self.at += length;
    }
}

impl Read for Ahead {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Gives its bytes in parts of uneven length, then fails.
    struct Breaks(Vec<u8>, usize);

    impl Read for Breaks {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Err(io::ErrorKind::ConnectionReset.into());
            }
            self.1 += 4099;
            let count = into.len().min(self.1).min(self.0.len());
            let rest = self.0.split_off(count);
            into[..count].copy_from_slice(&self.0);
            self.0 = rest;
            Ok(count)
        }
    }

    fn bytes() -> Vec<u8> {
        (0..3_000_001u32).map(|n| (n % 251) as u8).collect()
    }

    #[test]
    fn all_of_it_comes_in_its_order() {
        let mut got = Vec::new();
        let read = read_ahead(&mut &bytes()[..], |ahead| ahead.read_to_end(&mut got));
        assert_eq!(read.unwrap(), got.len());
        assert!(got == bytes(), "other bytes came");
    }

    #[test]
    fn an_error_comes_behind_what_was_before_it() {
        let mut got = Vec::new();
        let read = read_ahead(&mut Breaks(bytes(), 0), |ahead| ahead.read_to_end(&mut got));
        assert_eq!(read.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert!(got == bytes(), "other bytes came");
    }

    #[test]
    fn who_has_enough_leaves_the_rest() {
        let bytes = bytes();
        let mut source = &bytes[..];
        let mut first = [0; 1000];
        read_ahead(&mut source, |ahead| ahead.read_exact(&mut first)).unwrap();
        assert!(first == bytes[..1000], "other bytes came");
        let most = BUFFER * (BUFFERS + 1);
        assert!(bytes.len() - source.len() <= most, "{} left", source.len());
    }
}
