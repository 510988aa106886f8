//! What can be said of a container from outside, one fact a line.
//!
//! All of it is read in the host's /proc while the program holds, so nothing has
//! to be trusted to the container. Left out is what differs by name only: ids,
//! paths, access times, the order of mounts.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use isolab_oci::Spec;
use nix::sys::stat::{major, minor};

/// Every namespace that a process can be in (`namespaces(7)`).
const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];
/// Options of a mount that keep something from being done.
const RESTRICTIONS: [&str; 4] = ["ro", "nosuid", "nodev", "noexec"];
/// What every container has to be able to use (`config-linux.md`, default
/// devices): by name, and by number in the control group's list.
const DEVICES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

/// The facts about the container of the process `pid`, made from `spec`.
pub(crate) fn of(pid: i32, spec: &Spec) -> Result<BTreeSet<String>> {
    let process = Process {
        dir: PathBuf::from(format!("/proc/{pid}")),
    };
    let linux = spec.linux.clone().unwrap_or_default();
    let mut facts = BTreeSet::new();
    facts.extend(process.namespaces()?);
    facts.extend(process.mounts(&linux.masked_paths)?);
    facts.extend(process.hidden(&linux.masked_paths));
    facts.extend(process.status()?);
    facts.extend(process.control_groups()?);
    facts.extend(process.devices());
    facts.extend(process.network());
    Ok(facts)
}

struct Process {
    dir: PathBuf,
}

impl Process {
    fn read(&self, name: &str) -> Result<String> {
        let path = self.dir.join(name);
        fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
    }

    /// A path as the container sees it.
    fn inside(&self, path: impl AsRef<Path>) -> PathBuf {
        let path = path.as_ref();
        let relative = path.strip_prefix("/").unwrap_or(path);
        self.dir.join("root").join(relative)
    }

    /// The namespaces that are not the host's.
    fn namespaces(&self) -> Result<Vec<String>> {
        let mut new = Vec::new();
        for name in NAMESPACES {
            let link = |dir: &Path| fs::read_link(dir.join("ns").join(name));
            let Ok(host) = link(Path::new("/proc/self")) else {
                continue; // a kernel without it
            };
            let own = link(&self.dir).with_context(|| format!("cannot read namespace {name}"))?;
            if own != host {
                new.push(format!("namespace {name}"));
            }
        }
        Ok(new)
    }

    /// What is mounted where, and what each mount forbids. Of a masked path it
    /// matters that nothing can be read there, not by what it is covered.
    fn mounts(&self, masked: &[PathBuf]) -> Result<Vec<String>> {
        let mut topmost = BTreeMap::new();
        let table = self.read("mountinfo")?;
        for line in table.lines() {
            // proc_pid_mountinfo(5): 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 dev options
            let (left, right) = line
                .split_once(" - ")
                .context("a line without a separator")?;
            let left: Vec<&str> = left.split(' ').collect();
            let (Some(target), Some(options)) = (left.get(4), left.get(5)) else {
                continue;
            };
            let mut right = right.split(' ');
            let fstype = right.next().unwrap_or_default();
            let of_fstype = right.nth(1).unwrap_or_default();
            let spread = left[6..].iter().any(|tag| tag.starts_with("shared:"));
            topmost.insert(*target, (fstype, *options, of_fstype, spread));
        }
        let mut facts = Vec::new();
        for (target, (fstype, options, of_fstype, spread)) in topmost {
            if masked.iter().any(|path| path == Path::new(target)) {
                continue;
            }
            facts.push(format!("mount {target} {fstype}"));
            if !spread {
                facts.push(format!("mount {target} private"));
            }
            for option in options.split(',').filter(|o| RESTRICTIONS.contains(o)) {
                facts.push(format!("mount {target} {option}"));
            }
            for option in of_fstype.split(',').filter(|_| target.starts_with("/dev")) {
                let name = option.split('=').next().unwrap_or_default();
                if ["size", "mode", "gid", "ptmxmode"].contains(&name) {
                    facts.push(format!("mount {target} {option}"));
                }
            }
        }
        Ok(facts)
    }

