//! The plan: what the child will do, in order, with everything prepared.

use std::ffi::CString;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::program::{c_string, c_strings, environment, search_path};
use super::step::Step;
use super::{Cgroup, Options, Program, Stdio};
use crate::cgroup::{self, Placement, Version};
use crate::error::{Error, Result};
use crate::id_map::IdMap;
use crate::namespace::{self, Namespaces};
use crate::rootfs::{self, CgroupMount, Inside, Mount, Node, Sysctl};
use crate::security::rlimit::Limit;
use crate::security::seccomp::Filter;
use crate::security::{self, capability};
use crate::spec::{Linux, NamespaceType, Process, Spec};
use crate::sys::Descriptor;
use crate::sys::process::{StringArray, pidfd_of_self};

/// A process to start.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(super) steps: Vec<Step>,
    /// Namespaces that the clone makes.
    pub(super) by_clone: u64,
    /// The map that the parent writes.
    pub(super) id_map: Option<IdMap>,
    pub(super) cgroups: Placement,
    pub(super) parent: Descriptor,
    pub(super) executables: Vec<CString>,
    pub(super) args: StringArray,
    pub(super) env: StringArray,
    /// Whether the child's ids or capabilities change.
    pub(super) changes_user: bool,
    pub(super) changes_oom_score: bool,
    pub(super) warnings: Vec<String>,
}

impl Plan {
    fn new(executables: Vec<CString>, args: &[String], env: &[String]) -> Result<Self> {
        let parent = pidfd_of_self().map_err(|errno| Error::Setup {
            step: "open a descriptor of this process (pidfd_open)".to_owned(),
            source: errno.into(),
            remedy: Some("Linux 5.12 or newer is needed".to_owned()),
        })?;
        Ok(Self {
            steps: Vec::with_capacity(64),
            by_clone: 0,
            id_map: None,
            cgroups: Placement::default(),
            parent,
            executables,
            args: StringArray::new(c_strings("process.args", args)?),
            env: StringArray::new(c_strings("process.env", env)?),
            changes_user: false,
            changes_oom_score: false,
            warnings: Vec::new(),
        })
    }

    /// The plan of a bare process.
    pub(crate) fn for_program(
        program: &Program,
        stdio: Stdio<'_>,
        options: &Options,
    ) -> Result<Self> {
        let executables = search_path(&program.path.to_string_lossy(), &program.env)?;
        let mut plan = Self::new(executables, &program.args, &program.env)?;
        if options.cgroup != Cgroup::Inherit {
            plan.place(Path::new(&cgroup::owned_name()), None)?;
        }
        plan.begin();
        plan.steps.push(Step::LeadSession(options.session));
        if !plan.cgroups.groups.is_empty() {
            plan.steps.push(Step::JoinCgroups);
        }
        if let Some(cwd) = &program.cwd {
            let path = c_string("cwd", cwd.as_os_str().as_bytes())?;
            plan.steps.push(Step::WorkingDirectory(path));
        }
        plan.steps.push(Step::Streams(numbers(stdio)));
        plan.end(options);
        Ok(plan)
    }

    /// The plan of a container. The spec has been validated.
    // ANCHOR: plan
    pub(crate) fn for_container(
        bundle: &Path,
        spec: &Spec,
        process: &Process,
        id: &str,
        stdio: Stdio<'_>,
        options: &Options,
    ) -> Result<Self> {
        let program = process.args.first().map_or("", String::as_str);
        let root = bundle.join(spec.root.as_ref().map_or(Path::new(""), |root| &root.path));
        let executables = search_path(program, &process.env)?;
        let mut plan = Self::new(executables, &process.args, &environment(process, &root))?;
        let namespaces = Namespaces::from_spec(spec.linux())?;
        plan.place_container(spec, id, options)?;
        plan.by_clone = namespaces.by_clone;
        plan.begin();
        plan.enter_user_namespace(spec, &namespaces);
        plan.begin_session(process, id, options)?;
        let (user, cgroup) = (namespaces.has_user(), namespaces.cgroup);
        plan.enter_namespaces(spec, namespaces)?;
        plan.build_root(bundle, spec, user, cgroup)?;
        let sets = plan.restrict(process, spec.linux(), user)?;
        plan.steps.push(Step::Streams(numbers(stdio)));
        plan.give_up_privileges(spec, process, sets, options)?;
        Ok(plan)
    }
    // ANCHOR_END: plan

    fn place(&mut self, path: &Path, spec: Option<&Spec>) -> Result<()> {
        // A container that asks for no limit still gets no device but the default ones.
        let resources = spec.map(|s| s.linux().resources.clone().unwrap_or_default());
        self.cgroups = Placement::plan(cgroup::discover()?, path, resources)?;
        Ok(())
    }

