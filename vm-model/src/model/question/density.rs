//! How many fit on one host, and what runs out first.

use super::memory::guest;
use super::{Each, Kind};
use crate::error::Result;
use crate::model::answer::{Outcome, Question, Values};
use crate::model::parameters::Unit;

/// No host holds more, whatever they take.
const MOST: f64 = 1e9;

/// How many of them fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Density {
    /// What each is.
    pub each: Each,
    /// The part of a processor that each workload needs on the host, in the mean.
    pub processor: f64,
    /// The requests to the disk that each makes in a second.
    pub iops: f64,
    /// What each takes of the disk, in bytes.
    pub disk: f64,
}

impl Question for Density {
    fn what(&self) -> String {
        let many = match self.each.kind {
            Kind::Vm => "guests",
            Kind::Container => "containers",
            Kind::Process => "processes",
        };
        format!("how many {many} fit on the host")
    }

    fn unit(&self) -> Unit {
        Unit::One
    }

    fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
        let mut supplies = vec![("by memory", self.by_memory(values)?)];
        if self.processor > 0.0 {
            let slowdown = match self.each.kind {
                Kind::Vm => values.get("vm.slowdown")?,
                Kind::Container | Kind::Process => 1.0,
            };
            let held = values.get("host.processors")? / (self.processor * slowdown);
            supplies.push(("by processors", held));
        }
        if self.iops > 0.0 {
            supplies.push((
                "by requests to the disk",
                values.get("host.iops")? / self.iops,
            ));
        }
        if self.disk > 0.0 {
            supplies.push(("by disk", values.get("host.disk")? / self.disk));
        }
        let held = |held: f64| held.clamp(0.0, MOST).floor();
        let terms: Vec<(&'static str, f64)> = supplies
            .into_iter()
            .map(|(name, count)| (name, held(count)))
            .collect();
        let least = terms.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (binds, value) = least.copied().unwrap_or(("by nothing", MOST));
        let first = binds.trim_start_matches("by ");
        Ok(Outcome {
            value,
            terms,
            notes: vec![format!("what runs out first: {first}")],
        })
    }
}

impl Density {
    fn by_memory(&self, values: &Values<'_>) -> Result<f64> {
        let available = values.get("host.memory")?;
        let (once, each) = match self.each.kind {
            Kind::Vm if self.each.restored => {
                (values.get("vm.clone.state")?, values.get("vm.clone.own")?)
            }
            Kind::Vm => {
                let guest = guest(&self.each, values)?;
                let spread = values.or("vm.memory.spread", 1.0);
                let own = (guest.alone() - guest.shared).0 * spread;
                (guest.shared.0 * spread, own)
            }
            kind => {
                let own = values.get(&kind.parameter("memory"))?;
                (0.0, own + self.each.workload_memory)
            }
        };
        Ok(match each > 0.0 {
            true => (available - once) / each,
            false => MOST,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::exact;
    use super::*;
    use crate::model::answer::answer;

    #[test]
    fn what_runs_out_first_binds() {
        let values = exact(&[
            ("vm.memory.vmm", 40.0),
            ("vm.memory.shared", 8.0),
            ("vm.memory.kernel", 60.0),
            ("vm.memory.accounts", 0.0),
            ("vm.reference", 0.0),
            ("host.memory", 1008.0),
            ("host.processors", 2.0),
            ("host.disk", 900.0),
            ("vm.slowdown", 2.0),
        ]);
        let of = |processor, disk| {
            let each = Each {
                memory: 256.0,
                ..Each::default()
            };
            let question = Density {
                each,
                processor,
                iops: 0.0,
                disk,
            };
            answer(&question, &values, 1).unwrap()
        };
        assert_eq!(of(0.0, 0.0).value, 10.0, "the shared pages are there once");
        let busy = of(0.25, 300.0);
        assert_eq!(busy.value, 3.0);
        assert_eq!(busy.terms.len(), 3);
        assert!(busy.notes[0].ends_with("disk"), "{busy:?}");
        assert_eq!(of(0.25, 0.0).value, 4.0);
    }
}
