//! Many at once, and many one after the other.

use super::startup::expected;
use super::{Each, Kind};
use crate::error::Result;
use crate::model::answer::{Outcome, Question, Values};
use crate::model::parameters::Unit;
use crate::model::queue::{Queue, Variability, mgc, mmc};
use crate::model::storm::{Boot, Host, Seen, last_ready};
use crate::model::units::{Bytes, BytesPerSecond, PerSecond, Seconds};

/// From the start of all until the last of them is ready.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Storm {
    /// How many.
    pub count: u32,
    /// What each is.
    pub each: Each,
    /// What each reads from the disk, in bytes.
    pub read: f64,
}

impl Question for Storm {
    fn what(&self) -> String {
        let count = self.each.kind.counted(self.count);
        format!("{count} started at once, until the last is ready")
    }

    fn unit(&self) -> Unit {
        Unit::Seconds
    }

    fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
        let alone = expected(&self.each, values)?.value;
        let host = host(&self.each, f64::from(self.count), self.read, values)?;
        let boot = boot(&self.each, alone, self.read, values)?;
        let all = last_ready(&boot, &host, self.count).0;
        let undisturbed = Host {
            contention: 0.0,
            bandwidth: BytesPerSecond(f64::INFINITY),
            ..host
        };
        let shared = last_ready(&boot, &undisturbed, self.count).0;
        let unbounded = Host {
            bandwidth: BytesPerSecond(f64::INFINITY),
            ..host
        };
        let crowded = last_ready(&boot, &unbounded, self.count).0;
        let alone = if self.count == 0 { 0.0 } else { alone };
        let mut outcome = Outcome::sum(vec![
            ("one alone", alone),
            ("waiting for a processor", shared - alone),
            ("in each other's way", crowded - shared),
            ("waiting for the disk", all - crowded),
        ]);
        outcome.value = all;
        Ok(outcome)
    }
}

fn host(each: &Each, guests: f64, read: f64, values: &Values<'_>) -> Result<Host> {
    let bandwidth = match read > 0.0 {
        true => values.get("host.bandwidth")?,
        false => f64::INFINITY,
    };
    Ok(Host {
        processors: values.get("host.processors")?,
        bandwidth: BytesPerSecond(bandwidth),
        contention: contention(each, guests, values)?,
    })
}

/// The contention of so many, from those that were started at once; as it is where only one number
/// of them was.
fn contention(each: &Each, guests: f64, values: &Values<'_>) -> Result<f64> {
    let of = |name: &str| each.kind.parameter(name);
    let most = values.get(&of("contention"))?;
    if each.kind != Kind::Vm || !values.has(&of("contention.few")) {
        return Ok(most);
    }
    let more = values.get(&of("contention.guests"))?;
    let goes_on = match guests > more {
        true => values.or(&of("contention.trend"), 0.5),
        false => 1.0,
    };
    let seen = Seen {
        few: (
            values.get(&of("contention.few-guests"))?,
            values.get(&of("contention.few"))?,
        ),
        more: (more, most),
        goes_on,
    };
    Ok(seen.of(guests))
}

fn boot(each: &Each, alone: f64, read: f64, values: &Values<'_>) -> Result<Boot> {
    // What containers and processes do to start is all a processor's work.
    let work = match each.kind {
        Kind::Vm => values.get("vm.work")?,
        Kind::Container | Kind::Process => 1.0,
    };
    Ok(Boot {
        work: Seconds(alone * work),
        idle: Seconds(alone * (1.0 - work)),
        read: Bytes(read),
    })
}

/// How long who asks for one waits in the mean, where so many are asked for in a second.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Wait {
    /// What is asked for.
    pub each: Each,
    /// How often.
    pub arrivals: f64,
    /// How regular a start is, by the scatter of single ones; nothing for the teaching baseline,
    /// where it is as random as it can be.
    pub service: Option<Variability>,
}

impl Question for Wait {
    fn what(&self) -> String {
        let model = match self.service {
            Some(_) => "M/G/c, Allen and Cunneen",
            None => "M/M/c",
        };
        format!(
            "the mean wait before a {} is begun, at {} a second ({model})",
            self.each.kind, self.arrivals
        )
    }

    fn unit(&self) -> Unit {
        Unit::Seconds
    }

    fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
        let alone = expected(&self.each, values)?.value;
        let processors = values.get("host.processors")?.max(1.0);
        // As many run at once as there are processors, however many are asked for.
        let contention = contention(&self.each, processors, values)?;
        // Whole servers: there is no part of one.
        #[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)]
        let servers = processors.min(1e6) as u32;
        let queue = Queue {
            servers,
            arrivals: PerSecond(self.arrivals),
            service: Seconds(alone * (1.0 + contention * f64::from(servers - 1))),
        };
        let wait = match self.service {
            Some(service) => mgc(&queue, Variability(1.0), service),
            None => mmc(&queue),
        };
        let utilization = queue.utilization();
        let note = match wait {
            Some(_) => format!(
                "the processors are busy for {:.0} % of the time",
                utilization * 100.0
            ),
            None => format!(
                "more is asked for than can be begun ({:.0} % of what the processors do): the queue grows without end",
                utilization * 100.0
            ),
        };
        Ok(Outcome {
            value: wait.map_or(f64::INFINITY, |wait| wait.0),
            terms: vec![("one start, by a processor", queue.service.0)],
            notes: vec![note],
            ..Outcome::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::exact;
    use super::*;
    use crate::model::answer::answer;

    const VALUES: [(&str, f64); 5] = [
        ("vm.boot", 2.0),
        ("vm.reference", 0.0),
        ("vm.work", 0.75),
        ("vm.contention", 0.5),
        ("host.processors", 2.0),
    ];

    #[test]
    fn eight_on_two_processors_take_four_turns_and_are_in_each_others_way() {
        let of = |count, read| {
            let each = Each::default();
            let with = exact(&VALUES).with(crate::model::parameters::Parameter::exactly(
                "host.bandwidth",
                1.0,
                crate::model::parameters::Origin::Given {
                    why: "for a test".to_owned(),
                },
            ));
            answer(&Storm { count, each, read }, &with, 1).unwrap()
        };
        assert_eq!(of(1, 0.0).value, 2.0);
        let eight = of(8, 0.0);
        assert_eq!(eight.value, 0.5 + 1.5 * 4.0 * 1.5);
        let sum: f64 = eight.terms.iter().map(|term| term.value).sum();
        assert!((sum - eight.value).abs() < 1e-9);
        assert_eq!(of(8, 10.0).value, 80.0, "the disk bounds them");
    }

    #[test]
    fn beyond_what_was_started_at_once_the_interval_holds_both_staying_and_going_on() {
        let given = || crate::model::parameters::Origin::Given {
            why: "for a test".to_owned(),
        };
        let seen = [
            ("vm.boot", 1.0),
            ("vm.reference", 0.0),
            ("vm.work", 1.0),
            ("host.processors", 2.0),
            ("vm.contention.few", 0.125),
            ("vm.contention.few-guests", 2.0),
            ("vm.contention", 0.25),
            ("vm.contention.guests", 4.0),
        ];
        let trend = crate::model::parameters::Parameter::new(
            "vm.contention.trend",
            0.5,
            [0.0, 1.0],
            given(),
        );
        let with = exact(&seen).with(trend);
        let of = |count| {
            let each = Each::default();
            let storm = Storm {
                count,
                each,
                read: 0.0,
            };
            answer(&storm, &with, 4000).unwrap()
        };
        let width = |count| {
            let found = of(count);
            (found.high - found.low) / found.value
        };
        // Two and four were seen, exactly; three lies between them.
        assert_eq!((of(2).low, of(2).high), (1.125, 1.125));
        assert_eq!((of(4).value, width(4)), (2.5, 0.0));
        let three = of(3).value / 1.5 - 1.0;
        assert!(0.125 < three && three < 0.25, "{three}");
        // Of eight: 0.25 if it stays, 0.375 if it goes on.
        let eight = of(8);
        assert_eq!(eight.value, 4.0 * 1.3125);
        assert!(
            (eight.low - 5.0).abs() < 0.02 && (eight.high - 5.5).abs() < 0.02,
            "{eight:?}"
        );
        assert!(width(8) < width(16) && width(16) < width(64));
    }

    #[test]
    fn where_more_is_asked_for_than_served_the_wait_has_no_end() {
        let of = |arrivals, service| {
            let each = Each::default();
            let question = Wait {
                each,
                arrivals,
                service,
            };
            answer(&question, &exact(&VALUES), 1).unwrap()
        };
        let random = of(0.4, None).value;
        let regular = of(0.4, Some(Variability(0.0))).value;
        assert!(random > 0.0 && (regular * 2.0 - random).abs() < 1e-12);
        let never = of(4.0, None);
        assert!(never.value.is_infinite());
        assert!(never.notes[0].contains("without end"));
    }
}
