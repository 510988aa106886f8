//! The experiments on environments, with real servers, and what is left of them.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::command::Home;

/// The longest that anything may take, on a machine that does much else.
const PATIENCE: Duration = Duration::from_secs(60);

/// The outcome of one fact of a record with one claim.
fn outcome<'a>(record: &'a Value, name: &str, subject: &str) -> Option<&'a Value> {
    let facts = record["claims"][0]["findings"]["facts"].as_array().unwrap();
    let mut facts = facts.iter();
    let fact = facts.find(|fact| fact["name"] == name && fact["subject"] == subject);
    fact.map(|fact| &fact["outcome"])
}

/// Why `part` is missing, if it is.
fn missing(record: &Value, part: &str) -> Option<String> {
    let missing = record["claims"][0]["findings"]["missing"].as_array();
    let mut missing = missing.unwrap().iter();
    let found = missing.find(|missing| missing["part"] == part)?;
    Some(found["why"].as_str().unwrap().to_owned())
}

/// Runs one claim, with an index where there is one; nothing of it is left then.
fn settled(claim: &str) -> Value {
    let home = Home::new();
    let mut command = home.isolab(&["claims", "run", claim, "--quick", "--json"]);
    let output = command.env_remove("PIP_NO_INDEX").output().unwrap();
    let record = serde_json::from_slice(&output.stdout).unwrap();
    assert!(left(home.path()).is_empty(), "{:?}", left(home.path()));
    record
}

/// Files and processes of a home that should be gone.
fn left(home: &Path) -> Vec<String> {
    let scratch = fs::read_dir(home.join("cache/isolab/scratch"));
    let files = scratch.into_iter().flatten().flatten();
    let files = files.map(|entry| entry.path().display().to_string());
    files.chain(running(home)).collect()
}

/// The command lines of processes that were started with files of `home`.
fn running(home: &Path) -> Vec<String> {
    let name = home.to_str().unwrap();
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let lines = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let lines = lines.map(|line| String::from_utf8_lossy(&line).replace('\0', " "));
    lines.filter(|line| line.contains(name)).collect()
}

#[test]
fn two_servers_of_two_environments_collide_and_of_two_containers_do_not() {
    let record = settled("venv-no-services");
    let listened = |of| outcome(&record, "listened on one port at once", of);
    assert_eq!(listened("environments").unwrap(), 1.0);
    let refused = outcome(&record, "its server", "second environment").unwrap();
    assert_eq!(refused, "refused: EADDRINUSE");
    match missing(&record, "containers") {
        Some(why) => eprintln!("no container runs here: {why}"),
        None => assert_eq!(listened("containers").unwrap(), 2.0),
    }
    match missing(&record, "PostgreSQL in a container") {
        Some(why) => eprintln!("no database in a container: {why}"),
        None => {
            for (name, word) in [("first database", "first"), ("second database", "second")] {
                assert_eq!(outcome(&record, "gave back", name).unwrap(), word);
                assert_ne!(outcome(&record, "its user, inside", name).unwrap(), "0");
                let apart = outcome(&record, "namespaces of its own", name).unwrap();
                for kind in ["mnt", "net", "user"] {
                    assert!(apart.as_str().unwrap().contains(kind), "{apart}");
                }
            }
        }
    }
    match missing(&record, "what an index gives to an environment") {
        Some(why) => eprintln!("no index: {why}"),
        None => {
            let brought = "programs of database servers installed";
            let client = "client libraries installed";
            for project in ["psycopg[binary]", "psycopg2-binary"] {
                assert_eq!(outcome(&record, brought, project).unwrap(), 0.0);
                assert!(outcome(&record, client, project).unwrap().as_f64() >= Some(1.0));
            }
        }
    }
}

