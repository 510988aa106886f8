//! config.md: annotations.

use serde_json::json;

use crate::case::Case;
use crate::subject::Subject;
use crate::{Claim, anyone};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "annotations_reach_the_state",
        section: "config.md, Annotations",
        level: "MUST",
        gist: "a map from string to string, whose values may be empty; a key that is unknown is no error",
        need: anyone,
        test: reach,
    },
    Claim {
        name: "annotations_may_be_absent_or_empty",
        section: "config.md, Annotations",
        level: "MAY",
        gist: "no annotations: no property, an empty map, or null",
        need: anyone,
        test: absent,
    },
    Claim {
        name: "annotations_that_are_no_strings_are_refused",
        section: "config.md, Annotations",
        level: "MUST",
        gist: "a value that is not a string is an error, and so are annotations that are no map",
        need: anyone,
        test: no_strings,
    },
    Claim {
        name: "an_annotation_without_a_key_is_refused",
        section: "config.md, Annotations",
        level: "MUST NOT",
        gist: "a key is not the empty string",
        need: anyone,
        test: empty_key,
    },
];

fn reach(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["annotations"] = json!({
        "com.example.key": "value", "no-domain": "", "unicode": "äöü \u{1F40B}",
        "org.opencontainers.image.os": "linux", "org.opencontainers.unknown": "x"
    });
    assert_eq!(
        case.create(&config).state()["annotations"],
        config["annotations"]
    );
}

fn absent(subject: Subject) {
    let case = Case::new(subject);
    for annotations in [None, Some(json!({})), Some(json!(null))] {
        let mut config = case.config("true");
        if let Some(annotations) = annotations {
            config["annotations"] = annotations;
        }
        let state = case.create(&config).state();
        let given = &state["annotations"];
        assert!(given.is_null() || *given == json!({}), "{state}");
    }
}

fn no_strings(subject: Subject) {
    let case = Case::new(subject);
    for annotations in [
        json!({ "a": 1 }),
        json!({ "a": ["b"] }),
        json!(["a"]),
        json!("a"),
    ] {
        let mut config = case.config("true");
        config["annotations"] = annotations.clone();
        case.refused(annotations, &config);
    }
}

fn empty_key(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["annotations"] = json!({ "": "value" });
    case.refused("an empty key", &config);
}
