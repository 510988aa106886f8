//! The model's answers are ordered, grow with what costs more, and rest on named sources.

use std::time::Duration;

use proptest::prelude::*;
use vm_model::Error;
use vm_model::model::{
    Checked, Estimate, Figures, GuestKernel, HostFacts, Metric, Vmm, WorkloadFacts, estimate,
    estimate_from,
};

const VMMS: [Vmm; 5] = [
    Vmm::Qemu,
    Vmm::QemuQboot,
    Vmm::QemuMicrovm,
    Vmm::Firecracker,
    Vmm::CloudHypervisor,
];
const METRICS: [Metric; 4] = [
    Metric::Startup,
    Metric::Memory,
    Metric::Disk,
    Metric::Teardown,
];

fn workloads() -> impl Strategy<Value = WorkloadFacts> {
    (0u64..10_000, 0u64..1 << 30, 1u64..1 << 34).prop_map(|(ms, resident_bytes, root_bytes)| {
        WorkloadFacts {
            own_time: Duration::from_millis(ms),
            resident_bytes,
            root_bytes,
        }
    })
}

fn hosts() -> impl Strategy<Value = HostFacts> {
    let kernels = prop_oneof![Just(GuestKernel::Minimal), Just(GuestKernel::Distribution)];
    let vmms = proptest::sample::select(VMMS.to_vec());
    (
        vmms,
        kernels,
        proptest::option::of(1u64..1 << 30),
        64u32..16_384,
    )
        .prop_map(|(vmm, kernel, kernel_bytes, memory_mib)| HostFacts {
            vmm,
            kernel,
            kernel_bytes,
            memory_mib,
        })
}

