//! The text of a `config.json`, changed at one place or at many: no text makes
//! the runtime panic, and what it refuses it refuses by the field's name.

use proptest::prelude::*;
use serde_json::Value;

use super::super::*;
use crate::error::Error;

const FULL: &str = include_str!("full.json");

fn full() -> Value {
    serde_json::from_str(FULL).unwrap()
}

/// The error of a `config.json` with this text.
fn load(text: &[u8]) -> crate::Result<Spec> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    std::fs::write(&path, text).unwrap();
    Spec::load(&path)
}

/// Every place of `value`, as the runtime names them, with the same as pointers.
fn places(value: &Value, name: &str, pointer: &str, all: &mut Vec<(String, String)>) {
    if !name.is_empty() {
        all.push((name.to_owned(), pointer.to_owned()));
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                let dot = if name.is_empty() { "" } else { "." };
                places(
                    value,
                    &format!("{name}{dot}{key}"),
                    &format!("{pointer}/{key}"),
                    all,
                );
            }
        }
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                places(
                    value,
                    &format!("{name}[{index}]"),
                    &format!("{pointer}/{index}"),
                    all,
                );
            }
        }
        _ => {}
    }
}

fn all_places() -> Vec<(String, String)> {
    let mut all = Vec::new();
    places(&full(), "", "", &mut all);
    all
}

/// What the runtime does not look into, and what is free text to it.
fn is_opaque(name: &str) -> bool {
    [
        "linux.intelRdt",
        "linux.memoryPolicy",
        "process.commandLine",
    ]
    .iter()
    .any(|opaque| name.starts_with(opaque))
}

#[test]
fn a_config_with_every_field_is_read_and_written_without_loss() {
    let spec = Spec::from_slice(FULL.as_bytes()).unwrap();
    let mut written = serde_json::to_value(&spec).unwrap();
    let mut given = full();
    // Not for this platform, or the same as absent.
    given["process"]
        .as_object_mut()
        .unwrap()
        .remove("commandLine");
    given["process"]["scheduler"]
        .as_object_mut()
        .unwrap()
        .remove("priority");
    given["linux"]["personality"]
        .as_object_mut()
        .unwrap()
        .remove("flags");
    assert_eq!(written["process"], given["process"]);
    assert_eq!(written["hooks"], given["hooks"]);
    // The control group's part has tests of its own.
    for value in [&mut written, &mut given] {
        value["linux"].as_object_mut().unwrap().remove("resources");
    }
    assert_eq!(written["linux"], given["linux"]);
    assert_eq!(
        Spec::from_slice(&serde_json::to_vec(&spec).unwrap()).unwrap(),
        spec
    );
}

#[test]
fn a_value_of_the_wrong_type_is_refused_by_its_field() {
    for (name, pointer) in all_places() {
        if is_opaque(&name) || name.starts_with("linux.resources") {
            continue;
        }
        for wrong in [serde_json::json!({"x": [1]}), serde_json::json!(-0.5)] {
            let mut value = full();
            let place = value.pointer_mut(&pointer).unwrap();
            // An object in an object's place is no wrong type.
            if place.is_object() && wrong.is_object() {
                continue;
            }
            *place = wrong;
            for text in [
                serde_json::to_vec(&value),
                serde_json::to_vec_pretty(&value),
            ] {
                let Err(Error::Invalid { field, remedy, .. }) = load(&text.unwrap()) else {
                    panic!("{name} may be anything");
                };
                // One word of a few is read as an object's key as well.
                let key = format!("{name}.x");
                assert!(field == name || field == key, "{name}: {field}");
                assert!(!remedy.is_empty());
            }
        }
    }
}

#[test]
fn a_field_that_must_be_there_is_named_where_it_is_missing() {
    let missing = |pointer: &str, key: &str, expected: &str| {
        let mut value = full();
        let object = value.pointer_mut(pointer).unwrap().as_object_mut().unwrap();
        object.remove(key).unwrap();
        let error = load(&serde_json::to_vec_pretty(&value).unwrap()).unwrap_err();
        let Error::Invalid { field, reason, .. } = error else {
            panic!("{error:?}");
        };
        assert_eq!(field, expected);
        assert!(reason.starts_with("it is missing at line "), "{reason}");
    };
    missing("", "ociVersion", "ociVersion");
    missing("/root", "path", "root.path");
    missing("/process", "cwd", "process.cwd");
    missing("/process/rlimits/0", "soft", "process.rlimits[0].soft");
    missing("/hooks/poststop/0", "path", "hooks.poststop[0].path");
    missing("/linux/namespaces/3", "type", "linux.namespaces[3].type");
    missing(
        "/linux/seccomp",
        "defaultAction",
        "linux.seccomp.defaultAction",
    );
    missing(
        "/linux/seccomp/syscalls/0",
        "names",
        "linux.seccomp.syscalls[0].names",
    );
}

