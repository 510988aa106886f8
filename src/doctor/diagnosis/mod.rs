//! From facts to causes: a pure function, and so the part that is tested with
//! machines nobody has at hand.
//!
//! Each stage is judged on its own; where it failed only because an earlier one
//! did, it says so and nothing else, for one cause must not be reported six
//! times.

use serde::Serialize;

use super::facts::{Facts, Outcome};
use super::stage::Stage;

mod cgroup;
mod confinement;
mod guest;
mod host;
#[cfg(test)]
mod machines;
mod namespace;
mod parts;
mod remedy;

pub use parts::{Part, Runs, parts};
pub use remedy::Remedy;

/// How a stage stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// As it should be.
    Works,
    /// Usable, but something is lost; `cause` says what.
    Limited,
    /// Of no use.
    Fails,
    /// Something optional that is not there.
    Absent,
    /// Nothing can be said, since an earlier stage failed.
    NotTried,
}

/// What was found out about one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Which.
    pub stage: Stage,
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen, in a few words.
    pub detail: String,
    /// Why it is not as it should be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<String>,
    /// The ways to mend it, the least invasive first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remedies: Vec<Remedy>,
}

impl Finding {
    fn works(stage: Stage, detail: impl Into<String>) -> Self {
        Self::new(stage, Verdict::Works, detail, None, Vec::new())
    }

    fn not_tried(stage: Stage, needed: Stage) -> Self {
        let detail = format!("needs {}, which fails", needed.title());
        Self::new(stage, Verdict::NotTried, detail, None, Vec::new())
    }

    fn fails(
        stage: Stage,
        detail: impl Into<String>,
        cause: impl Into<String>,
        remedies: Vec<Remedy>,
    ) -> Self {
        Self::new(stage, Verdict::Fails, detail, Some(cause.into()), remedies)
    }

    fn limited(
        stage: Stage,
        detail: impl Into<String>,
        cause: impl Into<String>,
        remedies: Vec<Remedy>,
    ) -> Self {
        Self::new(
            stage,
            Verdict::Limited,
            detail,
            Some(cause.into()),
            remedies,
        )
    }

    fn new(
        stage: Stage,
        verdict: Verdict,
        detail: impl Into<String>,
        cause: Option<String>,
        remedies: Vec<Remedy>,
    ) -> Self {
        Self {
            stage,
            verdict,
            detail: detail.into(),
            cause,
            remedies,
        }
    }
}

/// Judges the given stages, in their order.
#[must_use]
pub fn diagnose(facts: &Facts, stages: &[Stage]) -> Vec<Finding> {
    stages.iter().map(|stage| judge(facts, *stage)).collect()
}

fn judge(facts: &Facts, stage: Stage) -> Finding {
    match stage {
        Stage::UserNamespace
        | Stage::IdMap
        | Stage::MountNamespace
        | Stage::ProcMount
        | Stage::Overlay
        | Stage::NetworkNamespace
        | Stage::Seccomp => namespace::judge(facts, stage),
        Stage::Cgroup => cgroup::judge(facts),
        Stage::Container => namespace::container(facts),
        Stage::Python => host::python(facts),
        Stage::Qemu => guest::qemu(facts),
        Stage::Kvm => guest::kvm(facts),
        Stage::GuestKernel => guest::kernel(facts),
        Stage::Files => host::files(facts),
        Stage::Toolchain => host::toolchain(facts),
        Stage::Peers => host::peers(facts),
    }
}

/// The judgement of a probe that ended otherwise than by success or refusal.
fn unusual(stage: Stage, outcome: &Outcome, facts: &Facts) -> Finding {
    let (detail, cause, remedies) = match outcome {
        Outcome::Killed { signal: 31 } => (
            "ended by SIGSYS".to_owned(),
            "a seccomp filter around us kills the process that asks for it".to_owned(),
            remedy::confinement(facts),
        ),
        Outcome::Killed { signal } => (
            format!("ended by signal {signal}"),
            "something ended the probe; it may have been the out-of-memory killer".to_owned(),
            vec![Remedy::run("see who", ["dmesg | tail"])],
        ),
        Outcome::TimedOut => (
            "no answer within 3 s".to_owned(),
            "the kernel did not come back from a call, or the machine is overloaded".to_owned(),
            vec![Remedy::run("when it is quiet", ["isolab doctor"])],
        ),
        Outcome::Unclear { detail }
        | Outcome::Works { detail }
        | Outcome::Failed { detail, .. } => (
            "the probe gave no answer".to_owned(),
            format!("it said: {detail}"),
            Vec::new(),
        ),
    };
    Finding::fails(stage, detail, cause, remedies)
}
