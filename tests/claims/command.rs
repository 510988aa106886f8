//! `isolab claims` as it is typed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

/// A directory of its own for every test, with caches and scratch space in it.
pub(crate) struct Home(tempfile::TempDir);

impl Home {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn isolab(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_isolab"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("XDG_CACHE_HOME", self.path().join("cache"))
            // Only a test of what an index gives should wait for one.
            .env("PIP_NO_INDEX", "1")
            .env("NO_COLOR", "1");
        command
    }

    pub(crate) fn runs(&self, arguments: &[&str]) -> Output {
        let output = self.isolab(arguments).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {said}");
        output
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        serde_json::from_slice(&self.runs(arguments).stdout).unwrap()
    }

    /// What it complains of, having printed nothing else.
    pub(crate) fn fails(&self, arguments: &[&str]) -> String {
        let output = self.isolab(arguments).output().unwrap();
        assert!(!output.status.success(), "{arguments:?} succeeded");
        assert!(output.stdout.is_empty(), "{arguments:?} printed a result");
        String::from_utf8(output.stderr).unwrap()
    }

    /// A record of a claim that needs nothing.
    pub(crate) fn record(&self, name: &str) -> Value {
        self.runs(&["claims", "run", "predates-docker", "-o", name]);
        serde_json::from_slice(&fs::read(self.path().join(name)).unwrap()).unwrap()
    }
}

