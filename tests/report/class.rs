//! Many reports as one: nobody named, nothing counted twice, nothing run.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use isolab::class::{self, Class, Refused, Register};
use isolab::observation::{Evidence, Subject, Workload};
use isolab::report::{Report, text, to_json};
use proptest::prelude::*;
use serde_json::Value;

use crate::{anything, synthetic};

/// `count` reports that differ, as a class.
fn class_of(reports: &[Report]) -> Class {
    let mut register = Register::default();
    for (i, report) in reports.iter().enumerate() {
        register.enter(&format!("{i}.json"), report, None).unwrap();
    }
    register.close().unwrap()
}

fn slower(mut report: Report, factor: f64) -> Report {
    for o in &mut report.observations {
        if let Evidence::Measured { samples } | Evidence::Emulated { samples, .. } = &mut o.evidence
        {
            samples.iter_mut().for_each(|sample| *sample *= factor);
        }
    }
    report
}

fn three() -> Vec<Report> {
    [1.0, 2.0, 4.0]
        .map(|factor| slower(synthetic::predicted(), factor))
        .to_vec()
}

#[test]
fn the_same_run_counts_once_however_its_file_is_written() {
    let mut register = Register::default();
    let report = synthetic::predicted();
    register.enter("a.json", &report, None).unwrap();
    let again = register.enter("b.json", &report, None);
    assert_eq!(again, Err(Refused::Repeats("a.json".to_owned())));
    register
        .enter("c.json", &slower(report, 1.5), None)
        .unwrap();
    assert_eq!(register.close().unwrap().machines.len(), 2);
}

#[test]
fn other_workloads_are_refused_by_name_unless_what_all_ran_is_asked_for() {
    let mut other = slower(synthetic::full(), 1.5);
    other.settings.workloads = vec![Workload::True];
    other.observations.retain(|o| o.workload == Workload::True);
    let mut register = Register::default();
    register.enter("a.json", &synthetic::full(), None).unwrap();
    let Err(Refused::Workloads(why)) = register.enter("b.json", &other, None) else {
        panic!("it fits");
    };
    assert!(why.contains("a.json") && why.contains("`python`"), "{why}");
    let mut register = Register::new(vec![Workload::True]);
    register.enter("a.json", &synthetic::full(), None).unwrap();
    register.enter("b.json", &other, None).unwrap();
    let class = register.close().unwrap();
    let rows = class.machines.iter().flat_map(|machine| &machine.rows);
    assert!(rows.clone().count() > 20 && rows.clone().all(|row| row.workload == Workload::True));
    let mut register = Register::new(vec![Workload::Python]);
    let Err(Refused::Workloads(why)) = register.enter("b.json", &other, None) else {
        panic!("it fits");
    };
    assert!(why.contains("did not run `python`"), "{why}");
}

#[test]
fn machines_are_compared_kind_of_evidence_by_kind() {
    let class = class_of(&three());
    let spreads = class::spreads(&class);
    let vm = spreads.iter().filter(|s| s.subject == Subject::Vm);
    let kinds: std::collections::BTreeSet<_> = vm.map(|s| s.evidence).collect();
    assert!(
        kinds.contains("emulated") && kinds.contains("modelled"),
        "{kinds:?}"
    );
    let startup = spreads.iter().find(|s| s.evidence == "measured").unwrap();
    assert_eq!(startup.machines, 3);
    assert!((startup.greatest / startup.least - 4.0).abs() < 1e-9);
    assert!((startup.median / startup.least - 2.0).abs() < 1e-9);
}

#[test]
fn only_what_was_measured_scores_a_prediction() {
    let guesses = class::guesses(&class_of(&three()));
    let of = |name: &str| {
        let mut own = guesses.iter().filter(|g| g.question.to_string() == name);
        own.next().unwrap().clone()
    };
    assert_eq!(
        (
            of("startup/container/python").answers,
            of("startup/container/python").scored
        ),
        (3, 3)
    );
    assert_eq!(
        (
            of("startup/vm/python").answers,
            of("startup/vm/python").scored
        ),
        (3, 0)
    );
}

#[test]
fn nobody_is_named_and_nothing_says_when_or_in_what_order() {
    let class = class_of(&three());
    let all = [
        class::json(&class).to_string(),
        class::csv(&class),
        class::page(&class).unwrap(),
    ];
    for text in all {
        assert!(!text.contains("2025-01-31"), "a date");
        assert!(!text.contains(".json"), "a file's name");
    }
    let ids: Vec<&String> = class.machines.iter().map(|machine| &machine.id).collect();
    assert!(ids.is_sorted());
    let again = class_of(&three());
    assert!(
        again
            .machines
            .iter()
            .all(|machine| !ids.contains(&&machine.id))
    );
}

