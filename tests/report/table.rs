//! The table on a terminal of 80 columns.

use isolab::observation::{Evidence, Metric, Subject};
use isolab::report::table::{Style, render};
use isolab::report::{Missing, Report, comparison, text};
use proptest::prelude::*;

use crate::{anything, synthetic};

fn assert_fits(report: &Report, width: usize) {
    let style = Style {
        width,
        colour: false,
    };
    for line in render(report, style).lines() {
        let columns = text::columns(line);
        assert!(columns <= width, "{columns} columns of {width}: {line}");
        assert!(!line.contains(char::is_control), "{line:?}");
    }
}

#[test]
fn every_line_fits_whatever_the_width() {
    for width in [40, 60, 80, 100, 132] {
        for report in [
            synthetic::full(),
            synthetic::quick(),
            synthetic::without_a_guest(),
        ] {
            assert_fits(&report, width);
        }
    }
}

#[test]
fn eighty_columns_have_room_for_the_intervals_of_both() {
    let table = render(&synthetic::full(), Style::PLAIN);
    assert_eq!(table.matches("interval   ratio").count(), 2, "{table}");
}

#[test]
fn absurd_values_and_endless_words_fit_too() {
    let mut report = synthetic::quick();
    for (i, o) in report.observations.iter_mut().enumerate() {
        let sign = if o.metric == Metric::MemorySlope {
            -1.0
        } else {
            1.0
        };
        let exponent = i32::try_from(i % 35).unwrap() - 17;
        o.evidence = Evidence::Measured {
            samples: vec![sign * 10f64.powi(exponent), 0.0, 1e18],
        };
        o.warnings = vec!["w".repeat(4_096)];
    }
    report.environment.cpu = "日本".repeat(700);
    report.missing = vec![Missing {
        subject: Subject::Container,
        workload: isolab::observation::Workload::Python,
        why: "y".repeat(4_096),
        remedy: Some("sudo ".repeat(800)),
    }];
    assert_fits(&report, 80);
    assert_fits(&report, 40);
}

/// Whether a line is a numbered row of `subject`.
fn is_of(line: &str, subject: &str) -> bool {
    let mut words = line.split_whitespace();
    words
        .next()
        .is_some_and(|word| word.parse::<usize>().is_ok())
        && words.next() == Some(subject)
}

#[test]
fn rows_are_numbered_as_explain_counts_them() {
    let report = synthetic::full();
    let sections = comparison::compare(&report);
    let mut rows = comparison::numbered(&sections);
    let table = render(&report, Style::PLAIN);
    let numbered = table.lines().filter_map(|line| {
        // What stands further right is no row's number, such as a heading's `95 %`.
        let (number, rest) = line.trim_start().split_once(' ')?;
        let near = line.len() - line.trim_start().len() < 2;
        let number = number.parse::<usize>().ok().filter(|_| near)?;
        Some((number, rest.to_owned()))
    });
    let mut count = 0;
    for (number, rest) in numbered {
        let (expected, _, row) = rows.next().unwrap();
        assert_eq!(number, expected);
        assert!(rest.starts_with(&row.label()), "{number}: {rest}");
        count += 1;
    }
    assert!(rows.next().is_none() && count > 40, "{count} rows");
}

#[test]
fn only_measured_rows_are_compared() {
    let table = render(&synthetic::full(), Style::PLAIN);
    let compared = |line: &str| line.contains('×') || line.contains(" +");
    let unmeasured: Vec<&str> = table
        .lines()
        .filter(|l| l.ends_with("emulated") || l.ends_with("modelled"))
        .collect();
    assert!(unmeasured.len() > 15);
    assert!(
        !unmeasured.iter().any(|line| compared(line)),
        "{unmeasured:#?}"
    );
    let containers = table.lines().filter(|l| is_of(l, "container"));
    assert!(containers.clone().count() > 15 && containers.clone().all(compared));
}

#[test]
fn few_samples_show_extremes_with_a_mark_and_one_shows_neither() {
    let table = render(&synthetic::quick(), Style::PLAIN);
    let guest = table
        .lines()
        .find(|l| is_of(l, "vm") && l.ends_with("emulated"))
        .unwrap();
    assert!(!guest.contains('–') && !guest.contains('*'), "{guest}");
    let process = table.lines().find(|l| is_of(l, "process")).unwrap();
    assert!(process.contains('*'), "{process}");
    assert!(table.contains("* least and greatest"));
}

#[test]
fn decimal_points_stand_above_each_other() {
    let table = render(&synthetic::full(), Style::PLAIN);
    let (first, _) = table.split_once("\npython:").unwrap();
    let medians = first.lines().filter(|l| l.ends_with("measured"));
    let mut places: Vec<usize> = medians
        .filter_map(|line| {
            let median = line.split_whitespace().nth(2)?;
            let start = line.find(&format!(" {median}"))? + 1;
            Some(start + median.find('.').unwrap_or(median.len()))
        })
        .collect();
    assert!(places.len() > 10);
    places.dedup();
    assert_eq!(places.len(), 1, "{table}");
}

#[test]
fn what_is_missing_and_how_to_get_it_stand_below() {
    let table = render(&synthetic::without_a_guest(), Style::PLAIN);
    assert!(table.contains("missing: vm, python: no QEMU"));
    assert!(table.contains("   hint: sudo apt-get install qemu-system-x86"));
    assert!(table.contains("synthetic: every number in this report is invented"));
    assert!(table.contains("Linux 0.0.0-synthetic x86_64"));
}

#[test]
fn colour_is_written_only_where_it_is_allowed() {
    let coloured = render(
        &synthetic::full(),
        Style {
            width: 80,
            colour: true,
        },
    );
    let plain = render(&synthetic::full(), Style::PLAIN);
    assert!(coloured.contains("\u{1b}[1m") && !plain.contains('\u{1b}'));
    let mut bare = coloured;
    for code in ["\u{1b}[0m", "\u{1b}[1m", "\u{1b}[2m", "\u{1b}[33m"] {
        bare = bare.replace(code, "");
    }
    assert_eq!(bare, plain, "colour adds nothing but colour");
}

#[test]
fn an_empty_report_says_so() {
    let mut report = synthetic::full();
    report.observations.clear();
    assert!(render(&report, Style::PLAIN).contains("Nothing was measured."));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_report_fits(report in anything::report()) {
        assert_fits(&report, 80);
    }

    #[test]
    fn a_report_that_was_not_checked_sends_no_escape_sequence(word in any::<String>()) {
        let mut report = synthetic::quick();
        report.environment.cpu.clone_from(&word);
        report.warnings.push(word.clone());
        report.observations[0].warnings.push(word);
        assert_fits(&report, 80);
    }
}
