//! `create`, `run` and `exec`: starting a process, and staying with it or not.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use isolab_oci::process::foreground::{self, Signals};
use isolab_oci::spec::CpuAffinity;
use isolab_oci::{Begin, Bundle, Container, Options, Running, Spec, Stdio};

use crate::arguments::{Given, Key};
use crate::exit::ExitCode;
use crate::failure::Failure;
use crate::log::Log;
use crate::{container, debug, exec, global, inherit, trace};

/// `isorun create`: makes the container, whose program waits for `start`.
pub(crate) fn create(given: &Given<'_>, log: &mut Log<'_>) -> Result<ExitCode, Failure> {
    trace::check(given)?;
    let bundle = bundle(given)?;
    let terminal = Terminal::new(given, wants_terminal(bundle), false)?;
    let options = options(given, &terminal)?;
    let (_, running) = make(given, log, bundle, Begin::Later, &options)?;
    running.detach();
    Ok(ExitCode::SUCCESS)
}

/// `isorun run`: makes and starts it, stays with it unless told to `--detach`,
/// and deletes it at its end unless told to `--keep` it.
pub(crate) fn run(given: &Given<'_>, log: &mut Log<'_>) -> Result<ExitCode, Failure> {
    trace::check(given)?;
    let bundle = bundle(given)?;
    let stays = !given.flag(Key::Detach);
    let terminal = Terminal::new(given, wants_terminal(bundle), stays)?;
    let options = Options {
        die_with_parent: stays,
        ..options(given, &terminal)?
    };
    let signals = stays.then(Signals::block);
    let (container, running) = make(given, log, bundle, Begin::Now, &options)?;
    let Some(signals) = signals else {
        running.detach();
        return Ok(ExitCode::SUCCESS);
    };
    drop(options);
    let ended = stay(running, terminal, &signals);
    if !given.flag(Key::Keep) {
        container::remove(container, true, log)?;
    }
    ended
}

/// `isorun exec`: one more process in a container.
pub(crate) fn exec(given: &Given<'_>, log: &mut Log<'_>) -> Result<ExitCode, Failure> {
    trace::check(given)?;
    let container = container::load(given)?;
    let spec = container.spec();
    let spec = spec.map_err(|error| container::unreadable(&container, error))?;
    let process = exec::process(given, spec.process, log)?;
    let stays = !given.flag(Key::Detach);
    let terminal = Terminal::new(given, process.terminal, stays)?;
    let options = Options {
        die_with_parent: stays,
        below: exec::groups_below(given)?,
        ignore_paused: given.flag(Key::IgnorePaused),
        ..options(given, &terminal)?
    };
    let signals = stays.then(Signals::block);
    log.debug(|| format!("to execute: {}", process.args.join(" ")));
    let affinity = process.exec_cpu_affinity.iter();
    for mask in affinity.flat_map(CpuAffinity::masks) {
        // In runc's words.
        log.debug(|| format!("affinity: {mask}"));
    }
    let running = container.exec(&process, Stdio::inherit(), &options)?;
    said(given, &running, log);
    write_pid(given, &running)?;
    let Some(signals) = signals else {
        running.detach();
        return Ok(ExitCode::SUCCESS);
    };
    drop(options);
    stay(running, terminal, &signals)
}

