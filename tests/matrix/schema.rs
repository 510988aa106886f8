//! What is printed is of the published schema, and what is not is refused by it.

use boon::{Compiler, SchemaIndex, Schemas};
use libtest_mimic::Trial;
use serde_json::{Value, json};

use crate::{real, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![
        trial("the_matrix_is_of_its_schema", || {
            let (schemas, index) = compiled();
            schemas.validate(real::matrix(), index).unwrap();
        }),
        trial("the_schema_refuses_what_is_no_matrix", mistakes),
    ]
}

fn compiled() -> (Schemas, SchemaIndex) {
    let text = include_str!("../../docs/matrix.schema.json");
    let url = "urn:isolab:matrix:1";
    let mut compiler = Compiler::new();
    let schema = serde_json::from_str(text).unwrap();
    compiler.add_resource(url, schema).unwrap();
    let mut schemas = Schemas::new();
    let index = compiler.compile(url, &mut schemas).unwrap();
    (schemas, index)
}

fn mistakes() {
    let (schemas, index) = compiled();
    let outcome = "/columns/0/cells/0/outcomes/0";
    for (at, value) in [
        ("/schema".to_owned(), json!("isolab.matrix/2")),
        ("/columns/0/place".to_owned(), json!("unikernel")),
        ("/columns/0/cells".to_owned(), json!([])),
        ("/columns/0/cells/0/cell".to_owned(), json!("isolated")),
        ("/columns/0/cells/0/outcomes".to_owned(), json!([])),
        (format!("{outcome}/attempt"), json!("guess")),
        (format!("{outcome}/said"), json!({ "yes": "a", "no": "b" })),
        (format!("{outcome}/said"), json!({ "yes": "\u{1b}[2J" })),
    ] {
        let mut bad: Value = real::matrix().clone();
        *bad.pointer_mut(&at).unwrap() = value;
        assert!(schemas.validate(&bad, index).is_err(), "accepted {at}");
    }
}
