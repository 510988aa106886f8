//! `containers-are-linux`: what each kind of namespace takes away, one at a time,
//! and which kinds a real engine's container is in.
//!
//! A kind counts if, with it, what was the host's no longer is, and something that
//! was tried came out otherwise: that the number of a namespace is another one
//! would be true of an empty word as well.

use anyhow::{Context as _, Result};
use isolab_oci::spec::NamespaceType;

use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};
use crate::inside::place::Contained;
use crate::inside::{Answer, Asked, Attempt, Canary, Place, PlaceName, Site, place};
use crate::matrix::{Axis, Reference, judge};

pub(super) struct ContainersAreLinux;

/// A kind of namespace, and the aspect of the system that it is for.
struct Kind {
    name: &'static str,
    kind: NamespaceType,
    axis: Axis,
    /// Where `/proc/self/ns` has it.
    link: Attempt,
    /// What comes out otherwise in it, and for no other reason: what is refused for
    /// want of a capability, or because the root is read only, is not among it.
    shows: &'static [Attempt],
}

const fn kind(
    name: &'static str,
    kind: NamespaceType,
    axis: Axis,
    link: Attempt,
    shows: &'static [Attempt],
) -> Kind {
    Kind {
        name,
        kind,
        axis,
        link,
        shows,
    }
}

/// The kinds, the first two of which may be needed by all others.
const KINDS: [Kind; 7] = {
    use Attempt::*;
    use NamespaceType as Type;
    [
        // What it shows depends on what is mounted in it: here, another root.
        kind("mount", Type::Mount, Axis::Mounts, NsMnt, &[ReadFile]),
        kind("user", Type::User, Axis::Users, NsUser, &[UidMap]),
        kind(
            "pid",
            Type::Pid,
            Axis::Processes,
            NsPid,
            &[CountProcesses, SeeProcess, SignalProcess],
        ),
        kind(
            "network",
            Type::Network,
            Axis::Network,
            NsNet,
            &[Connect, Interfaces],
        ),
        kind("uts", Type::Uts, Axis::Hostname, NsUts, &[HostName]),
        kind("ipc", Type::Ipc, Axis::Ipc, NsIpc, &[OpenQueue]),
        kind("cgroup", Type::Cgroup, Axis::Cgroup, NsCgroup, &[Cgroup]),
    ]
};

const OURS: &str = "container";
const KERNEL: &str = "is served by the host's kernel";
const APART: &str = "namespaces of its own";

/// The name of the fact whether a kind takes something away.
fn takes(kind: &str) -> String {
    format!("takes away: {kind}")
}

impl Experiment for ContainersAreLinux {
    fn id(&self) -> &'static str {
        "containers-are-linux"
    }

    fn about(&self) -> &'static str {
        "starts the same program with one more kind of namespace at a time and compares what it \
         can see and reach with and without; then asks inside whole containers, ours and those \
         of podman, docker, runc and crun where they run, which kinds they are in"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let site = Site::prepare(context.scratch)?;
        let canary = Canary::start(context.scratch)?;
        let lab = Lab {
            site: &site,
            canary: &canary,
            context,
        };
        let host = place::find(PlaceName::Process, &site, context.interrupt)?;
        let host = lab.ask(&*host).context("cannot ask on the host")?;
        lab.one_at_a_time(&host, &mut findings)?;
        findings.step(
            "started the same program in the fewest namespaces that it can have a root of its own \
             in, beside a bare process, then with one more kind each time, beside those fewest",
        );
        let whole = [
            PlaceName::Container,
            PlaceName::Docker,
            PlaceName::Podman,
            PlaceName::Runc,
            PlaceName::Crun,
        ];
        for (index, name) in whole.into_iter().enumerate() {
            context.doing(0.5 + index as f64 / (2 * whole.len()) as f64)?;
            match place::find(name, &site, context.interrupt).and_then(|place| lab.ask(&*place)) {
                Ok(asked) => kinds_of(name, &asked, &host.answer, &mut findings),
                Err(error) => findings.lack(name.name(), &error),
            }
        }
        findings.step("asked inside whole containers which namespaces they are in");
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let told: Vec<(&str, Result<bool, Gap>)> = KINDS
            .iter()
            .map(|kind| (kind.name, findings.is(&takes(kind.name), OURS)))
            .collect();
        let named = |wanted: bool| -> Vec<&str> {
            let those = told.iter().filter(|(_, told)| *told == Ok(wanted));
            those.map(|(name, _)| *name).collect()
        };
        let (taking, idle) = (named(true), named(false));
        let effect = |count: usize| Effect::counted(claim, "kinds", count as f64);
        let least = effect(taking.len())?;
        if least.met() != effect(KINDS.len() - idle.len())?.met()
            && let Some(gap) = told.iter().find_map(|(_, told)| told.clone().err())
        {
            return Err(gap);
        }
        let mut because = match taking.as_slice() {
            [] => "no kind of namespace takes anything away".to_owned(),
            taking => format!("something is taken away by: {}", taking.join(" ")),
        };
        if !idle.is_empty() {
            because += &format!("; nothing by: {}", idle.join(" "));
        }
        let mut reservations = Vec::new();
        for name in PlaceName::ALL {
            let Ok(kinds) = findings.text(APART, name.name()) else {
                continue;
            };
            because += &format!("; {name} has its own: {kinds}");
            if findings.is(KERNEL, name.name()) == Ok(false) {
                reservations.push(format!("{name} runs on another kernel than the host's"));
            }
            if kinds.is_empty() {
                reservations.push(format!("{name} is in no namespace of its own"));
            }
        }
        let ruling = Ruling::of(vec![least], because);
        Ok(reservations.into_iter().fold(ruling, Ruling::but))
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |takes_away: bool| {
            let mut findings = Findings::default();
            for kind in &KINDS {
                findings.fact(&takes(kind.name), OURS, takes_away, "c");
            }
            findings.fact(KERNEL, "podman", true, "c");
            findings.fact(APART, "podman", "mount pid network", "c");
            findings
        };
        let mut too_little = found(true);
        too_little.facts.truncate(3);
        crate::claims::experiment::Cases {
            supports: found(true),
            refutes: found(false),
            too_little,
        }
    }
}