#[test]
fn what_a_report_says_is_no_formula_and_no_markup() {
    let mut report = synthetic::predicted();
    report.environment.cpu = "=HYPERLINK(\"http://evil\",\"x\")".to_owned();
    report.environment.os = "<script>alert(1)</script>".to_owned();
    report.predictions[0].reason = Some("@SUM(1+1)*cmd|' /C calc'!A0 <b>".to_owned());
    let mut register = Register::default();
    register.enter("a.json", &report, Some("+Ada\",x")).unwrap();
    let class = register.close().unwrap();
    for line in class::csv(&class).lines().skip(1) {
        assert!(line.starts_with("\"'+Ada\"\",x\","), "{line}");
        assert!(line.contains("\"'=HYPERLINK(\"\"http"), "{line}");
    }
    assert!(class::csv(&class).contains("\"'@SUM"));
    let page = class::page(&class).unwrap();
    assert!(!page.contains("<script") && !page.contains("<b>") && page.contains("&lt;b&gt;"));
}

fn isolab(dir: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_isolab"))
        .args(["class", "merge"])
        .args(arguments)
        .current_dir(dir)
        .output()
        .unwrap()
}

#[test]
fn a_refused_file_is_named_with_its_schema_and_nothing_is_written() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    let good = to_json(&synthetic::predicted());
    write("good.json", &good);
    write("cut.json", &good[..good.len() / 2]);
    write(
        "new.json",
        &good.replace("isolab.report/1", "isolab.report/2"),
    );
    write(
        "forged.json",
        &good.replacen("\"samples\": [", "\"samples\": [-5, ", 1),
    );
    write("class.csv", "what was here before");
    let files = [
        "good.json",
        "cut.json",
        "new.json",
        "forged.json",
        "/dev/zero",
    ];
    let output = isolab(dir.path(), &[&files[..], &["-o", "class.csv"]].concat());
    assert!(!output.status.success() && output.stdout.is_empty());
    let message = String::from_utf8(output.stderr).unwrap();
    for part in [
        "cut.json",
        "too early",
        "new.json",
        "isolab.report/2",
        "forged.json",
        "negative",
        "larger than",
        "--skip-refused",
    ] {
        assert!(message.contains(part), "no `{part}` in {message}");
    }
    assert_eq!(
        fs::read_to_string(dir.path().join("class.csv")).unwrap(),
        "what was here before"
    );

    let endings = ["csv", "json", "html", "svg", "png"].map(|ending| format!("class.{ending}"));
    let mut arguments = vec!["--skip-refused", "--json", "--name", "good.json=Ada"];
    arguments.extend(files);
    for name in &endings {
        arguments.extend(["-o", name]);
    }
    let output = isolab(dir.path(), &arguments);
    assert!(output.status.success(), "{output:?}");
    let merged: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(merged["machines"].as_array().unwrap().len(), 1);
    assert_eq!(merged["machines"][0]["name"], "Ada");
    for name in endings {
        assert!(
            fs::metadata(dir.path().join(&name)).unwrap().len() > 500,
            "{name}"
        );
    }
    let svg = fs::read_to_string(dir.path().join("class.svg")).unwrap();
    assert!(roxmltree::Document::parse(&svg).is_ok());
}

#[test]
fn a_name_or_an_output_that_fits_nothing_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    fs::write(dir.path().join("a.json"), to_json(&synthetic::quick())).unwrap();
    for (arguments, saying) in [
        (["a.json", "--name", "b.json=Ada"], "not among the files"),
        (["a.json", "--name", "a.json=\u{1b}[2J"], "a name is text"),
        (["a.json", "-o", "class.xlsx"], ".csv"),
        (["a.json", "-o", "no/such/class.csv"], "no/such"),
    ] {
        let output = isolab(dir.path(), &arguments);
        let message = String::from_utf8(output.stderr).unwrap();
        assert!(
            !output.status.success() && message.contains(saying),
            "{message}"
        );
        assert!(!message.contains('\u{1b}'), "{message:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(16))]

    #[test]
    fn any_reports_merge_into_lines_that_fit_and_a_picture_that_is_one(report in anything::report()) {
        let class = class_of(&[report]);
        for width in [40, 80] {
            for line in class::render(&class, width).lines() {
                prop_assert!(text::columns(line) <= width, "{}", line);
                prop_assert!(!line.contains(text::acts), "{:?}", line);
            }
        }
        let columns = class::csv(&class);
        prop_assert!(columns.lines().count() > class.machines[0].rows.len());
        let svg = class::svg(&class).unwrap();
        prop_assert!(roxmltree::Document::parse(&svg).is_ok());
    }
}

/// A glob that catches a report as the output, or the output of last week.
#[test]
fn no_report_that_is_merged_is_written_over() {
    let dir = tempfile::tempdir().unwrap();
    let report = to_json(&synthetic::predicted());
    fs::write(dir.path().join("a.json"), &report).unwrap();
    std::os::unix::fs::symlink("a.json", dir.path().join("link.json")).unwrap();
    for output in ["a.json", "./a.json", "link.json"] {
        let merged = isolab(dir.path(), &["a.json", "-o", output]);
        assert!(!merged.status.success(), "{output}");
        let said = String::from_utf8(merged.stderr).unwrap();
        assert!(said.contains("one of the reports"), "{said}");
        assert_eq!(
            fs::read_to_string(dir.path().join("a.json")).unwrap(),
            report
        );
    }
}
