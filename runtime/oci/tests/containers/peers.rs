//! The same bundle under the field's runtimes: the same container must come out.

use std::process::{Command, Stdio};
use std::sync::OnceLock;

use crate::Claim;
use crate::support::{Place, name, root};

pub(crate) const CLAIMS: &[Claim] = &[
    ("runc_makes_the_same_container", runc, || same("runc")),
    ("crun_makes_the_same_container", crun, || same("crun")),
];

fn runc() -> Result<(), String> {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    PROBE.get_or_init(|| peer("runc")).clone()
}

fn crun() -> Result<(), String> {
    static PROBE: OnceLock<Result<(), String>> = OnceLock::new();
    PROBE.get_or_init(|| peer("crun")).clone()
}

/// The peer is installed and can run a container on this host.
fn peer(program: &str) -> Result<(), String> {
    root()?;
    let place = Place::new();
    place.write(&bundle(&place, "true"));
    match command(program, &place).output() {
        Err(error) => Err(format!("{program}: {error}")),
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
    }
}

/// crun refuses a host where version 2 has controllers beside version 1, so it
/// gets a mount namespace without that hierarchy.
fn command(program: &str, place: &Place) -> Command {
    let unified = isolab_oci::cgroup::discover()
        .unwrap()
        .into_iter()
        .find(|h| h.controllers.is_empty() && h.mount_point.ends_with("unified"));
    let mut command = match unified.filter(|_| program == "crun") {
        Some(hierarchy) => {
            let mut command = Command::new("unshare");
            let script = "umount \"$0\" && exec \"$@\"";
            command
                .args(["-m", "sh", "-c", script])
                .arg(hierarchy.mount_point)
                .arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .args(["run", "-b"])
        .arg(place.path())
        .arg(name())
        .stdin(Stdio::null());
    command
}

/// The bundle, in the namespaces that `runc spec` asks for.
fn bundle(place: &Place, script: &str) -> isolab_oci::Spec {
    place.spec(script)
}

/// What is compared: one fact a line, without what must differ (ids, devices'
/// numbers, names of the runtime's own).
///
/// runc masks a file with the container's /dev/null, crun with the host's, and
/// each makes the tmpfs of the control groups with options of its own: newer
/// ones leave it writable, also where the entry is to be read-only.
const QUESTIONS: &str = "
echo mounts; while read -r _ _ _ _ target options rest; do
    type=${rest##*- }; case $target in
    /proc/keys|/proc/timer_list) echo $target ;;
    /sys/fs/cgroup) case $type in tmpfs*) options=any ;; esac
        echo $target ${type%% *} ${options%%,*} ;;
    *) echo $target ${type%% *} $options ;; esac; done </proc/self/mountinfo | sort
echo status; grep -E '^(Cap|NoNewPrivs|Seccomp:|Groups|Uid|Gid)' /proc/self/status
echo namespaces; for n in /proc/self/ns/*; do echo ${n##*/}; done
echo depth; while IFS=: read -r _ controllers path; do
    [ -n \"$controllers\" ] && echo \"$controllers ${path##*/}\"; done </proc/self/cgroup | sort
echo devices; for d in /dev/*; do [ $d = /dev/core ] || stat -c '%n %F %t:%T %a %u:%g' $d; done
echo links; for d in fd stdin stdout stderr ptmx; do readlink /dev/$d; done
echo user; id; umask; ulimit -n
echo masked; for p in /proc/acpi /proc/keys /proc/timer_list /sys/firmware /proc/scsi; do
    [ -d $p ] && ls $p | wc -l; [ -f $p ] && wc -c <$p; done
echo environment; echo $HOME $PATH $TERM; hostname; pwd
";

fn same(program: &str) {
    let place = Place::new();
    place.write(&bundle(&place, QUESTIONS));
    let ours = answers(Command::new(env!("CARGO_BIN_EXE_isorun")).args([
        "run",
        "-b",
        place.path().to_str().unwrap(),
        &name(),
    ]));
    let theirs = answers(&mut command(program, &place));
    for (ours, theirs) in ours.lines().zip(theirs.lines()) {
        assert_eq!(ours, theirs, "left: isorun, right: {program}");
    }
    assert_eq!(ours.lines().count(), theirs.lines().count());
}

/// What the bundle that was written writes under each peer that can run here.
pub(crate) fn by_peers(place: &Place) -> Vec<(&'static str, String)> {
    let programs = [("runc", runc()), ("crun", crun())];
    let can = programs.into_iter().filter(|(_, can)| can.is_ok());
    can.map(|(program, _)| {
        let output = command(program, place).output().unwrap();
        let text = [output.stdout, output.stderr].concat();
        (program, String::from_utf8_lossy(&text).into_owned())
    })
    .collect()
}

/// The output, with the container's id, which differs, blotted out.
fn answers(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let id = format!("test-{}-", std::process::id());
    let mut lines: Vec<String> = Vec::new();
    for line in text.lines() {
        let line = line.split(&id).next().unwrap_or_default().to_owned();
        lines.push(line);
    }
    lines.join("\n")
}
