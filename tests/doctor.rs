//! The doctor on real machines, sick ones among them: each test makes its
//! sickness around the program, and asks whether it is recognized.
//!
//! The test binary stands in for `isolab`: the doctor runs its own executable
//! again for each probe, so whatever calls it must dispatch `__probe`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Output};
use std::time::{Duration, Instant};

use clap::Parser as _;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

#[derive(clap::Parser)]
struct Cli {
    #[command(flatten)]
    doctor: isolab::doctor::Args,
}

fn main() -> ExitCode {
    let typed: Vec<String> = std::env::args().collect();
    match typed.get(1).map(String::as_str) {
        Some("__probe") => isolab::doctor::probe(typed.get(2).map_or("", String::as_str)),
        Some("doctor") => isolab::doctor::run(&Cli::parse_from(&typed[1..]).doctor)
            .expect("standard output can be written"),
        _ => libtest_mimic::run(&Arguments::from_args(), trials()).exit_code(),
    }
}

type Tested = Result<(), Failed>;

fn trials() -> Vec<Trial> {
    let root = nix::unistd::geteuid().is_root();
    let bwrap = works("bwrap", &["--dev-bind", "/", "/", "true"]);
    let userns = works("unshare", &["--user", "--map-root-user", "true"]);
    let runc = works("runc", &["--version"]);
    let needs = |name: &str, missing: Option<&str>, test: fn() -> Tested| match missing {
        None => Trial::test(name, test),
        Some(what) => Trial::test(format!("{name} (needs {what})"), test).with_ignored_flag(true),
    };
    let without = |there: bool, what| (!there).then_some(what);
    vec![
        Trial::test(
            "a_page_fits_80_columns_and_ends_within_5_seconds",
            page_fits,
        ),
        Trial::test("plain_output_is_ascii_and_colourless", plain_output),
        Trial::test("json_holds_every_stage_in_order", json_in_order),
        Trial::test("a_focus_examines_no_more_than_it_needs", focus),
        Trial::test(
            "without_a_path_guests_are_missed_and_containers_run",
            empty_path,
        ),
        Trial::test("an_unknown_probe_is_refused", unknown_probe),
        Trial::test("no_cgroup_is_left_behind", no_cgroup_left),
        needs(
            "a_limit_of_zero_user_namespaces_is_recognized",
            without(userns, "user namespaces"),
            max_user_namespaces,
        ),
        needs(
            "a_masked_proc_is_recognized",
            without(bwrap, "bwrap"),
            masked_proc,
        ),
        needs(
            "a_filter_that_refuses_unshare_is_recognized",
            without(bwrap, "bwrap"),
            || filtered(0x0005_0001, "forbids unshare"),
        ),
        needs(
            "a_filter_that_kills_is_recognized",
            without(bwrap, "bwrap"),
            || filtered(0x8000_0000, "kills the process"),
        ),
        needs(
            "a_read_only_cgroup_is_recognized",
            without(bwrap, "bwrap"),
            read_only_cgroup,
        ),
        needs(
            "a_noexec_scratch_directory_is_recognized",
            without(userns, "user namespaces"),
            noexec_scratch,
        ),
        needs(
            "root_without_setfcap_is_recognized_in_a_container_of_runc",
            without(root && runc, "root and runc"),
            || in_runc(&[], "id-map", "CAP_SETFCAP"),
        ),
        needs(
            "the_masks_of_a_container_of_runc_are_recognized",
            without(root && runc, "root and runc"),
            || in_runc(&["CAP_SETFCAP"], "proc-mount", "covered"),
        ),
        needs(
            "an_ordinary_user_is_answered_like_root",
            without(root, "root, to become another user"),
            ordinary_user,
        ),
    ]
}

fn works(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output();
    output.is_ok_and(|o| o.status.success())
}

/// This program, where every user can run it.
struct Shared(tempfile::TempDir);

impl Shared {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let everyone = fs::Permissions::from_mode(0o755);
        fs::set_permissions(directory.path(), everyone).expect("chmod");
        let own = std::env::current_exe().expect("our own path");
        let copy = directory.path().join("isolab");
        // A link is as good and costs nothing, where the file system is one.
        if fs::hard_link(&own, &copy).is_err() {
            fs::copy(&own, &copy).expect("a copy");
        }
        Self(directory)
    }

    fn program(&self) -> String {
        self.0.path().join("isolab").display().to_string()
    }
}

fn doctor(arguments: &[&str]) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg("doctor").args(arguments);
    command
}

/// The doctor in JSON, run inside of a sandbox that `wrapper` makes.
fn within(wrapper: &str, arguments: &[&str]) -> Result<(Value, Option<i32>), Failed> {
    let shared = Shared::new();
    let mut command = Command::new(wrapper);
    command.args(arguments);
    command.args([&shared.program(), "doctor", "container", "--json"]);
    let output = command.output()?;
    Ok((json(&output)?, output.status.code()))
}

