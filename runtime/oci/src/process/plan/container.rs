//! The plan of a container: the list of steps from a clone to its program.

use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};

use super::super::program::environment;
use super::super::step::Step;
use super::super::time::Time;
use super::super::{Cgroup, Options, Stdio};
use super::privileges::ContainersFilter;
use super::{End, Latch, Plan, changed_oom_score};
use crate::cgroup::{self, Placement};
use crate::error::{Error, Result, c_string};
use crate::namespace::{self, Namespaces};
use crate::process::net_device::NetDevice;
use crate::rootfs::{self, CgroupMount, HostRoot, Inside, Mount, Node, Propagation, Sysctl};
use crate::spec::{Linux, NamespaceType, Process, Spec};
use crate::sys::notify;
use crate::sys::process::effective_ids;

/// A root that is built, and what is left to do with it.
struct Root {
    path: PathBuf,
    propagation: Propagation,
    /// Mounts that are written to while others are made on them.
    read_only: Vec<rootfs::Inside>,
}

/// Whether it has a mount namespace, its own or one that it joins.
fn has_own_mounts(linux: &Linux) -> bool {
    let mut kinds = linux.namespaces.iter().map(|n| n.kind);
    kinds.any(|kind| kind == NamespaceType::Mount)
}

/// Whether, in a user namespace that exists, it has to be seen until its root is
/// built: an ordinary user's runtime cannot join a process that hides, for a hook,
/// and such a process cannot write to its own files in `/proc`.
fn hides_late(spec: &Spec) -> bool {
    let mut namespaces = spec.linux().namespaces.iter();
    let joins_user = namespaces.any(|n| n.kind == NamespaceType::User && n.path.is_some());
    let mut hooks = spec.hooks.iter();
    let has_hook = hooks.any(|hooks| !hooks.create_container.is_empty());
    let has_offsets = !spec.linux().time_offsets.is_empty();
    joins_user && (has_hook || has_offsets) && effective_ids().0 != 0
}

impl Plan {
    /// The plan of a container. The spec has been validated.
    // ANCHOR: plan
    pub(crate) fn for_container(
        bundle: &Path,
        spec: &Spec,
        process: &Process,
        id: &str,
        stdio: Stdio<'_>,
        options: &Options,
        latch: Option<Latch>,
    ) -> Result<Self> {
        let program = process.args.first().map_or("", String::as_str);
        let root = bundle.join(spec.root.as_ref().map_or(Path::new(""), |root| &root.path));
        let env = environment(process, &root, options);
        let oom_score = changed_oom_score(process);
        let filter = ContainersFilter::new(spec.linux(), process)?;
        let mut plan = Self::new(End::trampoline(
            program,
            &process.args,
            &env,
            latch,
            oom_score.is_some(),
            filter.by_trampoline.as_ref(),
            options,
        )?)?;
        plan.oom_score = oom_score;
        let mut namespaces = Namespaces::from_spec(spec.linux())?;
        plan.place_container(spec, id, options)?;
        plan.by_clone = namespaces.by_clone;
        if namespaces.makes(NamespaceType::User) {
            plan.enter_time_namespace(spec, &mut namespaces);
        }
        plan.enter_user_namespace(spec, &namespaces);
        plan.begin_session(id, options)?;
        let (user, cgroup) = (namespaces.has_user(), namespaces.cgroup);
        plan.enter_namespaces(spec, namespaces)?;
        plan.begin();
        plan.mount_root(bundle, spec, user, options)?;
        let root = plan.build_root(bundle, spec, user, cgroup)?;
        plan.meet_for_hooks(spec)?;
        plan.enter_root(spec, root, options)?;
        let sets = plan.restrict(process, spec.linux(), user, &filter)?;
        plan.streams(process, stdio);
        plan.give_up_privileges(filter, process, sets, user, options)?;
        Ok(plan)
    }
    // ANCHOR_END: plan

    fn place_container(&mut self, spec: &Spec, id: &str, options: &Options) -> Result<()> {
        let path = match options.cgroup {
            Cgroup::Inherit => return Ok(()),
            Cgroup::Owned => PathBuf::from(cgroup::owned_name()),
            Cgroup::Named => spec
                .linux()
                .cgroups_path
                .clone()
                .unwrap_or_else(|| id.into()),
            Cgroup::Systemd => return self.place_unit(spec, id),
        };
        self.place(&path, Some(spec))
    }

