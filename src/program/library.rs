//! The Library: the project's own application, a Django site with a REST API, with the
//! packages that it needs.
//!
//! The sources are those of `examples/library`, compiled in; the packages come from the index
//! that the interpreter's own pip would ask, and stay in the user's store of wheels. The bare
//! process finds them in a folder, an environment has them installed, and a root file system
//! has a copy.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use isolab_engine::rootfs::Entry;
use venv_sim::Interpreter;
use venv_sim::install::InstallOptions;

use crate::closure::{self, Closure};
use crate::environment::bounded::{self, Ended};
use crate::hint;
use crate::interrupt::Interrupt;
use crate::packages::{self, Asking};

/// A file of the application and where it lies there; a later one replaces an earlier one, as
/// the image of the second version is built upon the first's.
macro_rules! sources {
    ($($version:literal: $($path:literal)*;)*) => {
        [$($((
            $path,
            include_str!(concat!("../../examples/library/", $version, "/", $path)),
        ),)*)*]
    };
}

/// The application, in its second version.
const APPLICATION: [(&str, &str); 18] = sources! {
    "v1":
        "books/__init__.py" "books/fixtures/books.json" "books/migrations/0001_initial.py"
        "books/migrations/__init__.py" "books/models.py" "books/templates/books/book_list.html"
        "books/urls.py" "books/views.py" "library/__init__.py" "library/settings.py"
        "library/urls.py" "serve.py";
    "v2":
        "apis/__init__.py" "apis/serializers.py" "apis/urls.py" "apis/views.py"
        "library/api_settings.py" "library/api_urls.py";
};
/// What it needs.
const REQUIREMENTS: [&str; 2] = [
    include_str!("../../examples/library/v1/requirements.txt"),
    include_str!("../../examples/library/v2/requirements.txt"),
];
/// The books that are in its tables, in Django's form.
pub const BOOKS: &str = include_str!("../../examples/library/v1/books/fixtures/books.json");
/// Where it lists them.
pub const PAGE: &str = "/api/";

const PREPARE: &str = include_str!("../../workload/library/prepare.py");
const ANSWER: &str = include_str!("../../workload/library/answer.py");
const SERVE: &str = include_str!("../../workload/library/serve.py");

/// The longest that preparing may take, from a cold disk.
const BOUND: Duration = Duration::from_secs(60);

/// Where the parts lie in a root file system of its own.
const SCRIPT_IN_ROOT: &str = "/workload.py";
const APPLICATION_IN_ROOT: &str = "/library";
const PACKAGES_IN_ROOT: &str = "/packages";

/// The Library made ready for this machine.
#[derive(Debug)]
pub struct Library {
    /// The interpreter found on the host.
    pub interpreter: Interpreter,
    /// What it needs where there is no host, the application's own files and packages apart.
    pub closure: Closure,
    script: PathBuf,
    application: PathBuf,
    packages: PathBuf,
}

impl Library {
    /// Writes the application into `dir`, its packages and its tables, and asks `interpreter` for
    /// the closure of an answer.
    ///
    /// # Errors
    /// If `dir` cannot be written to, the packages cannot be had or do not run here, or the user
    /// interrupts.
    pub(super) fn make(
        interpreter: Interpreter,
        dir: &Path,
        interrupt: &Interrupt,
    ) -> Result<Self> {
        let script = dir.join("library.py");
        write(&script, SERVE)?;
        let application = dir.join("library");
        for (path, text) in APPLICATION {
            write(&application.join(path), text)?;
        }
        let packages = had(&dir.join("packages"), &interpreter, interrupt)?;
        let python = &interpreter.executable;
        // The measured ones have no other variables, and a DATABASE_URL of the user's is not ours
        // to fill.
        let environment = super::environment();
        let mut command = Command::new(python);
        let pairs = environment.iter().filter_map(|pair| pair.split_once('='));
        command.env_clear().envs(pairs);
        command
            .args(["-I", "-c", PREPARE])
            .args([&application, &packages]);
        match bounded::run(&mut command, BOUND).context("cannot prepare the Library")? {
            Ended::Exited { code: Some(0), .. } => {}
            Ended::Exited { stderr, .. } => {
                let last = stderr.trim().lines().last().unwrap_or("no reason given");
                bail!("{} cannot prepare the Library: {last}", python.display());
            }
            Ended::TimedOut => bail!("the Library was not prepared within {BOUND:?}"),
        }
        ensure!(!interrupt.raised(), "interrupted");
        let mut closure = closure::after(python, ANSWER, &[&application, &packages], &environment)?;
        let own = |path: &PathBuf| path.starts_with(&application) || path.starts_with(&packages);
        closure.files.retain(|file| !own(file));
        closure.links.retain(|link, _| !own(link));
        Ok(Self {
            interpreter,
            closure,
            script,
            application,
            packages,
        })
    }

