//! The init of a guest whose disk was made of an image.
//!
//! It is process 1 of the initramfs: it loads the modules that lie beside it, mounts the disk,
//! moves into it and runs there what the image or one start of it asks for, as whom it says, with
//! the second serial port as its standard input and output. Then it reaps what is left, ends it, lets the
//! disk go and tells the host the exact exit status. A kernel that has its drivers built in can
//! start it from the disk itself (`init=/.isolab/init`), where it finds what the image says.
//!
//! The build script compiles it with `rustc` alone, against the static C library: it is executed
//! once for each guest, and half a megabyte is not what a boot is made of.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

#[path = "disk/calls.rs"]
mod calls;
#[path = "disk/line.rs"]
mod line;
#[path = "disk/network.rs"]
mod network;
#[path = "disk/port.rs"]
mod port;
#[path = "disk/wanted.rs"]
#[allow(dead_code, reason = "the lab writes what this reads")]
mod wanted;

use port::Port;
use wanted::Wanted;

/// What the initramfs holds for us.
const OURS: &str = "/isolab";
/// What the disk holds for us.
const ON_DISK: &str = "/.isolab/wanted";
/// The disk, and where it is mounted before it is the root.
const DISK: &str = "/dev/vda";
const ROOT: &str = "/isolab/root";
/// How long the disk may take to appear.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long what is left of a workload may take to end by itself.
const MERCY: Duration = Duration::from_millis(500);
/// The status of a guest that could not run its workload, as docker's of a container.
const FAILED: u8 = 125;

/// The workload, to whom signals go on.
static WORKLOAD: AtomicI32 = AtomicI32::new(0);

fn main() {
    let port = Port::open();
    port.say(&format!("I {}", calls::since_boot()));
    let mut line = None;
    let status = match run(&port, &mut line) {
        Ok(status) => status,
        Err(error) => {
            let _ = writeln!(io::stderr(), "error: the guest cannot run it: {error}");
            FAILED
        }
    };
    if let Some(line) = &line {
        line::drain(line);
    }
    // The console, where standard error goes.
    line::drain_console();
    port.say(&format!("X {status}"));
    port.end();
    calls::power_off();
    loop {
        sleep(PATIENCE);
    }
}

/// All of it; the status of the workload.
fn run(port: &Port, line: &mut Option<File>) -> io::Result<u8> {
    let wanted = prepare(port)?;
    let line = line.insert(told(line::open(), "open the second serial port")?);
    told(line::prepare(line, wanted.terminal), "set the second serial port")?;
    line::prepare_console();
    // By its name, too, it is the user's: programs open `/dev/stdout`.
    let _ = std::os::unix::fs::chown("/dev/ttyS1", Some(wanted.uid), None);
    if let Err(error) = network::bring_up(wanted.network) {
        let _ = writeln!(io::stderr(), "warning: the guest has no network: {error}");
    }
    let status = workload(port, &wanted, line)?;
    end_the_rest();
    let _ = calls::mount_at("", "/", "", calls::MS_REMOUNT | calls::MS_RDONLY, "");
    calls::sync_all();
    Ok(status)
}

/// `error` with what was attempted.
fn told<T>(done: io::Result<T>, what: &str) -> io::Result<T> {
    done.map_err(|error| io::Error::new(error.kind(), format!("cannot {what}: {error}")))
}

/// Makes the disk the root, with all that a program expects there.
fn prepare(port: &Port) -> io::Result<Wanted> {
    let in_memory = Path::new(OURS).join("wanted");
    let wanted = match fs::read(&in_memory) {
        Ok(bytes) => {
            let _ = calls::mount_at("devtmpfs", "/dev", "devtmpfs", 0, "");
            load_modules()?;
            port.say("M modules");
            let wanted = Wanted::parse(&bytes);
            let files = brought(wanted.as_ref())?;
            enter_disk()?;
            port.say("M root-mounted");
            for (mut from, mode, to) in files {
                told(copy(&mut from, mode, &to), &format!("bring {to}"))?;
            }
            wanted
        }
        Err(_) => fs::read(ON_DISK).ok().and_then(|bytes| Wanted::parse(&bytes)),
    };
    mount_the_rest();
    let wanted = wanted.ok_or_else(|| io::Error::other("it was told nothing that it can read"))?;
    name(&wanted);
    Ok(wanted)
}