/// What the questions are asked with.
struct Lab<'a> {
    site: &'a Site,
    canary: &'a Canary,
    context: &'a Context<'a>,
}

impl Lab<'_> {
    fn ask(&self, place: &dyn Place) -> Result<Asked> {
        let mut attempts = vec![Attempt::BootId];
        for kind in &KINDS {
            attempts.push(kind.link);
            attempts.extend(kind.axis.attempts());
            attempts.extend(kind.shows);
        }
        place.ask(&attempts, self.canary.traces(), self.context.interrupt)
    }

    /// Asks with one more kind of namespace each time, and notes what it takes away.
    fn one_at_a_time(&self, host: &Asked, findings: &mut Findings) -> Result<()> {
        let fewest = Contained::with_namespaces(self.site, &[])?;
        let fewest = self.ask(&fewest).context("cannot start a container")?;
        for (index, kind) in KINDS.iter().enumerate() {
            self.context
                .doing(0.1 + 0.4 * index as f64 / KINDS.len() as f64)?;
            // What is needed by all is seen beside the bare process.
            let is_needed = differ(kind.link, &host.answer, &fewest.answer);
            let found = if is_needed {
                Ok(self.taken(kind, host, &fewest, host))
            } else {
                Contained::with_namespaces(self.site, &[kind.kind])
                    .and_then(|with| self.ask(&with))
                    .map(|with| self.taken(kind, &fewest, &with, host))
            };
            match found {
                Ok(taken) => {
                    let command = format!("{} beside {}", taken.with, taken.without);
                    findings.fact(&takes(kind.name), OURS, taken.is_taken, &*command);
                    let what = format!("what came out otherwise: {}", kind.name);
                    findings.fact(&what, OURS, taken.otherwise, &*command);
                }
                Err(error) => findings.lack(&format!("a {} namespace", kind.name), &error),
            }
        }
        Ok(())
    }

    fn taken(&self, kind: &Kind, without: &Asked, with: &Asked, host: &Asked) -> Taken {
        let against = Reference {
            host: &host.answer,
            secret: self.canary.secret(),
        };
        let is_apart = |asked: &Asked| judge(kind.axis, &asked.answer, against).cell.is_apart();
        let shows = kind.shows.iter();
        let otherwise = shows.filter(|a| differ(**a, &without.answer, &with.answer));
        let otherwise: Vec<String> = otherwise
            .filter_map(|attempt| Some(with.answer.outcome(*attempt)?.call.clone()))
            .collect();
        Taken {
            is_taken: is_apart(without) == Some(false)
                && is_apart(with) == Some(true)
                && !otherwise.is_empty(),
            otherwise: otherwise.join("; "),
            without: without.command.clone(),
            with: with.command.clone(),
        }
    }
}

/// What one kind of namespace takes away.
struct Taken {
    is_taken: bool,
    /// The calls that came out otherwise.
    otherwise: String,
    without: String,
    with: String,
}

fn differ(attempt: Attempt, one: &Answer, other: &Answer) -> bool {
    one.said(attempt) != other.said(attempt)
}

/// Notes which kinds of namespace a whole container has of its own.
fn kinds_of(name: PlaceName, asked: &Asked, host: &Answer, findings: &mut Findings) {
    let same_kernel = !differ(Attempt::BootId, &asked.answer, host);
    findings.fact(KERNEL, name.name(), same_kernel, &*asked.command);
    let own = KINDS.iter().filter(|kind| {
        // Numbers of namespaces mean something only under one kernel.
        let inside = asked.answer.learnt(kind.link);
        same_kernel && inside.is_some() && inside != host.learnt(kind.link)
    });
    let own: Vec<&str> = own.map(|kind| kind.name).collect();
    findings.fact(APART, name.name(), own.join(" "), &*asked.command);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;

    fn judged(findings: &Findings) -> Verdict {
        let ledger = Ledger::own();
        let claim = ledger.find("containers-are-linux").unwrap();
        rule(claim, &ContainersAreLinux, findings).verdict
    }

    #[test]
    fn an_engine_on_another_kernel_is_a_reservation() {
        let mut findings = ContainersAreLinux.cases().supports;
        assert_eq!(judged(&findings), Verdict::Supported);
        let kernel = findings.facts.iter_mut().find(|fact| fact.name == KERNEL);
        kernel.unwrap().outcome = false.into();
        assert_eq!(judged(&findings), Verdict::SupportedBut);
    }

    #[test]
    fn one_kind_less_than_asked_refutes_and_one_not_tried_leaves_open() {
        let mut findings = ContainersAreLinux.cases().supports;
        findings.facts[5].outcome = false.into();
        assert_eq!(judged(&findings), Verdict::Supported);
        findings.facts[4].outcome = false.into();
        assert_eq!(judged(&findings), Verdict::Refuted);
        let ledger = Ledger::own();
        let claim = ledger.find("containers-are-linux").unwrap();
        let because = rule(claim, &ContainersAreLinux, &findings).because;
        assert!(because.contains("nothing by: uts ipc"), "{because}");
        findings.facts.remove(4);
        assert_eq!(judged(&findings), Verdict::Inconclusive);
    }
}
