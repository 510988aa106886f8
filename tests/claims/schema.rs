//! The published schema and the code say the same.

use std::path::Path;
use std::sync::LazyLock;

use boon::{Compiler, SchemaIndex, Schemas};
use isolab::claims::Record;
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::anything;
use crate::command::Home;

static SCHEMA: LazyLock<(Schemas, SchemaIndex)> = LazyLock::new(|| {
    let text = include_str!("../../docs/claims.schema.json");
    let mut compiler = Compiler::new();
    let url = "urn:isolab:claims:1";
    compiler
        .add_resource(url, serde_json::from_str(text).unwrap())
        .unwrap();
    let mut schemas = Schemas::new();
    let index = compiler.compile(url, &mut schemas).unwrap();
    (schemas, index)
});

fn accepts(value: &Value) -> Result<(), String> {
    let (schemas, index) = &*SCHEMA;
    schemas
        .validate(value, *index)
        .map_err(|e| format!("{e:#}"))
}

fn loads(value: &Value) -> bool {
    Record::parse(value.to_string().as_bytes(), Path::new("r.json")).is_ok()
}

#[test]
fn what_a_run_writes_is_of_the_schema() {
    let home = Home::new();
    let record = home.json(&[
        "claims",
        "run",
        "predates-docker",
        "hello-world",
        "venv-isolates-packages",
        "granular-update",
        "--quick",
        "--json",
    ]);
    accepts(&record).unwrap();
    assert!(loads(&record));
}

#[test]
fn schema_and_reader_refuse_the_same_mistakes() {
    let good = Home::new().record("r.json");
    accepts(&good).unwrap();
    assert!(loads(&good));
    let mistakes: [(&str, Value); 10] = [
        ("/schema", json!("isolab.claims/2")),
        ("/environment/cpus", json!(-1)),
        ("/settings/runs", json!(1.5)),
        ("/claims/0/ruling/verdict", json!("true")),
        ("/claims/0/ruling/opinion", json!("good")),
        ("/claims/0/ruling/effects/0/bound", json!("about")),
        ("/claims/0/findings/facts/0/outcome", json!([1])),
        (
            "/claims/0/findings/facts/0/command",
            json!("\u{1b}]0;x\u{7}"),
        ),
        ("/claims/0/seconds", json!(1e300)),
        ("/claims/0/findings/steps/0", json!(1)),
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
        assert!(accepts(&bad).is_err(), "the schema accepts {at}");
        assert!(!loads(&bad), "the reader accepts {at}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn any_record_is_of_the_schema_and_comes_back_as_it_was(record in anything::record()) {
        let text = record.to_json();
        let value: Value = serde_json::from_str(&text).unwrap();
        let accepted = accepts(&value);
        prop_assert!(accepted.is_ok(), "{:?}", accepted);
        let back = Record::parse(text.as_bytes(), Path::new("r.json")).unwrap();
        prop_assert_eq!(&back, &record);
        prop_assert_eq!(back.to_json(), text);
    }
}
