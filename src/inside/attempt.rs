//! What can be tried from inside, and the file in which it is asked for.

use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};

use super::canary::Traces;

/// The longest list of attempts, in bytes.
const LONGEST: u64 = 1 << 16;

/// One thing to try. The order is that in which they are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Attempt {
    /// Read the identity that the kernel drew at its boot.
    BootId,
    /// Ask for the kernel's release and version.
    KernelRelease,
    /// Read which user namespace this is.
    NsUser,
    /// Read which pid namespace this is.
    NsPid,
    /// Read which mount namespace this is.
    NsMnt,
    /// Read which UTS namespace this is.
    NsUts,
    /// Read which IPC namespace this is.
    NsIpc,
    /// Read which network namespace this is.
    NsNet,
    /// Read which control group namespace this is.
    NsCgroup,
    /// Read which time namespace this is.
    NsTime,
    /// Read the name of the first process.
    FirstProcess,
    /// Read how much memory there is, and how much of it caches files.
    Memory,
    /// Count the processes that can be seen.
    CountProcesses,
    /// Look for the canary among the processes.
    SeeProcess,
    /// Send the canary the signal that only checks the right to signal.
    SignalProcess,
    /// Read which users outside those inside are.
    UidMap,
    /// Become another user, and oneself again.
    BecomeUser,
    /// Read the canary's file.
    ReadFile,
    /// Open the canary's file for writing, and write nothing.
    OpenForWriting,
    /// Make a mount that is attached nowhere.
    MakeMount,
    /// Make a file without a name in the root directory.
    WriteRoot,
    /// Connect to the canary's listener and read what it says.
    Connect,
    /// List the network interfaces.
    Interfaces,
    /// Listen on the port that the canary listens on.
    Bind,
    /// Ask for the host name.
    HostName,
    /// Set the host name to what it is.
    SetHostName,
    /// Open the canary's message queue.
    OpenQueue,
    /// Read which control groups this process is in.
    Cgroup,
    /// Open a limit of the own control group for writing, and write nothing.
    OpenLimit,
    /// Set the clock in a way that the kernel never carries out.
    SetClock,
    /// Hand the kernel a module of no bytes.
    LoadModule,
    /// Count the device nodes.
    CountDevices,
    /// Open the kernel's log.
    OpenKernelLog,
    /// Open the first disk for reading, and read nothing.
    OpenDisk,
    /// Make a node of the kernel's log, open and remove it.
    MakeDevice,
    /// Ask Python where its packages go.
    PackageDirectory,
    /// Ask whether that place can be written to.
    WritePackages,
    /// Ask Python which file it is.
    InterpreterFile,
    /// Ask whether that file can be written to.
    WriteInterpreter,
    /// Ask Python where its standard library is.
    StandardLibrary,
    /// Ask whether that place can be written to.
    WriteStandardLibrary,
    /// Ask Python which C library it is running on.
    CLibrary,
    /// Ask whether that file can be written to.
    WriteCLibrary,
}

impl Attempt {
    /// Every attempt.
    pub const ALL: [Self; 43] = {
        use Attempt::*;
        [
            BootId,
            KernelRelease,
            NsUser,
            NsPid,
            NsMnt,
            NsUts,
            NsIpc,
            NsNet,
            NsCgroup,
            NsTime,
            FirstProcess,
            Memory,
            CountProcesses,
            SeeProcess,
            SignalProcess,
            UidMap,
            BecomeUser,
            ReadFile,
            OpenForWriting,
            MakeMount,
            WriteRoot,
            Connect,
            Interfaces,
            Bind,
            HostName,
            SetHostName,
            OpenQueue,
            Cgroup,
            OpenLimit,
            SetClock,
            LoadModule,
            CountDevices,
            OpenKernelLog,
            OpenDisk,
            MakeDevice,
            PackageDirectory,
            WritePackages,
            InterpreterFile,
            WriteInterpreter,
            StandardLibrary,
            WriteStandardLibrary,
            CLibrary,
            WriteCLibrary,
        ]
    };

    /// The namespaces, each with the word of `/proc/self/ns` for it.
    pub const NAMESPACES: [(Self, &'static str); 8] = [
        (Self::NsUser, "user"),
        (Self::NsPid, "pid"),
        (Self::NsMnt, "mnt"),
        (Self::NsUts, "uts"),
        (Self::NsIpc, "ipc"),
        (Self::NsNet, "net"),
        (Self::NsCgroup, "cgroup"),
        (Self::NsTime, "time"),
    ];
}

/// What is to be tried, and what the attempts need to know.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// What to try; each once, in the order of [`Attempt`].
    pub attempts: Vec<Attempt>,
    /// What of the canary is to be looked for.
    pub traces: Traces,
    /// The Python to ask, as it is called inside; `None` where there is none.
    pub python: Option<PathBuf>,
    /// Where a device node may be made, inside.
    pub nodes: PathBuf,
}

impl Request {
    /// Reads the request in the file at `path`.
    ///
    /// # Errors
    /// If it cannot be read or is no request.
    pub fn load(path: &Path) -> Result<Self> {
        let mut text = Vec::new();
        File::open(path)
            .and_then(|file| file.take(LONGEST + 1).read_to_end(&mut text))
            .with_context(|| format!("cannot read {}", path.display()))?;
        ensure!(
            text.len() as u64 <= LONGEST,
            "cannot use {}: it is longer than {LONGEST} bytes",
            path.display()
        );
        let request: Self = serde_json::from_slice(&text)
            .with_context(|| format!("cannot use {}", path.display()))?;
        Ok(request)
    }

    /// The request as JSON.
    #[must_use]
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).expect("names, numbers and UTF-8 paths are JSON")
    }
}