#[test]
fn real_djangos_of_conflicting_versions_answer_at_once() {
    let record = settled("venv-isolates-packages");
    if let Some(why) = missing(&record, "two projects with real Djangos") {
        eprintln!("skipped: {why}");
        let verdict = &record["claims"][0]["ruling"]["verdict"];
        assert_eq!(verdict, "supported", "our own packages settle it");
        return;
    }
    let django = |project| outcome(&record, "Django that answered", project).unwrap();
    assert_ne!(django("first project"), django("second project"));
    for project in ["first project", "second project"] {
        let page = outcome(&record, "page", project).unwrap().as_str().unwrap();
        let version = django(project).as_str().unwrap();
        let series: Vec<&str> = version.split('.').take(2).collect();
        assert!(
            page.contains(&format!("Django {} ", series.join("."))),
            "{page}"
        );
    }
}

#[test]
fn what_runs_notices_that_its_interpreter_went_and_a_container_does_not() {
    let record = settled("venv-needs-system-python");
    let part = "a running program from under which Python goes";
    if let Some(why) = missing(&record, part) {
        eprintln!("skipped: {why}");
        return;
    }
    let loaded = |of| outcome(&record, "modules that were loaded then", of);
    let Some(environment) = loaded("venv") else {
        eprintln!("skipped: {}", record["claims"][0]["ruling"]["because"]);
        return;
    };
    assert_eq!(environment, 0.0);
    assert_eq!(loaded("container").unwrap(), 2.0);
    let complaint = outcome(&record, "its complaint then", "venv").unwrap();
    assert!(
        complaint.as_str().unwrap().contains("ModuleNotFoundError"),
        "{complaint}"
    );
    // It was hidden from the environment's program and from nobody else.
    let leads = outcome(&record, "home in pyvenv.cfg", "venv").unwrap();
    let home = leads
        .as_str()
        .unwrap()
        .replace('~', &std::env::var("HOME").unwrap_or_default());
    assert!(fs::read_dir(home).unwrap().count() > 0);
}

/// The claim waits, and what can be found out already is there.
#[test]
fn what_pip_does_on_a_managed_python_is_found_though_the_claim_waits() {
    let record = settled("compose-separate");
    assert_eq!(record["claims"][0]["ruling"]["verdict"], "waits-for");
    let part = "a Python that its distributor manages";
    let pip = "pip for the system's Python";
    if let Some(why) = missing(&record, part).or_else(|| missing(&record, pip)) {
        eprintln!("skipped: {why}");
        return;
    }
    let refused = |of| outcome(&record, "pip refused for the marker", of);
    assert_eq!(refused("the system's Python").unwrap(), true);
    assert_ne!(refused("venv"), Some(&Value::Bool(true)));
}

/// Starts the experiment that holds servers, and waits until some of them run.
fn started(home: &Home) -> Child {
    let mut command = home.isolab(&["claims", "run", "venv-no-services", "--json"]);
    let command = command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = command.spawn().unwrap();
    let begun = Instant::now();
    while !running(home.path())
        .iter()
        .any(|line| line.contains("listens.py"))
    {
        assert!(begun.elapsed() < PATIENCE, "no server was started");
        assert!(child.try_wait().unwrap().is_none(), "it ended before");
        thread::sleep(Duration::from_millis(2));
    }
    child
}

fn signal(child: &Child, signal: Signal) {
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
}

#[test]
fn an_interrupt_ends_the_servers_and_leaves_nothing() {
    let home = Home::new();
    let mut child = started(&home);
    signal(&child, Signal::SIGINT);
    let begun = Instant::now();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
    assert!(left(home.path()).is_empty(), "{:?}", left(home.path()));
}

#[test]
fn no_server_outlives_a_lab_that_is_killed() {
    let home = Home::new();
    let mut child = started(&home);
    signal(&child, Signal::SIGKILL);
    child.wait().unwrap();
    let begun = Instant::now();
    while !running(home.path()).is_empty() {
        assert!(begun.elapsed() < PATIENCE, "{:?}", running(home.path()));
        thread::sleep(Duration::from_millis(5));
    }
}
