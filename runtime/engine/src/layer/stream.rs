//! The archive on its way from the thread that inflates it, past one that adds it to the
//! diff id, to the one that writes files, in a few buffers that go round.
//!
//! Writing files is the longest step: whatever else it did, the others would wait for.

use std::io::{self, BufRead, Read};
use std::panic::resume_unwind;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;

use super::fault::Fault;
use super::inflate::Inflate;
use crate::image::{Digest, Hasher};

/// The size of a buffer: it is hashed and written while a cache has it.
const BUFFER: usize = 256 << 10;
/// How many go round. What the one side has not written yet, the other may not
/// fill: this bounds the memory.
const BUFFERS: usize = 12;

/// The archive as it comes from the other threads.
pub(super) struct Stream {
    filled: Receiver<Vec<u8>>,
    empty: SyncSender<Vec<u8>>,
    buffer: Vec<u8>,
    at: usize,
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
pub(super) fn through<R: BufRead + Send, T>(
    mut inflate: Inflate<R>,
    hasher: Hasher,
    most: u64,
    consume: impl FnOnce(&mut Stream) -> Result<T, Fault>,
) -> Result<(Totals, T), Fault> {
    let (send_inflated, inflated) = sync_channel(BUFFERS);
    let (send_filled, filled) = sync_channel(BUFFERS);
    let (empty, take_empty) = sync_channel(BUFFERS);
    let mut stream = Stream {
        filled,
        empty,
        buffer: Vec::new(),
        at: 0,
        ended: false,
    };
    thread::scope(|scope| {
        let producer = scope.spawn(move || {
            produce(&mut inflate, most, &send_inflated, &take_empty)?;
            inflate.finish()?;
            send_inflated.send(Vec::new()).map_err(|_| Fault::Stopped)
        });
        let hashing = scope.spawn(move || hash(hasher, &inflated, &send_filled));
        let consumed = consume(&mut stream).and_then(|value| stream.drain().map(|()| value));
        // The others may be waiting for either end of it.
        drop(stream);
        let produced = producer.join().unwrap_or_else(|panic| resume_unwind(panic));
        let totals = hashing.join().unwrap_or_else(|panic| resume_unwind(panic));
        // Who stopped because another did has nothing to tell.
        let value = match (consumed, produced) {
            (Ok(value), Ok(())) => value,
            (Err(fault), Ok(_) | Err(Fault::Stopped)) | (_, Err(fault)) => return Err(fault),
        };
        Ok((totals, value))
    })
}

/// Hands on what was inflated, and says what all of that was.
fn hash(mut hasher: Hasher, from: &Receiver<Vec<u8>>, to: &SyncSender<Vec<u8>>) -> Totals {
    let mut diff_bytes = 0;
    for buffer in from {
        hasher.update(&buffer);
        diff_bytes += buffer.len() as u64;
        // Who wants no more has its reason, and says so.
        if to.send(buffer).is_err() {
            break;
        }
    }
    Totals {
        diff_id: hasher.finish(),
        diff_bytes,
    }
}

fn produce<R: BufRead>(
    inflate: &mut Inflate<R>,
    most: u64,
    inflated: &SyncSender<Vec<u8>>,
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
        inflated.send(buffer).map_err(|_| Fault::Stopped)?;
    }
}
