//! Commands about one container that exists, each a line or two over the library.

use std::io::ErrorKind;
use std::path::PathBuf;
use std::time::Instant;

use isolab_oci::{Container, Error, StateRoot, Status};
use serde::Serialize;

use crate::arguments::{Given, Key};
use crate::exit::ExitCode;
use crate::failure::{self, Failure};
use crate::log::Log;
use crate::{columns, debug, owner, print, ps, signals, time, trace};

/// Where the state of containers is kept.
pub(crate) fn root(given: &Given<'_>) -> StateRoot {
    let named = given.path(Key::Root).map(PathBuf::from);
    StateRoot::new(named.unwrap_or_else(StateRoot::default_path))
}

/// The container that the first positional argument names.
pub(crate) fn load(given: &Given<'_>) -> Result<Container, Failure> {
    Ok(Container::load(&root(given), given.positional(0))?)
}

/// `isorun start`.
pub(crate) fn start(given: &Given<'_>, log: &mut Log<'_>) -> Result<ExitCode, Failure> {
    trace::check(given)?;
    let mut container = load(given)?;
    debug::hooks_of(&container, debug::BY_START, log);
    let begun = Instant::now();
    container.start()?;
    log.debug(|| format!("the program of `{}` was executed", container.id()));
    trace::write_start(given, begun, log);
    Ok(ExitCode::SUCCESS)
}

/// `isorun kill`.
pub(crate) fn kill(given: &Given<'_>) -> Result<ExitCode, Failure> {
    let signal = match given.rest(1).first() {
        Some(text) => signals::number(text)?,
        None => libc::SIGTERM,
    };
    load(given)?.kill(signal, given.flag(Key::All))?;
    Ok(ExitCode::SUCCESS)
}

/// `isorun delete`: engines use --force to be sure that nothing is left, so a
/// container that does not exist is as it should be, and one whose state cannot
/// be read goes as well.
pub(crate) fn delete(given: &Given<'_>, log: &mut Log<'_>) -> Result<ExitCode, Failure> {
    let force = given.flag(Key::Force);
    let (root, id) = (root(given), given.positional(0));
    let deleted = match Container::load(&root, id) {
        Ok(container) => remove(container, force, log),
        Err(damage @ (Error::Malformed { .. } | Error::Read { .. })) if force => {
            let deleted = Container::delete_damaged(&root, id);
            if deleted.is_ok() {
                let damage = failure::message(&damage);
                log.warn(format!("{damage}: control groups of `{id}` may be left"));
            }
            deleted
        }
        Err(error) => Err(error),
    };
    match deleted {
        Err(Error::NotFound { .. }) if force => Ok(ExitCode::SUCCESS),
        deleted => Ok(deleted.map(|()| ExitCode::SUCCESS)?),
    }
}

/// Deletes it. A `poststop` hook that fails is warned of, as the specification
/// has it: nothing is left that could be done about it.
pub(crate) fn remove(
    container: Container,
    force: bool,
    log: &mut Log<'_>,
) -> Result<(), isolab_oci::Error> {
    debug::groups(&container, log);
    debug::hooks_of(&container, debug::BY_DELETE, log);
    match container.delete(force) {
        Err(hook @ Error::Hook { .. }) => log.warn(hook.to_string()),
        deleted => deleted?,
    }
    Ok(())
}

/// `isorun pause`.
pub(crate) fn pause(given: &Given<'_>) -> Result<ExitCode, Failure> {
    load(given)?.pause()?;
    Ok(ExitCode::SUCCESS)
}

/// `isorun resume`.
pub(crate) fn resume(given: &Given<'_>) -> Result<ExitCode, Failure> {
    load(given)?.resume()?;
    Ok(ExitCode::SUCCESS)
}

/// The state by the specification, and what runc says besides.
#[derive(Serialize)]
struct Shown {
    #[serde(flatten)]
    state: isolab_oci::State,
    rootfs: PathBuf,
    created: String,
    owner: String,
}