/// Loads the modules in the order of their files' names.
fn load_modules() -> io::Result<()> {
    let listing = fs::read_dir(Path::new(OURS).join("modules"));
    let mut paths: Vec<PathBuf> = listing.into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        let loaded = File::open(&path).and_then(|file| calls::load_module(&file));
        match loaded {
            Err(error) if error.raw_os_error() != Some(calls::EEXIST) => {
                // A driver that finds nothing to drive says so; what is needed is missed later.
                let _ = fs::write("/dev/kmsg", format!("isolab: {}: {error}\n", path.display()));
            }
            _ => {}
        }
        // Memory that the guest has back.
        let _ = fs::remove_file(path);
    }
    Ok(())
}

/// The files that are brought, open, since they cannot be reached from the disk.
fn brought(wanted: Option<&Wanted>) -> io::Result<Vec<(File, u32, String)>> {
    let files = wanted.map(|wanted| &wanted.files[..]).unwrap_or_default();
    let open = |(index, file): (usize, &wanted::Brought)| {
        let from = Path::new(OURS).join("files").join(index.to_string());
        Ok((told(File::open(from), "find a file that is brought")?, file.mode, file.path.clone()))
    };
    files.iter().enumerate().map(open).collect()
}

fn copy(from: &mut File, mode: u32, to: &str) -> io::Result<()> {
    if let Some(parent) = Path::new(to).parent() {
        fs::create_dir_all(parent)?;
    }
    let mut file = File::options().write(true).create(true).truncate(true).mode(mode).open(to)?;
    io::copy(from, &mut file)?;
    file.set_permissions(fs::Permissions::from_mode(mode & 0o7777))
}

/// Mounts the disk and makes it the root.
fn enter_disk() -> io::Result<()> {
    let deadline = Instant::now() + PATIENCE;
    while !Path::new(DISK).exists() {
        if Instant::now() > deadline {
            return Err(io::Error::other(format!("{DISK} does not appear: is its driver there?")));
        }
        sleep(Duration::from_millis(1));
    }
    fs::create_dir_all(ROOT)?;
    // The tables of files that nobody has used yet stay as they are: a clone would have to hold
    // all of them.
    let mounted = calls::mount_at(DISK, ROOT, "ext4", calls::MS_NOATIME, "noinit_itable");
    told(mounted, "mount the disk")?;
    std::env::set_current_dir(ROOT)?;
    told(calls::mount_at(".", "/", "", calls::MS_MOVE, ""), "make the disk the root")?;
    std::os::unix::fs::chroot(".")?;
    std::env::set_current_dir("/")
}

/// Mounts what a program expects beside its files. An image may lack a directory or have files
/// in one: those stay.
fn mount_the_rest() {
    use calls::{MS_NODEV, MS_NOEXEC, MS_NOSUID};
    let quiet = MS_NOSUID | MS_NODEV | MS_NOEXEC;
    for (kind, at, flags, data) in [
        ("proc", "/proc", quiet, ""),
        ("sysfs", "/sys", quiet, ""),
        ("devtmpfs", "/dev", MS_NOSUID, ""),
        ("devpts", "/dev/pts", MS_NOSUID | MS_NOEXEC, "ptmxmode=0666,mode=0620,gid=5"),
        ("tmpfs", "/dev/shm", quiet, "mode=1777"),
        ("tmpfs", "/run", MS_NOSUID | MS_NODEV, "mode=0755"),
        ("tmpfs", "/tmp", MS_NOSUID | MS_NODEV, "mode=1777"),
    ] {
        let _ = fs::create_dir_all(at);
        let is_empty = fs::read_dir(at).is_ok_and(|mut entries| entries.next().is_none());
        if kind != "tmpfs" || is_empty {
            let _ = calls::mount_at(kind, at, kind, flags, data);
        }
    }
    for (to, at) in [
        ("/proc/self/fd", "/dev/fd"),
        ("/proc/self/fd/0", "/dev/stdin"),
        ("/proc/self/fd/1", "/dev/stdout"),
        ("/proc/self/fd/2", "/dev/stderr"),
    ] {
        let _ = symlink(to, at);
    }
}

/// Gives the guest its name, and the three files that say where it is.
fn name(wanted: &Wanted) {
    let name = &wanted.hostname;
    let _ = calls::set_hostname(name);
    let resolver = if wanted.network { network::RESOLVER } else { "" };
    let hosts = format!("127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n127.0.0.1\t{name}\n");
    let _ = fs::create_dir_all("/etc");
    for (path, text) in [
        ("/etc/hostname", &*format!("{name}\n")),
        ("/etc/hosts", &*hosts),
        ("/etc/resolv.conf", resolver),
    ] {
        // A link there leads to what only a service makes.
        let _ = fs::remove_file(path);
        let _ = fs::write(path, text);
    }
}