    fn place_container(&mut self, spec: &Spec, id: &str, options: &Options) -> Result<()> {
        let path = match options.cgroup {
            Cgroup::Inherit => return Ok(()),
            Cgroup::Owned => PathBuf::from(cgroup::owned_name()),
            Cgroup::Named => spec
                .linux()
                .cgroups_path
                .clone()
                .unwrap_or_else(|| id.into()),
        };
        self.place(&path, Some(spec))
    }

    fn begin(&mut self) {
        // A half-made container never outlives its maker, whatever is asked
        // for the finished one.
        self.steps.push(Step::DieWithParent {
            signal: libc::SIGKILL,
        });
    }

    /// First of all: until its ids are mapped the child is nobody.
    fn enter_user_namespace(&mut self, spec: &Spec, namespaces: &Namespaces) {
        if !namespaces.has_user() {
            return;
        }
        let linux = spec.linux();
        match IdMap::choose(&linux.uid_mappings, &linux.gid_mappings) {
            IdMap::BySelf(map) => self.steps.push(Step::WriteIdMap(map)),
            by_parent @ IdMap::ByParent { .. } => {
                self.id_map = Some(by_parent);
                self.steps.push(Step::AwaitIdMap);
                // The runtime's own ids may not be among those mapped.
                let has_root =
                    |map: &[crate::spec::IdMapping]| map.iter().any(|m| m.container_id == 0);
                if has_root(&linux.uid_mappings) && has_root(&linux.gid_mappings) {
                    self.steps.push(Step::BecomeRoot);
                    self.changes_user = true;
                }
            }
        }
    }

    fn begin_session(&mut self, process: &Process, id: &str, options: &Options) -> Result<()> {
        self.steps.push(Step::LeadSession(options.session));
        if let Some(score) = process.oom_score_adj {
            self.changes_oom_score = true;
            self.steps.push(Step::OomScore(score.to_string()));
        }
        if !options.keep_keyring {
            self.steps
                .push(Step::Keyring(c_string("the id", id.as_bytes())?));
        }
        Ok(())
    }

    fn enter_namespaces(&mut self, spec: &Spec, namespaces: Namespaces) -> Result<()> {
        for (kind, fd) in namespaces.joined {
            self.steps.push(Step::Join { kind, fd });
        }
        if namespaces.by_child != 0 {
            self.steps.push(Step::Unshare(namespaces.by_child));
        }
        if namespaces.by_child & namespace::flag(NamespaceType::Network) != 0 {
            self.steps.push(Step::LoopbackUp);
        }
        let offsets = &spec.linux().time_offsets;
        if !offsets.is_empty() {
            let lines = offsets
                .iter()
                .map(|(clock, o)| format!("{clock} {} {}\n", o.secs, o.nanosecs));
            self.steps.push(Step::TimeOffsets(lines.collect()));
        }
        if let Some(name) = &spec.hostname {
            self.steps
                .push(Step::Hostname(c_string("hostname", name.as_bytes())?));
        }
        if let Some(name) = &spec.domainname {
            self.steps
                .push(Step::Domainname(c_string("domainname", name.as_bytes())?));
        }
        Ok(())
    }

    /// The mounts in the author's order, then what lies on top of them.
    fn build_root(&mut self, bundle: &Path, spec: &Spec, user: bool, cgroup: bool) -> Result<()> {
        let linux = spec.linux();
        let Some(root) = &spec.root else {
            return Ok(());
        };
        let context = rootfs::Context::new(bundle, spec);
        let spread = rootfs::spread(linux.rootfs_propagation.as_deref(), &context)?;
        let path = bundle.join(&root.path);
        self.steps.push(Step::ClearUmask);
        self.root(rootfs::Step::Propagation(spread));
        self.root(rootfs::Step::OpenRoot(rootfs::root_path(&path)?, spread));
        let mut read_only = Vec::new();
        // A control group namespace shows the group it was made in as the
        // root, so the groups are joined before it, and before they are shown.
        let mut joined = false;
        let join = |plan: &mut Self| {
            if !plan.cgroups.groups.is_empty() {
                plan.steps.push(Step::JoinCgroups);
            }
            if cgroup {
                plan.steps
                    .push(Step::Unshare(namespace::flag(NamespaceType::Cgroup)));
            }
        };
        for (index, mount) in spec.mounts.iter().enumerate() {
            let is_cgroup = matches!(mount.fstype.as_deref(), Some("cgroup" | "cgroup2"));
            if is_cgroup && !std::mem::replace(&mut joined, true) {
                join(self);
            }
            self.root(if is_cgroup {
                let shown = if self.cgroups.groups.is_empty() {
                    &Placement::plan(cgroup::discover()?, Path::new(""), None)?
                } else {
                    &self.cgroups
                };
                rootfs::Step::Cgroups(CgroupMount::prepare(index, mount, shown, cgroup)?)
            } else {
                let (mount, late) = Mount::prepare(index, mount, &context)?;
                read_only.extend(late);
                rootfs::Step::Mount(mount)
            });
        }
        if !joined {
            join(self);
        }
        // A /dev that is the host's own is left as it is.
        if !rootfs::binds_dev(&spec.mounts) {
            for node in Node::prepare_all(&linux.devices, user)? {
                self.root(rootfs::Step::Node(node));
            }
            self.root(rootfs::Step::Links);
        }
        if let Some(process) = &spec.process {
            let path = Inside::new("process.cwd", &process.cwd)?;
            self.root(rootfs::Step::MakeDirectory(path));
        }
        for (name, value) in &linux.sysctl {
            self.root(rootfs::Step::Sysctl(Sysctl::prepare(name, value, linux)?));
        }
        for path in &linux.readonly_paths {
            self.root(rootfs::Step::ReadOnlyPath(Inside::new(
                "linux.readonlyPaths",
                path,
            )?));
        }
        for path in &linux.masked_paths {
            self.root(rootfs::Step::Mask(Inside::new("linux.maskedPaths", path)?));
        }
        for path in read_only {
            self.root(rootfs::Step::ReadOnlyMount(path));
        }
        if root.readonly {
            self.root(rootfs::Step::ReadOnlyRoot);
        }
        self.root(rootfs::Step::exchange(&path, spread, false)?);
        self.steps.extend(
            spread
                .last
                .map(|s| Step::Rootfs(rootfs::Step::RootPropagation(s))),
        );
        self.warnings.extend(context.into_warnings());
        Ok(())
    }

