//! What QEMU itself says about the beginning of a boot.
//!
//! One of its trace events stands on its standard error, a line each: that the firmware asks the
//! machine for something (its tables, the kernel, the command line). The first request comes
//! within a millisecond of the machine's first instruction, the last just before the firmware
//! enters the kernel; so the firmware lies between the two, whichever firmware it is. Two dozen
//! such lines cost nothing that could be measured. A QEMU that was built without this says that it
//! knows no such event, and the phases are told together.
//!
//! The event belongs to the thread of a virtual processor. Those of QEMU's main thread, such as
//! `runstate_set`, would tell the machine's start to the microsecond; with them QEMU 7.2 stops
//! executing its guest.
//!
//! Source: QEMU's `docs/devel/tracing.rst`; `hw/nvram/trace-events`.

use std::time::Instant;

/// The event that QEMU is asked for.
pub(super) const EVENT: &str = "fw_cfg_select";

/// How QEMU's complaint about an event that it does not know begins and ends.
const UNKNOWN: [&str; 2] = ["warning: trace event '", "does not exist"];

/// The longest line that may be an event; longer ones are messages.
const LONGEST: usize = 512;

/// The moments that QEMU told of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Traced {
    /// The firmware asked for something, for the first time.
    pub(super) first: Option<Instant>,
    /// And for the last time so far.
    pub(super) last: Option<Instant>,
}

/// Takes QEMU's standard error apart: events, and messages for people.
#[derive(Debug, Default)]
pub(super) struct Trace {
    traced: Traced,
    line: Vec<u8>,
    begun: Option<Instant>,
}

impl Trace {
    pub(super) fn traced(&self) -> Traced {
        self.traced
    }

    /// Takes in bytes that came at `at`; what is no event goes to `messages`. With
    /// `firmware_over`, requests are somebody else's.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        at: Instant,
        firmware_over: bool,
        messages: &mut impl FnMut(&[u8]),
    ) {
        for &byte in bytes {
            let begun = *self.begun.get_or_insert(at);
            self.line.push(byte);
            if byte == b'\n' || self.line.len() > LONGEST {
                if !self.is_event(begun, firmware_over) {
                    messages(&self.line);
                }
                self.line.clear();
                self.begun = None;
            }
        }
    }

    /// What has come of a line that is not at its end: QEMU may be gone.
    pub(super) fn rest(&mut self) -> Vec<u8> {
        self.begun = None;
        std::mem::take(&mut self.line)
    }

    fn is_event(&mut self, at: Instant, firmware_over: bool) -> bool {
        let line = String::from_utf8_lossy(&self.line);
        let line = line.trim_end();
        // `PID@TIME:event …` where messages have times.
        let stamped = line.split_once(':').filter(|(stamp, _)| {
            let plain = |c: char| c.is_ascii_digit() || c == '@' || c == '.';
            !stamp.is_empty() && stamp.chars().all(plain)
        });
        let event = stamped.map_or(line, |(_, event)| event);
        let is_request = event
            .strip_prefix(EVENT)
            .is_some_and(|rest| rest.starts_with(' '));
        if is_request && !firmware_over {
            self.traced.first.get_or_insert(at);
            self.traced.last = Some(at);
        }
        is_request || line.contains(UNKNOWN[0]) && line.ends_with(UNKNOWN[1])
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// The messages in `text`, which comes a second apart by line, and the moments.
    fn read(text: &str, start: Instant) -> (String, Traced) {
        let mut trace = Trace::default();
        let mut messages = Vec::new();
        for (second, line) in text.split_inclusive('\n').enumerate() {
            let at = start + Duration::from_secs(second as u64);
            let mut keep = |bytes: &[u8]| messages.extend_from_slice(bytes);
            trace.read(line.as_bytes(), at, second > 4, &mut keep);
        }
        messages.extend(trace.rest());
        (String::from_utf8(messages).unwrap(), trace.traced())
    }

    #[test]
    fn events_are_moments_and_the_rest_are_messages() {
        let start = Instant::now();
        let said = "fw_cfg_selected\n\
                    fw_cfg_select 0x5 key 0x0 'signature', ret: 1\n\
                    qemu: could not\n\
                    fw_cfg_select 0x5 key 0x15 'cmdline_data', ret: 1\n\
                    17@1700000000.000001:fw_cfg_select 0x5 key 0x7, ret: 1\n\
                    fw_cfg_select after init\n\
                    cut off";
        let (messages, traced) = read(said, start);
        assert_eq!(messages, "fw_cfg_selected\nqemu: could not\ncut off");
        assert_eq!(traced.first, Some(start + Duration::from_secs(1)));
        assert_eq!(traced.last, Some(start + Duration::from_secs(4)));
    }

    #[test]
    fn a_qemu_that_knows_no_events_is_not_quoted_with_that() {
        let said = "qemu: warning: trace event 'fw_cfg_select' does not exist\nqemu: no kvm\n";
        let (messages, traced) = read(said, Instant::now());
        assert_eq!(messages, "qemu: no kvm\n");
        assert_eq!(traced, Traced::default());
    }

    #[test]
    fn a_line_without_an_end_is_passed_on_in_pieces() {
        let (messages, _) = read(&"x".repeat(10 * LONGEST), Instant::now());
        assert_eq!(messages.len(), 10 * LONGEST);
    }
}
