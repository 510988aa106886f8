//! `isorun exec`: one more process, from a file or from the container's own
//! `process` and what the options change of it.

use std::path::Path;

use isolab_oci::cgroup::Below;
use isolab_oci::spec::{Capabilities, Process};

use crate::arguments::{Given, Key};
use crate::failure::Failure;
use crate::log::Log;

/// What the file of --process says itself, so that no option does.
const SAID_BY_THE_FILE: [Key; 8] = [
    Key::User,
    Key::AdditionalGids,
    Key::Env,
    Key::Cwd,
    Key::Cap,
    Key::NoNewPrivs,
    Key::Apparmor,
    Key::ProcessLabel,
];

/// The process to run, where the container's own is `base`.
pub(crate) fn process(
    given: &Given<'_>,
    base: Option<Process>,
    log: &mut Log<'_>,
) -> Result<Process, Failure> {
    if let Some(file) = given.path(Key::Process) {
        if let Some(warning) = not_used(given) {
            log.warn(warning);
        }
        // Whether it has a terminal, too, is said there: conmon repeats it.
        let mut process = read(file)?;
        if process.capabilities.is_none() {
            process.capabilities = base.and_then(|base| base.capabilities);
        }
        return Ok(process);
    }
    let mut process = base.unwrap_or_default();
    process.args = given.rest(1).iter().map(|&word| word.to_owned()).collect();
    if process.args.is_empty() {
        return Err(Failure::new(
            "process args cannot be empty: `isorun exec` needs a command",
            "isorun exec ID COMMAND [ARGUMENTS], or --process FILE",
        ));
    }
    process.terminal = given.flag(Key::Tty);
    process.no_new_privileges |= given.flag(Key::NoNewPrivs);
    process
        .env
        .extend(given.values(Key::Env).map(str::to_owned));
    if let Some(cwd) = given.path(Key::Cwd) {
        process.cwd = cwd.to_owned();
    }
    if let Some(user) = given.value(Key::User) {
        set_user(&mut process, user)?;
    }
    for gid in given.values(Key::AdditionalGids) {
        let gid = id("--additional-gids", gid)?;
        process.user.additional_gids.push(gid);
    }
    if let Some(profile) = given.value(Key::Apparmor) {
        process.apparmor_profile = Some(profile.to_owned());
    }
    if let Some(label) = given.value(Key::ProcessLabel) {
        process.selinux_label = Some(label.to_owned());
    }
    for capability in given.values(Key::Cap) {
        add_capability(&mut process, capability);
    }
    Ok(process)
}

/// What was typed beside --process and, as in runc and crun, changes nothing.
fn not_used(given: &Given<'_>) -> Option<String> {
    let mut names = given.spelled(SAID_BY_THE_FILE);
    if !given.rest(1).is_empty() {
        names.push("COMMAND".to_owned());
    }
    (!names.is_empty()).then(|| {
        format!(
            "not used, since the file of --process says it: {}",
            names.join(", ")
        )
    })
}

/// Groups below the container's that the process is put in.
pub(crate) fn groups_below(given: &Given<'_>) -> Result<Vec<Below>, Failure> {
    let all = given.values(Key::Cgroup).map(str::parse);
    Ok(all.collect::<isolab_oci::Result<_>>()?)
}

fn read(file: &Path) -> Result<Process, Failure> {
    let text = std::fs::File::open(file).map_err(|error| Failure::file("read", file, &error))?;
    Ok(Process::read(text, file)?)
}

/// `UID` or `UID:GID`; without a group, it stays as it was.
fn set_user(process: &mut Process, text: &str) -> Result<(), Failure> {
    let (uid, gid) = match text.split_once(':') {
        Some((uid, gid)) => (uid, Some(gid)),
        None => (text, None),
    };
    process.user.uid = id("--user", uid)?;
    if let Some(gid) = gid {
        process.user.gid = id("--user", gid)?;
    }
    Ok(())
}

fn id(option: &str, text: &str) -> Result<u32, Failure> {
    text.parse().map_err(|_| {
        Failure::new(
            format!("{option}: `{text}` is not the number of a user or group"),
            "names are in the image's /etc/passwd and /etc/group, which the engine above reads",
        )
    })
}