impl Shown {
    fn of(container: &Container) -> Result<Self, Error> {
        Ok(Self {
            state: container.state()?,
            rootfs: container.rootfs().to_owned(),
            created: time::nanoseconds(container.created()),
            owner: owner::name(container.owner()),
        })
    }
}

/// Why the config that is in a container's state cannot be read. From the path
/// alone it could be a bundle's, for which there is another remedy.
pub(crate) fn unreadable(container: &Container, error: Error) -> Failure {
    match &error {
        Error::Read { source, .. } if source.kind() == ErrorKind::NotFound => {
            // Or has been made since, and is not damaged.
            if container.status() == Status::Creating || container.spec().is_ok() {
                return Failure::new(
                    format!("container `{}` is being made", container.id()),
                    "ask again when the command that makes it has returned",
                );
            }
        }
        Error::Malformed { .. } => {}
        _ => return error.into(),
    }
    Failure::new(
        failure::message(&error),
        "`isorun delete --force` removes what is left of the container",
    )
}

/// `isorun state`.
pub(crate) fn state(given: &Given<'_>) -> Result<ExitCode, Failure> {
    let container = load(given)?;
    let shown = Shown::of(&container).map_err(|error| unreadable(&container, error))?;
    print(json(serde_json::to_string_pretty(&shown))?)
}

fn json(text: serde_json::Result<String>) -> Result<String, Failure> {
    let text = text.map_err(|error| Failure::plain(format!("cannot write JSON: {error}")))?;
    Ok(text + "\n")
}

/// Whether JSON is asked for, and not a table.
fn wants_json(given: &Given<'_>) -> Result<bool, Failure> {
    let json = given.flag(Key::Json);
    match given.value(Key::Format) {
        Some("table") if json => Err(Failure::new(
            "--json contradicts --format table",
            "leave one of them out",
        )),
        None | Some("table") => Ok(json),
        Some("json") => Ok(true),
        Some(other) => Err(Failure::new(
            format!("--format: `{other}` is not a format"),
            "write table or json",
        )),
    }
}

/// All containers, with a warning of each that cannot be read: the others are
/// told all the same.
fn readable(given: &Given<'_>, log: &mut Log<'_>) -> Result<Vec<Container>, Failure> {
    let mut all = Vec::new();
    for loaded in Container::list(&root(given))? {
        match loaded {
            Ok(container) => all.push(container),
            Err(error) => log.warn(failure::message(&error)),
        }
    }
    Ok(all)
}

/// `isorun list`.
pub(crate) fn list(given: &Given<'_>, log: &mut Log<'_>) -> Result<ExitCode, Failure> {
    let as_json = wants_json(given)?;
    let all = readable(given, log)?;
    if given.flag(Key::Quiet) {
        return print(all.iter().flat_map(|c| [c.id(), "\n"]).collect::<String>());
    }
    let mut shown = Vec::new();
    for container in &all {
        match Shown::of(container) {
            Ok(one) => shown.push(one),
            // It is being made, or deleted just now.
            Err(Error::Read { source, .. }) if source.kind() == ErrorKind::NotFound => {}
            Err(error) => log.warn(failure::message(&error)),
        }
    }
    if as_json {
        return print(json(serde_json::to_string(&shown))?);
    }
    let heading = ["ID", "PID", "STATUS", "BUNDLE", "CREATED", "OWNER"];
    let mut rows = vec![heading.map(str::to_owned).to_vec()];
    rows.extend(shown.into_iter().map(|shown| {
        vec![
            shown.state.id,
            shown.state.pid.to_string(),
            shown.state.status.name().to_owned(),
            shown.state.bundle.display().to_string(),
            shown.created,
            shown.owner,
        ]
    }));
    print(columns::table(&rows))
}

/// `isorun ps`.
pub(crate) fn processes(given: &Given<'_>) -> Result<ExitCode, Failure> {
    let as_json = wants_json(given)?;
    let pids = load(given)?.processes();
    if as_json {
        return print(json(serde_json::to_string(&pids))?);
    }
    print(ps::table(&pids, given.rest(1))?)
}
