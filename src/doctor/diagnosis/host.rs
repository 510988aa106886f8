//! What the lab needs of its surroundings: an interpreter, file systems that
//! keep their promises, a compiler, and peers to be compared with.

use super::super::facts::{Facts, Found, Place, Role};
use super::super::stage::Stage;
use super::remedy::{Package, Remedy, install, sudo};
use super::{Finding, Verdict};

pub(super) fn python(facts: &Facts) -> Finding {
    let remedies = || install(&facts.machine, Package::Python);
    match &facts.python {
        Found::NotAsked => Finding::not_tried(Stage::Python, Stage::Python),
        Found::Here(python) if python.lacks.is_empty() => Finding::works(
            Stage::Python,
            format!("{} ({})", python.version, python.path.display()),
        ),
        Found::Here(python) => Finding::limited(
            Stage::Python,
            format!("{} ({})", python.version, python.path.display()),
            format!(
                "it was built or packaged without {}",
                python.lacks.join(", ")
            ),
            remedies(),
        ),
        Found::Missing { why } => {
            Finding::fails(Stage::Python, "no interpreter", why.clone(), remedies())
        }
    }
}

/// File systems that are someone else's: a Windows drive (9p, drvfs, virtiofs),
/// a folder that a hypervisor shares, or the network's.
const SHARED: [&str; 10] = [
    "9p",
    "drvfs",
    "virtiofs",
    "vboxsf",
    "vmhgfs",
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "fuse.sshfs",
];

/// What a comparison may need at once in its scratch directory, in bytes.
const ENOUGH: u64 = 500_000_000;

/// The first place that gets in the way decides.
pub(super) fn files(facts: &Facts) -> Finding {
    if let Some(error) = &facts.scratch_error {
        return Finding::fails(
            Stage::Files,
            "no scratch directory",
            error.clone(),
            vec![elsewhere(Role::Scratch, "")],
        );
    }
    let hindrance = facts.places.iter().find_map(|place| hindered(facts, place));
    hindrance.unwrap_or_else(|| {
        let names: Vec<String> = facts
            .places
            .iter()
            .map(|p| format!("{} on {}", p.path.display(), p.fstype))
            .collect();
        Finding::works(Stage::Files, names.join(", "))
    })
}

/// What a directory's file system spoils. `nosuid` spoils nothing: with
/// `no_new_privs`, which our containers have, no program gains rights anyway.
fn hindered(facts: &Facts, place: &Place) -> Option<Finding> {
    let path = place.path.display().to_string();
    let role = match place.role {
        Role::Working => "the working directory",
        Role::Scratch => "the scratch directory",
    };
    let mounted = |option: &str| place.options.iter().any(|o| o == option);
    if SHARED.contains(&place.fstype.as_str()) {
        let whose = match facts.machine.wsl {
            Some(_) => "a Windows drive",
            None => "a shared folder",
        };
        return Some(Finding::limited(
            Stage::Files,
            format!("{path} is on {} ({whose})", place.fstype),
            format!(
                "{role} is on {whose}, which is slow and keeps neither owners nor hard links: \
                 disk and start-up figures would be those of the drive"
            ),
            vec![elsewhere(place.role, &path)],
        ));
    }
    if let (Role::Scratch, Some(free)) = (place.role, place.free_bytes.filter(|&b| b < ENOUGH)) {
        let free_mb = free / 1_000_000;
        return Some(Finding::limited(
            Stage::Files,
            format!("{path} has {free_mb} MB free"),
            format!(
                "{role} is nearly full: root file systems and guests of many samples need {} MB",
                ENOUGH / 1_000_000
            ),
            vec![
                Remedy::run(
                    "see what can go",
                    [format!("du -xh {path}/.. | sort -h | tail")],
                ),
                elsewhere(place.role, &path),
            ],
        ));
    }
    let (verdict, option, effect) = match place.role {
        Role::Scratch if mounted("noexec") => {
            (Verdict::Fails, "noexec", "nothing on it can be started")
        }
        Role::Working if mounted("noexec") => (
            Verdict::Limited,
            "noexec",
            "cargo cannot run what it builds there",
        ),
        Role::Working if mounted("ro") => (
            Verdict::Limited,
            "ro",
            "cargo cannot build there, nor `-o` write a file",
        ),
        Role::Working | Role::Scratch => return None,
    };
    let opposite = if option == "ro" { "rw" } else { "exec" };
    let remount = Remedy::run(
        "or change this file system, until the next boot",
        [format!(
            "{}mount -o remount,{opposite} \"$(findmnt -no TARGET -T {path})\"",
            sudo(&facts.machine),
        )],
    );
    Some(Finding::new(
        Stage::Files,
        verdict,
        format!("{path} is mounted {option}"),
        Some(format!(
            "{role} is on a file system mounted {option}: {effect}"
        )),
        vec![elsewhere(place.role, &path), remount],
    ))
}

