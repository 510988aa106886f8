//! Two times in the kernel's own log, between which it started its drivers.
//!
//! The kernel writes them whether anybody asks or not; reading the log costs a little, so it is
//! read when the workload is over.

use core::mem::MaybeUninit;

use crate::port::Port;
use crate::syscall::{call, number};

/// `SYSLOG_ACTION_READ_ALL`. Source: `syslog(2)`.
const READ_ALL: usize = 3;
/// More than a boot says.
const ROOM: usize = 256 << 10;
/// Said before the first driver, and before init.
const FIRST: &[u8] = b"devtmpfs: initialized";
const LAST: &[u8] = b"Run /";

/// Tells both, if both are there.
pub fn tell_times(port: &Port) {
    let mut buffer = MaybeUninit::<[u8; ROOM]>::uninit();
    let begin = buffer.as_mut_ptr().cast::<u8>();
    // SAFETY: the buffer is writable and as long as said.
    let length = unsafe { call(number::SYSLOG, [READ_ALL, begin as usize, ROOM, 0, 0]) };
    if length <= 0 {
        return;
    }
    // SAFETY: the kernel wrote that many bytes.
    let log = unsafe { core::slice::from_raw_parts(begin, length as usize) };
    let (mut first, mut last) = (0, 0);
    for line in log.split(|byte| *byte == b'\n') {
        if first == 0 && holds(line, FIRST) {
            first = nanoseconds(line);
        }
        if holds(line, LAST) {
            last = nanoseconds(line);
        }
    }
    if first != 0 && last > first {
        port.tell(b'D', &[first, last]);
    }
}

/// Whether the text behind the line's `] ` begins with `text`.
fn holds(line: &[u8], text: &[u8]) -> bool {
    let mut parts = line.split(|byte| *byte == b']');
    parts.next();
    let Some([b' ', said @ ..]) = parts.next() else {
        return false;
    };
    said.len() >= text.len() && said.iter().zip(text).all(|(a, b)| a == b)
}

/// The time of `<6>[    1.234567] text`: seconds with six digits behind the point.
fn nanoseconds(line: &[u8]) -> u64 {
    let time = line.iter().skip_while(|byte| **byte != b'[');
    let digits = time.take_while(|byte| **byte != b']').filter(|byte| byte.is_ascii_digit());
    let micros = digits.fold(0u64, |number, byte| {
        number.wrapping_mul(10).wrapping_add(u64::from(byte - b'0'))
    });
    micros.wrapping_mul(1000)
}
