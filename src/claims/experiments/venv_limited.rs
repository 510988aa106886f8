//! `venv-limited`: what a virtual environment and a container keep apart, aspect
//! by aspect, looked at from inside each.
//!
//! The facts are the cells of the matrix, so that `isolab matrix explain` shows
//! what each rests on.

use anyhow::{Result, bail};

use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};
use crate::hint;
use crate::inside::PlaceName;
use crate::matrix::{self, Axis, Cell};

pub(super) struct VenvLimited;

/// The aspects that the claim is judged by: those that the kernel, the root file
/// system or the interpreter could keep apart, each once.
const ASPECTS: [Axis; 12] = [
    Axis::Processes,
    Axis::Users,
    Axis::Mounts,
    Axis::Network,
    Axis::Hostname,
    Axis::Ipc,
    Axis::Cgroup,
    Axis::Time,
    Axis::Kernel,
    Axis::Packages,
    Axis::Interpreter,
    Axis::Libraries,
];

/// Where they are looked at. The first two have to answer.
const PLACES: [PlaceName; 5] = [
    PlaceName::Venv,
    PlaceName::Container,
    PlaceName::Podman,
    PlaceName::Docker,
    PlaceName::Vm,
];

impl Experiment for VenvLimited {
    fn id(&self) -> &'static str {
        "venv-limited"
    }

    fn about(&self) -> &'static str {
        "looks from inside a virtual environment, a container and a guest, and from inside \
         podman's and docker's containers where they run, at twelve aspects of the system, and \
         tries of each whether it is the host's"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let matrix = matrix::run_in(
            context.scratch,
            &ASPECTS,
            &PLACES,
            context.interrupt,
            context,
        )?;
        if matrix.interrupted {
            bail!("interrupted");
        }
        findings.step(
            "put a process, a file, a listener and a message queue on the host, and had the same \
             program reach for them and for the system from inside each place",
        );
        for column in &matrix.columns {
            for row in &column.cells {
                let command = format!("isolab matrix explain {}/{}", row.axis, column.place);
                let subject = column.place.name();
                findings.fact(row.axis.name(), subject, row.cell.name(), command);
            }
        }
        for missing in matrix.missing {
            let error = match missing.remedy {
                Some(remedy) => hint::with(missing.why, remedy),
                None => anyhow::anyhow!(missing.why),
            };
            findings.lack(missing.place.name(), &error);
        }
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let venv = Kept::by(PlaceName::Venv, findings)?;
        let container = Kept::by(PlaceName::Container, findings)?;
        let gained = venv.gained_by(&container);
        let effect = |count: usize| Effect::counted(claim, "aspects", count as f64);
        let (least, most) = (effect(gained.sure)?, effect(gained.possible)?);
        if least.met() != most.met() {
            return Err(Gap::new(format!(
                "{} aspects could not be told: {}",
                gained.possible - gained.sure,
                gained.unsure.join(", ")
            )));
        }
        let because = format!(
            "of twelve aspects the environment keeps {} apart, the container {}",
            venv.count(),
            container.count()
        );
        let guest = Kept::by(PlaceName::Vm, findings);
        let because = match guest {
            Ok(guest) => format!("{because}, a guest {}", guest.count()),
            Err(_) => because,
        };
        let mut ruling = Ruling::of(vec![least], because);
        for (peer, name) in [
            (PlaceName::Podman, "podman's"),
            (PlaceName::Docker, "docker's"),
        ] {
            let Ok(kept) = Kept::by(peer, findings) else {
                continue;
            };
            let gained = venv.gained_by(&kept);
            if effect(gained.possible)?.met() == crate::claims::ruling::Met::No {
                ruling = ruling.but(format!("{name} container keeps {} apart", kept.count()));
            }
        }
        let lost = container.gained_by(&venv).sure;
        if lost > 0 {
            ruling = ruling.but(format!("{lost} aspects only the environment keeps apart"));
        }
        Ok(ruling)
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |container: Cell| {
            let mut findings = Findings::default();
            for axis in ASPECTS {
                findings.fact(axis.name(), "venv", Cell::Host.name(), "c");
                findings.fact(axis.name(), "container", container.name(), "c");
            }
            findings
        };
        crate::claims::experiment::Cases {
            supports: found(Cell::Own),
            refutes: found(Cell::Look),
            too_little: found(Cell::NotTried),
        }
    }
}

/// What a place keeps apart, aspect by aspect; `None` where that is not known.
struct Kept(Vec<(Axis, Option<bool>)>);

/// How much more one place keeps apart than another.
struct Gained {
    /// As many for sure.
    sure: usize,
    /// And as many if all that is not known comes out that way.
    possible: usize,
    /// What is not known.
    unsure: Vec<&'static str>,
}

impl Kept {
    fn by(place: PlaceName, findings: &Findings) -> Result<Self, Gap> {
        let known = |axis: Axis| {
            let text = findings.text(axis.name(), place.name())?;
            let cell = Cell::parse(text)
                .ok_or_else(|| Gap::new(format!("`{axis}` of {place} is no cell")))?;
            Ok((axis, cell.is_apart()))
        };
        ASPECTS
            .into_iter()
            .map(known)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    fn count(&self) -> usize {
        let apart = self.0.iter().filter(|(_, apart)| *apart == Some(true));
        apart.count()
    }

    fn gained_by(&self, other: &Self) -> Gained {
        let mut gained = Gained {
            sure: 0,
            possible: 0,
            unsure: Vec::new(),
        };
        for ((axis, own), (_, others)) in self.0.iter().zip(&other.0) {
            match (own, others) {
                (Some(true), _) | (_, Some(false)) => {}
                (Some(false), Some(true)) => {
                    gained.sure += 1;
                    gained.possible += 1;
                }
                _ => {
                    gained.possible += 1;
                    gained.unsure.push(axis.name());
                }
            }
        }
        gained
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;

    fn judged(findings: &Findings) -> Verdict {
        let ledger = Ledger::own();
        rule(ledger.find("venv-limited").unwrap(), &VenvLimited, findings).verdict
    }

    /// The findings that support the claim, with one subject's cells replaced.
    fn with(subject: &str, cell: Cell) -> Findings {
        let mut findings = VenvLimited.cases().supports;
        findings.facts.retain(|fact| fact.subject != subject);
        for axis in ASPECTS {
            findings.fact(axis.name(), subject, cell.name(), "c");
        }
        findings
    }

    #[test]
    fn an_environment_that_keeps_as_much_apart_refutes() {
        assert_eq!(judged(&with("venv", Cell::Own)), Verdict::Refuted);
    }

    #[test]
    fn a_real_engine_that_keeps_little_apart_is_a_reservation() {
        assert_eq!(judged(&with("podman", Cell::Own)), Verdict::Supported);
        assert_eq!(judged(&with("podman", Cell::Host)), Verdict::SupportedBut);
    }

    #[test]
    fn words_that_are_no_cell_settle_nothing() {
        let mut findings = VenvLimited.cases().supports;
        findings.facts[0].outcome = "isolated".into();
        assert_eq!(judged(&findings), Verdict::Inconclusive);
    }
}
