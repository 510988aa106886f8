//! A path in a fixed buffer: the child of a start may not allocate.

use std::ffi::CStr;

use crate::sys::{self, Errno};

/// A path of fewer than `N` bytes, a zero byte behind it.
#[derive(Debug)]
pub(super) struct Text<const N: usize> {
    bytes: [u8; N],
    length: usize,
}

impl<const N: usize> Text<N> {
    pub(super) const fn empty() -> Self {
        Self {
            bytes: [0; N],
            length: 0,
        }
    }

    fn as_bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    pub(super) fn c_str(&self) -> &CStr {
        match CStr::from_bytes_until_nul(&self.bytes) {
            Ok(text) if !text.is_empty() => text,
            _ => c".",
        }
    }

    /// Puts `front` and a slash before what is there.
    pub(super) fn prepend(&mut self, front: &[u8]) -> sys::Result<()> {
        let length = front.len() + 1 + self.length;
        if length >= self.bytes.len() {
            return Err(Errno(libc::ENAMETOOLONG));
        }
        self.bytes.copy_within(..self.length, front.len() + 1);
        self.bytes[..front.len()].copy_from_slice(front);
        self.bytes[front.len()] = b'/';
        self.truncate(length);
        Ok(())
    }

    /// Adds bytes as they are.
    pub(super) fn append(&mut self, more: &[u8]) -> sys::Result<()> {
        let end = self.length + more.len();
        if end >= self.bytes.len() {
            return Err(Errno(libc::ENAMETOOLONG));
        }
        self.bytes[self.length..end].copy_from_slice(more);
        self.truncate(end);
        Ok(())
    }

    /// Adds a component.
    pub(super) fn push(&mut self, name: &[u8]) -> sys::Result<()> {
        let start = self.length + usize::from(self.length > 0);
        let end = start + name.len();
        if end >= self.bytes.len() {
            return Err(Errno(libc::ENAMETOOLONG));
        }
        if start > 0 {
            self.bytes[self.length] = b'/';
        }
        self.bytes[start..end].copy_from_slice(name);
        self.truncate(end);
        Ok(())
    }

    /// Removes the last component; at the root `..` is the root.
    pub(super) fn pop(&mut self) {
        let end = self.as_bytes().iter().rposition(|&b| b == b'/');
        self.truncate(end.unwrap_or(0));
    }

    /// Forgets all.
    pub(super) fn clear(&mut self) {
        self.truncate(0);
    }

    /// Whether it holds `path`.
    pub(super) fn is(&self, path: &CStr) -> bool {
        self.length > 0 && self.as_bytes() == path.to_bytes()
    }

    /// Holds `path` from now on; nothing, where there is no room for it.
    pub(super) fn set(&mut self, path: &CStr) {
        self.clear();
        let _ = self.push(path.to_bytes());
    }

    /// Takes the first component off, with a zero byte after it; its length,
    /// 0 where none is left.
    pub(super) fn take_first(&mut self, name: &mut [u8; 256]) -> sys::Result<usize> {
        let start = self.as_bytes().iter().position(|&b| b != b'/');
        let start = start.unwrap_or(self.length);
        let rest = &self.as_bytes()[start..];
        let length = rest.iter().position(|&b| b == b'/').unwrap_or(rest.len());
        if length >= name.len() {
            return Err(Errno(libc::ENAMETOOLONG));
        }
        name[..length].copy_from_slice(&rest[..length]);
        name[length] = 0;
        self.bytes.copy_within(start + length..self.length, 0);
        self.truncate(self.length - start - length);
        Ok(length)
    }

    /// Whether components are left.
    pub(super) fn has_more(&self) -> bool {
        self.as_bytes().iter().any(|&b| b != b'/')
    }

    fn truncate(&mut self, length: usize) {
        self.length = length;
        self.bytes[length] = 0;
    }
}

impl<const N: usize> Default for Text<N> {
    fn default() -> Self {
        Self::empty()
    }
}

/// The buffer is never left, whatever is done to it, for the fuzzer.
#[cfg(fuzzing)]
pub(super) fn fuzz(script: &[u8]) {
    let mut text = Text::<64>::empty();
    let mut name = [0; 256];
    for part in script.split(|&byte| byte == b'\n' || byte == 0) {
        let before = text.length;
        let done = match part.split_first() {
            Some((b'<', front)) => text.prepend(front),
            Some((b'-', _)) => Ok(text.pop()),
            Some((b'!', _)) => text.take_first(&mut name).map(drop),
            _ => text.push(part),
        };
        assert!(done.is_ok() || text.length == before);
        assert!(text.c_str().count_bytes() < 64);
    }
}
