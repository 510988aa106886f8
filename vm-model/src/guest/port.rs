//! What a guest says of its life on port 0xE9, and how it ends its machine.
//!
//! A byte written to an I/O port needs no driver, no line discipline and no interrupt, and QEMU's
//! `isa-debugcon` hands it to the host at once: so the host's own clock can stamp it. Every init
//! of ours speaks the following, in a guest from an initramfs (`workload/guest.rs`) as in one from
//! a disk.
//!
//! A guest finds out whether anybody listens by reading the port: the device answers 0xE9, and a
//! bus without it 0xFF. Then it writes lines of ASCII, each with its line end at most 64 bytes
//! long: a letter, and fields with one blank before each.
//!
//! | line | when | what |
//! |---|---|---|
//! | `I NS` | init's first act | `CLOCK_BOOTTIME` in nanoseconds: how long the kernel has run by its own clock |
//! | `M NAME` | within init | a further mark, of small letters, digits and hyphens, at most 16 of them |
//! | `W` | just before the workload is executed | init is done |
//! | `R` | by whoever knows | the workload is ready |
//! | `E ERRNO` | instead of a workload | it cannot be executed; an `X` follows |
//! | `P` | when that is settled | without an `E` before it: the workload is its program from now on |
//! | `D NS NS` | at the end, if asked | the kernel's clock when it began with its drivers, and when it started init |
//! | `X STATUS` | at the workload's end | 0 to 255; 128 and the number of the signal that ended it |
//!
//! A line is stamped when its first byte comes, so the letter is written before the rest is
//! thought of. Of each kind the first counts. `X` comes after the last byte of the workload has
//! left the serial ports. Then the guest writes 0x2A to port 0xF4, `isa-debug-exit`, and QEMU ends
//! at once with the status 85: the status of a program has eight bits and that device passes on
//! seven, of which 0 would look like QEMU's own failure. So it only says that the guest's init
//! ended it, and `X` says the rest. A guest without the port powers off.
//!
//! Whoever is root in a guest can write all this, too. What is read is bounded, and believed for
//! nothing but this guest's own times and status.
//!
//! Sources: QEMU's `hw/char/debugcon.c`, `hw/misc/debugexit.c`.

use std::time::{Duration, Instant};

/// The port on which the guest talks.
pub const PORT: u16 = 0xe9;

/// The port that ends the machine.
pub const END_PORT: u16 = 0xf4;

/// QEMU's exit status when init has ended the machine: twice 0x2A, and one.
pub const ENDED_BY_INIT: i32 = 85;

/// The longest line, with its end.
const LONGEST: usize = 64;

/// The most further marks that are kept.
const MOST_MARKS: usize = 16;

/// The longest name of a mark.
const LONGEST_NAME: usize = 16;

/// The beginning of init.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Began {
    /// When its line came.
    pub at: Instant,
    /// How long the kernel had run, as it says.
    pub kernel_clock: Duration,
}

/// What a guest has said so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Heard {
    /// Init began.
    pub init: Option<Began>,
    /// Init's further marks, in the order in which they came.
    pub marks: Vec<(String, Instant)>,
    /// Init was about to execute the workload.
    pub workload: Option<Instant>,
    /// The workload said that it is ready.
    pub ready: Option<Instant>,
    /// Why the workload could not be executed: an error number.
    pub errno: Option<i32>,
    /// The workload was executed, or that has failed.
    pub settled: Option<Instant>,
    /// By the kernel's clock: when it began with its drivers, and when it started init.
    pub drivers: Option<(Duration, Duration)>,
    /// When the workload ended, and its status.
    pub ended: Option<(Instant, u8)>,
    /// Lines that were none, were too long, or came again.
    pub skipped: u64,
}

/// Makes sense of the bytes as they come. Takes the same memory whatever comes.
#[derive(Debug, Default)]
pub struct Listener {
    heard: Heard,
    line: Vec<u8>,
    begun: Option<Instant>,
}

impl Listener {
    /// What was said so far.
    #[must_use]
    pub fn heard(&self) -> &Heard {
        &self.heard
    }

    /// Takes bytes in that came at `at`.
    pub fn hear(&mut self, bytes: &[u8], at: Instant) {
        for &byte in bytes {
            let begun = *self.begun.get_or_insert(at);
            if byte != b'\n' {
                // One more than fits tells that the line is too long.
                if self.line.len() < LONGEST {
                    self.line.push(byte);
                }
                continue;
            }
            if self.heard.take(&self.line, begun).is_none() {
                self.heard.skipped = self.heard.skipped.saturating_add(1);
            }
            self.line.clear();
            self.begun = None;
        }
    }
}

impl Heard {
    /// Whether the workload has become its program, which is more than that init was about to
    /// execute it.
    #[must_use]
    pub fn is_executed(&self) -> bool {
        self.settled.is_some() && self.errno.is_none()
    }

