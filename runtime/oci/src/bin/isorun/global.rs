//! Options of every command that take one of a few words. A wrong word, and two
//! that contradict each other, are refused by every command, whether it makes use
//! of them or not: who starts a container with them should not be the first to know.

use isolab_oci::Cgroup;

use crate::arguments::{Given, Key};
use crate::failure::Failure;

/// Refuses what no command would understand.
pub(crate) fn check(given: &Given<'_>) -> Result<(), Failure> {
    match given.value(Key::Rootless) {
        None | Some("true" | "false" | "auto") => {}
        Some(other) => {
            return Err(Failure::new(
                format!("--rootless: `{other}` is neither true, false nor auto"),
                "leave it out: isorun finds out by itself",
            ));
        }
    }
    cgroup(given).map(drop)
}

/// Who makes the control groups.
pub(crate) fn cgroup(given: &Given<'_>) -> Result<Cgroup, Failure> {
    let systemd = given.flag(Key::SystemdCgroup);
    match given.value(Key::CgroupManager) {
        Some(other @ ("cgroupfs" | "disabled")) if systemd => Err(Failure::new(
            format!("--systemd-cgroup contradicts --cgroup-manager {other}"),
            "leave one of them out",
        )),
        Some("systemd") => Ok(Cgroup::Systemd),
        None if systemd => Ok(Cgroup::Systemd),
        None | Some("cgroupfs") => Ok(Cgroup::Named),
        Some("disabled") => Ok(Cgroup::Inherit),
        Some(other) => Err(Failure::new(
            format!("--cgroup-manager: there is no `{other}`"),
            "the managers are cgroupfs, systemd and disabled",
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Cgroup, Failure> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut given = Given::default();
        given.scan(&words)?;
        super::check(&given).and_then(|()| cgroup(&given))
    }

    #[test]
    fn two_options_name_the_manager_of_the_groups() {
        for (line, manager) in [
            ("list", Cgroup::Named),
            ("--cgroup-manager cgroupfs list", Cgroup::Named),
            ("--systemd-cgroup list", Cgroup::Systemd),
            (
                "--systemd-cgroup --cgroup-manager=systemd list",
                Cgroup::Systemd,
            ),
            (
                "--systemd-cgroup=false --cgroup-manager=disabled list",
                Cgroup::Inherit,
            ),
        ] {
            assert_eq!(check(line).unwrap(), manager, "{line}");
        }
    }

    #[test]
    fn a_wrong_word_and_a_contradiction_are_refused_by_name() {
        for (line, words) in [
            ("--cgroup-manager x state y", ["--cgroup-manager", "`x`"]),
            ("--rootless perhaps state y", ["--rootless", "`perhaps`"]),
            (
                "--systemd-cgroup --cgroup-manager cgroupfs list",
                ["--systemd-cgroup", "--cgroup-manager cgroupfs"],
            ),
            (
                "--cgroup-manager disabled list --systemd-cgroup",
                ["--systemd-cgroup", "--cgroup-manager disabled"],
            ),
        ] {
            let message = check(line).expect_err(line).message;
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        }
    }
}