    fn root(&mut self, step: rootfs::Step) {
        self.steps.push(Step::Rootfs(step));
    }

    /// What the process may use, and who it is. Limits before the user, who
    /// could not raise them; the bounding set while CAP_SETPCAP is there.
    fn restrict(
        &mut self,
        process: &Process,
        linux: &Linux,
        user_namespace: bool,
    ) -> Result<capability::Sets> {
        for (index, limit) in process.rlimits.iter().enumerate() {
            self.steps
                .push(Step::Limit(Limit::from_spec(index, limit)?));
        }
        let attributes = security::Step::prepare_all(process, linux)?;
        self.steps
            .extend(attributes.into_iter().map(Step::Security));
        let spec = process.capabilities.clone().unwrap_or_default();
        let available = capability::available(user_namespace);
        let (sets, ignored) = capability::Sets::from_spec(&spec, available);
        if !ignored.is_empty() {
            let names = ignored.join(" ");
            self.warnings.push(format!(
                "ignoring unknown or unavailable capabilities: [{names}]"
            ));
        }
        if process.capabilities.is_some() {
            self.steps.push(Step::DropBounding(sets));
        }
        Ok(sets)
    }

    // ANCHOR: privileges
    /// The end: each step needs a privilege that the next one takes away.
    fn give_up_privileges(
        &mut self,
        spec: &Spec,
        process: &Process,
        sets: capability::Sets,
        options: &Options,
    ) -> Result<()> {
        let filter = spec
            .linux()
            .seccomp
            .as_ref()
            .map(Filter::compile)
            .transpose()?;
        let (now, at_last) = if process.no_new_privileges {
            (None, filter)
        } else {
            (filter, None)
        };
        // Without no_new_privs only CAP_SYS_ADMIN may install a filter, so it
        // has to come while that is there.
        self.steps.extend(now.map(Step::Seccomp));
        let user = &process.user;
        let one_id = self.steps.iter().any(|s| matches!(s, Step::WriteIdMap(_)));
        self.steps.push(Step::KeepCapabilities);
        self.steps.push(Step::User {
            uid: user.uid,
            gid: user.gid,
            groups: (!one_id).then(|| user.additional_gids.clone()),
        });
        self.changes_user = true;
        let path = c_string("process.cwd", process.cwd.as_os_str().as_bytes())?;
        self.steps.push(Step::WorkingDirectory(path));
        self.steps.push(Step::CheckWorkingDirectory);
        self.steps.push(Step::Umask(user.umask.unwrap_or(0o022)));
        self.steps.push(Step::Capabilities(sets));
        if process.no_new_privileges {
            self.steps.push(Step::NoNewPrivileges);
        }
        self.end(options);
        self.steps.extend(at_last.map(Step::Seccomp));
        Ok(())
    }
    // ANCHOR_END: privileges

    fn end(&mut self, options: &Options) {
        self.steps.push(Step::CloseOnExec);
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
}

fn numbers(stdio: Stdio<'_>) -> [RawFd; 3] {
    [
        stdio.stdin.as_raw_fd(),
        stdio.stdout.as_raw_fd(),
        stdio.stderr.as_raw_fd(),
    ]
}
