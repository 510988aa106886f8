//! The terms of each metric, and from which figures each is spanned.

use super::{
    Checked, Estimate, Figures, GuestKernel, HostFacts, Metric, Source, Term, Vmm, WorkloadFacts,
};
use crate::error::{Error, Result};

const MIB: f64 = 1024.0 * 1024.0;

/// Adds up the terms of `metric`.
pub(super) fn sum(
    figures: &Figures,
    metric: Metric,
    workload: &WorkloadFacts,
    host: &HostFacts,
) -> Result<Estimate> {
    let mut ledger = Ledger {
        figures,
        metric,
        terms: Vec::new(),
        sources: Vec::new(),
        used: Vec::new(),
    };
    let unit = match metric {
        Metric::Startup => ledger.startup(workload, host).map(|()| "ms"),
        Metric::Memory => ledger.memory(workload, host).map(|()| "B"),
        Metric::Disk => ledger.disk(workload, host).map(|()| "B"),
        Metric::Teardown => Err(ledger.missing("no published figure for a guest's teardown")),
    }?;
    let Ledger { terms, sources, .. } = ledger;
    let total = |part: fn(&Term) -> f64| terms.iter().map(part).sum();
    Ok(Estimate {
        low: total(|term| term.low),
        likely: total(|term| term.likely),
        high: total(|term| term.high),
        unit,
        terms,
        sources,
    })
}

/// An estimate in the making: each figure that is used is written down.
struct Ledger<'a> {
    figures: &'a Figures,
    metric: Metric,
    terms: Vec<Term>,
    sources: Vec<Source>,
    /// Those of the next term.
    used: Vec<String>,
}

