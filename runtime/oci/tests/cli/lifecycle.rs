//! From `create` to `delete`, and what is refused in which state.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::eventually::eventually;
use crate::runtime::{Place, Runtime, text};
use crate::{ALL, Claim, NOT_CRUN, OURS};

pub(crate) const CLAIMS: &[Claim] = &[
    ("create_start_kill_delete_is_a_whole_life", ALL, whole_life),
    ("the_exit_status_of_run_is_the_programs", ALL, exit_status),
    ("run_deletes_the_container_that_has_ended", ALL, run_deletes),
    ("run_keep_leaves_it_stopped", NOT_CRUN, run_keeps),
    ("run_detach_returns_while_it_runs", ALL, run_detaches),
    ("the_pid_file_has_the_pid_and_nothing_else", ALL, pid_file),
    ("a_signal_sent_to_run_reaches_the_program", ALL, forwards),
    ("a_signal_is_named_in_any_way", ALL, signals),
    (
        "a_signal_that_does_not_exist_is_named",
        NOT_CRUN,
        unknown_signal,
    ),
    ("an_id_is_used_once", ALL, twice),
    ("a_container_starts_once", ALL, start_twice),
    (
        "a_running_container_is_not_deleted",
        NOT_CRUN,
        delete_running,
    ),
    (
        "a_container_that_is_about_to_end_is_deleted",
        OURS,
        delete_at_once,
    ),
    ("delete_force_ends_a_running_container", ALL, delete_force),
    (
        "a_created_container_can_be_deleted_by_force",
        ALL,
        delete_created,
    ),
    ("a_stopped_container_takes_no_signal", ALL, kill_stopped),
    // crun 1.8.1's ps ends with a segmentation fault where a process has gone.
    ("kill_all_reaches_every_process", NOT_CRUN, kill_all),
    ("a_paused_container_stands_still_until_resumed", ALL, pause),
    ("what_is_paused_can_be_deleted_by_force", ALL, delete_paused),
    (
        "resume_of_a_running_container_is_refused",
        NOT_CRUN,
        resume_running,
    ),
    ("options_follow_positionals_too", NOT_CRUN, options_after),
    ("another_config_can_be_named", OURS, config),
    (
        "a_state_that_cannot_be_read_hides_no_other_container",
        NOT_CRUN,
        damaged_in_list,
    ),
    (
        "delete_force_removes_a_container_whose_state_cannot_be_read",
        OURS,
        damaged_deleted,
    ),
    (
        "a_container_that_is_being_made_is_told_as_that",
        OURS,
        in_the_making,
    ),
];

fn whole_life(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.create();
    assert_eq!(place.status(), "created");
    place.ok(&["start", "ID"]);
    assert_eq!(place.status(), "running");
    place.ok(&["kill", "ID", "KILL"]);
    place.becomes("stopped");
    place.ok(&["delete", "ID"]);
    place.fails(1, &["state", "ID"]);
    assert_eq!(fs::read_dir(place.path().join("state")).unwrap().count(), 0);
}

fn exit_status(runtime: &Runtime) {
    let place = Place::new(runtime);
    for (script, status) in [("exit 0", 0), ("exit 42", 42), ("kill -9 $$", 137)] {
        // A signal that pid 1 sends itself is ignored, so a child dies of it.
        let script = format!("sh -c '{script}'; exit $?");
        place.config(&["sh", "-c", &script], |_| {});
        assert_eq!(
            place.call(&["run", "ID"]).status.code(),
            Some(status),
            "{script}"
        );
    }
}

fn run_deletes(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["true"], |_| {});
    place.ok(&["run", "ID"]);
    place.fails(1, &["state", "ID"]);
}

fn run_keeps(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sh", "-c", "exit 3"], |_| {});
    assert_eq!(place.call(&["run", "--keep", "ID"]).status.code(), Some(3));
    assert_eq!(place.status(), "stopped");
    place.ok(&["delete", "ID"]);
}

fn run_detaches(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.quietly(&["run", "--detach", "ID"]);
    assert_eq!(place.status(), "running");
}

fn pid_file(runtime: &Runtime) {
    let place = Place::new(runtime);
    let file = place.file("pid");
    place.quietly(&["create", "--pid-file", &file, "ID"]);
    let pid = fs::read_to_string(&file).unwrap();
    assert_eq!(place.state()["pid"].to_string(), pid);
    fs::metadata(format!("/proc/{pid}")).unwrap();
}

