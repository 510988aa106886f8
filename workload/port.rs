//! The guest's side of port 0xE9: lines about its life, and the port that ends it.
//!
//! What the lines mean stands in `vm-model/src/guest/port.rs`, which reads them.

use crate::syscall::{call, number};

/// Where the host listens. QEMU's debug console answers a read with this number.
const LISTENED: u16 = 0xe9;
/// A write here ends QEMU at once.
const END: u16 = 0xf4;
/// What is written there: QEMU's exit status is twice that and one.
const END_VALUE: u8 = 0x2a;

/// The port, where there is one and this process may use it.
pub struct Port(bool);

impl Port {
    /// Asks the kernel for the ports, and the first of them whether anybody listens.
    pub fn open() -> Self {
        let count = usize::from(END - LISTENED) + 1;
        // SAFETY: numbers only; it gives access to what no Linux driver uses.
        let allowed = unsafe { call(number::IOPERM, [LISTENED.into(), count, 1, 0, 0]) } == 0;
        Self(allowed && input(LISTENED) == 0xe9)
    }

    /// Says a line: a letter, and numbers after it.
    pub fn tell(&self, letter: u8, numbers: &[u64]) {
        if !self.0 {
            return;
        }
        output(LISTENED, letter);
        for number in numbers {
            output(LISTENED, b' ');
            decimal(*number);
        }
        output(LISTENED, b'\n');
    }

    /// Ends the machine, if there is something that can.
    pub fn end(&self) {
        if self.0 {
            output(END, END_VALUE);
        }
    }
}

/// From the first digit on. Neither an array of digits nor a plain division: both could fail, and
/// how a failure is told would be larger than this program.
fn decimal(number: u64) {
    let digits = |unit: u64| number.checked_div(unit).unwrap_or(0);
    let mut unit = 1;
    while digits(unit) >= 10 {
        unit *= 10;
    }
    while unit > 0 {
        output(LISTENED, b'0' + (digits(unit) % 10) as u8);
        unit /= 10;
    }
}

#[cfg(target_arch = "x86_64")]
fn output(port: u16, byte: u8) {
    // SAFETY: `ioperm` gave access to this port, where a virtual device takes a byte; no memory
    // of ours is touched.
    unsafe { core::arch::asm!("out dx, al", in("dx") port, in("al") byte, options(nomem, nostack)) };
}

#[cfg(target_arch = "x86_64")]
fn input(port: u16) -> u8 {
    let byte;
    // SAFETY: as above; without a device the bus answers with ones.
    unsafe { core::arch::asm!("in al, dx", in("dx") port, out("al") byte, options(nomem, nostack)) };
    byte
}

// Other machines have no ports: nobody listens.
#[cfg(not(target_arch = "x86_64"))]
fn output(_: u16, _: u8) {}

#[cfg(not(target_arch = "x86_64"))]
fn input(_: u16) -> u8 {
    0
}