impl Ledger<'_> {
    fn startup(&mut self, workload: &WorkloadFacts, host: &HostFacts) -> Result<()> {
        if host.vmm == Vmm::CloudHypervisor {
            // Published from end to end only: its own part cannot be told from the kernel's.
            if host.kernel == GuestKernel::Distribution {
                return Err(self.missing("no figure for Cloud Hypervisor with such a kernel"));
            }
            let whole = [
                self.figure("cloud-hypervisor.linux.startup")?,
                self.figure("cloud-hypervisor.pmem.startup")?,
            ];
            self.span("monitor, firmware and kernel boot", &whole);
        } else {
            let monitor = self.monitor(host.vmm)?;
            self.span("monitor and firmware", &monitor);
            let kernel: &[&str] = match host.kernel {
                GuestKernel::Minimal => &[
                    "kernel.lupine.boot",
                    "kernel.minimal.boot",
                    "kernel.minimal.boot.limit",
                ],
                GuestKernel::Distribution => &[
                    "kernel.alpine.boot",
                    "kernel.conventional.boot.low",
                    "kernel.conventional.boot.high",
                ],
            };
            let kernel = self.figures_called(kernel)?;
            self.span("kernel boot, to init", &kernel);
        }
        let own_ms = workload.own_time.as_secs_f64() * 1e3;
        self.given(
            "workload",
            own_ms,
            "ms",
            "the workload's own start as a bare process",
        );
        Ok(())
    }

    /// The time before the kernel's first instruction. Where a paper gives only the whole, the
    /// kernel's own boot on the same host is taken off.
    fn monitor(&mut self, vmm: Vmm) -> Result<Vec<f64>> {
        let (alone, whole): (&[&str], &str) = match vmm {
            Vmm::Qemu => (&["qemu.unikernel.vmm"], "qemu.linux.startup"),
            Vmm::QemuQboot => (&[], "qboot.linux.startup"),
            Vmm::QemuMicrovm => (&["microvm.unikernel.vmm"], "microvm.linux.startup"),
            Vmm::Firecracker | Vmm::CloudHypervisor => (
                &["firecracker.unikernel.vmm", "firecracker.api"],
                "firecracker.linux.startup",
            ),
        };
        let mut values = self.figures_called(alone)?;
        values.push(self.figure(whole)? - self.figure("kernel.minimal.boot")?);
        Ok(values)
    }

    fn memory(&mut self, workload: &WorkloadFacts, host: &HostFacts) -> Result<()> {
        let overhead: &[&str] = match host.vmm {
            Vmm::Qemu | Vmm::QemuQboot | Vmm::QemuMicrovm => {
                &["qemu.overhead.256", "qemu.overhead.128"]
            }
            Vmm::Firecracker => &["firecracker.overhead", "firecracker.overhead.limit"],
            Vmm::CloudHypervisor => &["cloud-hypervisor.overhead"],
        };
        let overhead: Vec<f64> = self
            .figures_called(overhead)?
            .iter()
            .map(|mib| mib * MIB)
            .collect();
        self.span("monitor", &overhead);

        // At least what the kernel keeps and the workload holds; likely what a booted guest of
        // that size touched; at most all of the guest's memory, which it cannot exceed.
        let size = f64::from(host.memory_mib);
        let own = workload.resident_bytes as f64 / MIB;
        let reserved = self.figure("guest.kernel.reserved")?;
        let monitor = self.figure("firecracker.overhead")?;
        let (small, large) = (
            self.figure("guest.resident.128")?,
            self.figure("guest.resident.256")?,
        );
        let slope = (large - small) / 128.0;
        let touched = small - monitor + slope * (size - 128.0);
        let low = (reserved + own).min(size);
        let likely = (touched + own).clamp(low, size);
        self.note("guest.memory", size * MIB, "the guest's memory");
        self.note(
            "workload.resident",
            own * MIB,
            "what the workload holds as a bare process",
        );
        self.add("guest", [low, likely, size].map(|mib| mib * MIB));
        Ok(())
    }

    fn disk(&mut self, workload: &WorkloadFacts, host: &HostFacts) -> Result<()> {
        match (host.kernel_bytes, host.kernel) {
            (Some(bytes), _) => self.given("kernel", bytes as f64, "B", "the kernel's image"),
            (None, GuestKernel::Distribution) => {
                let bytes = self.figure("kernel.cloud.image")? * MIB;
                self.span("kernel", &[bytes]);
            }
            (None, GuestKernel::Minimal) => {
                return Err(self.missing("no kernel was given, and no figure for a minimal one"));
            }
        }
        if workload.root_bytes == 0 {
            return Err(self.missing("the size of the guest's root was not given"));
        }
        self.given(
            "root",
            workload.root_bytes as f64,
            "B",
            "the initramfs or disk image",
        );
        Ok(())
    }

    /// The value of a figure, with its source written down.
    fn figure(&mut self, name: &str) -> Result<f64> {
        let Some(source) = self.figures.get(name) else {
            return Err(self.missing(&format!("the figure `{name}` has no source")));
        };
        if !self.sources.contains(source) {
            self.sources.push(source.clone());
        }
        if !self.used.contains(&source.name) {
            self.used.push(source.name.clone());
        }
        Ok(source.value)
    }

    fn figures_called(&mut self, names: &[&str]) -> Result<Vec<f64>> {
        names.iter().map(|name| self.figure(name)).collect()
    }

    /// Adds a term spanned by one or more values.
    fn span(&mut self, name: &str, values: &[f64]) {
        let mut sorted = values.to_vec();
        sorted.sort_by(f64::total_cmp);
        let middle = sorted.len() / 2;
        let median = if sorted.len() % 2 == 1 {
            sorted[middle]
        } else {
            f64::midpoint(sorted[middle - 1], sorted[middle])
        };
        self.add(name, [sorted[0], median, sorted[sorted.len() - 1]]);
    }

    /// Adds a term that the caller gave.
    fn given(&mut self, name: &str, value: f64, unit: &str, what: &str) {
        self.used.push(name.to_owned());
        self.add(name, [value; 3]);
        self.sources.push(given(name, value, unit, what));
    }

    fn note(&mut self, name: &str, bytes: f64, what: &str) {
        self.used.push(name.to_owned());
        self.sources.push(given(name, bytes, "B", what));
    }

    fn add(&mut self, name: &str, [low, likely, high]: [f64; 3]) {
        self.terms.push(Term {
            name: name.to_owned(),
            low,
            likely,
            high,
            sources: std::mem::take(&mut self.used),
        });
    }

    fn missing(&self, reason: &str) -> Error {
        Error::NoFigure {
            metric: self.metric.to_string(),
            reason: reason.to_owned(),
        }
    }
}

fn given(name: &str, value: f64, unit: &str, what: &str) -> Source {
    Source {
        name: name.to_owned(),
        value,
        unit: unit.to_owned(),
        conditions: what.to_owned(),
        citation: "given by the caller".to_owned(),
        checked: Checked::Given,
    }
}
