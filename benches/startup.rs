//! How long each subject takes from being started to its program's ready byte.
//!
//! Back to back, as loops do: criterion leaves no pause between the iterations
//! of a sample. The other states are `isolab compare`'s.

use std::process::ExitCode;
use std::time::Duration;

use criterion::Criterion;
use isolab::observation::{Metric, State, Workload};

mod lab;
#[path = "lab/started.rs"]
mod started;

fn main() -> ExitCode {
    lab::run("startup", Criterion::default(), |lab, criterion| {
        for workload in Workload::ALL {
            let (mut group, cells) = lab.group(criterion, "startup", workload);
            group.measurement_time(Duration::from_secs(1));
            for mut cell in cells {
                let mut standing = None;
                lab.bench(
                    &mut group,
                    &mut cell,
                    (Metric::Startup, Some(State::BackToBack)),
                    |cell, interrupt| {
                        let seconds = |startup: Duration| Ok(startup.as_secs_f64());
                        started::once(&mut standing, cell, interrupt, |_, it| seconds(it))
                    },
                    Duration::from_secs_f64,
                );
            }
        }
    })
}