    /// The masked paths that exist and give nothing away.
    fn hidden(&self, masked: &[PathBuf]) -> Vec<String> {
        let empty = |path: &Path| {
            let inside = self.inside(path);
            let metadata = fs::metadata(&inside).ok()?;
            Some(match metadata.is_dir() {
                true => fs::read_dir(&inside).ok()?.next().is_none(),
                false => fs::File::open(&inside).ok()?.read(&mut [0]).ok()? == 0,
            })
        };
        let hidden = masked.iter().filter(|path| empty(path) == Some(true));
        hidden
            .map(|path| format!("hidden {}", path.display()))
            .collect()
    }

    /// Users, capabilities and what else the kernel says of a process.
    fn status(&self) -> Result<Vec<String>> {
        let wanted = [
            "Uid", "Gid", "Groups", "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb",
        ];
        let mut facts = Vec::new();
        for line in self.read("status")?.lines() {
            let (name, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.split_whitespace().collect::<Vec<_>>().join(" ");
            if wanted.contains(&name) || ["NoNewPrivs", "Seccomp"].contains(&name) {
                facts.push(format!("status {name} {value}"));
            }
            if name == "NSpid" && value.ends_with(" 1") {
                facts.push("process 1 of its namespace".to_owned());
            }
        }
        let limits = self.read("limits")?;
        let files = limits
            .lines()
            .find(|line| line.starts_with("Max open files"));
        let numbers = files.unwrap_or_default().split_whitespace().skip(3).take(2);
        facts.push(format!(
            "open files {}",
            numbers.collect::<Vec<_>>().join(" ")
        ));
        Ok(facts)
    }

    /// The hierarchies in which it has a group of its own, and what that group
    /// may do with devices.
    fn control_groups(&self) -> Result<Vec<String>> {
        let groups = |text: &str| -> BTreeMap<String, String> {
            let lines = text.lines().filter_map(|line| line.split_once(':'));
            lines
                .filter_map(|(_, rest)| rest.split_once(':'))
                .map(|(controllers, path)| (controllers.to_owned(), path.to_owned()))
                .collect()
        };
        let host = groups(&fs::read_to_string("/proc/self/cgroup")?);
        let mut facts = Vec::new();
        for (controllers, path) in groups(&self.read("cgroup")?) {
            if host.get(&controllers) == Some(&path) {
                continue;
            }
            let shown = if controllers.is_empty() {
                "version 2"
            } else {
                &controllers
            };
            facts.push(format!("control group of its own: {shown}"));
            if controllers == "devices" {
                let list = format!("/sys/fs/cgroup/devices{path}/devices.list");
                let list = fs::read_to_string(list).unwrap_or_default();
                if !list.is_empty() && !list.lines().any(|rule| rule.starts_with("a ")) {
                    facts.push("devices: none but those listed".to_owned());
                }
            }
        }
        Ok(facts)
    }

    /// The device nodes and links of a default /dev.
    fn devices(&self) -> Vec<String> {
        let mut facts = Vec::new();
        for name in DEVICES {
            let path = Path::new("/dev").join(name);
            let Ok(metadata) = fs::symlink_metadata(self.inside(&path)) else {
                continue;
            };
            if metadata.file_type().is_char_device() {
                let number = metadata.rdev();
                let (major, minor) = (major(number), minor(number));
                let mode = metadata.mode() & 0o7777;
                facts.push(format!(
                    "device {} {major}:{minor} {mode:o}",
                    path.display()
                ));
            }
        }
        for name in ["fd", "stdin", "stdout", "stderr", "ptmx"] {
            let path = Path::new("/dev").join(name);
            if let Ok(target) = fs::read_link(self.inside(&path)) {
                facts.push(format!("link {} {}", path.display(), target.display()));
            }
        }
        facts
    }

    /// Whether programs in it can talk to themselves over the network.
    fn network(&self) -> Option<String> {
        // proc_pid_net(5): an interface has an address here once it is up.
        let v6 = self.read("net/if_inet6").unwrap_or_default();
        let v4 = self.read("net/fib_trie").unwrap_or_default();
        let up = v6.lines().any(|line| line.ends_with(" lo")) || v4.contains("127.0.0.1");
        up.then(|| "loopback interface up".to_owned())
    }
}
