//! Bytes as something criterion can measure.
//!
//! Criterion adds up what a sample's iterations gave and divides by their
//! number, so a routine has to measure anew in each iteration: one measurement
//! multiplied would be an average of nothing. Its labels say `time` whatever is
//! measured; the unit behind the number is ours.

use criterion::Throughput;
use criterion::measurement::{Measurement, ValueFormatter};

/// Measures bytes that the routine itself counts with `iter_custom`.
pub(crate) struct Bytes;

impl Measurement for Bytes {
    type Intermediate = ();
    type Value = f64;

    /// Nothing runs here: there is no counter of bytes to start.
    fn start(&self) -> Self::Intermediate {}

    fn end(&self, (): Self::Intermediate) -> Self::Value {
        self.zero()
    }

    fn add(&self, one: &Self::Value, other: &Self::Value) -> Self::Value {
        one + other
    }

    fn zero(&self) -> Self::Value {
        0.0
    }

    fn to_f64(&self, value: &Self::Value) -> f64 {
        *value
    }

    fn formatter(&self) -> &dyn ValueFormatter {
        &Self
    }
}

impl ValueFormatter for Bytes {
    fn scale_values(&self, typical: f64, values: &mut [f64]) -> &'static str {
        let (size, unit) = match typical {
            t if t >= 1e9 => (1e9, "GB"),
            t if t >= 1e6 => (1e6, "MB"),
            t if t >= 1e3 => (1e3, "kB"),
            _ => (1.0, "B"),
        };
        for value in values {
            *value /= size;
        }
        unit
    }

    fn scale_throughputs(&self, typical: f64, _: &Throughput, values: &mut [f64]) -> &'static str {
        // A throughput of bytes on disk has no meaning; no bench asks for one.
        self.scale_values(typical, values)
    }

    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "B"
    }
}