/// Another directory in this one's stead.
fn elsewhere(role: Role, path: &str) -> Remedy {
    let command = match role {
        Role::Working => format!("cp -r \"{path}\" ~/isolab && cd ~/isolab"),
        Role::Scratch => {
            "export XDG_CACHE_HOME=/var/tmp/$USER && mkdir -p \"$XDG_CACHE_HOME\"".to_owned()
        }
    };
    Remedy::run("use another directory", [command])
}

/// Needed to build the lab, not to run it.
pub(super) fn toolchain(facts: &Facts) -> Finding {
    let stage = Stage::Toolchain;
    let tools = &facts.toolchain;
    let seen = format!(
        "{}, {}",
        tools
            .cargo
            .as_ref()
            .map_or("no cargo".to_owned(), |version| format!("cargo {version}")),
        tools
            .cc
            .as_ref()
            .map_or("no cc".to_owned(), |path| path.display().to_string())
    );
    if tools.cc.is_none() {
        return Finding::limited(
            stage,
            seen,
            "no C linker `cc`: the lab runs, and cannot be built again",
            install(&facts.machine, Package::CCompiler),
        );
    }
    match &tools.cargo {
        None => Finding::limited(
            stage,
            seen,
            "no cargo is on PATH: the lab runs, and cannot be built again",
            vec![Remedy::run(
                "from https://rustup.rs",
                ["curl --proto '=https' -sSf https://sh.rustup.rs | sh"],
            )],
        ),
        Some(version) if older(version, &tools.cargo_needed) => Finding::limited(
            stage,
            seen,
            format!("the lab builds with cargo {} or later", tools.cargo_needed),
            vec![Remedy::run(
                "if rustup is missing, get it from https://rustup.rs",
                ["rustup update stable"],
            )],
        ),
        Some(_) => Finding::works(stage, seen),
    }
}

/// Whether a version comes before another, number by number.
fn older(version: &str, needed: &str) -> bool {
    let numbers = |text: &str| -> Vec<u32> {
        text.split(['.', '-', '+'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let (version, needed) = (numbers(version), numbers(needed));
    version
        .iter()
        .zip(&needed)
        .find(|(a, b)| a != b)
        .map_or(version.len() < needed.len(), |(a, b)| a < b)
}

/// The tools that `cargo bench --bench peers` compares with.
const PEERS: [&str; 7] = [
    "runc",
    "crun",
    "bwrap",
    "podman",
    "docker",
    "uv",
    "virtualenv",
];

pub(super) fn peers(facts: &Facts) -> Finding {
    let stage = Stage::Peers;
    let (here, absent): (Vec<&str>, Vec<&str>) = PEERS
        .iter()
        .partition(|name| facts.peers.contains_key(**name));
    let seen: Vec<String> = here
        .iter()
        .map(|name| format!("{name} {}", facts.peers[*name]))
        .collect();
    let seen = seen.join(", ");
    match (here.is_empty(), absent.is_empty()) {
        (_, true) => Finding::works(stage, seen),
        (true, _) => Finding::new(
            stage,
            Verdict::Absent,
            format!("none of {}", absent.join(", ")),
            None,
            Vec::new(),
        ),
        (false, false) => Finding::works(stage, format!("{seen}; without {}", absent.join(", "))),
    }
}

#[cfg(test)]
mod tests {
    use super::older;

    #[test]
    fn versions_are_compared_as_numbers() {
        assert!(older("1.9.0", "1.91"));
        assert!(older("1.90.0", "1.91"));
        assert!(!older("1.91.0", "1.91"));
        assert!(!older("1.100.0-nightly", "1.91"));
        assert!(!older("2.0.0", "1.91"));
    }
}