/// Fails unless `more` costs at least what `less` does, in each part.
fn costs_no_less(more: &Estimate, less: &Estimate) -> Result<(), TestCaseError> {
    for (more, less) in [
        (more.low, less.low),
        (more.likely, less.likely),
        (more.high, less.high),
    ] {
        prop_assert!(more >= less, "{more} < {less}");
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn low_is_at_most_likely_and_likely_at_most_high(workload in workloads(), host in hosts()) {
        for estimate in METRICS.iter().filter_map(|&metric| estimate(metric, &workload, &host).ok()) {
            let Estimate { low, likely, high, .. } = estimate;
            prop_assert!(0.0 <= low && low <= likely && likely <= high && high.is_finite());
            let sum: f64 = estimate.terms.iter().map(|term| term.likely).sum();
            prop_assert!((sum - likely).abs() < 1e-6 * likely.max(1.0), "terms do not add up");
        }
    }

    #[test]
    fn a_dearer_workload_never_costs_less(a in workloads(), b in workloads(), host in hosts()) {
        let less = WorkloadFacts {
            own_time: a.own_time.min(b.own_time),
            resident_bytes: a.resident_bytes.min(b.resident_bytes),
            root_bytes: a.root_bytes.min(b.root_bytes),
        };
        let more = WorkloadFacts {
            own_time: a.own_time.max(b.own_time),
            resident_bytes: a.resident_bytes.max(b.resident_bytes),
            root_bytes: a.root_bytes.max(b.root_bytes),
        };
        for metric in METRICS {
            if let (Ok(more), Ok(less)) = (estimate(metric, &more, &host), estimate(metric, &less, &host)) {
                costs_no_less(&more, &less)?;
            }
        }
    }

    #[test]
    fn a_larger_guest_never_takes_less_memory(
        workload in workloads(), host in hosts(), more in 0u32..16_384,
    ) {
        let larger = HostFacts { memory_mib: host.memory_mib + more, ..host };
        let [larger, host] = [larger, host].map(|host| estimate(Metric::Memory, &workload, &host).unwrap());
        costs_no_less(&larger, &host)?;
    }

    #[test]
    fn every_estimate_names_its_sources(workload in workloads(), host in hosts()) {
        for estimate in METRICS.iter().filter_map(|&metric| estimate(metric, &workload, &host).ok()) {
            prop_assert!(!estimate.sources.is_empty());
            for source in &estimate.sources {
                prop_assert!(!source.citation.is_empty() && !source.conditions.is_empty());
            }
            let names: std::collections::BTreeSet<_> = estimate.sources.iter().map(|s| &s.name).collect();
            prop_assert_eq!(names.len(), estimate.sources.len(), "a source is listed twice");
        }
    }
}

fn some_workload() -> WorkloadFacts {
    WorkloadFacts {
        own_time: Duration::from_millis(20),
        resident_bytes: 10 << 20,
        root_bytes: 20 << 20,
    }
}

fn host(vmm: Vmm, kernel: GuestKernel) -> HostFacts {
    HostFacts {
        vmm,
        kernel,
        kernel_bytes: None,
        memory_mib: 256,
    }
}

#[test]
fn every_shipped_figure_is_used_and_none_can_be_missed() {
    let published = Figures::published();
    let answers = |figures: &Figures| -> Vec<Option<Estimate>> {
        let mut answers = Vec::new();
        for (vmm, kernel, metric) in VMMS.iter().flat_map(|&vmm| {
            [GuestKernel::Minimal, GuestKernel::Distribution]
                .into_iter()
                .flat_map(move |kernel| METRICS.map(|metric| (vmm, kernel, metric)))
        }) {
            let answer = estimate_from(figures, metric, &some_workload(), &host(vmm, kernel));
            answers.push(answer.ok());
        }
        answers
    };
    let all = answers(&published);
    for figure in published.iter() {
        let without = answers(&published.clone().without(&figure.name));
        let refused = all
            .iter()
            .zip(&without)
            .filter(|(all, without)| all.is_some() && without.is_none());
        assert!(refused.count() > 0, "nothing rests on `{}`", figure.name);
        for (all, without) in all
            .iter()
            .zip(&without)
            .filter(|(_, without)| without.is_some())
        {
            assert_eq!(all, without, "`{}` was replaced by a guess", figure.name);
        }
    }
}

#[test]
fn what_nobody_published_is_refused() {
    let refused = |metric, host: &HostFacts, workload: &WorkloadFacts| {
        matches!(
            estimate(metric, workload, host),
            Err(Error::NoFigure { .. })
        )
    };
    let qemu = host(Vmm::Qemu, GuestKernel::Minimal);
    assert!(refused(Metric::Teardown, &qemu, &some_workload()));
    assert!(
        refused(Metric::Disk, &qemu, &some_workload()),
        "no figure for a minimal kernel's size"
    );
    let rootless = WorkloadFacts {
        root_bytes: 0,
        ..some_workload()
    };
    let debian = host(Vmm::Qemu, GuestKernel::Distribution);
    assert!(refused(Metric::Disk, &debian, &rootless));
    let cloud_hypervisor = host(Vmm::CloudHypervisor, GuestKernel::Distribution);
    assert!(refused(
        Metric::Startup,
        &cloud_hypervisor,
        &some_workload()
    ));
}

/// This checks the bookkeeping and no model: of a monitor there is the published whole less the
/// kernel, which is added again.
#[test]
fn the_published_wholes_come_back_from_the_parts_that_were_taken_of_them() {
    let instant = WorkloadFacts {
        own_time: Duration::ZERO,
        ..some_workload()
    };
    let whole = |vmm, published: f64| {
        let estimate =
            estimate(Metric::Startup, &instant, &host(vmm, GuestKernel::Minimal)).unwrap();
        assert!(
            estimate.low <= published && published <= estimate.high,
            "{vmm:?}: {estimate:?}"
        );
    };
    whole(Vmm::Qemu, 243.5);
    whole(Vmm::QemuQboot, 213.9);
    whole(Vmm::QemuMicrovm, 582.0);
    whole(Vmm::Firecracker, 160.9);
    whole(Vmm::CloudHypervisor, 102.5);
}

#[test]
fn what_the_caller_gave_is_marked_as_given() {
    let estimate = estimate(
        Metric::Startup,
        &some_workload(),
        &host(Vmm::Qemu, GuestKernel::Minimal),
    )
    .unwrap();
    let given: Vec<_> = estimate
        .sources
        .iter()
        .filter(|s| s.checked == Checked::Given)
        .collect();
    assert_eq!(given.len(), 1);
    assert_eq!(given[0].citation, "given by the caller");
}
