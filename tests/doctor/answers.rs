//! What the doctor says on any machine, and how.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::{Tested, check, container_runs, doctor, finding, json};

pub(crate) fn page_fits() -> Tested {
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

pub(crate) fn plain_output() -> Tested {
    let output = doctor(&["container"]).env("LC_ALL", "C").output()?;
    let page = String::from_utf8(output.stdout)?;
    let marks = page.lines().filter(|l| l.starts_with("  + works"));
    assert!(page.is_ascii() && !page.contains('\x1b'), "{page}");
    assert!(marks.count() > 0 || page.contains("  x fails"), "{page}");
    Ok(())
}

pub(crate) fn json_in_order() -> Tested {
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

pub(crate) fn json_names_no_home() -> Tested {
    let home = tempfile::tempdir()?;
    let mut doctor = doctor(&["--json"]);
    doctor.env("HOME", home.path()).env_remove("XDG_CACHE_HOME");
    let text = String::from_utf8(doctor.output()?.stdout)?;
    assert!(text.contains("\"~/.cache/isolab"), "{text}");
    assert!(!text.contains(home.path().to_str().unwrap()), "{text}");
    Ok(())
}

pub(crate) fn focus() -> Tested {
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

pub(crate) fn empty_path() -> Tested {
    let output = doctor(&["--json"]).env("PATH", "").output()?;
    let found = json(&output)?;
    check(&found, "qemu", "fails", "PATH")?;
    let code = if container_runs(&found) { 0 } else { 1 };
    assert_eq!(output.status.code(), Some(code));
    Ok(())
}

pub(crate) fn unknown_probe() -> Tested {
    let mut probe = Command::new("/proc/self/exe");
    let output = probe.args(["__probe", "no-such-stage"]).output()?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8(output.stderr)?.contains("no-such-stage"));
    Ok(())
}

/// Other tests probe at the same time, so only a cgroup whose maker is dead
/// counts as left behind.
pub(crate) fn no_cgroup_left() -> Tested {
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
