//! A stage in the making: its configuration so far, its layers, and what its
//! variables are worth.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use super::fault::Fault;
use crate::dockerfile::{
    Check, Command, Escape, Globals, Healthcheck, Instruction, Pair, Ports, Scope, Template,
};
use crate::image::{self, Config, Descriptor, Digest, History, Platform, Run};
use crate::run::DEFAULT_PATH;

/// What takes the text of a shell form where nothing else was said.
const SHELL: [&str; 2] = ["/bin/sh", "-c"];

/// A stage, as far as it was built.
#[derive(Clone, Debug)]
pub(super) struct State<'g> {
    pub(super) config: Config,
    /// The lowest first; each with the digest of what it is uncompressed.
    pub(super) layers: Vec<(Descriptor, Digest)>,
    pub(super) scope: Scope<'g>,
    /// The image that it is built upon, by name and digest.
    pub(super) base: Option<(String, Digest)>,
    escape: Escape,
    /// Whether this stage said itself what runs.
    has_command: bool,
}

impl<'g> State<'g> {
    /// Of no image: nothing is there but what BuildKit says of an empty one.
    pub(super) fn scratch(globals: &'g Globals, platform: Platform, escape: Escape) -> Self {
        let mut config = Config::empty(platform);
        config.config.env = vec![DEFAULT_PATH.to_owned()];
        config.config.working_dir = "/".to_owned();
        Self::new(globals, config, Vec::new(), escape)
    }

    /// Upon an image.
    pub(super) fn new(
        globals: &'g Globals,
        config: Config,
        layers: Vec<(Descriptor, Digest)>,
        escape: Escape,
    ) -> Self {
        Self {
            scope: Scope::of_image(globals, &config.config.env),
            config,
            layers,
            base: None,
            escape,
            has_command: false,
        }
    }

    /// Upon another stage: its variables are set here, too, but what it runs may be
    /// taken back by an entry point.
    pub(super) fn upon(other: &State<'g>) -> Self {
        Self {
            has_command: false,
            ..other.clone()
        }
    }

    /// A text with its variables replaced.
    pub(super) fn expand(&self, text: &Template) -> Result<String, Fault> {
        let expanded = text.expand(&|name| self.scope.lookup(name), self.escape);
        Ok(expanded?)
    }

    /// The same of one that may be missing.
    pub(super) fn expand_some(&self, text: Option<&Template>) -> Result<Option<String>, Fault> {
        text.map(|text| self.expand(text)).transpose()
    }

    pub(super) fn escape(&self) -> Escape {
        self.escape
    }

    fn run(&mut self) -> &mut Run {
        &mut self.config.config
    }

    /// Where programs run; absolute.
    pub(super) fn directory(&self) -> PathBuf {
        self.within(&self.config.config.working_dir)
    }

    /// A path of an instruction from the root, `.` and `..` resolved.
    pub(super) fn within(&self, path: &str) -> PathBuf {
        let mut from_root = PathBuf::from("/");
        let directory = &self.config.config.working_dir;
        let parts = Path::new(directory).components();
        for part in parts.chain(Path::new(path).components()) {
            match part {
                Component::RootDir => from_root = PathBuf::from("/"),
                Component::Normal(name) => from_root.push(name),
                Component::ParentDir => drop(from_root.pop()),
                _ => {}
            }
        }
        from_root
    }

    /// What takes the text of a shell form.
    pub(super) fn shell(&self) -> Vec<String> {
        match &self.config.config.shell[..] {
            [] => SHELL.map(str::to_owned).to_vec(),
            shell => shell.to_vec(),
        }
    }

    /// The words that a command is run as.
    pub(super) fn words(&self, command: &Command) -> Vec<String> {
        match command {
            Command::Exec(words) => words.clone(),
            Command::Shell(text) => {
                let mut words = self.shell();
                words.push(text.clone());
                words
            }
        }
    }

    /// Adds a layer that `instruction` made.
    pub(super) fn add_layer(&mut self, layer: Descriptor, diff_id: Digest) {
        self.config.rootfs.diff_ids.push(diff_id.clone());
        self.layers.push((layer, diff_id));
    }

