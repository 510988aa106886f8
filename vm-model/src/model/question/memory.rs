//! The host's memory for many.

use super::{Each, Kind};
use crate::error::Result;
use crate::model::answer::{Outcome, Question, Values};
use crate::model::footprint::{Guest, Saved, clones, memory};
use crate::model::parameters::Unit;
use crate::model::units::Bytes;

/// A PC's memory lies in two parts above so much: what QEMU's `q35` keeps below 4 GiB for guests
/// that have more, and the sources' step.
const SPLIT_ABOVE: f64 = 3.0 * 1024.0 * 1024.0 * 1024.0;

/// What is given back.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub enum Saving {
    /// Nothing.
    #[default]
    Nothing,
    /// Equal pages are kept once.
    Merged,
    /// Each guest gives back so many bytes.
    Balloon(f64),
}

impl Saving {
    /// It as the equations have it.
    pub(super) fn saved(self, values: &Values<'_>) -> Result<Saved> {
        Ok(match self {
            Self::Nothing => Saved::Nothing,
            Self::Balloon(each) => Saved::Balloon(Bytes(each)),
            Self::Merged => Saved::Merged {
                within: Bytes(values.get("vm.memory.merged-within")?),
                between: Bytes(values.get("vm.memory.merged-between")?),
            },
        })
    }
}

/// What `count` of them take of the host's memory.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Memory {
    /// How many.
    pub count: u32,
    /// What each is.
    pub each: Each,
    /// What is given back.
    pub saving: Saving,
}

impl Question for Memory {
    fn what(&self) -> String {
        let how = match self.saving {
            Saving::Nothing => "",
            Saving::Merged => " with equal pages merged",
            Saving::Balloon(_) => " with a balloon",
        };
        format!("the memory of {}{how}", self.each.kind.counted(self.count))
    }

    fn unit(&self) -> Unit {
        Unit::Bytes
    }

    fn outcome(&self, values: &Values<'_>) -> Result<Outcome> {
        if self.each.kind != Kind::Vm {
            let own = values.get(&self.each.kind.parameter("memory"))?;
            let count = f64::from(self.count);
            return Ok(Outcome::sum(vec![
                ("what isolates them", own * count),
                ("their workloads", self.each.workload_memory * count),
            ]));
        }
        if self.each.restored {
            let state = values.get("vm.clone.state")?;
            let own = values.get("vm.clone.own")?;
            let all = clones(Bytes(state), Bytes(own), self.count).0;
            return Ok(Outcome::sum(vec![
                ("the saved state, shared", state),
                ("what each has of its own", all - state),
            ]));
        }
        let guest = guest(&self.each, values)?;
        let saved = self.saving.saved(values)?;
        let spread = values.or("vm.memory.spread", 1.0);
        let value = memory(&guest, self.count, saved).0 * spread;
        let plain = memory(&guest, self.count, Saved::Nothing).0 * spread;
        let times = f64::from(self.count) * spread;
        let touched = guest.alone() - guest.shared - guest.vmm;
        let terms = vec![
            ("monitors, each its own", guest.vmm.0 * times),
            ("monitors, shared", guest.shared.0 * spread),
            ("what the guests touch", touched.0 * times),
            ("given back", value - plain),
        ];
        Ok(Outcome {
            value,
            ..Outcome::sum(terms)
        })
    }
}

/// A guest as the equations have it.
pub(super) fn guest(each: &Each, values: &Values<'_>) -> Result<Guest> {
    let accounts = values.get("vm.memory.accounts")?;
    let reference = values.get("vm.reference")?;
    let archive = match each.archive > 0.0 {
        true => values.get("vm.memory.archive")? * each.archive,
        false => 0.0,
    };
    let shared = values.or("vm.memory.shared", 0.0);
    let shared = shared + values.or("vm.memory.archive-shared", 0.0) * each.archive;
    let workload = match each.workload_memory > 0.0 {
        true => values.or("vm.memory.workload", 1.0) * each.workload_memory,
        false => 0.0,
    };
    let split = match each.memory > SPLIT_ABOVE {
        true => values.get("vm.memory.split")?,
        false => 0.0,
    };
    Ok(Guest {
        size: Bytes(each.memory),
        vmm: Bytes(values.get("vm.memory.vmm")?),
        shared: Bytes(shared),
        kernel: Bytes(values.get("vm.memory.kernel")? - accounts * reference),
        accounts,
        workload: Bytes(workload + archive),
        split_above: Bytes(SPLIT_ABOVE),
        split: Bytes(split),
    })
}

#[cfg(test)]
mod tests {
    use super::super::tests::exact;
    use super::*;
    use crate::model::answer::answer;

    const VALUES: [(&str, f64); 7] = [
        ("vm.memory.vmm", 40.0),
        ("vm.memory.shared", 8.0),
        ("vm.memory.kernel", 100.0),
        ("vm.memory.accounts", 0.0625),
        ("vm.reference", 256.0),
        ("vm.memory.merged-within", 10.0),
        ("vm.memory.merged-between", 50.0),
    ];

    fn of(count: u32, each: Each, saving: Saving, values: &[(&str, f64)]) -> f64 {
        let question = Memory {
            count,
            each,
            saving,
        };
        let found = answer(&question, &exact(values), 1).unwrap();
        let sum: f64 = found.terms.iter().map(|term| term.value).sum();
        assert!((sum - found.value).abs() < 1e-6, "{found:?}");
        found.value
    }

    #[test]
    fn guests_take_what_they_touch_and_share_what_they_share() {
        let each = Each {
            memory: 512.0,
            ..Each::default()
        };
        // 100 at 256, and a sixteenth of what is beyond that.
        assert_eq!(of(1, each, Saving::Nothing, &VALUES), 8.0 + 40.0 + 116.0);
        assert_eq!(of(4, each, Saving::Nothing, &VALUES), 8.0 + 4.0 * 156.0);
        assert_eq!(
            of(4, each, Saving::Merged, &VALUES),
            8.0 + 4.0 * 146.0 - 3.0 * 50.0
        );
        assert_eq!(
            of(2, each, Saving::Balloon(16.0), &VALUES),
            8.0 + 2.0 * 140.0
        );
    }

    #[test]
    fn an_initial_file_system_is_kept_by_each_and_by_all() {
        let each = Each {
            memory: 256.0,
            archive: 10.0,
            workload_memory: 4.0,
            ..Each::default()
        };
        let mut values = VALUES.to_vec();
        values.extend([
            ("vm.memory.archive", 1.5),
            ("vm.memory.archive-shared", 1.0),
            ("vm.memory.workload", 2.0),
        ]);
        let expected = 18.0 + 3.0 * (140.0 + 15.0 + 8.0);
        assert_eq!(of(3, each, Saving::Nothing, &values), expected);
    }

    #[test]
    fn containers_and_processes_have_no_kernel() {
        let each = |kind| Each {
            kind,
            workload_memory: 7.0,
            ..Each::default()
        };
        let own = [("container.memory", 2.0), ("process.memory", 1.0)];
        let of = |kind| of(3, each(kind), Saving::Nothing, &own);
        assert_eq!((of(Kind::Container), of(Kind::Process)), (27.0, 24.0));
    }

    #[test]
    fn clones_share_their_state() {
        let each = Each {
            restored: true,
            ..Each::default()
        };
        let own = [("vm.clone.state", 100.0), ("vm.clone.own", 17.0)];
        assert_eq!(of(4, each, Saving::Nothing, &own), 168.0);
    }
}
