//! The second serial port as the workload's standard input and output: byte for byte, or as a
//! terminal.
//!
//! Source: `termios(3)`, `ioctl_tty(2)`; the layout is the kernel's `struct termios`.

use std::fs::File;
use std::io;
use std::os::fd::{AsRawFd, RawFd};

use super::calls;

const TCGETS: u64 = 0x5401;
const TCSETS: u64 = 0x5402;
const TCSBRK: u64 = 0x5409;
const TIOCSCTTY: u64 = 0x540e;
const TIOCSERGETLSR: u64 = 0x5459;
/// Bit 0 of the answer: nothing is left to be sent.
const EMPTY: u8 = 1;
/// How often that is asked at most.
const MOST: u32 = 100_000;

/// The size of the kernel's `struct termios`, and where its flags of output are.
const TERMIOS: usize = 36;
const OUTPUT: usize = 4;

/// 115200 baud (for QEMU's timeouts: no bit is slower than another), eight bits, no modem.
const CONTROL: u32 = 0o10_002 | 0o60 | 0o200 | 0o4000;

/// The settings of a line: flags for input, output, control and what it heeds, and the characters.
struct Settings([u32; 4], [u8; 19]);

/// Bytes pass as they are, an interrupt loses none, and yet there is an end of input and an interrupt: ^C, ^D, and ^V
/// before one of these three that is meant as a byte. The host's side is `vm-model`'s `Typed`.
const EXACT: Settings = Settings(
    [0, 0, CONTROL, 0o1 | 0o2 | 0o200 | 0o100_000],
    [3, 0, 0, 0, 4, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 22, 0, 0, 0],
);

/// What people expect of a terminal.
const COOKED: Settings = Settings(
    [
        0o400 | 0o2000,
        0o1 | 0o4,
        CONTROL,
        0o1 | 0o2 | 0o10 | 0o20 | 0o40 | 0o1000 | 0o4000 | 0o100_000,
    ],
    [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
);

/// Opens it.
pub fn open() -> io::Result<File> {
    let line = File::options().read(true).write(true).open("/dev/ttyS1")?;
    Ok(line)
}

/// Lets each byte through as it is, or makes it a terminal as people know one.
pub fn prepare(line: &File, terminal: bool) -> io::Result<()> {
    let Settings(flags, characters) = if terminal { COOKED } else { EXACT };
    let mut termios = flags.map(u32::to_ne_bytes).concat();
    termios.push(0); // the discipline
    termios.extend(characters);
    calls::control(line.as_raw_fd(), TCSETS, &mut termios)
}

/// Lets each byte through the console, too, where standard error goes: no return before the end of
/// a line.
pub fn prepare_console() {
    let mut termios = [0; TERMIOS];
    if calls::control(2, TCGETS, &mut termios).is_ok() {
        termios[OUTPUT..OUTPUT + 4].fill(0);
        let _ = calls::control(2, TCSETS, &mut termios);
    }
}

/// Makes it the terminal of this process's session.
pub fn control(line: &File) {
    let _ = calls::control_by_number(line.as_raw_fd(), TIOCSCTTY, 0);
}

/// Waits until all that was written to it has left the machine.
pub fn drain(line: &File) {
    drain_fd(line.as_raw_fd());
}

/// The same for the console, which is the first serial port: standard error.
pub fn drain_console() {
    drain_fd(2);
}

fn drain_fd(fd: RawFd) {
    let _ = calls::control_by_number(fd, TCSBRK, 1);
    for _ in 0..MOST {
        let mut answer = [0; 4];
        let asked = calls::control(fd, TIOCSERGETLSR, &mut answer);
        if asked.is_err() || answer[0] & EMPTY != 0 {
            return;
        }
    }
}