    /// Once, and before the child takes an id that its user namespace maps: then
    /// its files in `/proc` are the host's root's, and it cannot write the offsets.
    fn enter_time_namespace(&mut self, spec: &Spec, namespaces: &mut Namespaces) {
        let time = namespace::flag(NamespaceType::Time);
        if namespaces.by_child & time == 0 {
            return;
        }
        namespaces.by_child &= !time;
        let offsets = spec.linux().time_offsets.iter();
        let offsets: String = offsets
            .map(|(clock, o)| format!("{clock} {} {}\n", o.secs, o.nanosecs))
            .collect();
        if !Time::is_entered_by_execution() {
            self.time = Some(Time::New { offsets });
            return;
        }
        self.steps.push(Step::Unshare(time));
        if !offsets.is_empty() {
            self.steps.push(Step::TimeOffsets(offsets));
        }
    }

    fn enter_user_namespace(&mut self, spec: &Spec, namespaces: &Namespaces) {
        if !namespaces.makes(NamespaceType::User) {
            return;
        }
        let linux = spec.linux();
        self.map_ids(&linux.uid_mappings, &linux.gid_mappings);
    }

    fn enter_namespaces(&mut self, spec: &Spec, mut namespaces: Namespaces) -> Result<()> {
        let by_parent = namespaces.need_two_clones();
        if let Some(time) = namespaces.joined.time.take() {
            self.time = Some(Time::Joined(time));
        }
        let joined = std::mem::take(&mut namespaces.joined);
        let joins_user = joined.user.is_some();
        // Whoever is in a pid namespace that exists may be looked at by whoever
        // else is in it; whoever is in a user namespace that exists, by whoever
        // has power in it and sees them, be it from a pid namespace further out.
        let is_seen = joined.has(NamespaceType::Pid) || joins_user && !hides_late(spec);
        if joins_user || !joined.others.is_empty() {
            let list = if by_parent {
                &mut self.before
            } else {
                &mut self.steps
            };
            if is_seen {
                list.push(Step::Hide);
                self.changes_user = true;
            }
            if joins_user {
                // Inside it may be forbidden.
                list.push(Step::DropGroups);
            }
            list.push(Step::JoinAll(joined));
        }
        self.enter_time_namespace(spec, &mut namespaces);
        if joins_user {
            self.join_cgroups();
            self.steps.push(Step::BecomeRootIfMapped);
            self.changes_user = true;
        }
        if namespaces.by_child != 0 {
            self.steps.push(Step::Unshare(namespaces.by_child));
        }
        if namespaces.by_child & namespace::flag(NamespaceType::Network) != 0 {
            self.steps.push(Step::LoopbackUp);
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

    /// The root itself, where it is not there yet.
    fn mount_root(
        &mut self,
        bundle: &Path,
        spec: &Spec,
        user: bool,
        options: &Options,
    ) -> Result<()> {
        let Some(overlay) = &options.overlay else {
            return Ok(());
        };
        if !has_own_mounts(spec.linux()) {
            return Err(Error::Invalid {
                field: "linux.namespaces".to_owned(),
                reason: "an overlay is its root, and it has no mount namespace".to_owned(),
                remedy: "add {\"type\": \"mount\"}".to_owned(),
            });
        }
        let root = spec.root.as_ref().map_or(Path::new(""), |root| &root.path);
        let target = rootfs::root_path(&bundle.join(root))?;
        // Or the mount would be seen on the host.
        self.root(rootfs::Step::Propagation(Propagation::NONE));
        let user = user || !rootfs::is_initial_user_namespace();
        let layers = overlay.prepare(user, target)?;
        self.root(rootfs::Step::Overlay(layers));
        Ok(())
    }

    /// The mounts in the author's order, then what lies on top of them.
    fn build_root(&mut self, bundle: &Path, spec: &Spec, user: bool, cgroup: bool) -> Result<Root> {
        let linux = spec.linux();
        let context = rootfs::Context::new(bundle, spec);
        let propagation = rootfs::propagation(linux.rootfs_propagation.as_deref(), &context)?;
        let root = spec.root.as_ref().map_or(Path::new(""), |root| &root.path);
        let path = bundle.join(root);
        self.steps.push(Step::ClearUmask);
        if has_own_mounts(linux) {
            self.root(rootfs::Step::Propagation(propagation));
            self.root(rootfs::Step::OpenRoot(
                rootfs::root_path(&path)?,
                propagation,
            ));
        } else {
            let root = HostRoot::at(rootfs::root_path(&path)?);
            self.host_root = Some(root.map_err(|errno| Error::Read {
                path: path.clone(),
                source: errno.into(),
            })?);
            self.root(rootfs::Step::OpenMounted(rootfs::root_path(&path)?));
        }
        let mut read_only = Vec::new();
        // A control group namespace shows the group it was made in as the
        // root, so the groups are joined before it, and before they are shown.
        let mut joined = false;
        let join = |plan: &mut Self| {
            plan.join_cgroups();
            if cgroup {
                plan.steps
                    .push(Step::Unshare(namespace::flag(NamespaceType::Cgroup)));
            }
        };
        for (index, mount) in spec.mounts.iter().enumerate() {
            let is_bind = mount.options.iter().any(|o| o == "bind" || o == "rbind");
            let is_cgroup =
                !is_bind && matches!(mount.fstype.as_deref(), Some("cgroup" | "cgroup2"));
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
        self.warnings.extend(context.into_warnings());
        Ok(Root {
            path,
            propagation,
            read_only,
        })
    }

    /// Hooks see the root as it was built, from outside; and the devices move when
    /// there is a namespace to move them to.
    fn meet_for_hooks(&mut self, spec: &Spec) -> Result<()> {
        self.net_devices = NetDevice::all(spec);
        let has_hooks = spec.hooks.as_ref().is_some_and(|hooks| {
            let now = [
                &hooks.prestart,
                &hooks.create_runtime,
                &hooks.create_container,
            ];
            now.iter().any(|hooks| !hooks.is_empty())
        });
        if !has_hooks && self.net_devices.is_empty() {
            return Ok(());
        }
        let event = notify::eventfd().map_err(|errno| Error::Setup {
            step: "make an eventfd".to_owned(),
            source: errno.into(),
            remedy: None,
        })?;
        self.steps.push(Step::Meet(event.as_raw_fd()));
        self.meeting = Some(event);
        Ok(())
    }

    /// What protects the root, and the way into it.
    fn enter_root(&mut self, spec: &Spec, root: Root, options: &Options) -> Result<()> {
        let linux = spec.linux();
        if hides_late(spec) {
            self.steps.push(Step::Hide);
            self.changes_user = true;
        }
        if let Some(process) = spec.process.as_ref().filter(|p| p.terminal) {
            self.terminal(process, options, true)?;
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
        for path in root.read_only {
            self.root(rootfs::Step::ReadOnlyMount(path));
        }
        if spec.root.as_ref().is_some_and(|root| root.readonly) {
            self.root(rootfs::Step::ReadOnlyRoot);
        }
        if self.host_root.is_some() {
            self.root(rootfs::Step::ChangeRoot);
            return Ok(());
        }
        let propagation = root.propagation;
        self.root(rootfs::Step::exchange(
            &root.path,
            propagation,
            options.no_pivot,
        )?);
        let last = propagation.last.map(rootfs::Step::RootPropagation);
        self.steps.extend(last.map(Step::Rootfs));
        Ok(())
    }

    fn root(&mut self, step: rootfs::Step) {
        self.steps.push(Step::Rootfs(step));
    }
}

#[cfg(test)]
mod tests {

    use super::*;

    #[test]
    fn a_half_made_container_is_tied_to_its_maker_first_of_all() {
        let stdio = Stdio::null();
        let spec = Spec::example();
        let mut process = spec.process.clone().unwrap();
        process.terminal = false;
        let mut spec = spec;
        spec.process = Some(process.clone());
        let options = Options::default();
        let bundle = Path::new("/nowhere");
        let plan = Plan::for_container(bundle, &spec, &process, "x", stdio, &options, None);
        let plan = plan.unwrap();
        assert!(matches!(plan.steps[0], Step::DieWithParent { signal } if signal == libc::SIGKILL));
        // And is let go only once it is on record.
        let ends = plan
            .steps
            .iter()
            .rposition(|s| matches!(s, Step::DieWithParent { signal: 0 }));
        let record = plan
            .steps
            .iter()
            .position(|s| matches!(s, Step::AwaitRecord));
        assert!(record.unwrap() < ends.unwrap());
    }
}