#[test]
fn a_part_that_stands_alone_is_refused_by_the_name_that_it_has_in_the_whole() {
    let path = std::path::Path::new("part.json");
    let field = |error: Error| match error {
        Error::Invalid { field, .. } => field,
        other => panic!("{other:?}"),
    };
    let process = |text: &str| field(Process::read(text.as_bytes(), path).unwrap_err());
    assert_eq!(process(r#"{"cwd": "/", "args": 5}"#), "process.args");
    assert_eq!(process(r#"{"cwd": "/", "env": [5]}"#), "process.env[0]");
    assert_eq!(process("{}"), "process.cwd");
    assert_eq!(process("7"), "process");
    let resources = |text: &str| field(Resources::read(text.as_bytes(), path).unwrap_err());
    assert_eq!(
        resources(r#"{"memory": {"limit": "x"}}"#),
        "linux.resources.memory.limit"
    );
    assert_eq!(
        resources(r#"{"pids": {"limit": 1}, "cpu": []}"#),
        "linux.resources.cpu"
    );
    // What never ends is not read to its end.
    let endless = std::io::repeat(b' ');
    assert_eq!(
        field(Process::read(endless, path).unwrap_err()),
        "part.json"
    );
}

#[test]
fn what_is_not_json_is_malformed_and_a_number_out_of_range_shows_the_range() {
    for text in ["", "{", "{]", "{\"ociVersion\":", "\u{feff}{}", "nil"] {
        let error = load(text.as_bytes()).unwrap_err();
        assert!(
            matches!(error, Error::Malformed { .. }),
            "{text}: {error:?}"
        );
    }
    let text = FULL.replace("\"uid\": 1", "\"uid\": 4294967296");
    let error = load(text.as_bytes()).unwrap_err();
    assert!(
        error
            .to_string()
            .contains("process.user.uid: invalid value"),
        "{error}"
    );
    assert!(error.hint().unwrap().contains("0 to 4294967295"));
}

#[test]
fn hostile_depth_size_and_kind_of_file_are_refused() {
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let text = format!("{{\"linux\":{{\"intelRdt\":{deep}}}}}");
    let error = load(text.as_bytes()).unwrap_err().to_string();
    assert!(
        error.contains("linux.intelRdt") && error.contains("recursion limit"),
        "{error}"
    );
    let text = format!("{{\"process\":{deep}}}");
    assert!(load(text.as_bytes()).is_err());
    let text = format!("{{\"ociVersion\":\"1.0.2\",\"unknown\":{deep}}}");
    assert!(load(text.as_bytes()).is_ok());

    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("config.json");
    let file = std::fs::File::create(&path).unwrap();
    file.set_len((16 << 20) + 1).unwrap();
    assert!(matches!(Spec::load(&path), Err(Error::Invalid { .. })));
    assert!(matches!(
        Spec::load("/dev/zero".as_ref()),
        Err(Error::Invalid { .. })
    ));
    assert!(matches!(
        Spec::load(directory.path()),
        Err(Error::Invalid { .. })
    ));
}

#[test]
fn an_empty_text_where_go_leaves_one_is_as_if_absent() {
    let text = br#"{"ociVersion":"1.0.2","hostname":"","linux":{"cgroupsPath":"",
        "namespaces":[{"type":"pid","path":""}],"rootfsPropagation":"","mountLabel":""},
        "process":{"cwd":"/","apparmorProfile":"","selinuxLabel":"","user":{}}}"#;
    let spec = Spec::from_slice(text).unwrap();
    assert_eq!(spec.hostname, None);
    assert_eq!(spec.linux().namespaces[0].path, None);
    assert_eq!(spec.linux().cgroups_path, None);
    assert_eq!(spec.process.unwrap().apparmor_profile, None);
}

/// A small JSON value of any kind, with numbers and texts that are near a limit.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (-3i64..300).prop_map(Value::from),
        // Halves, which the decimal text gives back exactly.
        any::<i16>().prop_map(|n| Value::from(f64::from(n) / 2.0)),
        ".{0,12}".prop_map(Value::from),
        prop::sample::select(vec![
            "",
            "/",
            "..",
            "/../x",
            "\0",
            "pid",
            "user",
            "c",
            "a",
            "SCMP_ACT_KILL",
            "CAP_KILL",
            "SCHED_FIFO",
            "RLIMIT_CPU",
            "A=b",
            "=",
            "1.0.2",
            "net.ipv4.ip_forward",
        ])
        .prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        let keys = prop::sample::select(vec!["type", "path", "size", "x", "names", "secs"]);
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..4)
                .prop_map(|pairs| pairs.into_iter().map(|(k, v)| (k.to_owned(), v)).collect()),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_changed_config_is_read_back_as_written_or_refused_and_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), value()), 1..4),
    ) {
        let mut config = full();
        for (place, value) in changes {
            let all = all_places();
            let (_, pointer) = &all[place.index(all.len())];
            // An earlier change may have taken the place away.
            if let Some(place) = config.pointer_mut(pointer) {
                *place = value;
            }
        }
        let text = serde_json::to_vec(&config).unwrap();
        match load(&text) {
            Ok(spec) => {
                let again = Spec::from_slice(&serde_json::to_vec(&spec).unwrap()).unwrap();
                prop_assert_eq!(&again, &spec);
                let checked = validate::check(&spec);
                prop_assert!(checked.is_ok() || checked.unwrap_err().hint().is_some());
            }
            Err(error) => prop_assert!(error.hint().is_some(), "{error:?}"),
        }
    }

    #[test]
    fn a_text_with_bytes_changed_never_panics(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
        end in any::<prop::sample::Index>(),
    ) {
        let mut text = FULL.as_bytes().to_vec();
        for (place, byte) in changes {
            let place = place.index(text.len());
            text[place] = byte;
        }
        for text in [&text[..], &text[..end.index(text.len())]] {
            if let Ok(spec) = load(text) {
                let _ = validate::check(&spec);
            }
        }
    }
}
