//! The published schema and the code say the same.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas};
use isolab::class::{self, Register};
use isolab::observation::{Subject, Workload};
use isolab::prediction::{Experiment, Question};
use isolab::report::{json, to_json};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{anything, synthetic};

struct Schema {
    schemas: Schemas,
    index: SchemaIndex,
}

impl Schema {
    fn published() -> &'static Self {
        static SCHEMA: LazyLock<Schema> = LazyLock::new(|| Schema::of("urn:isolab:report:1"));
        &SCHEMA
    }

    /// The published schema of this name; they refer to each other.
    fn of(url: &str) -> Self {
        let mut compiler = Compiler::new();
        for text in [
            include_str!("../../docs/report.schema.json"),
            include_str!("../../docs/prediction.schema.json"),
            include_str!("../../docs/class.schema.json"),
        ] {
            let schema: Value = serde_json::from_str(text).unwrap();
            let name = schema["$id"].as_str().unwrap().to_owned();
            compiler.add_resource(&name, schema).unwrap();
        }
        let mut schemas = Schemas::new();
        let index = compiler.compile(url, &mut schemas).unwrap();
        Self { schemas, index }
    }

    fn accepts(&self, value: &Value) -> Result<(), String> {
        self.schemas
            .validate(value, self.index)
            .map_err(|e| format!("{e:#}"))
    }
}

fn loads(value: &Value) -> bool {
    json::parse(value.to_string().as_bytes(), Path::new("r.json")).is_ok()
}

#[test]
fn every_report_the_lab_writes_is_of_its_schema() {
    let schema = Schema::published();
    for report in [
        synthetic::full(),
        synthetic::quick(),
        synthetic::without_a_guest(),
        synthetic::predicted(),
    ] {
        let value: Value = serde_json::from_str(&to_json(&report)).unwrap();
        schema.accepts(&value).unwrap();
        assert!(value["summary"].as_array().unwrap().len() > 30);
    }
}

#[test]
fn schema_and_reader_refuse_the_same_mistakes() {
    let schema = Schema::published();
    let good: Value = serde_json::from_str(&to_json(&synthetic::predicted())).unwrap();
    assert!(loads(&good));
    let mistakes: [(&str, Value); 22] = [
        ("/schema", json!("isolab.report/2")),
        ("/created", json!("yesterday")),
        ("/environment/cpus", json!(-1)),
        ("/environment/os", json!("\u{1b}]0;owned\u{7}")),
        ("/environment/load_before", json!(null)),
        ("/settings/runs", json!(1.5)),
        ("/settings/subjects/0", json!("unikernel")),
        ("/observations/0/metric", json!("speed")),
        ("/observations/0/unit", json!("bytes")),
        ("/observations/0/state", json!("lukewarm")),
        (
            "/observations/0/evidence",
            json!({ "kind": "measured", "samples": [] }),
        ),
        (
            "/observations/0/evidence",
            json!({ "kind": "measured", "samples": [-1.0] }),
        ),
        (
            "/observations/0/evidence",
            json!({ "kind": "measured", "samples": [1e300] }),
        ),
        (
            "/observations/0/evidence",
            json!({ "kind": "guessed", "samples": [1.0] }),
        ),
        ("/observations/0/evidence/by", json!("QEMU")),
        ("/observations/0/opinion", json!("fast")),
        ("/predictions/0/question", json!("startup/venv/true")),
        ("/predictions/0/value", json!(0)),
        ("/predictions/0/confidence", json!(101)),
        ("/predictions/0/id", json!("me")),
        ("/predictions/0/user", json!("me")),
        ("/predictions/0/reason", json!("\u{1b}[2J")),
    ];
    for (at, value) in mistakes {
        let mut bad = good.clone();
        match bad.pointer_mut(at) {
            Some(place) => *place = value,
            None => {
                let (parent, key) = at.rsplit_once('/').unwrap();
                bad.pointer_mut(parent).unwrap()[key] = value;
            }
        }
        assert!(schema.accepts(&bad).is_err(), "the schema accepts {at}");
        assert!(!loads(&bad), "the reader accepts {at}");
    }
}

#[test]
fn a_class_is_of_its_schema() {
    let mut register = Register::default();
    for (file, report) in [
        ("a", synthetic::predicted()),
        ("b", synthetic::without_a_guest()),
    ] {
        register.enter(file, &report, Some(file)).unwrap();
    }
    let class = class::json(&register.close().unwrap());
    let schema = Schema::of("urn:isolab:class:1");
    schema.accepts(&class).unwrap();
    let mut bad = class;
    bad["machines"][0]["host"] = json!("me");
    assert!(schema.accepts(&bad).is_err());
}

#[test]
fn a_line_of_the_notebook_is_of_its_schema() {
    let home = tempfile::tempdir().unwrap();
    let predicted = Command::new(env!("CARGO_BIN_EXE_isolab"))
        .args("predict startup/vm/python --value 2s --confidence 70 --reason guessed".split(' '))
        .env("XDG_DATA_HOME", home.path())
        .status()
        .unwrap();
    assert!(predicted.success());
    let text = fs::read_to_string(home.path().join("isolab/predictions.jsonl")).unwrap();
    let line: Value = serde_json::from_str(&text).unwrap();
    Schema::of("urn:isolab:prediction:1")
        .accepts(&line)
        .unwrap();
}

/// Files of before there were predictions.
#[test]
fn a_report_without_predictions_does_not_mention_them() {
    let text = to_json(&synthetic::full());
    assert!(!text.contains("\"predictions\""));
    assert!(loads(&serde_json::from_str(&text).unwrap()));
}

#[test]
fn the_schema_names_the_questions_that_there_are() {
    let schema: Value =
        serde_json::from_str(include_str!("../../docs/report.schema.json")).unwrap();
    let named = &schema["$defs"]["prediction"]["properties"]["question"]["enum"];
    let mut named: Vec<&str> = named
        .as_array()
        .unwrap()
        .iter()
        .map(|q| q.as_str().unwrap())
        .collect();
    let of = |experiment: Experiment| {
        let each = move |workload| Question::of(experiment, &Subject::ALL, &[workload]);
        Workload::ALL.into_iter().flat_map(each)
    };
    let asked = Experiment::ALL.into_iter().flat_map(of);
    let mut asked: Vec<String> = asked.map(|question| question.to_string()).collect();
    named.sort_unstable();
    asked.sort_unstable();
    assert_eq!(named, asked);
}

#[test]
fn no_question_is_answered_twice() {
    let mut value: Value = serde_json::from_str(&to_json(&synthetic::predicted())).unwrap();
    let first = value["predictions"][0].clone();
    value["predictions"].as_array_mut().unwrap().push(first);
    assert!(!loads(&value));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_report_comes_back_as_it_was_written(report in anything::report()) {
        let text = to_json(&report);
        let back = json::parse(text.as_bytes(), Path::new("r.json")).unwrap();
        prop_assert_eq!(&back, &report);
        prop_assert_eq!(to_json(&back), text);
    }

    #[test]
    fn any_report_is_of_the_schema(report in anything::report()) {
        let value: Value = serde_json::from_str(&to_json(&report)).unwrap();
        let accepted = Schema::published().accepts(&value);
        prop_assert!(accepted.is_ok(), "{:?}", accepted);
    }
}
