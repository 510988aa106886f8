//! How much disk each subject takes, in bytes of allocated blocks.
//!
//! Made anew for every sample, for what the same files take may differ from one
//! time to the next. Criterion shows a full copy; the report also has what one
//! more takes that shares with the first, which may be nothing, and a sample of
//! nothing is an error to criterion.

use std::process::ExitCode;
use std::time::Duration;

use criterion::Criterion;
use isolab::observation::{Metric, Workload};

#[path = "lab/bytes.rs"]
mod bytes;
mod lab;

fn main() -> ExitCode {
    // Criterion cannot draw samples that are all equal, as bytes often are.
    let criterion = Criterion::default().with_measurement(bytes::Bytes);
    lab::run("disk", criterion.without_plots(), |lab, criterion| {
        for workload in Workload::ALL {
            let (mut group, cells) = lab.group(criterion, "disk", workload);
            group.measurement_time(Duration::from_millis(100));
            for mut cell in cells {
                let mut one_more = Vec::new();
                lab.bench(
                    &mut group,
                    &mut cell,
                    (Metric::Disk, None),
                    |cell, _| {
                        let footprint = cell.provision()?.footprint()?;
                        one_more.push(footprint.one_more_bytes as f64);
                        Ok(footprint.full_bytes as f64)
                    },
                    |bytes| bytes,
                );
                lab.keep(&cell, Metric::DiskOneMore, None, one_more);
            }
        }
    })
}
