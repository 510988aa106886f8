//! The experiments, one a file, and the list of them.

use super::experiment::{Experiment, Inquiry};

mod compose_separate;
mod contained;
mod containers_are_linux;
mod density;
mod distribution;
mod django_series;
mod engines;
mod held_python;
mod hello_world;
mod host_view;
mod mapped;
mod one_process;
mod packages;
mod portability;
mod postgres;
mod predates_docker;
mod python_root;
mod runtimes;
mod served_django;
mod several;
mod taken_away;
mod venv_isolates_packages;
mod venv_limited;
mod venv_needs_system_python;
mod venv_no_services;
mod vm_700mb;
mod vm_own_resources;
mod vm_size_speed;
mod vm_whole_system;

/// Every experiment.
static REGISTRY: &[&dyn Experiment] = &[
    &containers_are_linux::ContainersAreLinux,
    &hello_world::HelloWorld,
    &one_process::OneProcess,
    &portability::Portability,
    &predates_docker::PredatesDocker,
    &venv_isolates_packages::VenvIsolatesPackages,
    &venv_needs_system_python::VenvNeedsSystemPython,
    &venv_no_services::VenvNoServices,
    &venv_limited::VenvLimited,
    &vm_700mb::Vm700Mb,
    &vm_own_resources::VmOwnResources,
    &density::Density,
    &vm_size_speed::VmSizeSpeed,
    &vm_whole_system::VmWholeSystem,
];

/// The experiment that settles the claim `id`, if it is built.
#[must_use]
pub fn find(id: &str) -> Option<&'static dyn Experiment> {
    REGISTRY
        .iter()
        .copied()
        .find(|experiment| experiment.id() == id)
}

/// What can be found out of claims that wait for their experiment.
static INQUIRIES: &[&dyn Inquiry] = &[&compose_separate::ComposeSeparate];

/// What can be found out of the claim `id` before its experiment is built.
#[must_use]
pub fn inquiry(id: &str) -> Option<&'static dyn Inquiry> {
    INQUIRIES.iter().copied().find(|inquiry| inquiry.id() == id)
}

#[cfg(test)]
mod tests {
    use super::{INQUIRIES, REGISTRY};
    use crate::claims::experiment::{Cases, Experiment};
    use crate::claims::findings::Findings;
    use crate::claims::ledger::Ledger;
    use crate::claims::ruling::Verdict::{self, *};
    use crate::claims::{Unit, rule};
    use crate::observation::Evidence;

    fn judged(experiment: &dyn Experiment, findings: &Findings) -> Verdict {
        let ledger = Ledger::own();
        let claim = ledger.find(experiment.id()).unwrap();
        rule(claim, experiment, findings).verdict
    }

    /// Every verdict follows from the evidence: with the evidence swapped it is
    /// another, and with too little there is none.
    #[test]
    fn swapping_the_evidence_flips_every_verdict() {
        for experiment in REGISTRY {
            let Cases {
                supports,
                refutes,
                too_little,
            } = experiment.cases();
            let id = experiment.id();
            let verdict = judged(*experiment, &supports);
            assert!(
                matches!(verdict, Supported | SupportedBut | Sourced),
                "{id}: {verdict:?}"
            );
            assert_eq!(judged(*experiment, &refutes), Refuted, "{id}");
            let verdict = judged(*experiment, &too_little);
            assert!(
                matches!(verdict, Inconclusive | NotTestedHere),
                "{id}: {verdict:?}"
            );
        }
    }

    #[test]
    fn findings_of_nothing_settle_nothing() {
        for experiment in REGISTRY {
            let verdict = judged(*experiment, &Findings::default());
            assert!(
                matches!(verdict, Inconclusive | NotTestedHere),
                "{}: {verdict:?}",
                experiment.id()
            );
        }
    }

    /// Times of an emulator support nothing without a reservation and refute
    /// nothing.
    #[test]
    fn emulated_times_settle_nothing_about_speed() {
        for experiment in REGISTRY {
            let Cases {
                supports, refutes, ..
            } = experiment.cases();
            for (findings, never) in [(supports, Supported), (refutes, Refuted)] {
                let before = judged(*experiment, &findings);
                let mut emulated = findings.clone();
                let timed = emulated
                    .numbers
                    .iter_mut()
                    .filter(|number| number.unit == Unit::Seconds);
                let mut any = false;
                for number in timed {
                    any = true;
                    let samples = number.evidence.samples().unwrap().to_vec();
                    number.evidence = Evidence::Emulated {
                        samples,
                        by: "an emulator".into(),
                    };
                }
                let after = judged(*experiment, &emulated);
                assert!(
                    !any || before != never || after != never || untimed(*experiment, &findings),
                    "{}: {after:?} by an emulator's times",
                    experiment.id()
                );
            }
        }
    }

    /// Whether the verdict is the same without any times at all.
    fn untimed(experiment: &dyn Experiment, findings: &Findings) -> bool {
        let mut without = findings.clone();
        without
            .numbers
            .retain(|number| number.unit != Unit::Seconds);
        judged(experiment, &without) == judged(experiment, findings)
    }

    #[test]
    fn every_experiment_belongs_to_one_claim_and_says_what_it_does() {
        let ledger = Ledger::own();
        for experiment in REGISTRY {
            let id = experiment.id();
            assert!(ledger.find(id).is_some(), "{id} is no claim");
            assert!(!experiment.about().is_empty());
            let same = REGISTRY.iter().filter(|other| other.id() == id);
            assert_eq!(same.count(), 1, "{id}");
        }
    }

    /// One that can be settled needs no inquiry: its experiment finds out.
    #[test]
    fn every_inquiry_is_into_a_claim_that_waits() {
        let ledger = Ledger::own();
        for inquiry in INQUIRIES {
            let claim = ledger.find(inquiry.id()).unwrap();
            assert!(!claim.waits_for.is_empty(), "{}", claim.id);
            assert!(super::find(&claim.id).is_none(), "{}", claim.id);
            assert!(!inquiry.about().is_empty());
        }
    }

    /// No claim is left hanging: it can be run, or it says what it waits for.
    #[test]
    fn each_claim_has_an_experiment_or_says_what_it_waits_for() {
        for claim in Ledger::own().claims() {
            let can_run = super::find(&claim.id).is_some();
            assert_ne!(can_run, !claim.waits_for.is_empty(), "{}", claim.id);
        }
    }
}
