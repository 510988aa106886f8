//! What the findings mean for the four subjects: which of them can be run here.

use serde::Serialize;

use super::super::stage::Stage;
use super::{Finding, Verdict};
use crate::observation::Subject;

/// How a subject can be had on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runs {
    /// It runs, and its times count.
    Measured,
    /// It runs under an emulator, and its times do not count.
    Emulated,
    /// It does not run; the model has figures in its place.
    Modelled,
    /// It does not run.
    No,
}

impl Runs {
    /// The word used for people.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Measured => "measured",
            Self::Emulated => "emulated",
            Self::Modelled => "modelled",
            Self::No => "no",
        }
    }
}

/// One part of the lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    /// Which.
    pub subject: Subject,
    /// How it can be had.
    pub runs: Runs,
    /// What it lacks, or what stands in its way.
    pub note: String,
}

/// What a container cannot do without.
pub(super) const CONTAINER_NEEDS: [Stage; 7] = [
    Stage::UserNamespace,
    Stage::IdMap,
    Stage::MountNamespace,
    Stage::ProcMount,
    Stage::NetworkNamespace,
    Stage::Seccomp,
    Stage::Container,
];

/// Which parts of the lab run, of those that the findings speak of.
#[must_use]
pub fn parts(findings: &[Finding]) -> Vec<Part> {
    let findings = Findings(findings);
    let part = |subject, (runs, note)| Part {
        subject,
        runs,
        note,
    };
    let mut parts = vec![part(Subject::Process, process(&findings))];
    if findings.examined(Stage::Python) {
        parts.push(part(Subject::Venv, venv(&findings)));
    }
    if findings.examined(Stage::UserNamespace) {
        parts.push(part(Subject::Container, container(&findings)));
    }
    if findings.examined(Stage::Qemu) {
        parts.push(part(Subject::Vm, vm(&findings)));
    }
    parts
}

/// The findings, asked by stage.
struct Findings<'a>(&'a [Finding]);

impl Findings<'_> {
    fn verdict(&self, stage: Stage) -> Option<Verdict> {
        let finding = self.0.iter().find(|f| f.stage == stage)?;
        Some(finding.verdict)
    }

    fn examined(&self, stage: Stage) -> bool {
        self.verdict(stage).is_some()
    }

    /// Works, if only with limits. A stage that was not examined stands in
    /// nobody's way.
    fn usable(&self, stage: Stage) -> bool {
        !matches!(
            self.verdict(stage),
            Some(Verdict::Fails | Verdict::NotTried | Verdict::Absent)
        )
    }
}

fn process(findings: &Findings<'_>) -> (Runs, String) {
    if findings.usable(Stage::Files) {
        (Runs::Measured, String::new())
    } else {
        (Runs::No, "nothing can be started from here".to_owned())
    }
}

fn venv(findings: &Findings<'_>) -> (Runs, String) {
    if !findings.usable(Stage::Files) {
        return process(findings);
    }
    match findings.verdict(Stage::Python) {
        Some(Verdict::Works) => (Runs::Measured, String::new()),
        Some(Verdict::Limited) => (
            Runs::Measured,
            "some modules of the workload are missing".to_owned(),
        ),
        _ => (Runs::No, "needs python3".to_owned()),
    }
}

fn container(findings: &Findings<'_>) -> (Runs, String) {
    if !findings.usable(Stage::Files) {
        return process(findings);
    }
    if let Some(first) = CONTAINER_NEEDS.into_iter().find(|s| !findings.usable(*s)) {
        let note = match first {
            Stage::Container => "the runtime is refused; see above".to_owned(),
            needed => format!("needs {}", needed.title()),
        };
        return (Runs::No, note);
    }
    let without: Vec<&str> = [
        (Stage::Cgroup, "without limits and accounts"),
        (Stage::Overlay, "root file systems are copied"),
        (Stage::Python, "no python workload"),
    ]
    .into_iter()
    .filter(|(stage, _)| match stage {
        Stage::Cgroup => findings.verdict(*stage) == Some(Verdict::Limited),
        _ => !findings.usable(*stage),
    })
    .map(|(_, note)| note)
    .collect();
    (Runs::Measured, without.join("; "))
}

fn vm(findings: &Findings<'_>) -> (Runs, String) {
    for (stage, name) in [
        (Stage::Qemu, "QEMU"),
        (Stage::GuestKernel, "a guest kernel"),
    ] {
        if !findings.usable(stage) {
            return (Runs::Modelled, format!("a real guest needs {name}"));
        }
    }
    match findings.verdict(Stage::Kvm) {
        Some(Verdict::Works) => (Runs::Measured, "under KVM".to_owned()),
        _ => (
            Runs::Emulated,
            "real, but no measure of virtualization; its costs are modelled beside".to_owned(),
        ),
    }
}
