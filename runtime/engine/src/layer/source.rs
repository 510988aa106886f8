//! The packed bytes as they come: counted, held to their number, and hashed.

use std::io::{self, Read};

use super::fault::Fault;
use crate::image::{Algorithm, Digest, Hasher};

/// Reads `packed`, and remembers what a decoder may hide.
pub(super) struct Source<R> {
    packed: R,
    hasher: Option<Hasher>,
    bytes: u64,
    most: u64,
    fault: Option<Fault>,
}

impl<R: Read> Source<R> {
    /// Of `packed`, which may have `most` bytes. Without an algorithm no digest is made.
    pub(super) fn new(packed: R, algorithm: Option<Algorithm>, most: u64) -> Self {
        Self {
            packed,
            hasher: algorithm.map(Hasher::new),
            bytes: 0,
            most,
            fault: None,
        }
    }

    /// The digest, if one was made, and the length: what became of a pass over them all,
    /// unless reading is what failed.
    pub(super) fn finish(self) -> Result<(Option<Digest>, u64), Fault> {
        match self.fault {
            Some(fault) => Err(fault),
            None if self.bytes == 0 => Err(Fault::malformed("it is empty")),
            None => Ok((self.hasher.map(Hasher::finish), self.bytes)),
        }
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let length = loop {
            match self.packed.read(into) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => {
                    // It is not the layer's fault.
                    let kind = error.kind();
                    self.fault = Some(Fault::Source(error));
                    return Err(kind.into());
                }
                Ok(length) => break length,
            }
        };
        self.bytes += length as u64;
        if self.bytes > self.most {
            let reason = "it is longer than it was said to be";
            self.fault = Some(Fault::malformed(reason));
            return Err(io::Error::other(reason));
        }
        if let Some(hasher) = &mut self.hasher {
            hasher.update(&into[..length]);
        }
        Ok(length)
    }
}
