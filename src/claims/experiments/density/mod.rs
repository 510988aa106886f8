//! `density`: how many containers and guests this host holds.
//!
//! What one more takes is found on a few; the model multiplies it, and says
//! which supply runs out first. Whether the multiplication holds is looked at
//! on other holders, as many as are safe to start. What is still farther off is
//! extrapolated, and is said to be.

mod curve;
mod hold;

use anyhow::Result;
use vm_model::model::density::extrapolated;

use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::{Findings, Missing, Number};
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Met, Ruling, Verdict};
use crate::claims::unit::Unit;
use crate::observation::{Evidence, Subject};
use crate::statistics::{Range, Summary, median, summarize};
use hold::{Part, Plan, hold};
use names::{BINDS, COST, FIT, OBSERVED, PREDICTED, STARTED};

pub(super) struct Density;

/// The numbers and facts that the verdict looks for.
mod names {
    pub(super) const COST: &str = "memory of one more";
    pub(super) const OBSERVED: &str = "memory that they took, the first apart";
    pub(super) const LOST: &str = "MemAvailable that the host lost to them";
    pub(super) const PREDICTED: &str = "memory predicted for them";
    pub(super) const FIT: &str = "how many fit";
    pub(super) const STARTED: &str = "held at once";
    pub(super) const BINDS: &str = "runs out first";
}

impl Experiment for Density {
    fn id(&self) -> &'static str {
        "density"
    }

    fn about(&self) -> &'static str {
        "finds out on a few containers and guests what one more takes, calculates how many fit \
         into this host's memory, process ids, namespaces and disk, and checks the calculation by \
         starting 128 containers and up to eight guests at once"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        for (index, subject) in [Subject::Container, Subject::Vm].into_iter().enumerate() {
            let part = Part {
                context,
                from: 0.5 * index as f64,
            };
            let place = context.scratch.join(subject.name());
            let plan = Plan::of(subject, context.settings.quick);
            let tried = hold(&plan, &place, &part, &mut findings);
            part.doing(1.0, "")?;
            if let Err(error) = tried {
                findings.lack(subject.name(), &error);
            }
        }
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let container = fit(findings, Subject::Container)?;
        let checked = match check(claim, findings, Subject::Container) {
            Ok(checked) => checked,
            // It was tried here, whatever else was missing: it came to nothing.
            Err(gap) => return Ok(Ruling::bare(Verdict::Inconclusive, gap.to_string())),
        };
        let clients = Effect::estimated(claim, "clients", container)?;
        let hundreds = claim.threshold("clients")?.value;
        let thousands = claim.threshold("thousands")?.value;
        let because = format!(
            "of a program of a kilobyte that waits, {} fit here as containers (what runs out first: \
             {}); the calculation from a few was {} off what {} at once really took",
            Unit::Count.shown(container.median),
            findings.text(BINDS, Subject::Container.name())?,
            percent(checked.value),
            findings.amount(STARTED, Subject::Container.name())?,
        );
        let mut ruling = Ruling::of(vec![clients], because);
        ruling.effects.push(checked);
        if container.median < thousands {
            ruling = ruling.but("thousands do not fit, not even as containers");
        } else if far(findings, Subject::Container, thousands)? {
            ruling = ruling.but(format!(
                "thousands are extrapolated: {} containers were held at once",
                findings.amount(STARTED, Subject::Container.name())?
            ));
        }
        Ok(match guests(claim, findings, hundreds) {
            Ok(None) => ruling,
            Ok(Some(reservation)) => ruling.but(reservation),
            Err(gap) => {
                let is_it = |missing: &&Missing| missing.part == Subject::Vm.name();
                let missing = findings.missing.iter().find(is_it);
                let why = missing.map_or(gap.to_string(), |missing| missing.why.clone());
                ruling.but(format!("guests are not settled here ({why})"))
            }
        })
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        crate::claims::experiment::Cases {
            supports: tests::found(5000.0, 1.0, 300.0),
            refutes: tests::found(90.0, 1.0, 30.0),
            too_little: tests::found(5000.0, 3.0, 300.0),
        }
    }
}

/// What is to be said of guests where hundreds of them are in doubt.
fn guests(claim: &Claim, findings: &Findings, hundreds: f64) -> Result<Option<String>, Gap> {
    let fit = fit(findings, Subject::Vm)?;
    let checked = check(claim, findings, Subject::Vm)?;
    let met = Effect::estimated(claim, "clients", fit)?.met();
    let (low, high) = fit.range.ends();
    let held = findings.amount(STARTED, Subject::Vm.name())?;
    let far = if far(findings, Subject::Vm, fit.median)? {
        format!(", extrapolated from {held}")
    } else {
        String::new()
    };
    let said = format!(
        "of guests with the same program {} fit ({} to {}; {} off what {held} took{far})",
        Unit::Count.shown(fit.median),
        Unit::Count.shown(low),
        Unit::Count.shown(high),
        percent(checked.value),
    );
    Ok(match met {
        Met::Yes if far.is_empty() => None,
        Met::Yes => Some(said),
        Met::No => Some(format!("{said}: no hundreds")),
        Met::Open => Some(format!(
            "{said}: whether {} do is open",
            Unit::Count.shown(hundreds)
        )),
    })
}

/// How many fit, as the model calculated it from samples of this run.
fn fit(findings: &Findings, subject: Subject) -> Result<Summary, Gap> {
    let samples = findings.measured(COST, subject.name())?;
    let summary = summarize(samples).ok_or_else(|| Gap::new("nothing was held"))?;
    let (low, median, high) = modelled(findings, FIT, subject)?;
    let range = match summary.range {
        Range::Interval { .. } => Range::Interval { low, high },
        Range::Extremes { .. } => Range::Extremes { low, high },
    };
    Ok(Summary {
        n: summary.n,
        median,
        range,
    })
}

