//! The parser against what other runtimes write, and against nonsense.

mod fields;
mod text;

use super::*;

#[test]
fn what_is_written_is_read_back() {
    for spec in [Spec::example(), Spec::example_rootless(1000, 1000)] {
        let text = serde_json::to_vec(&spec).unwrap();
        assert_eq!(Spec::from_slice(&text).unwrap(), spec);
    }
}

#[test]
fn an_unknown_field_is_tolerated_and_null_is_an_empty_list() {
    let text = br#"{"ociVersion":"1.0.2","future":{"a":1},"mounts":null,
        "linux":{"namespaces":null,"maskedPaths":null},"root":{"path":"r"}}"#;
    let spec = Spec::from_slice(text).unwrap();
    assert!(spec.mounts.is_empty());
    assert!(spec.linux().masked_paths.is_empty());
}

#[test]
fn null_is_the_absence_of_a_switch_and_of_a_number() {
    let text = br#"{"ociVersion":"1.0.2","root":{"path":"r","readonly":null},
        "process":{"cwd":"/","terminal":null,"noNewPrivileges":null,"user":{"uid":null,"gid":7},
        "scheduler":{"policy":"SCHED_OTHER","nice":null}}}"#;
    let spec = Spec::from_slice(text).unwrap();
    assert!(!spec.root.unwrap().readonly);
    let process = spec.process.unwrap();
    assert!(!process.terminal && !process.no_new_privileges);
    assert_eq!((process.user.uid, process.user.gid), (0, 7));
    assert_eq!(process.scheduler.unwrap().nice, 0);
}

#[test]
fn an_unknown_namespace_is_refused_with_its_place() {
    let text = br#"{"ociVersion":"1.0.2","linux":{"namespaces":[{"type":"nest"}]}}"#;
    let error = Spec::from_slice(text).unwrap_err().to_string();
    assert!(
        error.contains("nest") && error.contains("line 1"),
        "{error}"
    );
}

/// Changes the example, checks it, and expects an error that names `field`
/// and has a remedy.
fn refused(field: &str, change: impl FnOnce(&mut Spec)) {
    let mut spec = Spec::example();
    spec.process.as_mut().unwrap().terminal = false;
    assert!(validate::check(&spec).is_ok());
    change(&mut spec);
    let error = validate::check(&spec).unwrap_err();
    assert!(error.to_string().contains(field), "{error}");
    assert!(error.hint().is_some());
}

fn process(spec: &mut Spec) -> &mut Process {
    spec.process.as_mut().unwrap()
}

fn linux(spec: &mut Spec) -> &mut Linux {
    spec.linux.as_mut().unwrap()
}

#[test]
fn what_is_not_done_is_refused_by_name() {
    refused("process.selinuxLabel", |s| {
        process(s).selinux_label = Some("l".to_owned());
    });
    refused("linux.memoryPolicy", |s| {
        linux(s).memory_policy = Some(serde_json::json!({"mode": "MPOL_BIND"}));
    });
}

fn hook(path: &str, timeout: Option<i64>) -> Hook {
    Hook {
        path: path.into(),
        timeout,
        ..Hook::default()
    }
}

#[test]
fn a_hook_that_could_not_be_found_or_would_end_at_once_is_refused_by_its_place() {
    let poststop = |hook| {
        move |s: &mut Spec| {
            let poststop = vec![self::hook("/good", Some(1)), hook];
            s.hooks = Some(Hooks {
                poststop,
                ..Hooks::default()
            });
        }
    };
    refused("hooks.poststop[1].path", poststop(hook("bin/true", None)));
    refused("hooks.poststop[1].path", poststop(hook("", None)));
    refused("hooks.poststop[1].timeout", poststop(hook("/x", Some(0))));
    refused("hooks.poststop[1].timeout", poststop(hook("/x", Some(-5))));
}

#[test]
fn hooks_are_read_by_the_names_of_the_specification() {
    let text = br#"{"ociVersion":"1.0.2","hooks":{"prestart":null,
        "createRuntime":[{"path":"/a","args":["a","b"],"env":["K=v"],"timeout":5}],
        "startContainer":[{"path":"/b"}]}}"#;
    let hooks = Spec::from_slice(text).unwrap().hooks.unwrap();
    assert_eq!(hooks.create_runtime[0].args, ["a", "b"]);
    assert_eq!(hooks.create_runtime[0].timeout, Some(5));
    assert_eq!(hooks.start_container, [hook("/b", None)]);
    assert!(!hooks.is_empty() && hooks.prestart.is_empty());
}

#[test]
fn contradictions_are_refused_by_name() {
    refused("ociVersion", |s| s.oci_version = "2.0".to_owned());
    refused("process.args", |s| process(s).args.clear());
    refused("process.cwd", |s| process(s).cwd = "tmp".into());
    refused("process.oomScoreAdj", |s| {
        process(s).oom_score_adj = Some(2000);
    });
    refused("root.path", |s| s.root.as_mut().unwrap().path = "".into());
    refused("hostname", |s| {
        linux(s).namespaces.retain(|n| n.kind != NamespaceType::Uts);
    });
    refused("MNT namespace", |s| {
        linux(s)
            .namespaces
            .retain(|n| n.kind != NamespaceType::Mount);
    });
    refused("given twice", |s| {
        let first = linux(s).namespaces[0].clone();
        linux(s).namespaces.push(first);
    });
    refused("linux.uidMappings", |s| {
        linux(s).namespaces.push(Namespace {
            kind: NamespaceType::User,
            path: None,
        });
    });
}

#[test]
fn an_id_that_could_leave_its_directory_is_refused() {
    let long = "x".repeat(1025);
    for id in ["", ".", "..", "a/b", "a b", "../x", "\0", "ä", &long] {
        let error = validate::check_id(id).unwrap_err().to_string();
        assert!(error.contains("invalid container ID format"), "{id:?}");
    }
    for id in ["web-1_2+3.4", "...", "-", &long[1..]] {
        assert!(validate::check_id(id).is_ok(), "{id:?}");
    }
}
