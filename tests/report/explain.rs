//! What a row is made of is said with the report's own numbers.

use std::path::Path;

use isolab::explain::{Explanation, NoRow, explain};
use isolab::report::{Report, comparison, text};
use proptest::prelude::*;

use crate::{anything, synthetic};

fn all(report: &Report) -> Vec<Explanation> {
    let rows = comparison::compare(report)
        .iter()
        .map(|s| s.rows.len())
        .sum();
    (1..=rows)
        .map(|number| explain(report, &number.to_string()).unwrap())
        .collect()
}

fn part<'a>(explanation: &'a Explanation, title: &str) -> &'a [String] {
    let part = explanation.parts.iter().find(|part| part.title == title);
    part.map_or(&[], |part| &part.lines)
}

#[test]
fn every_row_is_explained_by_its_number_and_by_its_name() {
    let report = synthetic::quick();
    for by_number in all(&report) {
        assert_eq!(explain(&report, &by_number.name).unwrap(), by_number);
        for title in [
            "What was run",
            "From where to where",
            "The number",
            "What it is made of",
            "What would change it",
            "Read on",
        ] {
            assert!(
                !part(&by_number, title).is_empty(),
                "{}: {title}",
                by_number.name
            );
        }
        let chapter = &part(&by_number, "Read on")[0];
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(chapter.split(':').next().unwrap());
        assert!(file.is_file(), "{chapter}");
    }
}

#[test]
fn a_measured_start_is_the_process_and_what_the_subject_adds() {
    let mut report = synthetic::full();
    for o in &mut report.observations {
        if let isolab::observation::Evidence::Measured { samples } = &mut o.evidence {
            let one = if o.subject.name() == "container" {
                0.0075
            } else {
                0.0050
            };
            samples.fill(one);
        }
    }
    let row = explain(&report, "startup/container/true/after-idle").unwrap();
    let terms = part(&row, "What it is made of");
    assert!(
        terms[0].starts_with("5.00 ms of the program itself"),
        "{terms:?}"
    );
    assert!(
        terms[1].starts_with("2.50 ms added by the container"),
        "{terms:?}"
    );
}

#[test]
fn what_is_emulated_is_never_said_to_add_anything() {
    let report = synthetic::quick();
    for row in all(&report).iter().filter(|row| row.evidence != "measured") {
        let terms = part(row, "What it is made of").join(" ");
        assert!(
            !terms.contains("added by") && !terms.contains("less with"),
            "{terms}"
        );
    }
}

#[test]
fn a_models_row_names_every_figure_that_it_rests_on() {
    let mut report = synthetic::full();
    for o in &mut report.observations {
        if o.evidence.samples().is_none() {
            o.conditions
                .insert("terms".into(), "boot 1 to 2 ms; monitor 3 to 4 ms".into());
        }
    }
    let row = explain(&report, "startup/vm/python/after-idle/model").unwrap();
    let terms = part(&row, "What it is made of");
    assert_eq!(
        terms[..2],
        ["term: boot 1 to 2 ms", "term: monitor 3 to 4 ms"]
    );
    assert!(terms[2].contains("boot of a guest kernel") && terms[2].contains("none: a test"));
    // Beside the emulated one the model's terms are called the model's.
    let ran = explain(&report, "startup/vm/python/after-idle").unwrap();
    let beside = part(&ran, "What it is made of");
    assert!(
        beside.iter().any(|line| line.starts_with("the model")),
        "{beside:?}"
    );
}

#[test]
fn a_row_that_is_not_there_is_answered_with_those_that_are() {
    let report = synthetic::quick();
    let count = all(&report).len();
    for number in ["0", "9999"] {
        assert_eq!(explain(&report, number), Err(NoRow::Rows(count)));
    }
    let Err(NoRow::Named(near)) = explain(&report, "teardown/venv") else {
        panic!("there is no such row");
    };
    assert!(
        near.contains(&"teardown/venv/python".to_owned()),
        "{near:?}"
    );
    assert_eq!(explain(&report, "\u{1b}[2J"), Err(NoRow::Named(Vec::new())));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn any_row_of_any_report_fits_and_does_nothing_to_a_terminal(report in anything::report()) {
        for row in all(&report) {
            for width in [40, 80] {
                for line in row.render(width).lines() {
                    prop_assert!(text::columns(line) <= width, "{}", line);
                    prop_assert!(!line.contains(text::acts), "{:?}", line);
                }
            }
        }
    }
}