/// How far the model was from what many took, if it was near enough to be used.
fn check(claim: &Claim, findings: &Findings, subject: Subject) -> Result<Effect, Gap> {
    let observed = median(findings.measured(OBSERVED, subject.name())?).unwrap_or_default();
    let (_, predicted, _) = modelled(findings, PREDICTED, subject)?;
    if observed <= 0.0 {
        return Err(Gap::new(format!(
            "what a {subject} takes is lost in what else runs here: run it again when nothing does"
        )));
    }
    let effect = Effect::counted(claim, "error", (predicted - observed).abs() / observed)?;
    if effect.met() == Met::Yes {
        return Ok(effect);
    }
    let held = findings.amount(STARTED, subject.name())?;
    Err(Gap::new(format!(
        "the calculation was {} off what {held} held at once really took ({subject}), so it says \
         nothing of more; run it again when nothing else runs here",
        percent(effect.value)
    )))
}

/// Whether `count` lies too far beyond what was held.
#[allow(clippy::cast_sign_loss, clippy::cast_possible_truncation)] // counts
fn far(findings: &Findings, subject: Subject, count: f64) -> Result<bool, Gap> {
    let held = findings.amount(STARTED, subject.name())?;
    Ok(extrapolated(count as u64, held as u64))
}

fn modelled(findings: &Findings, name: &str, subject: Subject) -> Result<(f64, f64, f64), Gap> {
    let is_it = |number: &&Number| number.name == name && number.subject == subject.name();
    match findings
        .numbers
        .iter()
        .find(is_it)
        .map(|number| &number.evidence)
    {
        Some(Evidence::Modelled {
            low, likely, high, ..
        }) => Ok((*low, *likely, *high)),
        _ => Err(Gap::untried(format!(
            "`{name}` of {subject} was not calculated"
        ))),
    }
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}

#[cfg(test)]
mod tests {
    use vm_model::model::density::Cost;

    use super::curve::note_modelled;
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;

    /// Containers of which `containers` fit and of which a hundred took `error`
    /// times what was calculated; and `guests` guests.
    pub(super) fn found(containers: f64, error: f64, guests: f64) -> Findings {
        let mut findings = Findings::default();
        for (subject, fit, held) in [
            (Subject::Container.name(), containers, 100.0),
            (Subject::Vm.name(), guests, 8.0),
        ] {
            let samples = vec![1e6; 12];
            findings.number(COST, subject, Unit::Bytes, Evidence::Measured { samples });
            let samples = vec![error * 1e8];
            findings.number(
                OBSERVED,
                subject,
                Unit::Bytes,
                Evidence::Measured { samples },
            );
            let exactly = Cost::exactly;
            note_modelled(
                &mut findings,
                PREDICTED,
                subject,
                Unit::Bytes,
                exactly(1e8),
                vec![],
            );
            note_modelled(
                &mut findings,
                FIT,
                subject,
                Unit::Count,
                exactly(fit),
                vec![],
            );
            findings.fact(STARTED, subject, held, "c");
            findings.fact(BINDS, subject, "memory", "c");
        }
        findings
    }

    fn judged(findings: &Findings) -> Ruling {
        let ledger = Ledger::own();
        rule(ledger.find("density").unwrap(), &Density, findings)
    }

    #[test]
    fn hundreds_and_thousands_are_told_apart() {
        let ruling = judged(&found(300.0, 1.0, 300.0));
        assert_eq!(ruling.verdict, Verdict::SupportedBut);
        assert!(
            ruling.said().contains("thousands do not fit"),
            "{}",
            ruling.said()
        );
        let ruling = judged(&found(5000.0, 1.0, 300.0));
        assert!(
            ruling.said().contains("thousands are extrapolated"),
            "{}",
            ruling.said()
        );
    }

    #[test]
    fn a_calculation_that_missed_its_check_settles_nothing() {
        let ruling = judged(&found(5000.0, 1.4, 300.0));
        assert_eq!(ruling.verdict, Verdict::Inconclusive);
        assert!(ruling.because.contains("29 %"), "{}", ruling.because);
        // Not even where something else is missing.
        let mut without = found(5000.0, 1.4, 300.0);
        without.lack("vm", &anyhow::anyhow!("no kernel"));
        assert_eq!(judged(&without).verdict, Verdict::Inconclusive);
        // Nor does one whose holders are lost in the noise.
        assert_eq!(
            judged(&found(5000.0, -1.0, 300.0)).verdict,
            Verdict::Inconclusive
        );
    }

    #[test]
    fn guests_that_do_not_fit_are_a_reservation() {
        let said = judged(&found(5000.0, 1.0, 60.0)).said();
        assert!(
            said.contains("60 fit") && said.contains("no hundreds"),
            "{said}"
        );
        let said = judged(&found(5000.0, 1.0, 300.0)).said();
        assert!(
            said.contains("300 fit") && said.contains("extrapolated from 8"),
            "{said}"
        );
        let mut without = found(5000.0, 1.0, 300.0);
        without.numbers.retain(|number| number.subject != "vm");
        let said = judged(&without).said();
        assert!(said.contains("guests are not settled here"), "{said}");
        without.lack("vm", &anyhow::anyhow!("no emulator"));
        let said = judged(&without).said();
        assert!(said.contains("(no emulator)"), "{said}");
    }
}
