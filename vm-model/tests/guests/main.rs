//! What needs QEMU and a kernel: each test probes for them by use, and says why it is ignored.
//!
//! Tests of the guest's failures use a script in QEMU's place, since a real one cannot be made to
//! fail on demand.

mod failures;
mod foreign;
mod real;
mod saved;
mod setting;

use libtest_mimic::Arguments;

fn main() {
    let arguments = Arguments::from_args();
    let mut trials = failures::trials();
    trials.extend(foreign::trials());
    trials.extend(real::trials());
    trials.extend(saved::trials());
    libtest_mimic::run(&arguments, trials).exit();
}