/// Into the sets that count for a program of root; not into the inheritable
/// one, which would outlive a change of user (CVE-2022-29162).
fn add_capability(process: &mut Process, name: &str) {
    let sets = process
        .capabilities
        .get_or_insert_with(Capabilities::default);
    for set in [&mut sets.bounding, &mut sets.effective, &mut sets.permitted] {
        if !set.iter().any(|known| known == name) {
            set.push(name.to_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str) -> Result<Process, Failure> {
        let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
        let mut given = Given::default();
        given.scan(&words)?;
        let base = isolab_oci::Spec::example().process;
        process(&given, base, &mut Log::default())
    }

    #[test]
    fn options_change_the_containers_process() {
        let base = isolab_oci::Spec::example().process.unwrap();
        let process = check("exec -u 5:6 -g 7 -g 8 -e A=b --cwd /tmp x ls -l").unwrap();
        assert_eq!(process.args, ["ls", "-l"]);
        assert_eq!((process.user.uid, process.user.gid), (5, 6));
        assert_eq!(process.user.additional_gids, [7, 8]);
        assert_eq!(process.env.last().map(String::as_str), Some("A=b"));
        assert_eq!(process.env[0], base.env[0]);
        assert_eq!(process.cwd, Path::new("/tmp"));
        assert!(!process.terminal && process.no_new_privileges);
        assert!(check("exec -t x sh").unwrap().terminal);
    }

    #[test]
    fn a_capability_is_not_made_inheritable() {
        let sets = check("exec --cap CAP_CHOWN x sh").unwrap().capabilities;
        let sets = sets.unwrap();
        let has = |set: &[String]| set.iter().any(|c| c == "CAP_CHOWN");
        assert!(has(&sets.bounding) && has(&sets.effective) && has(&sets.permitted));
        assert!(!has(&sets.inheritable) && !has(&sets.ambient));
    }

    #[test]
    fn a_file_is_taken_as_it_is_with_the_containers_capabilities_where_it_has_none() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), r#"{"cwd": "/", "args": ["id"]}"#).unwrap();
        let process = check(&format!("exec -u 5 -p {} x", file.path().display())).unwrap();
        assert_eq!(process.args, ["id"]);
        assert_eq!(process.user.uid, 0);
        assert!(process.env.is_empty());
        let base = isolab_oci::Spec::example().process.unwrap();
        assert_eq!(process.capabilities, base.capabilities);
        let own = r#"{"cwd": "/", "args": ["id"], "capabilities": {}}"#;
        std::fs::write(file.path(), own).unwrap();
        let process = check(&format!("exec -p {} x", file.path().display())).unwrap();
        assert_eq!(process.capabilities, Some(Capabilities::default()));
    }

    #[test]
    fn what_changes_nothing_beside_a_file_is_told_by_name() {
        let check = |line: &str| {
            let words: Vec<String> = line.split_whitespace().map(str::to_owned).collect();
            let mut given = Given::default();
            given.scan(&words).unwrap();
            not_used(&given)
        };
        for (line, names) in [
            ("-u 5:6 -e A=b", "--user, --env"),
            (
                "--no-new-privs -g 7 --cap CAP_CHOWN",
                "--additional-gids, --cap, --no-new-privs",
            ),
            (
                "--cwd / --apparmor a --process-label b",
                "--cwd, --apparmor, --process-label",
            ),
        ] {
            let warning = check(&format!("exec -p p.json {line} x")).unwrap();
            assert!(warning.ends_with(&format!("says it: {names}")), "{warning}");
        }
        assert!(check("exec -p p.json x ls").unwrap().ends_with(": COMMAND"));
        // What clients give beside a file is heeded.
        let clients = "-t -d --pid-file p --console-socket s --preserve-fds 1 --cgroup sub";
        assert_eq!(check(&format!("exec -p p.json {clients} x")), None);
    }

    #[test]
    fn what_is_missing_or_no_number_is_refused_by_name() {
        for (line, word) in [
            ("exec x", "cannot be empty"),
            ("exec -u nobody x id", "nobody"),
            ("exec -u 1:staff x id", "staff"),
            ("exec -g staff x id", "--additional-gids"),
            ("exec -p /nonexistent/p x", "/nonexistent/p"),
        ] {
            let failure = check(line).expect_err(line);
            assert!(failure.message.contains(word), "{}", failure.message);
        }
    }
}
