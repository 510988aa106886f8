//! The archive on its way from the thread that inflates it to the one that writes
//! files, in a few buffers that go round.
//!
//! Inflating is the longest step, so it has a thread, and what is left fits beside
//! it on a second core. Who takes a buffer first adds it to the diff id.

use std::io::{self, BufRead, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::fault::Fault;
use super::inflate::Inflate;
use crate::image::{Digest, Hasher};

/// The size of a buffer: it is hashed and written while it is in the cache.
const BUFFER: usize = 256 << 10;
/// How many go round. What the one side has not written yet, the other may not
/// fill: this bounds the memory.
const BUFFERS: usize = 8;

/// The archive as it comes from the other thread.
pub(super) struct Stream {
    filled: Receiver<Vec<u8>>,
    empty: SyncSender<Vec<u8>>,
    buffer: Vec<u8>,
    at: usize,
    hasher: Hasher,
    bytes: u64,
    ended: bool,
}

impl BufRead for Stream {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.at == self.buffer.len() && !self.ended {
            let used = std::mem::take(&mut self.buffer);
            // Nobody takes it when all is inflated.
            let _ = self.empty.try_send(used);
            self.at = 0;
            // An empty buffer is the end: without one, something went wrong.
            self.buffer = self.filled.recv().map_err(|_| io::ErrorKind::BrokenPipe)?;
            self.ended = self.buffer.is_empty();
            self.hasher.update(&self.buffer);
            self.bytes += self.buffer.len() as u64;
        }
        Ok(&self.buffer[self.at..])
    }

    fn consume(&mut self, length: usize) {
        self.at += length;
    }
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = self.fill_buf()?.read(into)?;
        self.consume(length);
        Ok(length)
    }
}

impl Stream {
    /// Reads what follows the archive, which counts for the digest, too.
    fn drain(&mut self) -> Result<(), Fault> {
        loop {
            let length = self.fill_buf().map_err(|_| Fault::Stopped)?.len();
            if length == 0 {
                return Ok(());
            }
            self.consume(length);
        }
    }
}

/// What the archive was, besides its entries.
pub(super) struct Totals {
    pub(super) diff_id: Digest,
    pub(super) diff_bytes: u64,
}

/// Runs `inflate` to its end beside `consume`, which takes the archive; its bytes
/// may be `most`.
pub(super) fn through<R: Read + Send, T>(
    mut inflate: Inflate<R>,
    hasher: Hasher,
    most: u64,
    consume: impl FnOnce(&mut Stream) -> Result<T, Fault>,
) -> Result<(Totals, T), Fault> {
    let (send_filled, filled) = sync_channel(BUFFERS);
    let (empty, take_empty) = sync_channel(BUFFERS);
    let mut stream = Stream {
        filled,
        empty,
        buffer: Vec::new(),
        at: 0,
        hasher,
        bytes: 0,
        ended: false,
    };
    thread::scope(|scope| {
        let producer = scope.spawn(move || {
            produce(&mut inflate, most, &send_filled, &take_empty)?;
            inflate.finish()?;
            send_filled.send(Vec::new()).map_err(|_| Fault::Stopped)
        });
        let consumed = consume(&mut stream).and_then(|value| stream.drain().map(|()| value));
        let Stream {
            filled,
            empty,
            hasher,
            bytes,
            ..
        } = stream;
        // The other side may be waiting for either.
        drop((filled, empty));
        let produced = producer.join().unwrap_or_else(|panic| resume_unwind(panic));
        // Who stopped because the other side did has nothing to tell.
        let value = match (consumed, produced) {
            (Ok(value), Ok(())) => value,
            (Err(fault), Ok(_) | Err(Fault::Stopped)) | (_, Err(fault)) => return Err(fault),
        };
        let totals = Totals {
            diff_id: hasher.finish(),
            diff_bytes: bytes,
        };
        Ok((totals, value))
    })
}

fn produce<R: Read>(
    inflate: &mut Inflate<R>,
    most: u64,
    filled: &SyncSender<Vec<u8>>,
    empty: &Receiver<Vec<u8>>,
) -> Result<(), Fault> {
    let mut made = 0;
    let mut bytes: u64 = 0;
    loop {
        let mut buffer = match empty.try_recv() {
            Ok(buffer) => buffer,
            Err(_) if made < BUFFERS => Vec::new(),
            Err(_) => empty.recv().map_err(|_| Fault::Stopped)?,
        };
        if buffer.capacity() == 0 {
            made += 1;
        }
        buffer.resize(BUFFER, 0);
        let length = inflate.fill(&mut buffer)?;
        if length == 0 {
            return Ok(());
        }
        bytes += length as u64;
        if bytes > most {
            return Err(Fault::malformed(format!(
                "it unpacks to more than the {most} bytes that are allowed"
            )));
        }
        buffer.truncate(length);
        filled.send(buffer).map_err(|_| Fault::Stopped)?;
    }
}
