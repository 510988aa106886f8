//! Building an image without leaving a trace when it fails: everything happens
//! in namespaces and in the command's own scratch directory.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};
use vm_model::disk::QemuImg;

use super::{Label, Origin, Recipe, watched};
use crate::compare::Progress;
use crate::environment::tools;
use crate::footprint::available_bytes;
use crate::hint;
use crate::interrupt::Interrupt;

/// What runs in the namespaces.
pub(super) const SCRIPT: &str = include_str!("build.sh");
/// The longest that a build may take: most of it is waiting for a mirror.
const BOUND: Duration = Duration::from_secs(900);
/// What stays for the rest of the machine while a RAM disk is filled, in bytes.
const LEFT_ALONE: u64 = 500_000_000;

/// The programs that a build needs.
struct Tools {
    mmdebstrap: PathBuf,
    unshare: PathBuf,
    img: QemuImg,
}

impl Tools {
    fn find() -> Result<Self> {
        find("mke2fs", "e2fsprogs")?;
        Ok(Self {
            mmdebstrap: find("mmdebstrap", "mmdebstrap")?,
            unshare: find("unshare", "util-linux")?,
            img: QemuImg::at(&find("qemu-img", "qemu-utils")?),
        })
    }
}

/// A program, or how to get it.
pub(super) fn find(program: &str, package: &str) -> Result<PathBuf> {
    tools::find(program).ok_or_else(|| {
        hint::with(
            format!("cannot use {program}: it is not installed (not found along PATH)"),
            format!("sudo apt-get install {package}"),
        )
    })
}

/// The words that put a command into mount and pid namespaces of its own, as
/// root there. All of it dies with its first process.
pub(super) fn apart(unshare: &Path) -> Vec<OsString> {
    let mut words = vec![unshare.into()];
    if !nix::unistd::geteuid().is_root() {
        // Root of a namespace whose other ids are those set aside for this user
        // in /etc/subuid: packages have files of many owners.
        words.extend(["--user", "--map-root-user", "--map-auto"].map(OsString::from));
    }
    words.extend(["--mount", "--pid", "--fork", "--kill-child", "--"].map(OsString::from));
    words
}

/// The command that fills `/tmp/root` with the packages of `recipe`.
pub(super) fn packages(mmdebstrap: &Path, recipe: Recipe, origin: &Origin) -> Vec<OsString> {
    let mut words: Vec<OsString> = vec![mmdebstrap.into()];
    let fixed = ["--mode=root", "--format=directory", "--components=main"];
    words.extend(fixed.map(OsString::from));
    words.extend(recipe.options(origin).into_iter().map(OsString::from));
    words.extend([origin.suite.clone().into(), "/tmp/root".into()]);
    words.extend(origin.mirror.clone().map(OsString::from));
    words
}

/// Builds `recipe` in the empty directory `dir`, and says what it became.
///
/// # Errors
/// If a program, the network, memory or a permission is missing, with the
/// remedy; if the user interrupts.
pub(super) fn build(
    recipe: Recipe,
    origin: &Origin,
    dir: &Path,
    interrupt: &Interrupt,
    progress: &dyn Progress,
) -> Result<Label> {
    let tools = Tools::find()?;
    let most = recipe.build_bytes();
    let available = available_bytes()?;
    if available < most + LEFT_ALONE {
        return Err(hint::with(
            format!(
                "cannot build the {recipe} guest: it is unpacked in memory and may take {} MB, of \
                 which {} MB are available",
                most / 1_000_000,
                available / 1_000_000
            ),
            "end what takes memory on this machine",
        ));
    }
    let packages = packages(&tools.mmdebstrap, recipe, origin);
    let script = dir.join("build.sh");
    fs::write(&script, SCRIPT).with_context(|| format!("cannot write {}", script.display()))?;
    let shell = ["sh", "build.sh"].map(OsString::from);
    let words: Vec<OsString> = apart(&tools.unshare)
        .into_iter()
        .chain(shell)
        .chain([most.to_string().into()])
        .chain(packages.iter().cloned())
        .collect();
    let show = |line: &str| progress.show(share_of(line), &format!("{recipe} guest: {line}"));
    show("starting");
    watched::run(&words, dir, BOUND, interrupt, &show).map_err(|error| remedied(&error, recipe))?;

    show("converting the disk");
    let raw = dir.join("disk.ext4");
    tools.img.convert(&raw, &dir.join("disk.qcow2"))?;
    for file in [raw, script, dir.join("log")] {
        fs::remove_file(&file).with_context(|| format!("cannot remove {}", file.display()))?;
    }
    label(dir, &packages)
}