    /// Takes in a line; `None` if it is not one that counts.
    fn take(&mut self, line: &[u8], at: Instant) -> Option<()> {
        if line.len() >= LONGEST {
            return None;
        }
        let text = std::str::from_utf8(line).ok()?;
        let mut fields = text.split(' ');
        let letter = fields.next()?;
        let fields: Vec<&str> = fields.collect();
        match (letter, &fields[..]) {
            ("I", [time]) => {
                let kernel_clock = nanoseconds(time)?;
                first(&mut self.init, Began { at, kernel_clock })
            }
            ("M", [name]) if self.marks.len() < MOST_MARKS && is_name(name) => {
                self.marks.push(((*name).to_owned(), at));
                Some(())
            }
            ("W", []) => first(&mut self.workload, at),
            ("P", []) => first(&mut self.settled, at),
            ("R", []) => first(&mut self.ready, at),
            ("E", [errno]) => first(&mut self.errno, number(errno)?.try_into().ok()?),
            ("D", [begin, end]) => {
                let (begin, end) = (nanoseconds(begin)?, nanoseconds(end)?);
                (begin <= end).then_some(())?;
                first(&mut self.drivers, (begin, end))
            }
            ("X", [status]) => first(&mut self.ended, (at, number(status)?.try_into().ok()?)),
            _ => None,
        }
    }
}

/// Sets what was not set before.
fn first<T>(place: &mut Option<T>, value: T) -> Option<()> {
    place.is_none().then(|| *place = Some(value))
}

/// A decimal number without a sign.
fn number(text: &str) -> Option<u64> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten()
}

fn nanoseconds(text: &str) -> Option<Duration> {
    number(text).map(Duration::from_nanos)
}

fn is_name(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (1..=LONGEST_NAME).contains(&text.len()) && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(bytes: &[u8]) -> Heard {
        let mut listener = Listener::default();
        listener.hear(bytes, Instant::now());
        listener.heard().clone()
    }

    /// Whether the line counts.
    fn check(line: &str, counts: bool) {
        let heard = heard(format!("{line}\n").as_bytes());
        assert_eq!(heard.skipped, u64::from(!counts), "{line}: {heard:?}");
    }

    #[test]
    fn a_life_is_heard() {
        let heard = heard(b"I 1500000000\nM root-mounted\nW\nR\nD 200 900000\nX 7\n");
        assert_eq!(
            heard.init.unwrap().kernel_clock,
            Duration::from_millis(1500)
        );
        assert_eq!(heard.marks[0].0, "root-mounted");
        assert!(heard.workload.is_some() && heard.ready.is_some());
        let drivers = (Duration::from_nanos(200), Duration::from_micros(900));
        assert_eq!(heard.drivers, Some(drivers));
        assert_eq!(heard.ended.unwrap().1, 7);
        assert_eq!((heard.errno, heard.skipped), (None, 0));
    }

    #[test]
    fn what_cannot_be_executed_never_runs() {
        for (said, runs) in [("W\n", false), ("W\nE 2\nP\n", false), ("W\nP\n", true)] {
            assert_eq!(heard(said.as_bytes()).is_executed(), runs, "{said:?}");
        }
    }

    #[test]
    fn only_whole_lines_of_the_protocol_count() {
        for line in ["W", "P", "R", "X 0", "X 255", "E 2", "I 0", "M a", "D 1 1"] {
            check(line, true);
        }
        let wrong = [
            "",
            "w",
            "W ",
            "W 1",
            "P 1",
            "X",
            "X 256",
            "X -1",
            "X +1",
            "X 1 ",
            "X  1",
            "E x",
            "I",
            "I 1.5",
            "I 99999999999999999999",
            "M",
            "M A",
            "M a_b",
            "M abcdefghijklmnopq",
            "D 2 1",
            "D 1",
            "\u{fffd}",
            "E 4294967296",
        ];
        for line in wrong {
            check(line, false);
        }
        check(&format!("M{}", " ".repeat(LONGEST)), false);
    }

    #[test]
    fn a_line_has_the_time_of_its_first_byte() {
        let (early, late) = (Instant::now(), Instant::now() + Duration::from_secs(1));
        let mut listener = Listener::default();
        listener.hear(b"X", early);
        listener.hear(b" 3", late);
        listener.hear(b"\nW\n", late);
        assert_eq!(listener.heard().ended, Some((early, 3)));
        assert_eq!(listener.heard().workload, Some(late));
    }

    #[test]
    fn what_comes_again_changes_nothing() {
        let heard = heard(b"X 1\nX 2\nX 3\n");
        assert_eq!(heard.ended.unwrap().1, 1);
        assert_eq!(heard.skipped, 2);
    }

    #[test]
    fn a_flood_takes_no_more_memory() {
        let mut listener = Listener::default();
        for _ in 0..10_000 {
            listener.hear(&[b'I'; 1000], Instant::now());
        }
        assert!(listener.line.capacity() <= 2 * LONGEST);
        let marks = "M a\n".repeat(1000);
        listener.hear(b"\n", Instant::now());
        listener.hear(marks.as_bytes(), Instant::now());
        assert_eq!(listener.heard().marks.len(), MOST_MARKS);
    }
}
