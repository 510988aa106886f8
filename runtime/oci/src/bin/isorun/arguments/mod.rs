//! What was typed becomes what is meant, once; nothing further down sees argv.
//!
//! Read by hand, in one pass: the start of a container is measured in hundreds
//! of microseconds, of which a parser of everybody's needs would be a good part.

pub(crate) mod options;
mod scan;
mod suggest;
pub(crate) mod table;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::str::FromStr;

use crate::failure::Failure;

/// A command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verb {
    Create,
    Start,
    Run,
    Exec,
    Kill,
    Delete,
    State,
    List,
    Ps,
    Pause,
    Resume,
    Update,
    Events,
    Spec,
    Features,
    Completion,
    Man,
    Help,
    Version,
    Checkpoint,
}

/// An option, whatever its spelling.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    // Of every command.
    Root,
    Log,
    LogFormat,
    Debug,
    SystemdCgroup,
    CgroupManager,
    Rootless,
    Criu,
    Help,
    Version,
    // Of create, run and exec.
    Bundle,
    Config,
    PidFile,
    ConsoleSocket,
    PreserveFds,
    NoPivot,
    NoNewKeyring,
    NoSubreaper,
    Trace,
    Detach,
    Keep,
    Cwd,
    Env,
    Tty,
    User,
    AdditionalGids,
    Process,
    Cap,
    NoNewPrivs,
    Apparmor,
    ProcessLabel,
    Cgroup,
    IgnorePaused,
    // Of the others.
    All,
    Force,
    Format,
    Json,
    Quiet,
    Stats,
    Interval,
    File,
    SpecRootless,
    // Of update.
    Resources,
    BlkioWeight,
    CpuPeriod,
    CpuQuota,
    CpuBurst,
    CpuShare,
    CpuRtPeriod,
    CpuRtRuntime,
    CpuIdle,
    CpusetCpus,
    CpusetMems,
    Memory,
    MemoryReservation,
    MemorySwap,
    KernelMemory,
    KernelMemoryTcp,
    PidsLimit,
    L3CacheSchema,
    MemBwSchema,
}

/// An option as the tables have it.
#[derive(Debug)]
pub(crate) struct Opt {
    pub(crate) key: Key,
    pub(crate) short: Option<char>,
    pub(crate) long: &'static str,
    /// What its value is called, where it has one.
    pub(crate) takes: Option<&'static str>,
    pub(crate) help: &'static str,
}

/// Whose words follow a command's first positional argument.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tail {
    /// isorun's.
    None,
    /// A program's, from its name on.
    Command,
    /// ps(1)'s.
    PsOptions,
    /// Nobody's: the command is refused, whatever follows.
    Anything,
}

/// What was typed, understood.
///
/// Filled from left to right, so that where the scan fails, what came before
/// (the log file, above all) is known.
#[derive(Debug, Default)]
pub(crate) struct Given<'a> {
    verb: Option<&'static table::Entry>,
    options: Vec<(&'static Opt, &'a str)>,
    positionals: Vec<&'a str>,
}

impl<'a> Given<'a> {
    /// The command; `None` where there was none.
    pub(crate) fn verb(&self) -> Option<&'static table::Entry> {
        self.verb
    }

    /// Whether a flag is set; the last one holds.
    pub(crate) fn flag(&self, key: Key) -> bool {
        self.value(key).is_some_and(|value| value != "false")
    }

    /// The value of an option; the last one holds.
    pub(crate) fn value(&self, key: Key) -> Option<&'a str> {
        self.values(key).next_back()
    }

    /// All values of an option that may be repeated.
    pub(crate) fn values(&self, key: Key) -> impl DoubleEndedIterator<Item = &'a str> {
        let given = self.options.iter().filter(move |o| o.0.key == key);
        given.map(|o| o.1)
    }

    /// Those of `keys` that were given, as they are spelled in full.
    pub(crate) fn spelled(&self, keys: impl IntoIterator<Item = Key>) -> Vec<String> {
        let given = keys.into_iter().filter_map(|key| {
            let option = self.options.iter().find(|o| o.0.key == key)?.0;
            Some(format!("--{}", option.long))
        });
        given.collect()
    }

    /// The path that an option names.
    pub(crate) fn path(&self, key: Key) -> Option<&'a Path> {
        self.value(key).map(Path::new)
    }

    /// The number that an option has as its value.
    pub(crate) fn number<T: FromStr>(&self, key: Key) -> Result<Option<T>, Failure> {
        let given = self.options.iter().rev().find(|o| o.0.key == key);
        let Some((option, value)) = given else {
            return Ok(None);
        };
        let number = value.parse().map_err(|_| {
            Failure::new(
                format!(
                    "--{}: `{value}` is not a number that it can be",
                    option.long
                ),
                format!("--{} {}", option.long, option.takes.unwrap_or("N")),
            )
        })?;
        Ok(Some(number))
    }

    /// The positional argument at `index`; empty where there is none.
    pub(crate) fn positional(&self, index: usize) -> &'a str {
        self.positionals.get(index).copied().unwrap_or_default()
    }

    /// The positional arguments from `index` on.
    pub(crate) fn rest(&self, index: usize) -> &[&'a str] {
        self.positionals.get(index..).unwrap_or_default()
    }
}