/// Runs the workload and waits for it; orphans that end before it are reaped.
fn workload(port: &Port, wanted: &Wanted, line: &File) -> io::Result<u8> {
    for number in [calls::SIGTERM, calls::SIGINT, calls::SIGHUP, calls::SIGPWR] {
        calls::on_signal(number, pass_on);
    }
    let [reading, writing] = calls::pipe()?;
    port.say("W");
    let child = calls::fork_off()?;
    if child == 0 {
        port.close();
        let error = become_workload(wanted, line);
        // SAFETY: the pipe's end was just opened and is nobody else's.
        let mut end = unsafe { File::from_raw_fd(writing) };
        let number = error.raw_os_error().unwrap_or(calls::ENOENT);
        let _ = end.write_all(&number.to_ne_bytes());
        calls::exit(if number == calls::ENOENT { 127 } else { 126 });
    }
    WORKLOAD.store(child, Ordering::Relaxed);
    calls::close_fd(writing);
    // SAFETY: as above.
    let mut end = unsafe { File::from_raw_fd(reading) };
    let mut number = [0; 4];
    if end.read_exact(&mut number).is_ok() {
        let number = i32::from_ne_bytes(number);
        port.say(&format!("E {number}"));
        if !port.is_there() {
            let (name, why) = (wanted.args.first(), io::Error::from_raw_os_error(number));
            let _ = writeln!(io::stderr(), "error: cannot execute {}: {why}", name.map_or("", |name| name));
        }
    }
    port.say("P");
    loop {
        match calls::wait_any() {
            Ok((pid, status)) if pid == child => return Ok(status),
            Err(error) if error.raw_os_error() != Some(calls::EINTR) => return Err(error),
            _ => {}
        }
    }
}

extern "C" fn pass_on(number: i32) {
    let workload = WORKLOAD.load(Ordering::Relaxed);
    if workload > 0 {
        // Its whole session, as a terminal does.
        calls::send(-workload, if number == calls::SIGPWR { calls::SIGTERM } else { number });
    }
}

/// In the child: becomes the program, or says why not.
fn become_workload(wanted: &Wanted, line: &File) -> io::Error {
    let prepared = || {
        calls::new_session();
        // So an interrupt that is typed, or sent as if it were, reaches it.
        line::control(line);
        // Standard error stays the console, so that the host can tell the two apart; a terminal
        // shows both.
        for standard in 0..if wanted.terminal { 3 } else { 2 } {
            calls::duplicate(line.as_raw_fd(), standard)?;
        }
        let cwd = if wanted.cwd.is_empty() { "/" } else { &wanted.cwd };
        fs::create_dir_all(cwd)?;
        calls::become_user(wanted.uid, wanted.gid, &wanted.groups)?;
        std::env::set_current_dir(cwd)
    };
    if let Err(error) = prepared() {
        let _ = writeln!(io::stderr(), "error: what it runs in cannot be prepared: {error}");
        return error;
    }
    let Some(name) = wanted.args.first() else {
        return io::ErrorKind::NotFound.into();
    };
    let execute = |path: &str| calls::execute(path, &wanted.args, &wanted.env);
    if name.contains('/') {
        return execute(name);
    }
    let path = wanted.env.iter().find_map(|pair| pair.strip_prefix("PATH=")).unwrap_or_default();
    let mut worst: io::Error = io::ErrorKind::NotFound.into();
    for dir in path.split(':') {
        let dir = if dir.is_empty() { "." } else { dir };
        let error = execute(&format!("{dir}/{name}"));
        if error.kind() != io::ErrorKind::NotFound && error.kind() != io::ErrorKind::NotADirectory {
            worst = error;
        }
    }
    worst
}

/// Ends whatever the workload left running, first by asking.
fn end_the_rest() {
    calls::send(-1, calls::SIGTERM);
    let deadline = Instant::now() + MERCY;
    let is_alone = || {
        // Threads of the kernel are nobody's to end: they have no command line.
        let others = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut others = others.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
        !others.any(|pid| {
            let command = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
            pid != 1 && !command.is_empty()
        })
    };
    while !is_alone() && Instant::now() < deadline {
        sleep(Duration::from_millis(5));
    }
    calls::send(-1, calls::SIGKILL);
    while calls::wait_any().is_ok() {}
}