fn forwards(runtime: &Runtime) {
    let place = Place::new(runtime);
    let script = "trap 'exit 9' USR1; echo >/tmp/ready; while :; do sleep 0.01; done";
    place.config(&["sh", "-c", script], |spec| {
        spec["root"]["readonly"] = false.into();
    });
    let mut child = place
        .command()
        .args(["run", &place.id])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let ready = place.path().join("rootfs/tmp/ready");
    eventually("the program is ready", || ready.exists());
    let pid = i32::try_from(child.id()).unwrap();
    isolab_oci::sys::process::kill(pid, libc::SIGUSR1).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(9));
}

fn signals(runtime: &Runtime) {
    for signal in ["TERM", "SIGTERM", "15", "sigterm"] {
        if signal == "sigterm" && runtime.name == "crun" {
            continue; // 1.8.1 knows capitals only
        }
        let place = Place::new(runtime);
        place.start();
        // The shell may not have set its trap yet: it is signalled again.
        eventually(signal, || {
            let _ = place.call(&["kill", "ID", signal]);
            place.status() == "stopped"
        });
    }
    let place = Place::new(runtime);
    place.start();
    eventually("TERM is what kill sends by itself", || {
        let _ = place.call(&["kill", "ID"]);
        place.status() == "stopped"
    });
}

fn unknown_signal(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let said = place.fails(1, &["kill", "ID", "FOO"]);
    assert!(said.contains("unknown signal"), "{said}");
    assert_eq!(place.status(), "running");
}

fn twice(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.create();
    let said = place.fails(1, &["create", "ID"]);
    assert!(said.contains("exist"), "{said}");
    assert_eq!(place.status(), "created");
}

fn start_twice(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    place.fails(1, &["start", "ID"]);
    assert_eq!(place.status(), "running");
}

/// Whoever starts a short program is told of the start before its end.
fn delete_at_once(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sleep", "0.02"], |_| {});
    for _ in 0..5 {
        place.start();
        place.ok(&["delete", "ID"]);
    }
}

fn delete_running(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let said = place.fails(1, &["delete", "ID"]);
    assert!(said.contains("running"), "{said}");
    assert_eq!(place.status(), "running");
}

fn delete_force(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let pid = place.state()["pid"].to_string();
    place.ok(&["delete", "--force", "ID"]);
    place.fails(1, &["state", "ID"]);
    // Its parent, the test or init, may not have reaped it yet.
    eventually("the program is gone", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
}

fn delete_created(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.create();
    place.ok(&["delete", "-f", "ID"]);
    place.fails(1, &["state", "ID"]);
}

fn kill_stopped(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    place.ok(&["kill", "ID", "9"]);
    place.becomes("stopped");
    let said = place.fails(1, &["kill", "ID", "9"]);
    assert!(
        said.contains("not running") || said.contains("no such process"),
        "{said}"
    );
}

fn kill_all(runtime: &Runtime) {
    let place = Place::new(runtime);
    // Without a pid namespace the child outlives its parent.
    place.config(&["sh", "-c", "sleep 100 & exec sleep 100"], |spec| {
        let namespaces = spec["linux"]["namespaces"].as_array_mut().unwrap();
        namespaces.retain(|n| n["type"] != "pid");
    });
    place.start();
    let pids = || place.ok(&["ps", "--format", "json", "ID"]);
    eventually("two processes run", || pids().matches(',').count() == 1);
    place.ok(&["kill", "--all", "ID", "KILL"]);
    place.becomes("stopped");
    eventually("none is left", || {
        !pids().contains(|c: char| c.is_ascii_digit())
    });
}

fn pause(runtime: &Runtime) {
    let place = Place::new(runtime);
    let script = "while :; do echo >>/tmp/beat; sleep 0.01; done";
    place.config(&["sh", "-c", script], |spec| {
        spec["root"]["readonly"] = false.into();
    });
    place.start();
    let beat = place.path().join("rootfs/tmp/beat");
    let size = || fs::metadata(&beat).map_or(0, |meta| meta.len());
    eventually("it runs", || size() > 0);
    place.ok(&["pause", "ID"]);
    assert_eq!(place.status(), "paused");
    let before = size();
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert_eq!(size(), before);
    place.ok(&["resume", "ID"]);
    assert_eq!(place.status(), "running");
    eventually("it goes on", || size() > before);
}

fn delete_paused(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    place.ok(&["pause", "ID"]);
    place.ok(&["delete", "--force", "ID"]);
    place.fails(1, &["state", "ID"]);
}

fn resume_running(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let said = place.fails(1, &["resume", "ID"]);
    assert!(said.contains("not paused"), "{said}");
}

fn options_after(runtime: &Runtime) {
    let place = Place::new(runtime);
    let bundle = place.path().to_str().unwrap().to_owned();
    place.quietly(&["create", "ID", "--bundle", &bundle]);
    place.ok(&["delete", "ID", "--force"]);
}

fn config(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.config(&["sh", "-c", "exit 5"], |_| {});
    fs::rename(place.file("config.json"), place.file("other.json")).unwrap();
    let run = place.call(&["run", "--config", "other.json", "ID"]);
    assert_eq!(run.status.code(), Some(5), "{run:?}");
}

/// `damaged` as the id of a container below the place's state root.
fn damaged(place: &Place<'_>) -> PathBuf {
    let path = place.path().join("state/damaged");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("init"), "1 1\n").unwrap(); // complete, and ended
    path
}

