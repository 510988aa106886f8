//! What markers ask about an interpreter and its machine.

use serde::{Deserialize, Serialize};

/// The values of an interpreter's marker variables.
///
/// Source: the table of *Environment markers* in *Dependency specifiers*.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct MarkerEnvironment {
    /// `os.name`: `posix`.
    pub os_name: String,
    /// `sys.platform`: `linux`.
    pub sys_platform: String,
    /// `platform.machine()`: `x86_64`.
    pub platform_machine: String,
    /// `platform.python_implementation()`: `CPython`.
    pub platform_python_implementation: String,
    /// `platform.release()`: the kernel's.
    #[serde(skip)] // never remembered: it changes without the interpreter
    pub platform_release: String,
    /// `platform.system()`: `Linux`.
    pub platform_system: String,
    /// `platform.version()`: the kernel's build.
    #[serde(skip)] // as the release
    pub platform_version: String,
    /// Major and minor version: `3.11`.
    pub python_version: String,
    /// The whole version: `3.11.7`.
    pub python_full_version: String,
    /// `sys.implementation.name`: `cpython`.
    pub implementation_name: String,
    /// `sys.implementation.version`: `3.11.7`.
    pub implementation_version: String,
}