    /// Notes an instruction in the image's history, and when it made its layer. One
    /// that made none has the time of the last that did: the same steps taken before
    /// are the same image, whenever they are asked for.
    pub(super) fn note(&mut self, instruction: &str, made: Option<&str>) {
        if let Some(made) = made {
            self.config.created = Some(made.to_owned());
        }
        self.config.history.push(History {
            created: self.config.created.clone(),
            created_by: Some(instruction.to_owned()),
            comment: Some("isolab".to_owned()),
            empty_layer: made.is_none(),
            ..History::default()
        });
    }

    /// Carries out an instruction that concerns the configuration alone; `false`
    /// for one that does not.
    pub(super) fn configure(&mut self, instruction: &Instruction) -> Result<bool, Fault> {
        match instruction {
            Instruction::Arg(arguments) => self.scope.declare(arguments)?,
            Instruction::Env(pairs) => {
                for (name, value) in self.scope.set(pairs)? {
                    set(&mut self.run().env, &name, &value);
                }
            }
            Instruction::Label(pairs) => {
                let labels = self.pairs(pairs)?;
                self.run().labels.extend(labels);
            }
            Instruction::Maintainer(author) => self.config.author = Some(author.clone()),
            Instruction::Cmd(command) => {
                self.run().cmd = Some(self.words(command));
                self.has_command = true;
            }
            Instruction::Entrypoint(command) => {
                self.run().entrypoint = Some(self.words(command));
                // The base image's arguments were for its own entry point.
                if !self.has_command {
                    self.run().cmd = None;
                }
            }
            Instruction::Expose(ports) => {
                for port in self.ports(ports)? {
                    self.run().exposed_ports.insert(port, image::Empty {});
                }
            }
            Instruction::Volume(paths) => {
                for path in paths {
                    let path = self.expand(path)?;
                    self.run().volumes.insert(path, image::Empty {});
                }
            }
            Instruction::User(user) => {
                let user = self.expand(user)?;
                self.run().user = user;
            }
            Instruction::Workdir(path) => {
                let path = self.expand(path)?;
                let path = self.within(&path).to_string_lossy().into_owned();
                self.run().working_dir = path;
            }
            Instruction::StopSignal(signal) => {
                let signal = self.expand(signal)?;
                self.run().stop_signal = Some(signal);
            }
            Instruction::Shell(words) => self.run().shell.clone_from(words),
            Instruction::Healthcheck(check) => {
                let check = self.healthcheck(check);
                self.run().healthcheck = Some(check);
            }
            Instruction::Onbuild(trigger) => {
                let text = trigger.text().to_owned();
                self.run().on_build.push(text);
            }
            Instruction::Run(_) | Instruction::Copy(_) | Instruction::Add(_) => return Ok(false),
        }
        Ok(true)
    }

    fn pairs(&self, pairs: &[Pair]) -> Result<BTreeMap<String, String>, Fault> {
        let expand = |pair: &Pair| Ok((self.expand(&pair.name)?, self.expand(&pair.value)?));
        pairs.iter().map(expand).collect()
    }

    fn ports(&self, ports: &[Template]) -> Result<Vec<String>, Fault> {
        let mut all = Vec::new();
        for port in ports {
            let words = port.expand_to_words(&|name| self.scope.lookup(name), self.escape)?;
            for word in words {
                all.extend(word.parse::<Ports>()?.each());
            }
        }
        Ok(all)
    }

    fn healthcheck(&self, check: &Healthcheck) -> image::Healthcheck {
        let Healthcheck::Check(check) = check else {
            return image::Healthcheck {
                test: vec!["NONE".to_owned()],
                ..image::Healthcheck::default()
            };
        };
        let Check {
            command,
            interval,
            timeout,
            start_period,
            start_interval,
            retries,
        } = check;
        let nanoseconds = |time: &Option<std::time::Duration>| {
            time.map(|time| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX))
        };
        let test = match command {
            Command::Shell(text) => vec!["CMD-SHELL".to_owned(), text.clone()],
            Command::Exec(words) => {
                let mut test = vec!["CMD".to_owned()];
                test.extend(words.iter().cloned());
                test
            }
        };
        image::Healthcheck {
            test,
            interval: nanoseconds(interval),
            timeout: nanoseconds(timeout),
            start_period: nanoseconds(start_period),
            start_interval: nanoseconds(start_interval),
            retries: retries.map(u64::from),
        }
    }
}

