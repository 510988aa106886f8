//! A container that several commands know, in a state root and with a bundle of
//! its own.

use std::fs;
use std::process::{Child, Command, Stdio};

use isolab_oci::spec::Process;
use isolab_oci::{Begin, Bundle, Cgroup, Container, Error, Options, Running, Spec, StateRoot};

use crate::support::{Place, name, output, silent};

/// A bundle, and where its container is known.
pub(crate) struct Lab {
    pub(crate) place: Place,
    pub(crate) id: String,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            place: Place::new(),
            id: name(),
        }
    }

    pub(crate) fn root(&self) -> StateRoot {
        StateRoot::new(self.place.path().join("states"))
    }

    /// Makes it, in a control group of its own where that is possible.
    pub(crate) fn create(&self, spec: &Spec) -> isolab_oci::Result<(Container, Running)> {
        self.begin(spec, Begin::Later)
    }

    /// The same, and whether its program is executed at once.
    pub(crate) fn begin(
        &self,
        spec: &Spec,
        begin: Begin,
    ) -> isolab_oci::Result<(Container, Running)> {
        let options = Options {
            cgroup: Cgroup::Owned,
            ..Options::default()
        };
        self.create_with(spec, begin, &options)
    }

    pub(crate) fn create_with(
        &self,
        spec: &Spec,
        begin: Begin,
        options: &Options,
    ) -> isolab_oci::Result<(Container, Running)> {
        let bundle = Bundle::new(self.place.path(), spec.clone())?;
        let root = self.root();
        Container::create(&root, &self.id, &bundle, begin, silent(), options)
    }

    /// Has `isorun create` make it, with one of its calls delayed as strace's
    /// `slow` says.
    pub(crate) fn create_slowly(&self, slow: &str) -> Child {
        let mut create = Command::new("strace");
        let traced = ["-e", "trace=flock,rename,mknodat"];
        create.args(["-qqq", "-o", "/dev/null"]).args(traced);
        create.args(["-e", &format!("inject={slow}")]);
        create.arg(env!("CARGO_BIN_EXE_isorun")).arg("--root");
        create.arg(self.root().path()).args(["create", "--bundle"]);
        create.arg(self.place.path()).arg(&self.id);
        create.stdin(Stdio::null()).stdout(Stdio::null());
        create.stderr(Stdio::null()).spawn().unwrap()
    }

    pub(crate) fn load(&self) -> Container {
        Container::load(&self.root(), &self.id).unwrap()
    }

    /// A container that runs `script`, and its process.
    pub(crate) fn started(&self, script: &str) -> (Container, Running) {
        let (mut container, running) = self.create(&self.place.spec(script)).unwrap();
        container.start().unwrap();
        (container, running)
    }

    /// What `script` says in the container.
    pub(crate) fn exec(&self, script: &str) -> String {
        let container = self.load();
        let spec = container.spec().unwrap();
        let process = Process {
            args: ["sh", "-c", script].map(str::to_owned).to_vec(),
            ..spec.process.unwrap()
        };
        let options = Options {
            die_with_parent: true,
            ..Options::default()
        };
        let (text, status) = output(|stdio| container.exec(&process, stdio, &options)).unwrap();
        assert!(status.success(), "{text}");
        text
    }

    pub(crate) fn is_gone(&self) -> bool {
        matches!(
            Container::load(&self.root(), &self.id),
            Err(Error::NotFound { .. })
        ) && fs::read_dir(self.root().path()).is_ok_and(|mut left| left.next().is_none())
    }
}