fn json(output: &Output) -> Result<Value, Failed> {
    serde_json::from_slice(&output.stdout).map_err(|error| {
        let said = String::from_utf8_lossy(&output.stderr);
        Failed::from(format!("{error}: {said}"))
    })
}

fn finding<'a>(found: &'a Value, stage: &str) -> &'a Value {
    let findings = found["findings"].as_array().expect("findings");
    let named = findings.iter().find(|f| f["stage"] == stage);
    named.unwrap_or(&Value::Null)
}

/// Fails unless the stage stands at the verdict for a cause that holds `cause`.
fn check(found: &Value, stage: &str, verdict: &str, cause: &str) -> Tested {
    let finding = finding(found, stage);
    let said = finding["cause"].as_str().unwrap_or_default();
    if finding["verdict"] == verdict && said.contains(cause) {
        return Ok(());
    }
    Err(format!("expected {verdict} by `{cause}`, got {finding:#}").into())
}

fn container_runs(found: &Value) -> bool {
    let parts = found["parts"].as_array().expect("parts");
    parts
        .iter()
        .any(|p| p["subject"] == "container" && p["runs"] == "measured")
}

fn page_fits() -> Tested {
    let begun = Instant::now();
    let output = doctor(&[]).env("LC_ALL", "C.UTF-8").output()?;
    let page = String::from_utf8(output.stdout)?;
    assert!(begun.elapsed() < Duration::from_secs(5));
    for line in page.lines() {
        // A path that is longer than its column is not cut.
        let breakable = line.trim().contains(' ');
        assert!(line.chars().count() <= 80 || !breakable, "{line}");
    }
    assert!(page.contains("What of the lab runs here"), "{page}");
    Ok(())
}

fn plain_output() -> Tested {
    let output = doctor(&["container"]).env("LC_ALL", "C").output()?;
    let page = String::from_utf8(output.stdout)?;
    let marks = page.lines().filter(|l| l.starts_with("  + works"));
    assert!(page.is_ascii() && !page.contains('\x1b'), "{page}");
    assert!(marks.count() > 0 || page.contains("  x fails"), "{page}");
    Ok(())
}

fn json_in_order() -> Tested {
    let found = json(&doctor(&["--json"]).output()?)?;
    let stages: Vec<&str> = found["findings"]
        .as_array()
        .expect("findings")
        .iter()
        .filter_map(|f| f["stage"].as_str())
        .collect();
    let expected: Vec<&str> = isolab::doctor::stages(None)
        .iter()
        .map(|s| s.name())
        .collect();
    assert_eq!(stages, expected);
    Ok(())
}

fn focus() -> Tested {
    let found = json(&doctor(&["venv", "--json"]).output()?)?;
    assert!(finding(&found, "python").is_object());
    assert!(finding(&found, "user-namespace").is_null());
    assert!(
        found["facts"]["probes"]
            .as_object()
            .expect("probes")
            .is_empty()
    );
    Ok(())
}

fn empty_path() -> Tested {
    let output = doctor(&["--json"]).env("PATH", "").output()?;
    let found = json(&output)?;
    check(&found, "qemu", "fails", "PATH")?;
    let code = if container_runs(&found) { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(code));
    Ok(())
}

fn unknown_probe() -> Tested {
    let mut probe = Command::new("/proc/self/exe");
    let output = probe.args(["__probe", "no-such-stage"]).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr)?.contains("no-such-stage"));
    Ok(())
}

/// Other tests probe at the same time, so only a cgroup whose maker is dead
/// counts as left behind.
fn no_cgroup_left() -> Tested {
    let found = json(&doctor(&["container", "--json"]).output()?)?;
    let hierarchies = found["facts"]["cgroup"]["hierarchies"].as_array();
    for own in hierarchies
        .into_iter()
        .flatten()
        .filter_map(|h| h["own"].as_str())
    {
        for entry in fs::read_dir(own).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let dead = name
                .strip_prefix("isolab-doctor-")
                .is_some_and(|pid| !Path::new("/proc").join(pid).exists());
            assert!(!dead || !entry.path().exists(), "{:?}", entry.path());
        }
    }
    Ok(())
}

/// The limit belongs to a user namespace, so one of our own is spoilt, and the
/// machine's is not.
fn max_user_namespaces() -> Tested {
    let script = "echo 0 >/proc/sys/user/max_user_namespaces && exec \"$@\"";
    let namespace = ["--user", "--map-root-user", "sh", "-c", script, "sh"];
    let (found, code) = within("unshare", &namespace)?;
    check(
        &found,
        "user-namespace",
        "fails",
        "max_user_namespaces is 0",
    )?;
    let dependent = &finding(&found, "proc-mount")["verdict"];
    assert_eq!(dependent, "not-tried");
    assert_eq!(code, Some(1));
    Ok(())
}

