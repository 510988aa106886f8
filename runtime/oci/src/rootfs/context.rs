//! What the steps of a root depend on beside the entry that each is made from.

use std::cell::RefCell;
use std::path::Path;

use super::id_mapped::UserNamespaces;
use crate::spec::{IdMapping, NamespaceType, Spec};
use crate::sys::process::effective_ids;

/// The surroundings of a container's mounts. Lives in the parent.
#[derive(Debug)]
pub(crate) struct Context<'a> {
    /// Where relative sources start.
    pub(super) bundle: &'a Path,
    spec: &'a Spec,
    /// User namespaces for id-mapped mounts.
    pub(super) user_namespaces: UserNamespaces,
    warnings: RefCell<Vec<String>>,
}

impl<'a> Context<'a> {
    pub(crate) fn new(bundle: &'a Path, spec: &'a Spec) -> Self {
        Self {
            bundle,
            spec,
            user_namespaces: UserNamespaces::default(),
            warnings: RefCell::default(),
        }
    }

    /// What the author should know, though it is no error.
    pub(crate) fn into_warnings(self) -> Vec<String> {
        self.warnings.into_inner()
    }

    pub(super) fn warn(&self, warning: String) {
        self.warnings.borrow_mut().push(warning);
    }

    /// The namespace of `kind` that the container does not share with the runtime.
    fn namespace(&self, kind: NamespaceType) -> Option<Option<&'a Path>> {
        let mut all = self.spec.linux().namespaces.iter();
        all.find(|n| n.kind == kind).map(|n| n.path.as_deref())
    }

    /// Whether the container's user namespace is another one than the runtime's.
    pub(super) fn has_user_namespace(&self) -> bool {
        self.namespace(NamespaceType::User).is_some()
    }

    /// The user namespace that the container joins.
    pub(super) fn joined_user_namespace(&self) -> Option<&'a Path> {
        self.namespace(NamespaceType::User).flatten()
    }

    pub(super) fn has_pid_namespace(&self) -> bool {
        self.namespace(NamespaceType::Pid).is_some()
    }

    /// The ids of the container's new user namespace, users' and groups'.
    pub(super) fn maps(&self) -> (&'a [IdMapping], &'a [IdMapping]) {
        let linux = self.spec.linux();
        (&linux.uid_mappings, &linux.gid_mappings)
    }

    /// Whether the parent may prepare mounts that the child may not: the
    /// child's user namespace has no power over the sources, and perhaps no
    /// permission to reach them.
    pub(super) fn parent_can_mount(&self) -> bool {
        self.has_user_namespace() && effective_ids().0 == 0
    }

    /// The options of all mounts, in order.
    pub(super) fn words(&self) -> impl Iterator<Item = &'a str> {
        let all = self.spec.mounts.iter().flat_map(|m| &m.options);
        all.map(String::as_str)
    }
}
