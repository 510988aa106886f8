//! What is printed, in the shape that engines read.

use serde_json::Value;

use crate::eventually::eventually;
use crate::runtime::{Place, Runtime};
use crate::{ALL, Claim, NOT_CRUN, OURS};

pub(crate) const CLAIMS: &[Claim] = &[
    ("the_state_is_the_specifications", ALL, state),
    ("list_prints_a_table_ids_and_json", ALL, list),
    ("a_list_of_none_is_a_heading_or_empty_json", ALL, empty_list),
    ("ps_prints_a_table_and_ids", ALL, ps),
    ("ps_takes_the_options_of_ps", NOT_CRUN, ps_options),
    ("events_stats_is_one_json_object_a_line", NOT_CRUN, stats),
    ("events_follow_one_another_until_it_ends", NOT_CRUN, events),
    (
        "events_tell_of_a_kill_for_lack_of_memory",
        NOT_CRUN,
        out_of_memory,
    ),
    (
        "update_takes_options_a_file_and_the_standard_input",
        ALL,
        update,
    ),
    (
        "features_is_the_specifications_document",
        NOT_CRUN,
        features,
    ),
    ("the_version_has_the_lines_that_clients_split", ALL, version),
    ("help_is_there_for_every_command", OURS, help),
    (
        "spec_writes_a_config_and_never_overwrites_one",
        NOT_CRUN,
        spec,
    ),
    ("json_is_an_alias_of_format_json", OURS, json),
    (
        "trace_writes_the_time_line_of_a_start_or_names_the_feature",
        OURS,
        trace,
    ),
];

fn parse(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

fn state(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sleep", "100"], |spec| {
        spec["annotations"] = serde_json::json!({"org.example.key": "value"});
    });
    place.create();
    let state = place.state();
    assert_eq!(state["id"], place.id.as_str());
    assert_eq!(state["status"], "created");
    assert_eq!(state["bundle"], place.path().to_str().unwrap());
    assert_eq!(state["annotations"]["org.example.key"], "value");
    assert!(
        state["ociVersion"]
            .as_str()
            .is_some_and(|v| v.starts_with("1."))
    );
    assert!(state["pid"].as_i64().is_some_and(|pid| pid > 1));
    assert!(
        state["created"].as_str().is_some_and(|t| t.ends_with('Z')),
        "{state}"
    );
    assert!(
        state["rootfs"]
            .as_str()
            .is_some_and(|r| r.ends_with("rootfs"))
    );
    place.ok(&["start", "ID"]);
    place.ok(&["kill", "ID", "9"]);
    place.becomes("stopped");
    assert_eq!(place.state()["pid"], 0);
}

fn list(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.create();
    assert_eq!(place.ok(&["list", "--quiet"]), format!("{}\n", place.id));
    let table = place.ok(&["list"]);
    let lines: Vec<&str> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    for column in ["PID", "STATUS", "BUNDLE", "CREATED", "OWNER"] {
        assert!(lines[0].contains(column), "{table}");
    }
    let pid = place.state()["pid"].to_string();
    let cells: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(cells[..3], [place.id.as_str(), &pid, "created"]);
    assert_eq!(cells.len(), 6, "{table}");
    let list = parse(&place.ok(&["list", "--format", "json"]));
    let entry = &list[0];
    for key in ["id", "pid", "status", "bundle", "created", "owner"] {
        assert!(!entry[key].is_null(), "{key}: {list}");
    }
    assert_eq!(entry["pid"].to_string(), pid);
    assert_eq!(list.as_array().map(Vec::len), Some(1));
}

fn empty_list(runtime: &Runtime) {
    let place = Place::new(runtime);
    assert_eq!(place.ok(&["list"]).lines().count(), 1);
    assert_eq!(place.ok(&["list", "-q"]), "");
    let json = parse(&place.ok(&["list", "-f", "json"]));
    assert!(json.is_null() || json.as_array().is_some_and(Vec::is_empty));
}

fn ps(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.create();
    let pid = place.state()["pid"].clone();
    let ids = parse(&place.ok(&["ps", "--format", "json", "ID"]));
    assert_eq!(ids, serde_json::json!([pid]));
    let table = place.ok(&["ps", "ID"]);
    assert_eq!(table.lines().count(), 2, "{table}");
    assert!(
        table.lines().next().is_some_and(|l| l.contains("PID")),
        "{table}"
    );
    assert!(table.contains(&pid.to_string()), "{table}");
}

fn ps_options(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sleep", "100"], |_| {});
    place.start();
    let ask = || place.ok(&["ps", "ID", "-o", "pid,comm"]);
    eventually("the program runs", || ask().contains("sleep"));
    let table = ask();
    assert_eq!(table.lines().count(), 2, "{table}");
    let said = place.fails(1, &["ps", "ID", "-o", "comm"]);
    assert!(said.contains("pid field"), "{said}");
}