fn masked_proc() -> Tested {
    let mask = [
        "--dev-bind",
        "/",
        "/",
        "--ro-bind",
        "/dev/null",
        "/proc/meminfo",
    ];
    let (found, code) = within("bwrap", &mask)?;
    check(&found, "proc-mount", "fails", "/proc/meminfo")?;
    check(&found, "mount-namespace", "works", "")?;
    assert_eq!(code, Some(1));
    Ok(())
}

/// A filter of three instructions around the doctor: `unshare` meets `action`.
fn filtered(action: u32, cause: &str) -> Tested {
    let unshare: u32 = if cfg!(target_arch = "aarch64") {
        97
    } else {
        272
    };
    let program: [(u16, u8, u8, u32); 4] = [
        (0x20, 0, 0, 0),           // load the number of the system call
        (0x15, 0, 1, unshare),     // not unshare: skip one
        (0x06, 0, 0, action),      // return the action
        (0x06, 0, 0, 0x7fff_0000), // return SECCOMP_RET_ALLOW
    ];
    let bytes: Vec<u8> = program
        .iter()
        .flat_map(|(code, yes, no, k)| {
            let mut bytes = code.to_ne_bytes().to_vec();
            bytes.extend([*yes, *no]);
            bytes.extend(k.to_ne_bytes());
            bytes
        })
        .collect();
    let file = tempfile::NamedTempFile::new()?;
    fs::write(file.path(), bytes)?;
    let script = "exec bwrap --seccomp 9 --dev-bind / / \"$@\" 9<\"$FILTER\"";
    let script = script.replace("$FILTER", &file.path().display().to_string());
    let (found, code) = within("sh", &["-c", &script, "sh"])?;
    check(&found, "user-namespace", "fails", cause)?;
    assert_eq!(code, Some(1));
    Ok(())
}

fn read_only_cgroup() -> Tested {
    let cgroups = "/sys/fs/cgroup";
    let bind = ["--dev-bind", "/", "/", "--ro-bind", cgroups, cgroups];
    let (found, _) = within("bwrap", &bind)?;
    check(&found, "cgroup", "limited", "read-only")
}

/// In a container as `runc spec` describes it, with further capabilities, the
/// stage must fail for the cause, and the cgroups be read-only.
fn in_runc(further: &[&str], stage: &str, cause: &str) -> Tested {
    let bundle = Shared::new();
    let path = bundle.0.path();
    let spec = Command::new("runc")
        .arg("spec")
        .current_dir(path)
        .output()?;
    assert!(spec.status.success(), "{spec:?}");
    let mut config: Value = serde_json::from_slice(&fs::read(path.join("config.json"))?)?;
    let process = &mut config["process"];
    process["terminal"] = false.into();
    process["args"] = vec!["/isolab", "doctor", "container", "--json"].into();
    for set in ["bounding", "effective", "permitted"] {
        let set = process["capabilities"][set].as_array_mut().expect("a list");
        set.extend(further.iter().map(|name| Value::from(*name)));
    }
    process
        .as_object_mut()
        .expect("an object")
        .remove("rlimits");
    fs::write(path.join("config.json"), config.to_string())?;
    fs::create_dir(path.join("rootfs"))?;
    fs::rename(path.join("isolab"), path.join("rootfs/isolab"))?;
    let name = format!("isolab-doctor-{}-{stage}", std::process::id());
    let run = Command::new("runc")
        .args(["run", &name])
        .current_dir(path)
        .output()?;
    let found = json(&run)?;
    check(&found, stage, "fails", cause)?;
    check(&found, "cgroup", "limited", "the container around us")?;
    assert_eq!(run.status.code(), Some(1));
    Ok(())
}

fn noexec_scratch() -> Tested {
    let script = "mount -t tmpfs -o noexec none /mnt && export XDG_CACHE_HOME=/mnt && exec \"$@\"";
    let namespace = [
        "--user",
        "--map-root-user",
        "--mount",
        "sh",
        "-c",
        script,
        "sh",
    ];
    let (found, code) = within("unshare", &namespace)?;
    check(&found, "files", "fails", "noexec")?;
    assert_eq!(code, Some(1));
    Ok(())
}

fn ordinary_user() -> Tested {
    let own = json(&doctor(&["container", "--json"]).output()?)?;
    let nobody = ["--reuid=65534", "--regid=65534", "--clear-groups"];
    let (found, code) = within("setpriv", &nobody)?;
    for stage in [
        "user-namespace",
        "id-map",
        "proc-mount",
        "network-namespace",
    ] {
        let verdict = |found| finding(found, stage)["verdict"].clone();
        // Only a policy against ordinary users may tell the two apart, and it
        // must then be named.
        let same = verdict(&found) == verdict(&own);
        let named = finding(&found, stage)["cause"].is_string();
        assert!(same || named, "{stage}: {found:#}");
    }
    assert_eq!(code, Some(i32::from(!container_runs(&found))));
    Ok(())
}
