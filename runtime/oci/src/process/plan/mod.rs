//! The plan: what the child will do, in order, with everything prepared.

mod container;
mod end;
mod exec;
mod privileges;

use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;

use super::console::Console;
use super::net_device::NetDevice;
use super::program::{c_strings, search_path};
use super::step::Step;
use super::time::Time;
use super::{Apart, Cgroup, Options, Program, Stdio};
use crate::cgroup::{self, Groups, Placement, Version};
use crate::error::{Error, Result, c_string};
use crate::id_map::IdMap;
use crate::namespace;
use crate::rootfs::{self, HostRoot, Propagation};
use crate::spec::{IdMapping, NamespaceType, Process, Spec};
use crate::sys::Descriptor;
use crate::sys::process::{StringArray, pidfd_of_self};
use crate::sys::terminal::WindowSize;

pub(crate) use end::{End, Latch, Report};
pub(crate) use exec::Target;

/// A process to start.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What an intermediate child does first, where one is needed.
    pub(super) before: Vec<Step>,
    pub(super) steps: Vec<Step>,
    /// Namespaces that the clone makes.
    pub(super) by_clone: u64,
    /// A time namespace, which the runtime enters while it clones.
    pub(super) time: Option<Time>,
    /// The map that the parent writes.
    pub(super) id_map: Option<IdMap>,
    pub(super) cgroups: Placement,
    /// A version 2 group that exists, to be born into.
    pub(super) born_into: Option<OwnedFd>,
    pub(super) parent: Descriptor,
    pub(super) end: End,
    /// Where the child says that the root is built.
    pub(super) meeting: Option<Descriptor>,
    /// Its root, where its mounts are the host's.
    pub(super) host_root: Option<HostRoot>,
    /// Devices of the host that become the container's then.
    pub(super) net_devices: Vec<NetDevice>,
    /// Whether the child's ids or capabilities change, or it hides.
    pub(super) changes_user: bool,
    /// What the parent sets once the child has memory of its own: on shared
    /// memory the kernel would set it for both.
    pub(super) oom_score: Option<i32>,
    /// Whether its filter has a listener, which somebody has to be given.
    pub(super) listens: bool,
    /// Whether the user namespace forbids its processes to change groups
    /// (`user_namespaces(7)`, "/proc/pid/setgroups").
    groups_denied: bool,
    /// Whether a step joins the control groups already.
    joins_cgroups: bool,
    pub(super) warnings: Vec<String>,
}

impl Plan {
    fn new(end: End) -> Result<Self> {
        let parent = pidfd_of_self().map_err(|errno| Error::Setup {
            step: "open a descriptor of this process (pidfd_open)".to_owned(),
            source: errno.into(),
            remedy: Some("Linux 5.12 or newer is needed".to_owned()),
        })?;
        Ok(Self {
            before: Vec::new(),
            steps: Vec::with_capacity(80),
            by_clone: 0,
            time: None,
            id_map: None,
            cgroups: Placement::default(),
            born_into: None,
            parent,
            end,
            meeting: None,
            host_root: None,
            net_devices: Vec::new(),
            changes_user: false,
            oom_score: None,
            listens: false,
            groups_denied: false,
            joins_cgroups: false,
            warnings: Vec::new(),
        })
    }

    /// The plan of a bare process.
    pub(crate) fn for_program(
        program: &Program,
        stdio: Stdio<'_>,
        options: &Options,
    ) -> Result<Self> {
        let mut plan = Self::bare(program)?;
        if options.cgroup != Cgroup::Inherit {
            plan.place(Path::new(&cgroup::owned_name()), None)?;
        }
        plan.begin();
        plan.steps.push(Step::LeadSession(options.session));
        plan.join_cgroups();
        plan.begin_at(program, stdio, options)?;
        Ok(plan)
    }