fn stats(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let said = place.ok(&["events", "--stats", "ID"]);
    assert_eq!(said.lines().count(), 1, "{said}");
    let event = parse(&said);
    assert_eq!(event["type"], "stats");
    assert_eq!(event["id"], place.id.as_str());
    let data = &event["data"];
    assert!(
        data["pids"]["current"].as_u64().is_some_and(|n| n >= 1),
        "{event}"
    );
    assert!(
        data["cpu"]["usage"]["total"]
            .as_u64()
            .is_some_and(|n| n > 0),
        "{event}"
    );
    assert!(
        data["memory"]["usage"]["usage"]
            .as_u64()
            .is_some_and(|n| n > 0),
        "{event}"
    );
}

fn events(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let child = place
        .command()
        .args(["events", "--interval", "50ms", &place.id])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    std::thread::sleep(std::time::Duration::from_millis(400));
    place.ok(&["kill", "ID", "9"]);
    place.becomes("stopped");
    place.ok(&["delete", "ID"]);
    let output = child.wait_with_output().unwrap();
    let said = crate::runtime::text(&output.stdout);
    assert!(said.lines().count() >= 2, "{said}");
    assert!(
        said.lines().all(|line| parse(line)["type"] == "stats"),
        "{said}"
    );
}

/// busybox's tail keeps the last line, which here never ends.
fn out_of_memory(runtime: &Runtime) {
    let place = Place::new(runtime);
    let script = "until [ -e /tmp/go ]; do sleep 0.05; done; tail /dev/zero; sleep 100";
    place.config(&["sh", "-c", script], |spec| {
        let limit = 16 << 20;
        spec["linux"]["resources"]["memory"] = serde_json::json!({"limit": limit, "swap": limit});
    });
    place.start();
    let log = std::fs::File::create(place.file("events")).unwrap();
    let mut child = place
        .command()
        .args(["events", &place.id])
        .stdout(log)
        .spawn()
        .unwrap();
    // Who listens has to listen before it happens.
    let listens = || {
        let own = std::fs::read_dir(format!("/proc/{}/fd", child.id())).unwrap();
        let links = own
            .flatten()
            .filter_map(|e| std::fs::read_link(e.path()).ok());
        links.into_iter().any(|to| {
            let to = to.to_string_lossy().into_owned();
            to.contains("eventfd") || to.contains("memory.events")
        })
    };
    eventually("events listens", listens);
    std::fs::write(place.path().join("rootfs/tmp/go"), "").unwrap();
    let said = || std::fs::read_to_string(place.file("events")).unwrap();
    eventually("the kill is told", || said().contains("\"oom\""));
    let event = parse(said().lines().next().unwrap());
    assert_eq!(event["type"], "oom");
    assert_eq!(event["id"], place.id.as_str());
    place.ok(&["delete", "--force", "ID"]);
    let _ = child.kill();
    let _ = child.wait();
}

