//! Runtimes of others: runc, crun, or whatever has their command line.
//!
//! They know nothing of layers, and leave their containers alive when they are
//! killed. So one is started in the room, in a pid namespace, by a task that mounts
//! the root first: who kills that task, or us, ends the runtime, the container and
//! every mount.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use isolab_oci::process::foreground::{self, Signals};
use isolab_oci::process::spawn;
use isolab_oci::sys::mount;
use isolab_oci::{ExitStatus, Options, Overlay, Session, Spec, Stdio, cgroup};

use super::{Container, Root, program};
use crate::bundle;
use crate::error::{Error, Result};
use crate::room::task::Task;
use crate::room::{self, Room};

/// Mounts a container's root and starts the runtime: inside.
pub const TASK: Task = Task {
    name: "run",
    perform,
    mounts: true,
    starts_others: true,
};

/// Runs the container by `runtime`.
pub(super) fn run(
    container: &Container,
    runtime: &Path,
    mut spec: Spec,
    room: &Room,
) -> Result<ExitStatus> {
    if room.maps().is_none() && !Overlay::has_user_attributes() {
        // So that the next command can tell who made them, should we be killed.
        let group = Path::new("/").join(cgroup::owned_name());
        spec.linux.get_or_insert_default().cgroups_path = Some(group);
    }
    bundle::write(&container.place, &spec)?;
    let request = Request {
        runtime: runtime.to_owned(),
        id: container.id.clone(),
        place: container.place.clone(),
        overlay: match &container.root {
            Root::Layers(overlay) => Some(overlay.clone()),
            Root::Directory(_) => None,
        },
    };
    let code = room.enter(&TASK, &request.words())?;
    match fs::read_to_string(refusal(&container.place)) {
        Ok(reason) => Err(Error::Refused {
            why: isolab_oci::Error::Overlay {
                target: container.place.clone(),
                source: io::Error::other(reason),
                remedy: "use a copy of the files as the root".to_owned(),
            },
        }),
        Err(_) => Ok(ExitStatus {
            code: Some(code.into()),
            signal: None,
        }),
    }
}

/// Where the task leaves word that the kernel mounts no overlay: every exit code
/// may be the container's.
fn refusal(place: &Path) -> PathBuf {
    place.join("refused")
}

/// What the task is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Request {
    runtime: PathBuf,
    id: String,
    place: PathBuf,
    overlay: Option<Overlay>,
}

impl Request {
    fn words(&self) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec![
            self.runtime.clone().into(),
            self.id.clone().into(),
            self.place.clone().into(),
        ];
        if let Some(overlay) = &self.overlay {
            let lasting = if overlay.volatile {
                "volatile"
            } else {
                "lasting"
            };
            words.extend([lasting.into(), overlay.upper.clone().into()]);
            words.push(overlay.work.clone().into());
            words.extend(overlay.lowers.iter().map(OsString::from));
        }
        words
    }

    fn read(words: &[OsString]) -> Option<Self> {
        let (head, rest) = words.split_at_checked(3)?;
        let overlay = match rest {
            [] => None,
            [lasting, upper, work, lowers @ ..] => Some(Overlay {
                lowers: lowers.iter().map(PathBuf::from).collect(),
                upper: upper.into(),
                work: work.into(),
                volatile: lasting == "volatile",
            }),
            _ => return None,
        };
        Some(Self {
            runtime: PathBuf::from(&head[0]),
            id: head[1].to_str()?.to_owned(),
            place: PathBuf::from(&head[2]),
            overlay,
        })
    }
}

/// Inside.
fn perform(words: &[OsString]) -> Result<u8> {
    let request = Request::read(words).ok_or_else(|| Error::NotFound {
        what: "the container to run".to_owned(),
    })?;
    let place = &request.place;
    let spec = Spec::load(&place.join("config.json"))?;
    if let Some(overlay) = &request.overlay {
        match overlay.mount(&overlay.upper) {
            Err(isolab_oci::Error::Overlay { source, .. }) => {
                let place = refusal(place);
                fs::write(&place, source.to_string()).map_err(Error::write(&place))?;
                return Ok(1);
            }
            mounted => mounted?,
        }
    }
    if let Some(code) = cannot_execute(&request, &spec) {
        return Ok(code);
    }
    if request.runtime.file_name() == Some("crun".as_ref()) {
        // It refuses machines on which version 2 of control groups has controllers
        // beside version 1. Here nobody else sees that it is covered; where there is
        // no such machine, there is no such directory either.
        let (tmpfs, unified) = (Some(c"tmpfs"), c"/sys/fs/cgroup/unified");
        let _ = mount::mount(tmpfs, unified, tmpfs, 0, None);
    }
    let signals = Signals::block();
    let program = room::program_at(&request.runtime, arguments(&request));
    let options = Options {
        die_with_parent: true,
        session: Session::Inherit,
        ..Options::default()
    };
    let mut running = spawn(&program, Stdio::inherit(), &options)?;
    let status = foreground::stay_beside(&mut running, &signals)?;
    Ok(u8::try_from(status.shell_code()).unwrap_or(1))
}

/// The runtime's command line. Its state is the container's own, and it makes no
/// control group that the user may not make.
fn arguments(request: &Request) -> Vec<String> {
    let place = request.place.to_string_lossy();
    let name = request.runtime.file_name().and_then(OsStr::to_str);
    let name = name.unwrap_or_default();
    let mut words = vec![
        name.to_owned(),
        "--root".to_owned(),
        format!("{place}/state"),
    ];
    if Overlay::has_user_attributes() {
        let own: &[&str] = match name {
            "crun" => &["--cgroup-manager", "disabled"],
            "runc" => &["--rootless", "true"],
            _ => &[],
        };
        words.extend(own.iter().map(|&word| word.to_owned()));
    }
    let run = ["run".to_owned(), "--bundle".to_owned(), place.into_owned()];
    words.extend(run);
    words.push(request.id.clone());
    words
}

/// What a shell shows where the program is not one, which is told as our own
/// runtime tells it.
fn cannot_execute(request: &Request, spec: &Spec) -> Option<u8> {
    let process = spec.process.as_ref()?;
    let root = request.place.join(&spec.root.as_ref()?.path);
    let name = process.args.first()?;
    let error = program::find(&root, name, &process.env, &process.cwd).err()?;
    let (code, why) = match error.kind() {
        io::ErrorKind::NotFound => (127, "no such file or directory"),
        _ => (126, "permission denied"),
    };
    // Whoever reads it may have gone; the code says it, too.
    let _ = writeln!(io::stderr(), "error: cannot execute `{name}`: {why}");
    Some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_task_is_told_is_what_was_asked_for() {
        let mut request = Request {
            runtime: "/usr/bin/crun".into(),
            id: "demo".to_owned(),
            place: "/containers/demo".into(),
            overlay: None,
        };
        assert_eq!(Request::read(&request.words()), Some(request.clone()));
        for volatile in [true, false] {
            request.overlay = Some(Overlay {
                lowers: vec!["/a".into(), "/b:c,d".into()],
                upper: "/upper".into(),
                work: "/work".into(),
                volatile,
            });
            assert_eq!(Request::read(&request.words()), Some(request.clone()));
        }
        assert_eq!(Request::read(&["crun".into()]), None);
    }
}