/// A failed build with what can be done about it.
fn remedied(error: &anyhow::Error, recipe: Recipe) -> anyhow::Error {
    let said = format!("{error:#}");
    let about_namespaces = ["unshare:", "newuidmap", "newgidmap", "mount:"];
    let remedy = if about_namespaces.iter().any(|word| said.contains(word)) {
        "`isolab doctor container` finds out which permission is missing; or run this as root"
    } else {
        "check the network and that `sudo apt-get update` works, then run this again"
    };
    hint::with(format!("cannot build the {recipe} guest: {said}"), remedy)
}

/// How far a build has come by the line that it shows, from 0 to 1.
fn share_of(line: &str) -> f64 {
    let shares = [
        ("running apt-get update", 0.05),
        ("downloading packages", 0.1),
        ("extracting archives", 0.3),
        ("installing essential", 0.4),
        ("installing remaining", 0.5),
        ("cleaning", 0.85),
        ("making the disk", 0.9),
        ("making the container", 0.93),
        ("converting", 0.96),
    ];
    let known = shares.iter().find(|(begins, _)| line.starts_with(begins));
    known.map_or(0.0, |(_, share)| *share)
}

/// Reads what the script noted, and puts it into one place.
fn label(dir: &Path, packages: &[OsString]) -> Result<Label> {
    let take = |name: &str| -> Result<String> {
        let path = dir.join(name);
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        fs::remove_file(&path).with_context(|| format!("cannot remove {}", path.display()))?;
        Ok(text.trim().to_owned())
    };
    let name = |word: &OsStr| word.to_string_lossy().into_owned();
    let command: Vec<String> = ["mmdebstrap".to_owned()]
        .into_iter()
        .chain(packages.iter().skip(1).map(|word| name(word)))
        .collect();
    Ok(Label {
        name: take("name")?,
        kernel: take("release")?,
        packages: take("packages")?
            .parse()
            .context("cannot count the packages")?,
        built: humantime::format_rfc3339_seconds(SystemTime::now()).to_string(),
        command: command.join(" "),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_address_of_a_mirror_is_the_machines_own() {
        let words = packages(Path::new("/m"), Recipe::Minimal, &Origin::default());
        assert_eq!(words.last().unwrap(), "/tmp/root", "no mirror was named");
        assert!(!SCRIPT.contains("://"));
    }

    #[test]
    fn what_a_build_lacks_is_told_with_its_remedy() {
        let remedy = |said: &str| {
            let error = remedied(&anyhow::anyhow!("{said}"), Recipe::Server);
            assert!(error.to_string().contains(said), "{error}");
            hint::of(&error).unwrap()
        };
        assert!(remedy("unshare: write failed: not permitted").contains("doctor"));
        assert!(remedy("Unable to fetch some archives").contains("network"));
    }

    #[test]
    fn progress_never_goes_back() {
        let lines = "starting|running apt-get update|downloading packages with apt|extracting \
                     archives|installing essential packages|installing remaining packages inside \
                     the chroot|cleaning package lists and apt cache|making the disk|making the \
                     container's root|converting the disk";
        let shares: Vec<f64> = lines.split('|').map(share_of).collect();
        assert!(shares.is_sorted() && shares[1] > 0.0, "{shares:?}");
    }
}
