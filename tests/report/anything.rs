//! Any report that a run could produce, for properties that hold of all.

use std::collections::BTreeMap;

use isolab::observation::{Evidence, Metric, Observation, Source, State, Subject, Workload};
use isolab::prediction::{Experiment, Prediction, Question};
use isolab::report::{Missing, Report, text};
use proptest::prelude::*;

use crate::synthetic;

/// Text in any script, markup included, without what acts on a terminal.
fn words() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-zA-Z0-9 <>&\"'/.,äß日本é×`-]{0,40}",
        any::<String>().prop_map(|s| s.replace(text::acts, "")),
    ]
}

fn amount(metric: Metric) -> BoxedStrategy<f64> {
    let positive = prop_oneof![0.0..1e-6f64, 0.0..10.0f64, 0.0..1e18f64, Just(0.0)];
    match metric {
        Metric::MemorySlope => prop_oneof![positive, -1e9..1e9f64].boxed(),
        _ => positive.boxed(),
    }
}

fn evidence(metric: Metric) -> impl Strategy<Value = Evidence> {
    let samples = prop::collection::vec(amount(metric), 1..14);
    let three = prop::array::uniform3(amount(metric));
    prop_oneof![
        samples
            .clone()
            .prop_map(|samples| Evidence::Measured { samples }),
        (samples, words()).prop_map(|(samples, by)| Evidence::Emulated { samples, by }),
        (three, words()).prop_map(|(mut three, word)| {
            three.sort_by(f64::total_cmp);
            let [low, likely, high] = three;
            let sources = vec![Source {
                name: word.clone(),
                value: word.clone(),
                conditions: word.clone(),
                citation: word,
            }];
            Evidence::Modelled {
                low,
                likely,
                high,
                sources,
            }
        }),
    ]
}

fn observation() -> impl Strategy<Value = Observation> {
    let key = (
        prop::sample::select(Subject::ALL.to_vec()),
        prop::sample::select(Workload::ALL.to_vec()),
        prop::sample::select(Metric::ALL.to_vec()),
        prop::option::of(prop::sample::select(State::ALL.to_vec())),
    );
    key.prop_flat_map(|(subject, workload, metric, state)| {
        let notes = prop::collection::vec(words(), 0..2);
        let conditions = prop::collection::btree_map(words(), words(), 0..2);
        (evidence(metric), notes, conditions).prop_map(move |(evidence, warnings, conditions)| {
            Observation {
                subject,
                workload,
                metric,
                state,
                unit: metric.unit(),
                evidence,
                conditions,
                warnings,
            }
        })
    })
}

fn predictions() -> impl Strategy<Value = Vec<Prediction>> {
    let all: Vec<Question> = Experiment::ALL
        .iter()
        .flat_map(|e| Question::of(*e, &Subject::ALL, &[Workload::Python]))
        .collect();
    let questions = prop::sample::subsequence(all, 0..4);
    let answer = (
        any::<u64>(),
        1e-12..1e18f64,
        prop::option::of(0..=100u8),
        prop::option::of(words().prop_map(|word| word.chars().take(300).collect::<String>())),
    );
    (questions, prop::collection::vec(answer, 4)).prop_map(|(questions, answers)| {
        let made = |(question, (id, value, confidence, reason)): (Question, _)| Prediction {
            id: format!("{id:016x}"),
            made: "2025-01-31T11:59:00.5Z".to_owned(),
            isolab: "0.1.0".to_owned(),
            question,
            value,
            confidence,
            reason,
        };
        questions.into_iter().zip(answers).map(made).collect()
    })
}

/// Any report that [`isolab::report::json::check`] accepts.
pub(crate) fn report() -> impl Strategy<Value = Report> {
    let observations = prop::collection::vec(observation(), 0..10);
    let texts = prop::collection::vec(words(), 9);
    let loads = (0.0..1e4f64, any::<u64>(), any::<bool>());
    let all = (observations, texts, loads, predictions());
    all.prop_map(|(observations, texts, (load, seed, flag), predictions)| {
        let mut report = synthetic::full();
        report.predictions = predictions;
        let unique: BTreeMap<_, _> = observations
            .into_iter()
            .map(|o| {
                let ran = o.evidence.samples().is_some();
                ((o.subject, o.workload, o.metric, o.state, ran), o)
            })
            .collect();
        report.observations = unique.into_values().collect();
        let e = &mut report.environment;
        e.os.clone_from(&texts[0]);
        e.cpu.clone_from(&texts[1]);
        e.kernel.clone_from(&texts[2]);
        e.virtualization.clone_from(&texts[3]);
        e.tools = [(texts[4].clone(), texts[5].clone())].into();
        (e.load_before, e.root, e.memory_bytes) = (load, flag, seed);
        report.settings.seed = seed;
        report.interrupted = flag;
        report.warnings = vec![texts[6].clone()];
        report.missing.push(Missing {
            subject: Subject::Vm,
            workload: Workload::Python,
            why: texts[7].clone(),
            remedy: Some(texts[8].clone()),
        });
        report
    })
}
