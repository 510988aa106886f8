//! `RUN` as a step: a container over the layers, whose changes become a layer.

use std::fs;
use std::path::{Path, PathBuf};

use isolab_oci::ExitStatus;

use super::compared::Before;
use super::fault::Fault;
use super::key::Key;
use super::mount::{Around, Ready};
use super::output::Lines;
use super::shell::Broken;
use super::stage::{Stages, interrupted};
use super::state::State;
use super::{At, Event, epoch};
use crate::dockerfile::{self, Command, RunCommand, Security};
use crate::error::Error;
use crate::image::{Algorithm, Compression, Descriptor, Digest, MediaType};
use crate::layer::{self, Form, Limits, PackHow, Packing};
use crate::run::{self, Container, Network, Settings};
use crate::stack::Stack;
use crate::store::{Facts, Owners, Step};

/// The level at which gzip is no longer slow and hardly larger.
const LEVEL: u32 = 6;

impl Stages<'_> {
    pub(super) fn run(
        &self,
        state: &State<'_>,
        asked: &dockerfile::Run,
        at: At<'_>,
    ) -> Result<Step, Fault> {
        if asked.security == Security::Insecure {
            return Err(Fault::new("--security=insecure is not granted to builds"));
        }
        let is_denied = self.request.network == Network::None;
        if is_denied && asked.network == dockerfile::Network::Host {
            return Err(Fault::new(
                "--network=host is not granted: build with --network host",
            ));
        }
        let (of, host) = (&state.config.platform, &self.request.given.builder);
        if !of.is_like(host) {
            return Err(Fault::new(format!(
                "its program is for {of}, and this machine runs {host}: for another machine only \
                 FROM, COPY and what makes no layer can be built"
            )));
        }
        let settings = self.settings(state, asked);
        let around = self.around(state, asked)?;
        let key = key(state, &settings, &around);
        self.step(key, "the same program ran upon the same layers", at, || {
            self.take_run(state, settings, &around, at)
        })
    }

    fn settings(&self, state: &State<'_>, asked: &dockerfile::Run) -> Settings {
        let args = match &asked.command {
            RunCommand::Shell(text) => state.words(&Command::Shell(text.clone())),
            RunCommand::Exec(words) => words.clone(),
            // A heredoc with `#!` is a program of its own, which its shell makes.
            RunCommand::Script { text, .. } => script(text),
        };
        let environment = state.scope.environment();
        let env = environment
            .iter()
            .map(|(name, value)| format!("{name}={value}"));
        Settings {
            env: env.collect(),
            cwd: state.directory(),
            user: state.config.config.user.clone(),
            network: match asked.network {
                dockerfile::Network::Default => self.request.network,
                dockerfile::Network::None => Network::None,
                dockerfile::Network::Host => Network::Host,
            },
            ..Settings::new(args)
        }
    }

    fn take_run(
        &self,
        state: &State<'_>,
        mut settings: Settings,
        around: &Around,
        at: At<'_>,
    ) -> Result<(Descriptor, Digest), Fault> {
        let below = self.stack(&state.layers)?;
        let place = self.store.new_place()?;
        let mut stubs = vec!["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"]
            .into_iter()
            .chain(["/dev", "/proc", "/sys"])
            .map(PathBuf::from)
            .collect::<Vec<_>>();
        let ready = around.make_ready(self, place.path())?;
        ready.give(&mut settings);
        stubs.extend(ready.targets().map(Path::to_owned));
        for stub in &mut stubs {
            *stub = below.resolve(stub, true)?;
        }
        let layers = self.unpacked(&state.layers)?;
        let layers = layers.into_iter().map(|layer| layer.path).collect();
        let mut container = Container::new(place.path(), layers, settings);
        let (mut ended, mut output) = self.listen(&container, &ready, at)?;
        let mut before = None;
        if let Err(refused @ Error::Refused { .. }) = &ended {
            let why = refused.in_one_line();
            let text = format!("a step's root is a copy of the files below it: {why}");
            (self.attending.tell)(Event::Note { text: &text });
            container = run::with_copied_root(&container, self.room)?;
            let root = place.path().join("root");
            before = Some(Before::of(&root)?);
            (ended, output) = self.listen(&container, &ready, at)?;
        }
        if self.is_unwanted() {
            return Err(interrupted());
        }
        let code = run::exit_code(&ended);
        if code != 0 {
            let shell = state.shell().into_iter().next().unwrap_or_default();
            let ran = ended.is_ok();
            return Err(Fault {
                reason: match ended {
                    Ok(_) => format!("it ended with exit code {code}"),
                    Err(error) => error.in_one_line(),
                },
                code: Some(code),
                output,
                broken: (ran && self.request.shell_on_fail).then(|| {
                    Box::new(Broken {
                        container,
                        shell,
                        ready,
                        _place: place,
                    })
                }),
            });
        }
        drop(ready);
        let mut upper = place.path().join("upper");
        if let Some(before) = before {
            upper = place.path().join("changed");
            before.into_upper(&upper)?;
        }
        for stub in &stubs {
            remove_stubs(&below, &upper, stub);
        }
        self.pack(&upper)
    }

    /// Runs it, hands on what it says, and keeps the last of that.
    fn listen(
        &self,
        container: &Container,
        ready: &Ready,
        at: At<'_>,
    ) -> Result<(crate::Result<ExitStatus>, Vec<String>), Fault> {
        let mut lines = Lines::default();
        let tell = self.attending.tell;
        let mut line = |line: &str| tell(Event::Output { at, line });
        ready.lay_secrets()?;
        let ended = run::run_step(
            container,
            self.room,
            &|| ready.hide_secrets(),
            &mut |piece| lines.take(piece, &mut line),
            &|| self.is_unwanted(),
        );
        ready.hide_secrets();
        Ok((ended, lines.finish(&mut line)))
    }

    /// Makes a layer of what a container changed; its files are the unpacked layer
    /// from now on.
    fn pack(&self, upper: &Path) -> Result<(Descriptor, Digest), Fault> {
        let owners = self.room.owners();
        // A single user's files are root's in the image.
        let ids = move |uid, gid| match owners {
            Owners::Single => (0, 0),
            Owners::Real | Owners::Mapped => (uid, gid),
        };
        let how = PackHow {
            packing: Packing::Gzip(LEVEL),
            form: Form::Upper {
                userxattr: owners != Owners::Real,
            },
            ids: &ids,
            source_date_epoch: epoch(),
            limits: Limits::default(),
        };
        let mut blob = self.store.new_blob(Algorithm::Sha256)?;
        let packed = layer::pack(upper, &mut blob, &how)?;
        let kind = MediaType::Layer(Compression::Gzip);
        let descriptor = Descriptor::new(kind, packed.blob.clone(), packed.blob_bytes);
        blob.finish_as(&descriptor)?;
        let facts = Facts {
            entries: packed.entries,
            bytes: packed.diff_bytes,
            squashed: owners == Owners::Single,
            devices_left_out: 0,
        };
        self.store.adopt(upper, &packed.diff_id, owners, facts)?;
        Ok((descriptor, packed.diff_id))
    }
}

