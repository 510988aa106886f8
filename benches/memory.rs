//! How much memory one held subject takes: the proportional set size of all its
//! processes, in bytes.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use criterion::Criterion;
use isolab::footprint::proportional_set_bytes;
use isolab::isolation::Running;
use isolab::observation::{Metric, Workload};

#[path = "lab/bytes.rs"]
mod bytes;
mod lab;
#[path = "lab/started.rs"]
mod started;

fn main() -> ExitCode {
    // Criterion cannot draw samples that are all equal, as bytes often are.
    let criterion = Criterion::default().with_measurement(bytes::Bytes);
    lab::run("memory", criterion.without_plots(), |lab, criterion| {
        for workload in Workload::ALL {
            let (mut group, cells) = lab.group(criterion, "memory", workload);
            group.measurement_time(Duration::from_millis(500));
            for mut cell in cells {
                let mut standing = None;
                lab.bench(
                    &mut group,
                    &mut cell,
                    (Metric::Memory, None),
                    |cell, interrupt| {
                        started::once(&mut standing, cell, interrupt, |running, _| {
                            held_bytes(running)
                        })
                    },
                    |bytes| bytes,
                );
            }
        }
    })
}

fn held_bytes(running: &dyn Running) -> Result<f64> {
    let each = running.processes().into_iter().map(proportional_set_bytes);
    Ok(each.sum::<Result<u64>>()? as f64)
}