    /// The plan of a program with namespaces of its own and the host's files.
    pub(crate) fn for_program_apart(
        program: &Program,
        apart: &Apart,
        stdio: Stdio<'_>,
        options: &Options,
    ) -> Result<Self> {
        let mut plan = Self::bare(program)?;
        if apart.pids {
            plan.by_clone |= namespace::flag(NamespaceType::Pid);
        }
        if !apart.uids.is_empty() || !apart.gids.is_empty() {
            plan.by_clone |= namespace::flag(NamespaceType::User);
            plan.map_ids(&apart.uids, &apart.gids);
        }
        plan.begin();
        plan.steps.push(Step::LeadSession(options.session));
        let mounts = namespace::flag(NamespaceType::Mount);
        plan.steps.push(Step::Unshare(mounts));
        plan.steps
            .push(Step::Rootfs(rootfs::Step::Propagation(Propagation::NONE)));
        if apart.pids {
            plan.steps.push(Step::Rootfs(rootfs::Step::Processes));
        }
        plan.begin_at(program, stdio, options)?;
        Ok(plan)
    }

    fn bare(program: &Program) -> Result<Self> {
        Self::new(End::Program {
            places: search_path(&program.path.to_string_lossy(), &program.env)?,
            args: StringArray::new(c_strings("process.args", &program.args)?),
            env: StringArray::new(c_strings("process.env", &program.env)?),
        })
    }

    /// Maps the ids of a new user namespace. First of all: until then the child
    /// is nobody.
    fn map_ids(&mut self, uids: &[IdMapping], gids: &[IdMapping]) {
        match IdMap::choose(uids, gids) {
            IdMap::BySelf(map) => {
                self.groups_denied = true;
                self.steps.push(Step::WriteIdMap(map));
            }
            by_parent @ IdMap::ByParent { .. } => {
                self.id_map = Some(by_parent);
                self.steps.push(Step::AwaitIdMap);
                // The runtime's own ids may not be among those mapped.
                let has_root = |map: &[IdMapping]| map.iter().any(|m| m.container_id == 0);
                if has_root(uids) && has_root(gids) {
                    self.join_cgroups();
                    self.steps.push(Step::BecomeRoot);
                    self.changes_user = true;
                }
            }
        }
    }

    fn begin_at(&mut self, program: &Program, stdio: Stdio<'_>, options: &Options) -> Result<()> {
        if let Some(cwd) = &program.cwd {
            let path = c_string("cwd", cwd.as_os_str().as_bytes())?;
            self.steps.push(Step::WorkingDirectory(path));
        }
        self.steps.push(Step::Streams(numbers(stdio)));
        self.end(options);
        Ok(())
    }

    fn place(&mut self, path: &Path, spec: Option<&Spec>) -> Result<()> {
        // A container that asks for no limit still gets no device but the default ones.
        let resources = spec.map(|s| s.linux().resources.clone().unwrap_or_default());
        self.cgroups = Placement::plan(cgroup::discover()?, path, resources)?;
        self.cgroups.owner = spec.and_then(cgroup::owner::of_group);
        Ok(())
    }

    /// Once, and before the child takes an id that its user namespace maps: who
    /// joins opens a file of the group, which is the runtime's own.
    fn join_cgroups(&mut self) {
        if !self.cgroups.groups.is_empty() && !self.joins_cgroups {
            self.joins_cgroups = true;
            self.steps.push(Step::JoinCgroups);
        }
    }

    fn place_unit(&mut self, spec: &Spec, id: &str) -> Result<()> {
        let resources = spec.linux().resources.clone().unwrap_or_default();
        self.cgroups = Placement::plan_unit(cgroup::discover()?, spec, id, Some(resources))?;
        self.cgroups.owner = cgroup::owner::of_group(spec);
        Ok(())
    }

    /// Its root, where that is mounted where others see it.
    pub(crate) fn host_root(&self) -> Option<&HostRoot> {
        self.host_root.as_ref()
    }

    /// Whether all that outlives its process, if this one is killed, is made
    /// after [`Attend::born`](super::launch::Attend::born).
    pub(crate) fn leaves_nothing_unborn(&self) -> bool {
        let made_before = !self.cgroups.is_unit() && self.has_cgroups(Version::V2);
        !made_before && self.host_root.is_none()
    }

