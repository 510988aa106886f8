//! How many fit on one host, and what runs out first.

use super::memory::guest;
use super::{Disk, Each, Kind, Saving};
use crate::error::Result;
use crate::model::answer::{Outcome, Question, Values};
use crate::model::footprint::memory;
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
    /// What guests give back of their memory.
    pub saving: Saving,
    /// The bytes that are in the image that all of them share.
    pub image: f64,
    /// What each writes to its disk, in bytes.
    pub growth: f64,
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
        if self.image > 0.0 || self.growth > 0.0 {
            supplies.push(("by disk", self.by_disk(values)?));
        }
        for (_, count) in &mut supplies {
            *count = count.clamp(0.0, MOST);
        }
        let least = supplies.iter().min_by(|a, b| a.1.total_cmp(&b.1));
        let (binds, least) = least.copied().unwrap_or(("by nothing", MOST));
        let first = binds.trim_start_matches("by ");
        let whole = |(name, count): (&'static str, f64)| (name, count.floor());
        Ok(Outcome {
            value: least.floor(),
            terms: supplies.into_iter().map(whole).collect(),
            notes: vec![format!("what runs out first: {first}")],
            unrounded: Some(least),
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
                let saved = self.saving.saved(values)?;
                let spread = values.or("vm.memory.spread", 1.0);
                let of = |count| memory(&guest, count, saved).0 * spread;
                // Each further one takes as much as the second.
                let own = of(2) - of(1);
                (of(1) - own, own)
            }
            kind => {
                let own = values.get(&kind.parameter("memory"))?;
                (0.0, own + self.each.workload_memory)
            }
        };
        Ok(fitting(available, once, each))
    }

    fn by_disk(&self, values: &Values<'_>) -> Result<f64> {
        let disk = Disk {
            kind: self.each.kind,
            count: 1,
            image: self.image,
            growth: self.growth,
            sharing: true,
        };
        let shape = disk.shape(values)?;
        let each = shape.overlay + shape.growth;
        Ok(fitting(values.get("host.disk")?, shape.image.0, each.0))
    }
}

/// How many fit that take `once` together and `each` besides.
fn fitting(available: f64, once: f64, each: f64) -> f64 {
    let left = available - once;
    match (each > 0.0, left >= 0.0) {
        (true, _) => left / each,
        (false, true) => MOST,
        (false, false) => 0.0,
    }
}

#[cfg(test)]
impl Density {
    /// Of what takes memory alone.
    pub(super) fn of(each: Each) -> Self {
        Self {
            each,
            processor: 0.0,
            iops: 0.0,
            saving: Saving::Nothing,
            image: 0.0,
            growth: 0.0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::exact;
    use super::*;
    use crate::model::answer::answer;

    #[test]
    fn a_whole_number_hangs_on_what_moves_it_by_less_than_one() {
        let values = exact(&[("container.memory", 100.0), ("host.memory", 1050.0)]);
        let question = Density::of(Each {
            kind: Kind::Container,
            ..Each::default()
        });
        let found = answer(&question, &values, 1).unwrap();
        assert_eq!(found.value, 10.0);
        // So many as the host's memory by one's: a percent of either is a percent.
        for (name, expected) in [("host.memory", 1.0), ("container.memory", -1.0)] {
            let mut all = found.sensitivity.iter();
            let elasticity = all.find(|one| one.name == name).unwrap().elasticity;
            assert!((elasticity.unwrap() - expected).abs() < 1e-9, "{found:?}");
        }
    }

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
            ("vm.memory.merged-within", 10.0),
            ("vm.memory.merged-between", 40.0),
            ("host.disk", 900.0),
            ("vm.disk.overlay", 10.0),
            ("vm.slowdown", 2.0),
        ]);
        let none = Density::of(Each {
            memory: 256.0,
            ..Each::default()
        });
        let asked = |question: Density| answer(&question, &values, 1).unwrap();
        let of = |processor, growth| {
            asked(Density {
                processor,
                growth,
                ..none
            })
        };
        assert_eq!(of(0.0, 0.0).value, 10.0, "the shared pages are there once");
        // Three times 290 and an overlay of 10 are 900.
        let busy = of(0.25, 290.0);
        assert_eq!(busy.value, 3.0);
        assert_eq!(busy.terms.len(), 3);
        assert!(busy.notes[0].ends_with("disk"), "{busy:?}");
        assert_eq!(of(0.25, 0.0).value, 4.0);
        // The image is there once: of the rest, 100 for each.
        let imaged = Density {
            image: 300.0,
            growth: 90.0,
            ..none
        };
        assert_eq!(asked(imaged).value, 6.0);
        let too_large = Density {
            image: 901.0,
            ..none
        };
        assert_eq!(asked(too_large).value, 0.0);
        // 1000 beside what is shared, of 100 each less 50; or, merged, once 40 and 50 each: the
        // last of nineteen and a fifth is none.
        let saving = |saving| asked(Density { saving, ..none }).value;
        assert_eq!(saving(Saving::Balloon(50.0)), 20.0);
        assert_eq!(saving(Saving::Merged), 19.0);
    }
}
