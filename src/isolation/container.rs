//! The container: the same program in namespaces of its own, from a root file
//! system of its own.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use isolab_engine::bundle;
use isolab_engine::spec::{Settings, default_spec};
use isolab_oci::process::Cgroup;
use isolab_oci::{Bundle, Options};

use super::started::Started;
use super::{Conditions, Footprint, Isolation, Provisioned, Running};
use crate::footprint::allocated_bytes;
use crate::observation::Subject;
use crate::program::{self, Program, Ready};

/// A container of our own runtime.
#[derive(Debug)]
pub struct Container;

impl Isolation for Container {
    fn subject(&self) -> Subject {
        Subject::Container
    }

    fn provision<'a>(
        &'a self,
        program: &'a Program,
        dir: &Path,
    ) -> Result<Box<dyn Provisioned + 'a>> {
        let root = dir.join("rootfs");
        program.lay_out_root(&root)?;
        let words = program
            .root_command()
            .into_iter()
            .map(|word| word.into_string().ok());
        let args = words
            .collect::<Option<Vec<_>>>()
            .context("a path is not UTF-8")?;
        let settings = Settings {
            env: program::environment(),
            ..Settings::new("rootfs", args)
        };
        bundle::write(dir, &default_spec(&settings))?;
        Ok(Box::new(Filled {
            dir: dir.to_owned(),
            root,
            ready: program.ready(),
        }))
    }
}

/// A bundle whose root file system holds the program.
struct Filled {
    dir: PathBuf,
    root: PathBuf,
    ready: Ready,
}

impl Provisioned for Filled {
    fn footprint(&self) -> Result<Footprint> {
        let full_bytes = allocated_bytes(&[&self.dir])?;
        // The root is read only: another container needs no more than its own
        // configuration.
        let one_more_bytes = full_bytes - allocated_bytes(&[&self.root])?;
        Ok(Footprint {
            full_bytes,
            one_more_bytes,
        })
    }

    fn files(&self) -> Vec<PathBuf> {
        vec![self.dir.clone()]
    }

    fn start(&self) -> Result<Box<dyn Running>> {
        let bundle = Bundle::load(&self.dir)?;
        let started = Started::new(self.ready, |stdio, options| {
            let options = Options {
                cgroup: Cgroup::Owned,
                ..options.clone()
            };
            isolab_oci::Container::run(&bundle, "compared", stdio, &options)
        })?;
        Ok(Box::new(started))
    }

    fn conditions(&self) -> Conditions {
        Conditions::from([(
            "isolation".to_owned(),
            "user, pid, mount, UTS, IPC, network and cgroup namespaces; own root; no capabilities; \
             no_new_privs; default seccomp filter"
                .to_owned(),
        )])
    }
}
