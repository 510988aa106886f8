//! glossary.md and config.md: what is JSON, and which of its properties must be there.

use std::fs;

use serde_json::{Value, json};

use crate::case::{Case, fresh_id};
use crate::subject::Subject;
use crate::{Claim, anyone, config, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "json_that_is_not_utf8_is_refused",
        section: "glossary.md, JSON",
        level: "MUST",
        gist: "`config.json` is encoded in UTF-8; one that is not is an error",
        need: anyone,
        test: not_utf8,
    },
    Claim {
        name: "a_name_that_is_given_twice_is_refused",
        section: "glossary.md, JSON",
        level: "MUST NOT",
        gist: "an object has no name twice: a property that is defined, given two values, is an error",
        need: anyone,
        test: duplicates,
    },
    Claim {
        name: "a_property_that_is_required_is_demanded",
        section: "config.md and config-linux.md",
        level: "REQUIRED",
        gist: "`rlimits` has type, soft and hard; a console size, height and width; a personality, its domain; \
               a filter, its default action; a rule, names and action; a comparison, index, value and operator",
        need: anyone,
        test: required,
    },
    Claim {
        name: "a_number_that_is_required_is_demanded",
        section: "config-linux.md",
        level: "REQUIRED",
        gist: "a mapping of ids has `containerID`, `hostID` and `size`; a device of type c or b, `major` and `minor`; \
               a throttle, device and rate; a rule for devices, `allow`",
        need: root,
        test: required_numbers,
    },
];

/// Tries to create a container of these bytes.
fn created(case: &Case, bytes: &[u8]) -> bool {
    fs::write(case.beside("config.json"), bytes).unwrap();
    case.give(&case.beside("config.json"));
    case.try_create_as(&fresh_id(), &[]).is_ok()
}

fn not_utf8(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["annotations"] = json!({ "org.example.word": "WORD" });
    let text = config.to_string();
    assert!(created(&case, text.as_bytes()));
    let (before, after) = text.split_once("WORD").unwrap();
    // A byte that continues nothing, a sequence without its end, a surrogate.
    for bytes in [&b"\x80"[..], b"\xc3", b"\xed\xa0\x80"] {
        let text = [before.as_bytes(), bytes, after.as_bytes()].concat();
        assert!(!created(&case, &text), "{bytes:x?} was accepted");
    }
}

fn duplicates(subject: Subject) {
    let case = Case::new(subject);
    let text = case.config("true").to_string();
    for (once, twice) in [
        (r#""cwd":"/""#, r#""cwd":"/","cwd":"/bin""#),
        (r#""path":"rootfs""#, r#""path":"rootfs","path":"rootfs""#),
        (r#""ociVersion":"#, r#""ociVersion":"1.0.0","ociVersion":"#),
    ] {
        let text = text.replace(once, twice);
        assert!(text.contains(twice));
        assert!(!created(&case, text.as_bytes()), "{twice} was accepted");
    }
}

/// `config` is accepted as it is, and not without one of these `names` of the
/// object at `place`, a JSON pointer.
fn demanded(case: &Case, config: &Value, place: &str, names: &[&str]) {
    case.create(config);
    for name in names {
        let mut config = config.clone();
        let object = config.pointer_mut(place).unwrap();
        config::without(object, name);
        case.refused(format!("{place} without {name}"), &config);
    }
}

fn required(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["process"]["rlimits"] = json!([{ "type": "RLIMIT_CORE", "soft": 0, "hard": 0 }]);
    demanded(
        &case,
        &config,
        "/process/rlimits/0",
        &["type", "soft", "hard"],
    );
    let mut config = case.config("true");
    config["linux"]["personality"] = json!({ "domain": "LINUX" });
    demanded(&case, &config, "/linux/personality", &["domain"]);
    let mut config = case.config("true");
    config["linux"]["seccomp"] = json!({
        "defaultAction": "SCMP_ACT_ALLOW",
        "syscalls": [{
            "names": ["acct"], "action": "SCMP_ACT_ERRNO",
            "args": [{ "index": 0, "value": 1, "op": "SCMP_CMP_EQ" }]
        }]
    });
    for (place, names) in [
        ("/linux/seccomp", &["defaultAction"][..]),
        ("/linux/seccomp/syscalls/0", &["names", "action"]),
        (
            "/linux/seccomp/syscalls/0/args/0",
            &["index", "value", "op"],
        ),
    ] {
        demanded(&case, &config, place, names);
    }
}

fn required_numbers(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config::namespace(&mut config, json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    let names = ["containerID", "hostID", "size"];
    demanded(&case, &config, "/linux/uidMappings/0", &names);

    let mut config = case.config("true");
    config["linux"]["devices"] =
        json!([{ "path": "/dev/there", "type": "c", "major": 1, "minor": 3 }]);
    demanded(&case, &config, "/linux/devices/0", &["major", "minor"]);

    let rule = json!({ "allow": true, "type": "c", "major": 1, "minor": 3, "access": "r" });
    let mut config = case.config("true");
    config["linux"]["resources"] = json!({ "devices": [rule] });
    demanded(&case, &config, "/linux/resources/devices/0", &["allow"]);

    let Some((major, minor)) = crate::controllers::device() else {
        return;
    };
    let rate = json!({ "major": major, "minor": minor, "rate": 1_000_000 });
    let mut config = case.config("true");
    config["linux"]["resources"] = json!({ "blockIO": { "throttleReadBpsDevice": [rate] } });
    let place = "/linux/resources/blockIO/throttleReadBpsDevice/0";
    demanded(&case, &config, place, &["major", "minor", "rate"]);
}