fn update(runtime: &Runtime) {
    use std::io::Write as _;
    let place = Place::new(runtime);
    place.start();
    place.ok(&["update", "--pids-limit", "50", "ID"]);
    let file = place.file("limits.json");
    std::fs::write(&file, r#"{"pids": {"limit": 51}}"#).unwrap();
    place.ok(&["update", "--resources", &file, "ID"]);
    assert_eq!(pids_limit(&place), "51");
    if runtime.name == "crun" {
        return; // 1.8.1 takes `-` for a file's name
    }
    let mut child = place
        .command()
        .args(["update", "-r", "-", &place.id])
        .stdin(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(br#"{"pids": {"limit": 52}}"#).unwrap();
    drop(stdin);
    assert!(child.wait().unwrap().success());
    assert_eq!(pids_limit(&place), "52");
}

/// What the kernel has, by way of the program's own control group.
fn pids_limit(place: &Place<'_>) -> String {
    let pid = place.state()["pid"].to_string();
    let groups = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let of = |hierarchy: &isolab_oci::cgroup::Hierarchy| {
        let own = groups.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let controllers = fields.next()?;
            let path = fields.next()?;
            let same = if hierarchy.controllers.is_empty() {
                controllers.is_empty()
            } else {
                hierarchy
                    .controllers
                    .iter()
                    .any(|c| controllers.split(',').any(|d| d == c))
            };
            same.then(|| path.trim_start_matches('/').to_owned())
        })?;
        let file = hierarchy.mount_point.join(own).join("pids.max");
        std::fs::read_to_string(file).ok()
    };
    let hierarchies = isolab_oci::cgroup::discover().unwrap();
    let found = hierarchies.iter().find_map(of).unwrap_or_default();
    found.trim().to_owned()
}

fn features(runtime: &Runtime) {
    let place = Place::new(runtime);
    let features = parse(&place.ok(&["features"]));
    for key in ["ociVersionMin", "ociVersionMax"] {
        assert!(features[key].as_str().is_some_and(|v| v.starts_with("1.")));
    }
    let has =
        |list: &Value, name: &str| list.as_array().is_some_and(|l| l.iter().any(|v| v == name));
    assert!(has(&features["hooks"], "createRuntime"), "{features}");
    assert!(has(&features["mountOptions"], "rro"), "{features}");
    assert!(has(&features["mountOptions"], "nosuid"), "{features}");
    assert!(has(&features["linux"]["namespaces"], "user"), "{features}");
    assert!(
        has(&features["linux"]["capabilities"], "CAP_BPF"),
        "{features}"
    );
    assert_eq!(features["linux"]["cgroup"]["v2"], true);
    assert_eq!(features["linux"]["seccomp"]["enabled"], true);
}

fn version(runtime: &Runtime) {
    let place = Place::new(runtime);
    for option in ["--version", "-v"] {
        let said = place.ok(&[option]);
        let lines: Vec<&str> = said.lines().collect();
        assert!(
            lines[0].starts_with(&format!("{} version ", runtime.name)),
            "{said}"
        );
        assert!(lines[1].starts_with("commit: "), "{said}");
        assert!(
            lines.iter().any(|line| line.starts_with("spec: 1.")),
            "{said}"
        );
    }
    if runtime.name == "isorun" {
        // Old clients of runc count them.
        assert_eq!(place.ok(&["--version"]).lines().count(), 3);
    }
}

fn help(runtime: &Runtime) {
    let place = Place::new(runtime);
    let overview = place.ok(&["--help"]);
    assert_eq!(place.ok(&[]), overview);
    assert_eq!(place.ok(&["help"]), overview);
    for verb in [
        "create", "start", "run", "exec", "kill", "delete", "state", "list", "ps", "pause",
        "resume", "update", "events", "spec", "features",
    ] {
        assert!(overview.contains(&format!("  {verb} ")), "{verb}");
        let help = place.ok(&[verb, "--help"]);
        assert!(help.contains(&format!("isorun {verb}")), "{help}");
        assert_eq!(place.ok(&["help", verb]), help);
        assert_eq!(place.ok(&[verb, "-h"]), help);
        assert!(place.ok(&["man", verb]).starts_with(".TH"));
    }
}

fn spec(runtime: &Runtime) {
    let place = Place::new(runtime);
    let said = place.fails(1, &["spec"]);
    assert!(said.contains("exists"), "{said}");
    std::fs::remove_file(place.file("config.json")).unwrap();
    place.ok(&["spec"]);
    let config = parse(&std::fs::read_to_string(place.file("config.json")).unwrap());
    assert_eq!(config["process"]["args"], serde_json::json!(["sh"]));
    std::fs::remove_file(place.file("config.json")).unwrap();
    place.ok(&[
        "spec",
        "--rootless",
        "--bundle",
        place.path().to_str().unwrap(),
    ]);
    let config = parse(&std::fs::read_to_string(place.file("config.json")).unwrap());
    assert!(config["linux"]["uidMappings"].is_array(), "{config}");
}

fn json(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.create();
    assert_eq!(
        place.ok(&["list", "--json"]),
        place.ok(&["list", "--format", "json"])
    );
    assert_eq!(
        place.ok(&["ps", "ID", "--json"]),
        place.ok(&["ps", "-f", "json", "ID"])
    );
}

fn trace(runtime: &Runtime) {
    let place = Place::new(runtime);
    let file = place.file("trace");
    let said = place.call(&[
        "create", "--trace", &file, "--debug", "--bundle", "/none", "ID",
    ]);
    if !cfg!(feature = "trace") {
        let said = crate::runtime::text(&said.stderr);
        assert!(said.contains("without the feature `trace`"), "{said}");
        assert!(said.contains("--features trace"), "{said}");
        for verb in ["run", "start"] {
            assert!(
                place
                    .fails(1, &[verb, "--trace", &file, "ID"])
                    .contains("--trace")
            );
        }
        return;
    }
    let events = || -> Vec<Value> {
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        text.lines().map(parse).collect()
    };
    let check = |events: &[Value], who: &str| {
        assert!(events.iter().any(|e| e["who"] == who), "{who}: {events:?}");
        for event in events {
            assert!(
                event["step"].as_str().is_some_and(|s| !s.is_empty()),
                "{event}"
            );
            assert!(event["start"].as_u64() <= event["end"].as_u64(), "{event}");
        }
    };
    place.quietly(&["create", "--trace", &file, "ID"]);
    let made = events();
    check(&made, "parent");
    check(&made, "child");
    place.ok(&["start", "--trace", &file, "ID"]);
    check(&events(), "parent");
    place.ok(&["exec", "--trace", &file, "ID", "true"]);
    check(&events(), "child");
    // What runs is not ended because its time line cannot be written.
    let said = place.call(&["exec", "--trace", "/none/x", "ID", "true"]);
    assert!(said.status.success(), "{said:?}");
    assert!(
        crate::runtime::text(&said.stderr).contains("/none/x"),
        "{said:?}"
    );
}