fn damaged_in_list(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.create();
    let path = damaged(&place);
    let file = path.join("state.json");
    for break_it in [
        &(|| fs::write(&file, "{").unwrap()) as &dyn Fn(),
        &|| fs::write(&file, "").unwrap(),
        &|| {
            fs::remove_file(&file).unwrap();
            fs::create_dir(&file).unwrap();
        },
    ] {
        break_it();
        for arguments in [&["list"][..], &["list", "-q"], &["list", "-f", "json"]] {
            let output = place.call(arguments);
            assert!(output.status.success(), "{output:?}");
            let (shown, said) = (text(&output.stdout), text(&output.stderr));
            assert!(shown.contains(&place.id), "{shown}");
            assert!(!shown.contains("damaged"), "{shown}");
            assert!(said.contains("damaged"), "{said}");
        }
    }
    fs::remove_dir_all(path).unwrap();
    if runtime.name == "isorun" {
        let config = place
            .path()
            .join("state")
            .join(&place.id)
            .join("config.json");
        fs::write(config, "{").unwrap();
        let output = place.call(&["list"]);
        assert!(output.status.success(), "{output:?}");
        assert!(text(&output.stderr).contains("config.json"), "{output:?}");
    }
}

fn damaged_deleted(runtime: &Runtime) {
    let place = Place::new(runtime);
    place.start();
    let pid = place.state()["pid"].to_string();
    let file = place
        .path()
        .join("state")
        .join(&place.id)
        .join("state.json");
    let state = fs::read(&file).unwrap();
    fs::write(&file, &state[..state.len() / 2]).unwrap();
    let said = place.fails(1, &["delete", "ID"]);
    assert!(
        said.contains("state.json") && said.contains("delete --force"),
        "{said}"
    );
    place.ok(&["delete", "--force", "ID"]);
    eventually("the program is gone", || {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"));
        stat.map_or(true, |stat| stat.contains(") Z "))
    });
    // Nothing is known of its groups: they are removed here, by what was known.
    remove_groups(&state);
    // A process that has only the number is somebody else's.
    let path = damaged(&place);
    fs::create_dir(path.join("state.json")).unwrap();
    let mut other = Command::new("sleep").arg("100").spawn().unwrap();
    fs::write(path.join("init"), format!("{} 1\n", other.id())).unwrap();
    place.ok(&["delete", "--force", "damaged"]);
    assert!(other.try_wait().unwrap().is_none());
    other.kill().unwrap();
    other.wait().unwrap();
    assert_eq!(fs::read_dir(place.path().join("state")).unwrap().count(), 0);
}

/// Its directory is there, locked by whoever makes it, and nothing in it yet.
fn in_the_making(runtime: &Runtime) {
    let place = Place::new(runtime);
    let path = place.path().join("state").join(&place.id);
    fs::create_dir_all(&path).unwrap();
    let lock = fs::File::open(&path).unwrap();
    lock.lock().unwrap();
    for (status, line) in [(1, &["state", "ID"][..]), (255, &["exec", "ID", "true"])] {
        let said = place.fails(status, line);
        assert!(said.contains("is being made"), "{said}");
    }
    drop(lock);
    for (status, line) in [(1, &["state", "ID"][..]), (255, &["exec", "ID", "true"])] {
        let said = place.fails(status, line);
        assert!(said.contains("delete --force"), "{said}");
        assert!(!said.contains("isorun spec"), "{said}");
    }
}

fn remove_groups(state: &[u8]) {
    let state: serde_json::Value = serde_json::from_slice(state).unwrap();
    let groups = state["cgroups"]["groups"].as_array().unwrap();
    for group in groups {
        let directory = group["directory"].as_str().unwrap();
        eventually("the group is removed", || fs::remove_dir(directory).is_ok());
    }
}
