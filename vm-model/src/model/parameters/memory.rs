//! The published memory of guests: one guest at ten sizes under three monitors, part of it fitted
//! and the rest left to check the fit.
//!
//! The guest, a distribution with sshd, was the same; so all three share what it touches and what
//! its kernel needs to keep account of its memory, and differ by the monitor. Where the guest would
//! touch more than its memory it has all of it, which the fit is not told.
//!
//! Source: the raw data of Agache et al., *Firecracker: Lightweight Virtualization for Serverless
//! Applications*, NSDI 2020; see `data/README.md`.

use super::{Origin, Parameter};
use crate::model::fit::Fit;
use crate::model::footprint::Guest;
use crate::model::units::Bytes;

const TABLE: &str = include_str!("../../../data/guest-memory.csv");

const KIB: f64 = 1024.0;
const MIB: f64 = 1024.0 * 1024.0;

/// Above so much a PC's memory lies in two parts; that of the sources is at 3 GiB and something.
const SPLIT_ABOVE: f64 = 3.0 * 1024.0 * MIB;

/// What Firecracker has besides its guest's memory: `fc-nsdi,vmm_overhead` of `published.csv`.
const FIRECRACKER: f64 = 2.5 * MIB;

/// The monitors, in the order of the fit's columns.
pub const MONITORS: [&str; 3] = ["firecracker", "cloud-hypervisor", "qemu"];

/// A line of the table.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Row {
    /// The monitor, a place in [`MONITORS`].
    pub monitor: usize,
    /// The guest's memory, in bytes.
    pub size: f64,
    /// The resident set, in bytes.
    pub resident: f64,
}

/// The table.
///
/// # Panics
/// Never: a test reads the file.
#[must_use]
pub fn rows() -> Vec<Row> {
    let row = |line: &str| {
        let mut fields = line.split(',');
        let monitor = fields.next()?;
        let mut bytes = || Some(fields.next()?.parse::<f64>().ok()? * KIB);
        Some(Row {
            monitor: MONITORS.iter().position(|known| *known == monitor)?,
            size: bytes()?,
            resident: bytes()?,
        })
    };
    let lines = TABLE.lines().skip(1);
    lines
        .map(|line| row(line).expect("a test reads the file"))
        .collect()
}

/// The curve through the rows that are fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Curve {
    fit: Fit,
}

/// What it says of a guest, in bytes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PublishedGuest {
    /// What is expected.
    pub resident: f64,
    /// In 5 of 100 cases it is less.
    pub low: f64,
    /// In 5 of 100 cases it is more.
    pub high: f64,
}

impl Curve {
    /// Fits the rows whose guests have one of `sizes`, in MiB. `None` where they do not suffice:
    /// two sizes below the split, and one above.
    #[must_use]
    pub fn through(sizes: &[f64]) -> Option<Self> {
        let rows: Vec<Row> = rows()
            .into_iter()
            .filter(|row| sizes.iter().any(|size| size * MIB == row.size))
            .collect();
        let x: Vec<Vec<f64>> = rows
            .iter()
            .map(|row| columns(row.monitor, row.size))
            .collect();
        let y: Vec<f64> = rows.iter().map(|row| row.resident).collect();
        Fit::of(&x, &y).map(|fit| Self { fit })
    }

    /// The guest of `size` bytes under a monitor.
    #[must_use]
    pub fn guest(&self, monitor: usize, size: f64) -> PublishedGuest {
        let touched = guest_of(self, monitor, size);
        let reach = self.fit.reach(&columns(monitor, size));
        let resident = touched.alone().0;
        PublishedGuest {
            resident,
            low: resident - reach,
            high: resident + reach,
        }
    }

    /// The parameters of a guest under a monitor, for the equations.
    #[must_use]
    pub fn parameters(&self, monitor: usize) -> Vec<Parameter> {
        let guest = guest_of(self, monitor, SPLIT_ABOVE);
        let reach = |row: &[f64]| self.fit.reach_of_mean(row);
        let origin = |what: &str| Origin::Published {
            citation: "Agache et al., NSDI 2020, nsdi2020-data mem-*.dat, fitted".to_owned(),
            conditions: format!("{what}; a distribution with sshd, KVM, m5d.metal"),
        };
        let made = |name, value: f64, reach: f64, what| {
            Parameter::new(name, value, [value - reach, value + reach], origin(what))
        };
        let reference = 256.0 * MIB;
        let kernel = guest.kernel.0 + guest.accounts * reference;
        let mut alone = columns(monitor, reference);
        vec![
            Parameter::exactly(
                "vm.reference",
                reference,
                origin("the smallest size fitted"),
            ),
            made(
                "vm.memory.vmm",
                guest.vmm.0,
                self.fit.reach_of_mean(&alone),
                "its resident set by Firecracker's, and Firecracker's own 2.5 MiB",
            ),
            {
                alone[3] = 0.0;
                made(
                    "vm.memory.kernel",
                    kernel,
                    self.fit.reach(&alone),
                    "kernel and userland",
                )
            },
            made(
                "vm.memory.accounts",
                guest.accounts,
                reach(&[0.0, 0.0, 0.0, 1.0, 0.0]),
                "the slope over the guest's memory",
            ),
            made(
                "vm.memory.split",
                guest.split.0,
                reach(&[0.0, 0.0, 0.0, 0.0, 1.0]),
                "the step above 3 GiB",
            ),
        ]
    }
}

/// The guest of `size` bytes as the equations have it.
#[must_use]
pub fn guest_of(curve: &Curve, monitor: usize, size: f64) -> Guest {
    let coefficients = &curve.fit.coefficients;
    Guest {
        size: Bytes(size),
        // Of a monitor and what its guest touches only the sum was published, but for one.
        vmm: Bytes(coefficients[monitor] - coefficients[0] + FIRECRACKER),
        kernel: Bytes(coefficients[0] - FIRECRACKER),
        accounts: coefficients[3],
        split_above: Bytes(SPLIT_ABOVE),
        split: Bytes(coefficients[4]),
        ..Guest::default()
    }
}

/// A monitor's own constant, the size, and whether its memory is split.
fn columns(monitor: usize, size: f64) -> Vec<f64> {
    let mut row = vec![0.0; 5];
    row[monitor] = 1.0;
    row[3] = size;
    row[4] = f64::from(u8::from(size > SPLIT_ABOVE));
    row
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_ten_sizes_of_each_monitor_and_names_its_commits() {
        let rows = rows();
        for monitor in 0..MONITORS.len() {
            let own: Vec<f64> = rows
                .iter()
                .filter(|row| row.monitor == monitor)
                .map(|row| row.size)
                .collect();
            assert_eq!(own.len(), 10);
            assert!(own.is_sorted());
        }
        assert!(TABLE.lines().skip(1).all(|line| line.contains(".dat@")));
    }

    #[test]
    fn too_few_sizes_have_no_curve() {
        assert_eq!(Curve::through(&[256.0]), None);
        assert_eq!(
            Curve::through(&[256.0, 3072.0]),
            None,
            "none above the split"
        );
        assert!(Curve::through(&[256.0, 3072.0, 4096.0]).is_some());
    }

    #[test]
    fn a_guest_that_would_touch_more_than_it_has_has_all_of_it() {
        let curve = Curve::through(&[256.0, 3072.0, 4096.0]).unwrap();
        let small = curve.guest(0, 128.0 * MIB).resident;
        assert!((small - (128.0 * MIB + FIRECRACKER)).abs() < 1.0);
    }
}