#[track_caller]
pub(crate) fn says(message: &str, all: &[&str]) {
    for part in all {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
}

/// The claims that the tutorial makes, by the names that the course has for them.
const CLAIMS: [&str; 23] = [
    "vm-whole-system",
    "vm-700mb",
    "vm-own-resources",
    "vm-size-speed",
    "density",
    "containers-are-linux",
    "predates-docker",
    "one-process",
    "granular-update",
    "portability",
    "auto-build",
    "versioning",
    "deltas",
    "reuse",
    "shared-library",
    "hello-world",
    "compose-separate",
    "venv-isolates-packages",
    "venv-needs-system-python",
    "venv-no-services",
    "venv-limited",
    "django-pages",
    "simple-commands",
];

#[test]
fn the_list_has_every_claim_of_the_tutorial() {
    let home = Home::new();
    let listed = home.json(&["claims", "list", "--json"]);
    let ids = listed["claims"].as_array().unwrap().iter();
    let ids: Vec<&str> = ids.map(|claim| claim["id"].as_str().unwrap()).collect();
    assert_eq!(ids, CLAIMS);
    let text = String::from_utf8(home.runs(&["claims"]).stdout).unwrap();
    says(&text, &CLAIMS);
}

#[test]
fn every_chapter_is_a_page_of_the_book() {
    let listed = Home::new().json(&["claims", "list", "--json"]);
    for claim in listed["claims"].as_array().unwrap() {
        let page = claim["chapter"].as_str().unwrap();
        let path = Path::new(env!("CARGO_MANIFEST_DIR"))
            .join("book/src")
            .join(page);
        assert!(path.is_file(), "{page} of {}", claim["id"]);
    }
}

/// The verdict is the machine's: where the doctor says that containers run, the
/// greeting is heard, and elsewhere the reason is told.
#[test]
fn hello_world_really_runs() {
    let home = Home::new();
    let doctor = home.isolab(&["doctor", "container"]).output().unwrap();
    let record = home.json(&["claims", "run", "hello-world", "--runs", "3", "--json"]);
    let ruling = &record["claims"][0]["ruling"];
    let verdict = ruling["verdict"].as_str().unwrap();
    if !doctor.status.success() {
        eprintln!("no container runs here: {}", ruling["because"]);
        assert_eq!(verdict, "not-tested-here");
        assert!(ruling["remedy"].is_string());
        return;
    }
    assert!(verdict.starts_with("supported"), "{ruling:#}");
    let facts = record["claims"][0]["findings"]["facts"].as_array().unwrap();
    let of = |name: &str| facts.iter().find(|fact| fact["name"] == name).unwrap();
    assert_eq!(of("greeted")["outcome"], 3.0);
    assert!(of("which")["outcome"].as_str().unwrap().contains("pid"));
}

#[test]
fn an_unknown_claim_is_answered_with_those_like_it() {
    let home = Home::new();
    for verb in ["run", "explain"] {
        let message = home.fails(&["claims", verb, "helo-world"]);
        says(&message, &["error:", "helo-world", "hint:", "hello-world"]);
    }
    let message = home.fails(&["claims", "run", "\u{1b}[2Jx"]);
    assert!(!message.contains('\u{1b}'), "{message:?}");
}

#[test]
fn an_output_is_refused_before_anything_runs() {
    let home = Home::new();
    let message = home.fails(&["claims", "run", "-o", "record.html"]);
    says(&message, &["record.html", "FILE.json"]);
    let message = home.fails(&["claims", "run", "-o", "no/such/folder/r.json"]);
    says(&message, &["no/such/folder"]);
}

#[test]
fn a_claim_that_waits_says_for_what_and_is_no_failure() {
    let home = Home::new();
    let record = home.json(&["claims", "run", "granular-update", "--json"]);
    let ruling = &record["claims"][0]["ruling"];
    assert_eq!(ruling["verdict"], "waits-for");
    says(ruling["because"].as_str().unwrap(), &["compose"]);
}

#[test]
fn a_claim_named_twice_runs_once() {
    let record = Home::new().json(&[
        "claims",
        "run",
        "predates-docker",
        "predates-docker",
        "--json",
    ]);
    assert_eq!(record["claims"].as_array().unwrap().len(), 1);
}

/// The verdict in a file is not believed: it is computed from the findings.
#[test]
fn a_forged_verdict_is_found_out() {
    let home = Home::new();
    let mut record = home.record("r.json");
    record["claims"][0]["ruling"]["verdict"] = "refuted".into();
    fs::write(home.path().join("forged.json"), record.to_string()).unwrap();
    let output = home.runs(&["claims", "explain", "predates-docker", "forged.json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    says(&text, &["The last result", "sourced"]);
    assert!(!text.contains("refuted"), "{text}");
    let warning = String::from_utf8(output.stderr).unwrap();
    says(&warning, &["warning", "predates-docker", "does not follow"]);
}

/// Nor one on a claim that nothing here can settle.
#[test]
fn a_verdict_on_a_claim_that_waits_is_not_believed() {
    let home = Home::new();
    let arguments = ["claims", "run", "granular-update", "-o", "r.json"];
    home.runs(&arguments);
    let text = fs::read_to_string(home.path().join("r.json")).unwrap();
    let mut record: Value = serde_json::from_str(&text).unwrap();
    record["claims"][0]["ruling"]["verdict"] = "supported".into();
    record["claims"][0]["statement"] = "Anything.".into();
    fs::write(home.path().join("r.json"), record.to_string()).unwrap();
    let output = home.runs(&["claims", "explain", "granular-update", "r.json"]);
    let text = String::from_utf8(output.stdout).unwrap();
    says(&text, &["waits for compose"]);
    assert!(
        !text.contains("supported") && !text.contains("Anything"),
        "{text}"
    );
}

#[test]
fn another_threshold_gives_another_verdict() {
    let home = Home::new();
    let own = concat!(env!("CARGO_MANIFEST_DIR"), "/src/claims/claims.toml");
    let own = fs::read_to_string(own).unwrap();
    let at = own.find("from the first release of LXC").unwrap();
    let (before, after) = own.split_at(at);
    let stricter = before.to_owned() + &after.replacen("value = 2", "value = 20", 1);
    fs::write(home.path().join("stricter.toml"), stricter).unwrap();
    let record = home.json(&[
        "claims",
        "run",
        "predates-docker",
        "--ledger",
        "stricter.toml",
        "--json",
    ]);
    assert_eq!(record["claims"][0]["ruling"]["verdict"], "refuted");
}

#[test]
fn the_users_home_is_in_no_record() {
    let home = Home::new();
    let mut command = home.isolab(&["claims", "run", "venv-isolates-packages", "--json"]);
    let output = command
        .env("HOME", home.path())
        .env("XDG_CACHE_HOME", home.path().join(".cache"))
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains(home.path().to_str().unwrap()), "{text}");
}