/// The bundle, or what `--config` has in place of its config.json. It is kept
/// until the process ends: a thousand strings need not be freed one by one then.
fn bundle(given: &Given<'_>) -> Result<&'static Bundle, Failure> {
    let directory = given.path(Key::Bundle).unwrap_or(Path::new("."));
    let bundle = match given.path(Key::Config) {
        Some(file) => Bundle::new(directory, Spec::load(file)?),
        None => Bundle::load(directory),
    };
    Ok(Box::leak(Box::new(bundle?)))
}

fn wants_terminal(bundle: &Bundle) -> bool {
    let process = bundle.spec().process.as_ref();
    process.is_some_and(|process| process.terminal)
}

/// Makes the container and writes its process id, or leaves nothing.
fn make(
    given: &Given<'_>,
    log: &mut Log<'_>,
    bundle: &Bundle,
    begin: Begin,
    options: &Options,
) -> Result<(Container, Running), Failure> {
    let (root, id) = (container::root(given), given.positional(0));
    let stdio = Stdio::inherit();
    debug::making(bundle, begin, options, log);
    let (container, running) = Container::create(&root, id, bundle, begin, stdio, options)?;
    debug::groups(&container, log);
    said(given, &running, log);
    if let Err(failure) = write_pid(given, &running) {
        drop(running);
        container::remove(container, true, log)?;
        return Err(failure);
    }
    Ok((container, running))
}

/// How the process is started, apart from what it is.
fn options(given: &Given<'_>, terminal: &Terminal) -> Result<Options, Failure> {
    let inherited = inherit::Inherited::new(given)?;
    Ok(Options {
        cgroup: global::cgroup(given)?,
        keep_keyring: given.flag(Key::NoNewKeyring),
        console: terminal.sent_to(),
        no_pivot: given.flag(Key::NoPivot),
        preserve_fds: inherited.count,
        listen_fds: inherited.listening,
        ..Options::default()
    })
}

/// What was asked for and cannot be enforced, and what was done when.
fn said(given: &Given<'_>, running: &Running, log: &mut Log<'_>) {
    for warning in running.warnings() {
        log.warn(warning);
    }
    log.debug(|| format!("started process {}", running.pid()));
    trace::write(given, running, log);
}

fn write_pid(given: &Given<'_>, running: &Running) -> Result<(), Failure> {
    match given.path(Key::PidFile) {
        Some(file) => inherit::write_pid(file, running.pid()),
        None => Ok(()),
    }
}

/// Stays with a process until it ends; its status.
fn stay(mut running: Running, terminal: Terminal, signals: &Signals) -> Result<ExitCode, Failure> {
    let terminal = match terminal {
        Terminal::Relayed(terminal) => Some(terminal),
        Terminal::None | Terminal::Sent(_) => None,
    };
    let status = foreground::stay(&mut running, terminal, signals)?;
    Ok(ExitCode::from(
        u8::try_from(status.shell_code()).unwrap_or(1),
    ))
}

/// Where the master of the process's terminal goes.
enum Terminal {
    /// It has none.
    None,
    /// To whoever listens at `--console-socket`.
    Sent(Arc<OwnedFd>),
    /// To ourselves: we relay between it and our own.
    Relayed(foreground::Terminal),
}

impl Terminal {
    /// What is `wanted` of it, where we stay with the process or not.
    fn new(given: &Given<'_>, wanted: bool, stays: bool) -> Result<Self, Failure> {
        let socket = given.path(Key::ConsoleSocket);
        match (wanted, socket) {
            (false, None) => Ok(Self::None),
            (true, Some(path)) => {
                let stream = UnixStream::connect(path)
                    .map_err(|error| Failure::file("connect to --console-socket", path, &error))?;
                Ok(Self::Sent(Arc::new(stream.into())))
            }
            (true, None) if stays => Ok(Self::Relayed(foreground::Terminal::new()?)),
            (true, None) => Err(Failure::new(
                "cannot allocate a tty: nobody would attend to it, since isorun does not stay",
                "name a --console-socket, or set process.terminal to false",
            )),
            (false, Some(_)) => Err(Failure::new(
                "--console-socket: the process has no terminal to send there",
                "set process.terminal to true (exec: --tty), or leave the option out",
            )),
        }
    }

    fn sent_to(&self) -> Option<Arc<OwnedFd>> {
        match self {
            Self::None => None,
            Self::Sent(there) => Some(Arc::clone(there)),
            Self::Relayed(terminal) => Some(Arc::clone(&terminal.there)),
        }
    }
}
