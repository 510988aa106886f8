//! Any record that a run could leave, for properties that hold of all.

use isolab::claims::experiment::Settings;
use isolab::claims::findings::{Fact, Findings, Missing, Number, Outcome};
use isolab::claims::ledger::Bound;
use isolab::claims::ruling::{Effect, Ruling, Verdict};
use isolab::claims::{Record, Settled, Unit, record};
use isolab::observation::Evidence;
use isolab::report::{Environment, text};
use isolab::statistics::Range;
use proptest::prelude::*;

/// Text in any script, markup included, without what acts on a terminal.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 <>&\"'/.,äß日本é×`-]{0,60}",
        any::<String>().prop_map(|s| s.replace(text::acts, "")),
    ]
}

fn amount() -> impl Strategy<Value = f64> + Clone {
    prop_oneof![0.0..1e-6f64, -10.0..10.0f64, 0.0..1e18f64, Just(0.0)]
}

fn unit() -> impl Strategy<Value = Unit> {
    use Unit::{Bytes, Count, Ratio, Seconds, Share};
    prop::sample::select(vec![Seconds, Bytes, Count, Ratio, Share])
}

fn number() -> impl Strategy<Value = Number> {
    let samples = prop::collection::vec(amount(), 1..14);
    let evidence = prop_oneof![
        samples
            .clone()
            .prop_map(|samples| Evidence::Measured { samples }),
        (samples, words()).prop_map(|(samples, by)| Evidence::Emulated { samples, by }),
    ];
    let conditions = prop::collection::btree_map(words(), words(), 0..2);
    (words(), words(), unit(), evidence, conditions).prop_map(
        |(name, subject, unit, evidence, conditions)| Number {
            name,
            subject,
            unit,
            evidence,
            conditions,
        },
    )
}

fn fact() -> impl Strategy<Value = Fact> {
    let outcome = prop_oneof![
        any::<bool>().prop_map(Outcome::Bool),
        amount().prop_map(Outcome::Number),
        words().prop_map(Outcome::Text),
    ];
    (words(), words(), outcome, words()).prop_map(|(name, subject, outcome, command)| Fact {
        name,
        subject,
        outcome,
        command,
    })
}

fn effect() -> impl Strategy<Value = Effect> {
    let bound = prop::sample::select(vec![Bound::AtLeast, Bound::AtMost]);
    let range = prop::option::of((amount(), amount()).prop_map(|(a, b)| Range::Interval {
        low: a.min(b),
        high: a.max(b),
    }));
    (
        words(),
        amount(),
        range,
        0..100usize,
        unit(),
        bound,
        amount(),
    )
        .prop_map(|(name, value, range, n, unit, bound, threshold)| Effect {
            name,
            value,
            range,
            n,
            unit,
            bound,
            threshold,
        })
}

fn ruling() -> impl Strategy<Value = Ruling> {
    let verdict = prop::sample::select(vec![
        Verdict::Supported,
        Verdict::SupportedBut,
        Verdict::Refuted,
        Verdict::Inconclusive,
        Verdict::NotTestedHere,
        Verdict::Sourced,
        Verdict::WaitsFor,
    ]);
    let effects = prop::collection::vec(effect(), 0..3);
    let reservations = prop::collection::vec(words(), 0..3);
    (
        verdict,
        effects,
        words(),
        reservations,
        prop::option::of(words()),
    )
        .prop_map(|(verdict, effects, because, reservations, remedy)| Ruling {
            verdict,
            effects,
            because,
            reservations,
            remedy,
        })
}

fn findings() -> impl Strategy<Value = Findings> {
    let missing = (words(), words(), prop::option::of(words()));
    let missing = missing.prop_map(|(part, why, remedy)| Missing { part, why, remedy });
    (
        prop::collection::vec(number(), 0..3),
        prop::collection::vec(fact(), 0..4),
        prop::collection::vec(words(), 0..3),
        prop::collection::vec(missing, 0..2),
    )
        .prop_map(|(numbers, facts, steps, missing)| Findings {
            numbers,
            facts,
            steps,
            missing,
        })
}

fn settled() -> impl Strategy<Value = Settled> {
    (words(), words(), ruling(), findings(), 0.0..1e6f64).prop_map(
        |(id, statement, ruling, findings, seconds)| Settled {
            id,
            statement,
            ruling,
            findings,
            seconds,
        },
    )
}

fn environment() -> impl Strategy<Value = Environment> {
    words().prop_map(|word| Environment {
        isolab: word.clone(),
        os: word.clone(),
        kernel: word.clone(),
        arch: word.clone(),
        cpu: word.clone(),
        cpus: 2,
        memory_bytes: 1 << 33,
        cgroup: word.clone(),
        virtualization: word.clone(),
        root: word.len() % 2 == 0,
        filesystem: word.clone(),
        load_before: 0.5,
        load_after: 1.5,
        tools: [(word.clone(), word)].into(),
    })
}

/// Any record.
pub(crate) fn record() -> impl Strategy<Value = Record> {
    (
        environment(),
        prop::collection::vec(settled(), 0..4),
        prop::collection::vec(words(), 0..3),
        any::<bool>(),
    )
        .prop_map(|(environment, claims, unreached, interrupted)| Record {
            schema: record::SCHEMA.to_owned(),
            created: "2025-01-31T12:00:00Z".to_owned(),
            interrupted,
            environment,
            settings: Settings {
                runs: 20,
                seed: 1,
                quick: interrupted,
            },
            claims,
            unreached,
        })
}