/// Sets a variable in the place that it has, or at the end.
fn set(env: &mut Vec<String>, name: &str, value: &str) {
    let pair = format!("{name}={value}");
    let is_it = |entry: &&mut String| entry.split('=').next() == Some(name);
    match env.iter_mut().find(is_it) {
        Some(entry) => *entry = pair,
        None => env.push(pair),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dockerfile::{Given, parse};

    /// The configuration after these instructions upon an image that runs `base`.
    fn check(text: &str, then: impl FnOnce(&Run)) {
        let file = parse(format!("FROM x\n{text}").as_bytes()).unwrap();
        let globals = Globals::new(&file, &Given::nothing()).unwrap();
        let mut config = Config::empty(Platform::linux("amd64"));
        config.config.env = vec!["A=1".to_owned(), "PATH=/bin".to_owned()];
        config.config.cmd = Some(vec!["base".to_owned()]);
        let mut state = State::new(&globals, config, Vec::new(), file.directives.escape);
        for step in &file.stages[0].steps {
            assert!(
                state.configure(&step.instruction).unwrap(),
                "{}",
                step.original
            );
        }
        then(&state.config.config);
    }

    #[test]
    fn variables_replace_those_of_the_base_in_their_place() {
        check("ENV B=$A A=2\nENV C=$A PATH=/x:$PATH", |run| {
            assert_eq!(run.env, ["A=2", "PATH=/x:/bin", "B=1", "C=2"]);
        });
    }

    #[test]
    fn an_entry_point_takes_the_bases_command_back_but_not_the_stages() {
        check("ENTRYPOINT [\"e\"]", |run| {
            assert_eq!(
                (run.entrypoint.as_deref(), &run.cmd),
                (Some(&["e".to_owned()][..]), &None)
            );
        });
        check("CMD c\nENTRYPOINT e", |run| {
            let shell = |text: &str| Some(["/bin/sh", "-c", text].map(str::to_owned).to_vec());
            assert_eq!((&run.entrypoint, &run.cmd), (&shell("e"), &shell("c")));
        });
        check("SHELL [\"bash\", \"-c\"]\nCMD c", |run| {
            assert_eq!(
                run.cmd.as_deref(),
                Some(&["bash", "-c", "c"].map(str::to_owned)[..])
            );
        });
    }

    #[test]
    fn working_directories_build_on_each_other() {
        check("WORKDIR a\nWORKDIR b/../c", |run| {
            assert_eq!(run.working_dir, "/a/c");
        });
        check("ENV D=/x\nWORKDIR a\nWORKDIR ${D}/y", |run| {
            assert_eq!(run.working_dir, "/x/y");
        });
        check("WORKDIR ../..", |run| assert_eq!(run.working_dir, "/"));
    }

    #[test]
    fn ports_volumes_labels_and_checks_are_told_as_docker_tells_them() {
        let text = "ARG P=80\nEXPOSE $P 8000-8001/udp\nVOLUME /data\nLABEL a=b c=\"d e\"\n\
                    HEALTHCHECK --interval=2s --retries=3 CMD true\nUSER u:g\nSTOPSIGNAL INT\n\
                    ONBUILD RUN x";
        check(text, |run| {
            let ports: Vec<_> = run.exposed_ports.keys().map(String::as_str).collect();
            assert_eq!(ports, ["80/tcp", "8000/udp", "8001/udp"]);
            assert!(run.volumes.contains_key("/data"));
            assert_eq!(run.labels["c"], "d e");
            let check = run.healthcheck.as_ref().unwrap();
            assert_eq!(check.test, ["CMD-SHELL", "true"]);
            assert_eq!(
                (check.interval, check.retries),
                (Some(2_000_000_000), Some(3))
            );
            assert_eq!(
                (&*run.user, run.stop_signal.as_deref()),
                ("u:g", Some("INT"))
            );
            assert_eq!(run.on_build, ["RUN x"]);
        });
    }
}
