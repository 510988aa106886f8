//! The verdicts of a run, each with its number, its conditions and what was
//! done.

use super::{Ink, Paper, Style, effect, fact, number};
use crate::claims::findings::Fact;
use crate::claims::record::{Record, Settled};
use crate::claims::ruling::{Ruling, Verdict};
use crate::report::words;

/// How much of what a verdict rests on is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// The verdict, why, what was done, and the numbers.
    Numbers,
    /// Every fact too, with the command that showed it.
    Facts,
}

/// The whole record as text.
#[must_use]
pub fn verdicts(record: &Record, detail: Detail, style: Style) -> String {
    let mut paper = Paper::new(style);
    for claim in &record.claims {
        settled(&mut paper, claim, detail);
        paper.gap();
    }
    if record.interrupted {
        let left = record.unreached.join(", ");
        let said = format!("interrupted: what was settled by then is above; not reached: {left}");
        paper.line(Ink::Doubt, &said, 2);
        paper.gap();
    }
    summary(&mut paper, record);
    let (e, settings) = (&record.environment, record.settings);
    paper.line(Ink::Plain, &words::machine_of(e), 2);
    let quick = if settings.quick { ", quick" } else { "" };
    let run = format!(
        "run: isolab {}, {}, {} runs, seed {}{quick}, as {}, load {:.2} before and {:.2} after",
        e.isolab,
        record.created,
        settings.runs,
        settings.seed,
        words::user(e),
        e.load_before,
        e.load_after
    );
    paper.line(Ink::Plain, &run, 2);
    paper.text
}

/// One claim with its verdict.
pub(super) fn settled(paper: &mut Paper, claim: &Settled, detail: Detail) {
    paper.line(Ink::Strong, &claim.id, 2);
    paper.labelled(Ink::Plain, "claim", &claim.statement);
    verdict(paper, &claim.ruling);
    for step in &claim.findings.steps {
        paper.labelled(Ink::Plain, "done", step);
    }
    for one in &claim.findings.numbers {
        paper.labelled(Ink::Plain, "number", &number(one));
    }
    match detail {
        Detail::Facts => facts(paper, &claim.findings.facts),
        Detail::Numbers if claim.findings.facts.is_empty() => {}
        Detail::Numbers => {
            let count = claim.findings.facts.len();
            let said = format!("{count}, each with its command: add -v");
            paper.labelled(Ink::Faint, "facts", &said);
        }
    }
    for missing in &claim.findings.missing {
        let remedy = missing.remedy.as_ref();
        let remedy = remedy.map_or(String::new(), |remedy| format!(" (hint: {remedy})"));
        let said = format!("{}: {}{remedy}", missing.part, missing.why);
        paper.labelled(Ink::Faint, "missing", &said);
    }
}

/// What one command showed stands together, and the command below it.
fn facts(paper: &mut Paper, facts: &[Fact]) {
    for together in facts.chunk_by(|one, next| one.command == next.command) {
        for one in together {
            paper.labelled(Ink::Plain, "fact", &fact(one));
        }
        if let Some(one) = together.first() {
            paper.labelled(Ink::Faint, "by", &one.command);
        }
    }
}

fn verdict(paper: &mut Paper, ruling: &Ruling) {
    paper.labelled(Ink::of(ruling.verdict), "verdict", &ruling.said());
    for one in &ruling.effects {
        paper.labelled(Ink::Plain, "effect", &effect(one));
    }
    if !matches!(ruling.verdict, Verdict::NotTestedHere | Verdict::WaitsFor) {
        paper.labelled(Ink::Plain, "because", &ruling.because);
    }
    if let Some(remedy) = &ruling.remedy {
        paper.labelled(Ink::Plain, "hint", remedy);
    }
}

/// All verdicts at a glance, and how many claims came out which way.
fn summary(paper: &mut Paper, record: &Record) {
    if record.claims.len() < 2 {
        return;
    }
    for claim in &record.claims {
        let ruling = &claim.ruling;
        let number = ruling.effects.first();
        let number = number.map_or(String::new(), |effect| effect.unit.shown(effect.value));
        paper.row(
            Ink::of(ruling.verdict),
            &claim.id,
            ruling.verdict.words(),
            &number,
        );
    }
    paper.gap();
    let all = [
        Verdict::Supported,
        Verdict::SupportedBut,
        Verdict::Refuted,
        Verdict::Inconclusive,
        Verdict::NotTestedHere,
        Verdict::Sourced,
        Verdict::WaitsFor,
    ];
    let counts = all.iter().filter_map(|verdict| {
        let of_kind = record.claims.iter();
        let count = of_kind.filter(|c| c.ruling.verdict == *verdict).count();
        (count > 0).then(|| format!("{count} {}", verdict.words()))
    });
    let counts: Vec<String> = counts.collect();
    paper.line(Ink::Strong, &format!("verdicts: {}", counts.join(", ")), 2);
}