/// All that a program sees and that decides what it does.
fn key(state: &State<'_>, settings: &Settings, around: &Around) -> Key {
    let mut key = Key::new("run", state.layers.iter().map(|(_, diff_id)| diff_id));
    for (name, all) in [("args", &settings.args), ("env", &settings.env)] {
        for one in all {
            key.say(name, one);
        }
    }
    key.say("cwd", settings.cwd.as_os_str().as_encoded_bytes());
    key.say("user", &settings.user);
    key.say("network", format!("{:?}", settings.network));
    key.say("epoch", format!("{:?}", epoch()));
    for mount in around.keys() {
        key.say("mount", mount);
    }
    key
}

/// A shell that writes a program's text and becomes it.
fn script(text: &str) -> Vec<String> {
    const RUN: &str = "f=$(mktemp) && printf %s \"$1\" >\"$f\" && chmod +x \"$f\" && \
                       { \"$f\"; code=$?; rm -f \"$f\"; exit $code; }";
    ["/bin/sh", "-c", RUN, "script", text]
        .map(str::to_owned)
        .to_vec()
}

/// Removes a mount point that was made for the container alone, and directories
/// above it that hold nothing else, unless they were there before.
fn remove_stubs(below: &Stack, upper: &Path, stub: &Path) {
    for path in stub.ancestors() {
        let was_there = below.look(path).is_ok_and(|found| found.is_some());
        let is_root = path.parent().is_none();
        if is_root || was_there || !remove_empty(upper, path) {
            return;
        }
    }
}

/// Removes an empty file or directory. The program may have put a link in the way,
/// which leads to this machine's own files: none is followed.
fn remove_empty(upper: &Path, path: &Path) -> bool {
    let mut at = upper.to_owned();
    for part in path.strip_prefix("/").unwrap_or(path).components() {
        if !fs::symlink_metadata(&at).is_ok_and(|found| found.is_dir()) {
            return false;
        }
        at.push(part);
    }
    match fs::symlink_metadata(&at) {
        Ok(found) if found.is_dir() => fs::remove_dir(&at).is_ok(),
        Ok(found) if found.is_file() && found.len() == 0 => fs::remove_file(&at).is_ok(),
        Ok(_) => false,
        // It is gone already: what is above it may go, too.
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn mount_points_go_with_what_was_made_above_them_and_no_link_is_followed() {
        let place = tempfile::tempdir().unwrap();
        let [lower, upper, host] = ["lower", "upper", "host"].map(|name| place.path().join(name));
        for path in ["lower/run", "upper/run/secrets", "upper/kept", "host/empty"] {
            fs::create_dir_all(place.path().join(path)).unwrap();
        }
        fs::write(upper.join("run/secrets/key"), "").unwrap();
        fs::write(upper.join("kept/full"), "x").unwrap();
        fs::write(host.join("nologin"), "").unwrap();
        symlink(&host, upper.join("link")).unwrap();
        let below = Stack::new([lower]);
        for stub in [
            "/run/secrets/key",
            "/kept/full",
            "/link/nologin",
            "/link/empty",
        ] {
            remove_stubs(&below, &upper, Path::new(stub));
        }
        assert!(upper.join("run").exists() && !upper.join("run/secrets").exists());
        assert!(upper.join("kept/full").exists());
        assert!(host.join("nologin").exists() && host.join("empty").exists());
    }
}
