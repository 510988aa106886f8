//! An archive that several threads read at once: one file, a place for each of them.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// How much is read at once; a wheel's files are a few kilobytes each.
const BUFFER: usize = 32 * 1024;

/// A reader with a position and a buffer of its own. Its clones share the file and nothing else.
#[derive(Debug)]
pub(crate) struct SharedFile {
    file: Arc<File>,
    length: u64,
    at: u64,
    buffer: Vec<u8>,
    /// Where the buffer's first byte lies in the file.
    from: u64,
}

impl SharedFile {
    pub(crate) fn new(file: File) -> io::Result<Self> {
        Ok(Self {
            length: file.metadata()?.len(),
            file: Arc::new(file),
            at: 0,
            buffer: Vec::new(),
            from: 0,
        })
    }
}

impl Clone for SharedFile {
    fn clone(&self) -> Self {
        Self {
            file: Arc::clone(&self.file),
            length: self.length,
            at: self.at,
            buffer: Vec::new(),
            from: 0,
        }
    }
}

impl Read for SharedFile {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        let offset = self.at.wrapping_sub(self.from);
        if self.at < self.from || offset >= self.buffer.len() as u64 {
            if to.len() >= BUFFER {
                let count = self.file.read_at(to, self.at)?;
                self.at += count as u64;
                return Ok(count);
            }
            self.buffer.resize(BUFFER, 0);
            let count = self.file.read_at(&mut self.buffer, self.at);
            self.buffer.truncate(*count.as_ref().unwrap_or(&0));
            self.from = self.at;
            count?;
        }
        let offset = usize::try_from(self.at - self.from).unwrap_or(usize::MAX);
        let found = self.buffer.get(offset..).unwrap_or_default();
        let count = found.len().min(to.len());
        to[..count].copy_from_slice(&found[..count]);
        self.at += count as u64;
        Ok(count)
    }
}

impl Seek for SharedFile {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.length.checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or(io::ErrorKind::InvalidInput)?;
        Ok(self.at)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use std::io::{Cursor, Write};

    use super::*;

    proptest! {
        #[test]
        fn it_reads_what_a_file_in_memory_reads(
            steps in prop::collection::vec((0..200_000_i64, 0..70_000_usize, any::<bool>()), 1..12),
        ) {
            let content: Vec<u8> = (0..150_000_u32).map(|at| (at * 7 % 251) as u8).collect();
            let mut file = tempfile::tempfile().expect("a file");
            file.write_all(&content).expect("written");
            let mut ours = SharedFile::new(file).expect("a reader");
            let mut memory = Cursor::new(content);
            for (at, length, from_end) in steps {
                let to = if from_end { SeekFrom::End(-at) } else { SeekFrom::Start(at.unsigned_abs()) };
                prop_assert_eq!(ours.seek(to).ok(), memory.seek(to).ok());
                let (mut one, mut two) = (vec![0; length], vec![0; length]);
                let read = |from: &mut dyn Read, to: &mut [u8]| {
                    let mut filled = 0;
                    while filled < to.len() {
                        match from.read(&mut to[filled..]).expect("read") {
                            0 => break,
                            count => filled += count,
                        }
                    }
                    filled
                };
                prop_assert_eq!(read(&mut ours, &mut one), read(&mut memory, &mut two));
                prop_assert_eq!(one, two);
            }
        }
    }
}
