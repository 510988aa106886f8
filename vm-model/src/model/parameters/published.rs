//! The published figures as they were collected, and the parameters that follow from them.

use std::time::Duration;

use super::{Origin, Parameter};
use crate::error::Result;
use crate::model::figures::fields;
use crate::model::{Figures, HostFacts, Metric, Source, WorkloadFacts, estimate_from};

const TABLE: &str = include_str!("../../../data/published.csv");

/// A published figure.
#[derive(Debug, Clone, PartialEq)]
pub struct Published {
    /// Of what.
    pub name: String,
    /// What of it.
    pub metric: String,
    /// Its value.
    pub value: f64,
    /// Its unit, as published.
    pub unit: String,
    /// Under which conditions.
    pub conditions: String,
    /// Who published it, and where.
    pub source: String,
}

impl Published {
    /// All of them.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let lines = TABLE.lines().skip(1).filter(|line| !line.is_empty());
        lines
            .map(|line| parse(line).expect("a test reads the file"))
            .collect()
    }

    /// The first of `metric` of `name`.
    #[must_use]
    pub fn find(name: &str, metric: &str) -> Option<Self> {
        let is = |one: &Self| one.name == name && one.metric == metric;
        Self::all().into_iter().find(is)
    }

    /// It as a parameter, with an interval of `reach` to each side, both in the parameter's unit.
    #[must_use]
    pub fn parameter(&self, name: &str, value: f64, reach: f64) -> Parameter {
        Parameter::new(
            name,
            value,
            [value - reach, value + reach],
            Origin::Published {
                citation: self.source.clone(),
                conditions: self.conditions.clone(),
            },
        )
    }
}

fn parse(line: &str) -> Option<Published> {
    let [name, metric, value, unit, conditions, source, _]: [String; 7] =
        fields(line).ok()?.try_into().ok()?;
    Some(Published {
        name,
        metric,
        value: value.parse().ok()?,
        unit,
        conditions,
        source,
    })
}

/// The parameters of a start as published: a monitor with its firmware, and a kernel. The ends of
/// each interval are the lowest and the highest figure that anybody published for it, so it is
/// wider than one of 90 %, if anything.
///
/// # Errors
/// As [`estimate_from`].
pub fn startup_of(host: &HostFacts) -> Result<Vec<Parameter>> {
    let nothing = WorkloadFacts {
        own_time: Duration::ZERO,
        ..WorkloadFacts::default()
    };
    let estimate = estimate_from(&Figures::published(), Metric::Startup, &nothing, host)?;
    let citation = |names: &[String]| {
        let of_term = |source: &&Source| names.contains(&source.name);
        let cited = estimate.sources.iter().filter(of_term);
        let cited: Vec<String> = cited
            .map(|source| format!("{} ({} {})", source.citation, source.value, source.unit))
            .collect();
        cited.join("; ")
    };
    let named = |term: &str| match term.starts_with("monitor") {
        true => "vm.vmm",
        false => "vm.kernel",
    };
    let parts = estimate.terms.iter().filter(|term| term.high > 0.0);
    Ok(parts
        .map(|term| {
            Parameter::new(
                named(&term.name),
                term.likely / 1e3,
                [term.low / 1e3, term.high / 1e3],
                Origin::Published {
                    citation: citation(&term.sources),
                    conditions: format!("{}, hardware virtualization", term.name),
                },
            )
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{GuestKernel, Vmm};

    #[test]
    fn every_line_is_a_figure_with_its_source() {
        let all = Published::all();
        assert_eq!(all.len(), TABLE.lines().count() - 1);
        for figure in &all {
            assert!(figure.value.is_finite() && figure.value > 0.0, "{figure:?}");
            assert!(figure.source.len() > 5, "{figure:?}");
        }
        let overhead = Published::find("fc-nsdi", "vmm_overhead").unwrap();
        assert_eq!((overhead.value, overhead.unit.as_str()), (2.5, "MiB"));
    }

    /// The figures of the estimates are a part of what was collected: none was changed on the way.
    #[test]
    fn the_estimates_figures_are_those_that_were_published() {
        let seconds = |value: f64, unit: &str| match unit {
            "us" => Some(value * 1e-6),
            "ms" | "CPU-ms" => Some(value * 1e-3),
            "s" => Some(value),
            _ => None,
        };
        let all = Published::all();
        let mut compared = 0;
        for figure in Figures::published().iter().filter(|f| f.unit == "ms") {
            // What only a word of the conditions says there: the API's typical wall time, and the
            // two ends of a conventional guest's.
            if figure.name == "firecracker.api" || figure.name.contains("conventional") {
                continue;
            }
            let same = all.iter().any(|published| {
                let value = seconds(published.value, &published.unit);
                value.is_some_and(|value| (value / (figure.value * 1e-3) - 1.0).abs() < 1e-9)
            });
            assert!(same, "{} is not in published.csv", figure.name);
            compared += 1;
        }
        assert!(compared > 8, "{compared}");
    }

    #[test]
    fn a_start_has_its_monitor_and_its_kernel() {
        let host = HostFacts {
            vmm: Vmm::Firecracker,
            kernel: GuestKernel::Minimal,
            kernel_bytes: None,
            memory_mib: 256,
        };
        let parts = startup_of(&host).unwrap();
        let names: Vec<&str> = parts.iter().map(|part| part.name.as_str()).collect();
        assert_eq!(names, ["vm.vmm", "vm.kernel"]);
        // Each cites what it is spanned by, and nothing else: a unikernel has no Linux to boot, and
        // Lupine's boot is no monitor's.
        let cited = |part: &Parameter| match &part.origin {
            Origin::Published { citation, .. } => citation.clone(),
            other => panic!("{other:?}"),
        };
        let [monitor, kernel] = [cited(&parts[0]), cited(&parts[1])];
        assert!(monitor.contains("Unikraft, EuroSys") && monitor.contains("160.9 ms"));
        assert!(!monitor.contains("(70 ms)"), "{monitor}");
        assert!(kernel.contains("(70 ms)"), "{kernel}");
        assert!(
            !kernel.contains("160.9") && !kernel.contains("EuroSys"),
            "{kernel}"
        );
    }
}