    pub(super) fn host_command(&self, python: Option<&Path>) -> Vec<OsString> {
        let bare = python.is_none();
        let python = python.unwrap_or(&self.interpreter.executable);
        let packages = bare.then_some(self.packages.as_path());
        command(python, &self.script, &self.application, packages)
    }

    pub(super) fn root_command(&self) -> Vec<OsString> {
        let [script, application, packages] =
            [SCRIPT_IN_ROOT, APPLICATION_IN_ROOT, PACKAGES_IN_ROOT].map(Path::new);
        command(&self.closure.binary, script, application, Some(packages))
    }

    /// The host's files that the command reads, but for the packages.
    pub(super) fn files_without_packages(&self) -> Vec<PathBuf> {
        let own = [&self.script, &self.application];
        self.closure.files.iter().chain(own).cloned().collect()
    }

    pub(super) fn packages(&self) -> &Path {
        &self.packages
    }

    /// Its parts beside the interpreter's, for a root of its own.
    pub(super) fn entries(&self) -> Result<Vec<Entry>> {
        let mut entries = vec![Entry::copy(&self.script, SCRIPT_IN_ROOT)];
        copy_tree(
            &self.application,
            Path::new(APPLICATION_IN_ROOT),
            &mut entries,
        )?;
        copy_tree(&self.packages, Path::new(PACKAGES_IN_ROOT), &mut entries)?;
        Ok(entries)
    }
}

/// What is to be installed for it, a requirement each.
#[must_use]
pub fn requirements() -> Vec<String> {
    let lines = REQUIREMENTS.iter().flat_map(|text| text.lines());
    lines.map(str::to_owned).collect()
}

/// How it is installed: with its bytecode, for a root that is read only could not keep it.
#[must_use]
pub fn install_options() -> InstallOptions {
    InstallOptions {
        compile_bytecode: true,
        ..InstallOptions::default()
    }
}

/// The folder with its packages, in an environment at `dir`.
fn had(dir: &Path, interpreter: &Interpreter, interrupt: &Interrupt) -> Result<PathBuf> {
    let environment = venv_sim::create(dir, interpreter, &venv_sim::Options::default())?;
    let folder = environment.site_packages.clone();
    let installed = packages::unless_interrupted(interrupt, move || {
        packages::install(
            &environment,
            &requirements(),
            install_options(),
            Asking::TheIndex,
        )
    });
    match installed {
        Ok(_) => Ok(folder),
        Err(error) if interrupt.raised() => Err(error),
        Err(error) => Err(hint::with(
            format!("the Library's packages cannot be had: {error:#}"),
            "connect to the network once: what came stays in the store of wheels",
        )),
    }
}

fn command(
    python: &Path,
    script: &Path,
    application: &Path,
    packages: Option<&Path>,
) -> Vec<OsString> {
    let words = [python, Path::new("-I"), script, application];
    words.into_iter().chain(packages).map(Into::into).collect()
}

/// Adds a copy of every file below `from` to `entries`.
fn copy_tree(from: &Path, to: &Path, entries: &mut Vec<Entry>) -> Result<()> {
    let failed = || format!("cannot read {}", from.display());
    for entry in fs::read_dir(from).with_context(failed)? {
        let entry = entry.with_context(failed)?;
        let (path, to) = (entry.path(), to.join(entry.file_name()));
        match entry.file_type().with_context(failed)?.is_dir() {
            true => copy_tree(&path, &to, entries)?,
            false => entries.push(Entry::copy(path, to)),
        }
    }
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    let parent = path.parent().context("a file lies in no folder")?;
    fs::create_dir_all(parent)
        .and_then(|()| fs::write(path, text))
        .with_context(|| format!("cannot write {}", path.display()))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// What is measured is what the course builds, file for file.
    #[test]
    fn the_application_is_that_of_the_examples() {
        let not_served = ["Dockerfile", "requirements.txt", "manage.py"];
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/library");
        let mut there = BTreeSet::new();
        for version in ["v1", "v2"] {
            let mut entries = Vec::new();
            copy_tree(&root.join(version), Path::new(""), &mut entries).unwrap();
            there.extend(entries.into_iter().filter_map(|entry| match entry {
                Entry::Copy { to, .. } => Some(to.to_str().unwrap().to_owned()),
                _ => None,
            }));
        }
        there.retain(|path| !not_served.contains(&path.as_str()) && !path.contains("__pycache__"));
        let ours: BTreeSet<String> = APPLICATION.iter().map(|(path, _)| (*path).into()).collect();
        assert_eq!(ours, there);
    }

    #[test]
    fn an_environment_finds_the_packages_by_itself() {
        let command = |packages| command("p".as_ref(), "s".as_ref(), "a".as_ref(), packages);
        assert_eq!(command(None), ["p", "-I", "s", "a"]);
        assert_eq!(command(Some("k".as_ref())), ["p", "-I", "s", "a", "k"]);
    }
}
