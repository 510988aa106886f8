//! What is wrong around the doctor, made for the length of a test.

use std::fs;
use std::process::Command;

use serde_json::Value;

use super::{Shared, Tested, check, container_runs, doctor, finding, json, within};

/// The limit belongs to a user namespace, so one of our own is spoilt, and the
/// machine's is not.
pub(crate) fn max_user_namespaces() -> Tested {
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

pub(crate) fn masked_proc() -> Tested {
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
pub(crate) fn filtered(action: u32, cause: &str) -> Tested {
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

pub(crate) fn read_only_cgroup() -> Tested {
    let cgroups = "/sys/fs/cgroup";
    let bind = ["--dev-bind", "/", "/", "--ro-bind", cgroups, cgroups];
    let (found, _) = within("bwrap", &bind)?;
    check(&found, "cgroup", "limited", "read-only")
}

/// In a container as `runc spec` describes it, with further capabilities, the
/// stage must fail for the cause, and the cgroups be read-only.
pub(crate) fn in_runc(further: &[&str], stage: &str, cause: &str) -> Tested {
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

pub(crate) fn noexec_scratch() -> Tested {
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

pub(crate) fn ordinary_user() -> Tested {
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
