//! `/proc/self/fd/<fd>`: how `mount(2)`, which takes no descriptor, is given one.
//!
//! The link leads to the very file that the descriptor is open on, not to a
//! name. It is the host's /proc that is asked, before the root changes.

use std::ffi::CStr;
use std::os::fd::RawFd;

const PREFIX: &[u8] = b"/proc/self/fd/";

/// The path, in a buffer of its own: the child may not allocate.
pub(super) struct ByDescriptor([u8; 300]);

impl ByDescriptor {
    /// The file behind `fd`; with a `name`, what has that name in it.
    pub(super) fn new(fd: RawFd, name: &CStr) -> Self {
        let mut text = [0; 300];
        let mut end = PREFIX.len();
        text[..end].copy_from_slice(PREFIX);
        let fd = fd.unsigned_abs();
        let mut unit = 1_000_000_000;
        while unit > 1 && fd < unit {
            unit /= 10;
        }
        while unit > 0 {
            text[end] = b'0' + (fd / unit % 10) as u8;
            end += 1;
            unit /= 10;
        }
        let name = name.to_bytes();
        if !name.is_empty() && name.len() <= 255 {
            text[end] = b'/';
            text[end + 1..=end + name.len()].copy_from_slice(name);
        }
        Self(text)
    }

    pub(super) fn path(&self) -> &CStr {
        CStr::from_bytes_until_nul(&self.0).unwrap_or(c"/proc/self/fd/-1")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(fd: RawFd, name: &CStr, expected: &str) {
        assert_eq!(ByDescriptor::new(fd, name).path().to_str(), Ok(expected));
    }

    #[test]
    fn a_descriptor_is_spelled_in_full() {
        for fd in [0, 7, 10, 99, 100, 1_048_576, i32::MAX] {
            check(fd, c"", &format!("/proc/self/fd/{fd}"));
        }
        check(12, c"cpu", "/proc/self/fd/12/cpu");
    }
}
