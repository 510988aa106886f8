//! A guest whose first file system has a test program, and what the program says.

use std::fs;
use std::path::Path;
use std::time::Duration;

use isolab::guests::root::Root;
use isolab::isolation::guest::find_kernel;
use vm_model::guest::Guest;
use vm_model::kernel::Kernel;
use vm_model::qemu::{self, Qemu};

/// How long a guest may take to be up, under an emulator on a busy machine.
const BOOT: Duration = Duration::from_secs(60);
/// And the tests in it.
const TESTS: Duration = Duration::from_secs(500);

/// What the tests start besides: busybox has these, with fewer options. Its shell would
/// prefer its own to those of a path.
const PROGRAMS: [&str; 8] = [
    "/usr/bin/dash",
    "/usr/bin/diff",
    "/usr/bin/env",
    "/usr/bin/nsenter",
    "/usr/bin/setpriv",
    "/usr/bin/strace",
    "/usr/bin/unshare",
    "/usr/bin/bash",
];

/// What it takes.
pub(crate) struct Parts {
    qemu: Qemu,
    kernel: Kernel,
    busybox: Vec<u8>,
}

impl Parts {
    /// All of it, or what is missing.
    pub(crate) fn find() -> Result<Self, String> {
        let busybox = ["/usr/bin/busybox", "/bin/busybox"];
        let busybox = busybox.iter().find_map(|path| fs::read(path).ok());
        Ok(Self {
            qemu: qemu::find().map_err(|error| error.to_string())?,
            kernel: find_kernel().map_err(|error| error.to_string())?,
            busybox: busybox.ok_or("no busybox")?,
        })
    }
}

/// The first root of a guest can be left by no `pivot_root(2)`, and who only changes his
/// root may make no user namespace: all moves into another file system, which takes its
/// place.
const MOVE: &str = "
set -e
b=/bin/busybox
$b mkdir /new
$b mount -t tmpfs -o mode=755 none /new
$b cp $b /new/busybox
b=/new/busybox
for entry in /*; do
    case $entry in /new | /proc | /init) ;; *) $b mv $entry /new ;; esac
done
cd /new
$b mount --move . /
exec ./busybox chroot . /busybox sh /tests
";

/// What the tests expect of a machine.
const TRY: &str = "
export PATH=/usr/bin:/bin HOME=/root CARGO_MANIFEST_DIR=/root
/busybox mkdir -p /bin /etc /root /run /proc /sys /dev /tmp
/busybox cp /busybox /bin/busybox
/busybox --install -s /bin
# Whichever of both a path names first.
for program in /usr/bin/*; do ln -sf $program /bin/; done
ln -sf dash /bin/sh
chmod 1777 /tmp
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620,gid=5 devpts /dev/pts
mount -t tmpfs shm /dev/shm
ln -sf /proc/self/fd /dev/fd
ln -sf fd/0 /dev/stdin
ln -sf fd/1 /dev/stdout
ln -sf fd/2 /dev/stderr
mount -t tmpfs run /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
ip link set lo up
echo root:x:0:0:root:/root:/bin/sh >/etc/passwd
echo root:x:0: >/etc/group
stty -onlcr -echo </dev/ttyS1
printf R
for name in $NAMES; do
    /tests.bin $name --test-threads 1 --color never </dev/null >/told 2>&1
    grep 'not here.*group' /told
    # Hundreds of lines say no more than that all is well.
    grep -v ' ok$' /told | tail -c 4000
done
";

/// Boots a guest with the test program `tests`, and returns what it said of those with one
/// of `names` in theirs, but for the tests that passed.
pub(crate) fn run(
    parts: &Parts,
    tests: &Path,
    names: &[&str],
) -> Result<String, Box<dyn std::error::Error>> {
    let dir = tempfile::tempdir()?;
    let runtime = Path::new(env!("CARGO_BIN_EXE_isolab")).with_file_name("isorun");
    let mut root = Root::new()?;
    for program in PROGRAMS.map(Path::new) {
        if program.exists() {
            root.add_program(program)?;
        }
    }
    let mut archive = root.into_archive();
    archive.add_file("bin/busybox", 0o755, parts.busybox.clone())?;
    archive.add_file("move", 0o644, MOVE)?;
    let script = format!("NAMES='{}'{TRY}", names.join(" "));
    archive.add_file("tests", 0o644, script)?;
    archive.add_file("tests.bin", 0o755, fs::read(tests)?)?;
    // Where the tests were told that it is.
    archive.add_file(&runtime, 0o755, fs::read(&runtime)?)?;
    let initrd = dir.path().join("initrd");
    archive.write_file(&initrd)?;
    let console = dir.path().join("console");
    let own = std::process::id().to_string();
    let guest = Guest::new(parts.qemu.clone(), parts.kernel.clone(), initrd, console)
        .args(["guest", "/bin/busybox", "sh", "/move"])
        .kernel_options(["cgroup_no_v1=all"])
        // It ends with this process, whatever ends that.
        .launcher([env!("CARGO_BIN_EXE_isolab"), "__guard", &own, "--"])
        .memory_mib(1024);
    let mut guest = guest.boot_with_retries(BOOT, 3)?.guest;
    guest.wait(TESTS)?;
    Ok(String::from_utf8_lossy(guest.said()).into_owned())
}
