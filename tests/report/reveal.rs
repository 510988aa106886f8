//! Predictions beside what was measured: by measured evidence alone, and never
//! after the fact.

use isolab::notebook::predictions::Predictions;
use isolab::observation::{Evidence, Metric, Subject, Workload};
use isolab::prediction::{Experiment, Prediction};
use isolab::report::{Report, text};
use isolab::reveal::{self, Direction, Outcome, Seen};
use proptest::prelude::*;

use crate::{anything, synthetic};

fn outcomes(report: &Report) -> Vec<Outcome> {
    reveal::outcomes(report, &report.predictions)
}

fn of<'a>(outcomes: &'a [Outcome], question: &str) -> &'a Outcome {
    let mut own = outcomes
        .iter()
        .filter(|o| o.prediction.question.to_string() == question);
    own.next().unwrap()
}

#[test]
fn a_prediction_is_scored_by_what_the_subject_adds() {
    let mut report = synthetic::predicted();
    for o in &mut report.observations {
        if let Evidence::Measured { samples } = &mut o.evidence {
            // The container takes 2 ms longer; 4 ms were predicted.
            samples.fill(if o.subject == Subject::Container {
                0.012
            } else {
                0.010
            });
        }
    }
    let outcomes = outcomes(&report);
    let score = of(&outcomes, "startup/container/python").score().unwrap();
    assert!((score.factor - 2.0).abs() < 1e-6, "{score:?}");
    assert_eq!(score.direction, Direction::TooHigh);
    assert!(score.same_order && (score.brier.unwrap() - 0.09).abs() < 1e-9);
}

#[test]
fn what_an_emulator_or_a_model_says_is_shown_and_scores_nothing() {
    let vm = "startup/vm/python";
    let emulated = outcomes(&synthetic::predicted());
    assert!(matches!(&of(&emulated, vm).seen, Seen::Emulated { by, .. } if !by.is_empty()));
    assert_eq!(of(&emulated, vm).score(), None);
    let mut report = synthetic::without_a_guest();
    report.predictions = synthetic::predicted().predictions;
    let modelled = outcomes(&report);
    assert!(matches!(of(&modelled, vm).seen, Seen::Modelled { .. }));
    report.observations.retain(|o| o.subject != Subject::Vm);
    let missing = outcomes(&report);
    assert!(matches!(&of(&missing, vm).seen, Seen::Missing { why } if why.contains("QEMU")));
    for outcomes in [emulated, modelled, missing] {
        let page = reveal::render(&synthetic::predicted(), &outcomes, &[], 80);
        assert!(
            page.contains("not scored") || page.contains("not measured"),
            "{page}"
        );
    }
}

#[test]
fn what_was_said_after_the_run_began_is_no_prediction() {
    let mut report = synthetic::predicted();
    report.predictions[0].made = "2025-01-31T12:00:01Z".to_owned();
    report.created = "2025-01-31T12:00:00Z".to_owned();
    let outcomes = outcomes(&report);
    let late = of(&outcomes, "startup/container/python");
    assert_eq!((&late.seen, late.score()), (&Seen::Hindsight, None));
    let page = reveal::render(&report, &outcomes, &[], 80);
    assert!(page.contains("when the run had begun"), "{page}");
}

fn made(question: &str, value: f64, made: &str) -> Prediction {
    let mut prediction = Prediction::now(question.parse().unwrap(), value, Some(50), None);
    prediction.made = made.to_owned();
    prediction
}

#[test]
fn of_the_notebook_the_newest_before_the_run_counts_unless_the_report_carries_its_own() {
    let mut report = synthetic::full();
    report.created = "2025-01-31T12:00:00Z".to_owned();
    let notebook = Predictions {
        made: vec![
            made("disk/venv/python", 1.0, "2025-01-30T12:00:00Z"),
            made("disk/venv/python", 2.0, "2025-01-31T11:00:00Z"),
            made("disk/venv/python", 3.0, "2025-01-31T13:00:00Z"),
        ],
        skipped: Vec::new(),
    };
    let chosen = reveal::predictions_for(&report, &notebook);
    assert_eq!(chosen.iter().map(|p| p.value).collect::<Vec<_>>(), [2.0]);
    report.predictions = synthetic::predicted().predictions;
    assert_eq!(
        reveal::predictions_for(&report, &notebook),
        report.predictions
    );
}

#[test]
fn a_prediction_counts_once_over_time_in_the_first_run_after_it() {
    let run = |created: &str| {
        let mut report = synthetic::full();
        report.created = created.to_owned();
        report
    };
    let runs = [
        "2025-02-01T12:00:00Z",
        "2025-02-02T12:00:00Z",
        "2025-02-03T12:00:00Z",
    ]
    .map(run);
    let notebook = Predictions {
        made: vec![
            made("disk/venv/python", 1e9, "2025-01-30T12:00:00Z"),
            made("disk/venv/python", 30e3, "2025-02-02T18:00:00Z"),
        ],
        skipped: Vec::new(),
    };
    let attempts = reveal::attempts(&runs, &notebook);
    let scored: Vec<(&str, usize)> = attempts
        .iter()
        .map(|a| (&a.created[..10], a.scored))
        .collect();
    assert_eq!(scored, [("2025-02-01", 1), ("2025-02-03", 1)]);
    assert!(attempts[0].typical_factor > 1e3 && attempts[1].typical_factor < 2.0);
    let page = reveal::render(&runs[2], &[], &attempts, 40);
    assert!(
        page.contains("Over time") && page.contains("1/1 right order"),
        "{page}"
    );
}

/// Swapping what was measured turns the order's agreement over.
#[test]
fn the_order_is_judged_by_what_was_measured() {
    let mut report = synthetic::full();
    report.predictions = vec![
        made("disk/venv/python", 1e3, "2025-01-01T12:00:00Z"),
        made("disk/container/python", 1e6, "2025-01-01T12:00:00Z"),
    ];
    let mut tau = |venv: f64, container: f64| {
        for o in &mut report.observations {
            let of_disk = (o.metric, o.workload) == (Metric::DiskOneMore, Workload::Python);
            if let (true, Evidence::Measured { samples }) = (of_disk, &mut o.evidence) {
                samples.fill(if o.subject == Subject::Venv {
                    venv
                } else {
                    container
                });
            }
        }
        reveal::rank(&outcomes(&report), Experiment::Disk, Workload::Python).map(|rank| rank.tau)
    };
    assert_eq!((tau(10.0, 20.0), tau(20.0, 10.0)), (Some(1.0), Some(-1.0)));
    assert_eq!(tau(10.0, 10.0), None, "neither is more");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn any_outcome_fits_40_columns_and_does_nothing_to_a_terminal(report in anything::report()) {
        let outcomes = outcomes(&report);
        for width in [40, 80] {
            for line in reveal::render(&report, &outcomes, &[], width).lines() {
                prop_assert!(text::columns(line) <= width, "{}", line);
                prop_assert!(!line.contains(text::acts), "{:?}", line);
            }
        }
        let json = reveal::json(&report, &outcomes, &[]);
        prop_assert_eq!(json["outcomes"].as_array().unwrap().len(), report.predictions.len());
    }
}