    fn begin(&mut self) {
        // A half-made container never outlives its maker, whatever is asked
        // for the finished one.
        let step = || Step::DieWithParent {
            signal: libc::SIGKILL,
        };
        if !self.before.is_empty() {
            self.before.insert(0, step());
        }
        self.steps.insert(0, step());
    }

    fn begin_session(&mut self, id: &str, options: &Options) -> Result<()> {
        self.steps.push(Step::LeadSession(options.session));
        if !options.keep_keyring {
            let name = c_string("the id", id.as_bytes())?;
            self.steps.push(Step::Keyring(name));
        }
        Ok(())
    }

    /// Opens its terminal; with `bind` it is the container's console, too.
    fn terminal(&mut self, process: &Process, options: &Options, bind: bool) -> Result<()> {
        self.steps.push(Step::Console(Console {
            socket: console_socket(options)?,
            size: process.console_size.map(|size| WindowSize {
                rows: size.height,
                columns: size.width,
                pixels: [0; 2],
            }),
            owner: process.user.uid,
            bind,
        }));
        Ok(())
    }

    /// Its terminal is its three streams, or what it is given.
    fn streams(&mut self, process: &Process, stdio: Stdio<'_>) {
        self.steps.push(match process.terminal {
            true => Step::TerminalStreams,
            false => Step::Streams(numbers(stdio)),
        });
    }

    fn end(&mut self, options: &Options) {
        let first = options.first_free_descriptor();
        self.steps.push(Step::CloseOnExec(first));
        if let End::Trampoline {
            report,
            file,
            installs,
            ..
        } = &self.end
        {
            let open = match report {
                Report::Now { writer, hold, .. } => [
                    Some(writer.as_raw_fd()),
                    hold.as_ref().map(|(reader, _)| reader.as_raw_fd()),
                ],
                Report::Later(latch) => [
                    Some(latch.started.as_raw_fd()),
                    Some(latch.start.as_raw_fd()),
                ],
            };
            let filter = installs.then(|| file.as_raw_fd());
            let open = open.into_iter().chain([filter]).flatten();
            self.steps.extend(open.map(Step::KeepOpen));
        }
        // Who joins a group may first have to be moved there by somebody else.
        if !options.die_with_parent || self.born_into.is_some() {
            self.steps.push(Step::AwaitRecord);
        }
        // Again: the kernel forgot it when the user changed.
        let signal = if options.die_with_parent {
            libc::SIGKILL
        } else {
            0
        };
        self.steps.push(Step::DieWithParent { signal });
    }

    pub(super) fn has_cgroups(&self, version: Version) -> bool {
        self.cgroups
            .groups
            .iter()
            .any(|g| g.hierarchy.version == version)
    }

    /// The control groups that it will have, whether they are made already or not.
    pub(crate) fn groups(&self) -> Groups {
        self.cgroups.planned()
    }

    /// The name of step `index`, counted from the intermediate child's first.
    pub(super) fn step(&self, index: u32) -> Option<&Step> {
        self.before.iter().chain(&self.steps).nth(index as usize)
    }
}

fn numbers(stdio: Stdio<'_>) -> [RawFd; 3] {
    [
        stdio.stdin.as_raw_fd(),
        stdio.stdout.as_raw_fd(),
        stdio.stderr.as_raw_fd(),
    ]
}

/// The score that `process` asks for, where it is another than it would inherit.
fn changed_oom_score(process: &Process) -> Option<i32> {
    let wanted = process.oom_score_adj?;
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").ok();
    let own = own.and_then(|text| text.trim().parse().ok());
    (own != Some(wanted)).then_some(wanted)
}

/// The container's terminal, where one is asked for.
fn console_socket(options: &Options) -> Result<Arc<OwnedFd>> {
    options.console.clone().ok_or_else(|| Error::Invalid {
        field: "process.terminal".to_owned(),
        reason: "a terminal is asked for, and there is nobody to hand it to".to_owned(),
        remedy: "name a socket with --console-socket, or set it to false".to_owned(),
    })
}
