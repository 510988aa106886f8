//! A Dockerfile for a source tree that has none, where it is plain what to do: the
//! automatic build of an image from source.

use std::fs::{self, File, Permissions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use isolab_engine::store::Store;
use serde_json::json;

use super::BuildArgs;
use crate::{hint, stderr};

/// What a source tree is, and what its Dockerfile depends on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Tree {
    /// A project in Python.
    Python {
        /// Its requirements are a list of their own, or its `pyproject.toml` says them.
        requirements: bool,
        /// Whether its wheels are in the directory `wheels`.
        wheels: bool,
        /// What starts it, where that is known, and the port that it listens at.
        command: Option<(Vec<String>, Option<u16>)>,
    },
    /// Files for a web server.
    Site,
    /// One program that needs nothing else, by name.
    Program(String),
}

/// What starts a project whose file this is.
const STARTS: [&str; 5] = ["main.py", "app.py", "serve.py", "server.py", "__main__.py"];
/// What no image needs, and may hold what nobody else may see.
const STAYS: &str = "--exclude=Dockerfile --exclude=**/.dockerignore --exclude=**/.git \
                     --exclude=**/.env* --exclude=**/.venv";
/// Where a site is served.
const PORT: u16 = 8080;
/// More of a `pyproject.toml` than any has, in bytes.
const LONGEST: u64 = 1 << 20;

/// Writes a Dockerfile for the context, which has none, and shows it.
///
/// # Errors
/// If it is not known what the context is, or the base image is not here: nothing is
/// written then.
pub(super) fn write(args: &BuildArgs, store: &Store) -> Result<(PathBuf, Vec<u8>)> {
    let tree = Tree::of(&args.context)?;
    if let Some((base, made)) = tree.base()
        && store.resolve(base).is_err()
    {
        return Err(hint::with(
            format!(
                "cannot build {}: its base image {base} is not here",
                args.context.display()
            ),
            format!("make it with `isolab image bootstrap {made}`, or `isolab pull {base}`"),
        ));
    }
    let path = args.context.join("Dockerfile");
    let text = tree.dockerfile();
    let failed = || format!("cannot write {}", path.display());
    let mut builder = tempfile::Builder::new();
    builder.prefix(".isolab-dockerfile-");
    builder.permissions(Permissions::from_mode(0o666));
    let mut file = builder.tempfile_in(&args.context).with_context(failed)?;
    file.write_all(text.as_bytes()).with_context(failed)?;
    // Whoever wrote one meanwhile wrote the right one.
    file.persist_noclobber(&path).with_context(failed)?;
    stderr::tell(format_args!(
        "note: there was no Dockerfile; this one is {} now:",
        path.display()
    ));
    for line in text.lines() {
        stderr::tell(format_args!("  {line}"));
    }
    Ok((path, text.into_bytes()))
}

impl Tree {
    /// What lies in `context`.
    ///
    /// # Errors
    /// With what is looked for, where it is nothing of that.
    pub(super) fn of(context: &Path) -> Result<Self> {
        let read = || format!("cannot read the build context {}", context.display());
        let has = |name: &str| context.join(name).is_file();
        let mut names = Vec::new();
        for entry in fs::read_dir(context).with_context(read)? {
            let name = entry.with_context(read)?.file_name();
            names.extend(name.into_string().ok());
        }
        if has("requirements.txt") || has("pyproject.toml") {
            let requirements = has("requirements.txt");
            return Ok(Self::Python {
                requirements,
                wheels: context.join("wheels").is_dir(),
                command: command(context, !requirements)?,
            });
        }
        if has("index.html") {
            return Ok(Self::Site);
        }
        let programs = names
            .into_iter()
            .filter(|name| is_program(&context.join(name)));
        match &programs.collect::<Vec<_>>()[..] {
            [one] => Ok(Self::Program(one.clone())),
            _ => Err(hint::with(
                format!(
                    "cannot build {}: there is no Dockerfile, and no requirements.txt or \
                     pyproject.toml (Python), no index.html (a site) and not one static program \
                     to write one for",
                    context.display()
                ),
                "write one, or name it with -f FILE",
            )),
        }
    }

    /// The image that it is built upon, and what `image bootstrap` calls it.
    fn base(&self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Python { .. } => Some(("python:3", "python")),
            Self::Site => Some(("busybox", "busybox")),
            Self::Program(_) => None,
        }
    }

    /// Its Dockerfile.
    pub(super) fn dockerfile(&self) -> String {
        let mut text = "# Written by `isolab build`. It is yours: change it.\n".to_owned();
        match self {
            Self::Python {
                requirements,
                wheels,
                command,
            } => {
                text += "FROM python:3\nWORKDIR /app\n";
                text += &install(*requirements, *wheels);
                match command {
                    Some((words, port)) => {
                        if let Some(port) = port {
                            text += &format!("EXPOSE {port}\n");
                        }
                        text += &format!("CMD {}\n", json!(words));
                    }
                    None => text += "# What starts it is not known: CMD [\"python\", \"…\"]\n",
                }
            }
            Self::Site => {
                let port = PORT.to_string();
                let words = ["httpd", "-f", "-p", &port, "-h", "/site"];
                text += &format!("FROM busybox\nCOPY {STAYS} . /site\n");
                text += &format!("EXPOSE {port}\nCMD {}\n", json!(words));
            }
            Self::Program(name) => {
                let there = format!("/{name}");
                text += "FROM scratch\n";
                text += &format!("COPY {}\n", json!([name, there]));
                text += &format!("ENTRYPOINT {}\n", json!([there]));
            }
        }
        text
    }
}

/// The lines that bring a project and what it requires. Requirements come first: they
/// change more seldom.
fn install(requirements: bool, wheels: bool) -> String {
    let (mount, from) = match wheels {
        true => (
            "--mount=type=bind,source=wheels,target=/wheels \\\n    ",
            "--no-index --find-links /wheels",
        ),
        false => ("", "--only-binary :all:"),
    };
    let copy = format!("COPY {STAYS} --exclude=wheels . .\n");
    match requirements {
        true => format!(
            "COPY requirements.txt .\n\
             RUN {mount}pip install {from} --no-cache-dir -r requirements.txt\n{copy}"
        ),
        false => format!("{copy}RUN {mount}pip install {from} --no-cache-dir .\n"),
    }
}

/// What starts a project in Python: a program of its own only where it is installed.
fn command(context: &Path, is_installed: bool) -> Result<Option<(Vec<String>, Option<u16>)>> {
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect();
    if context.join("manage.py").is_file() {
        let all = ["python", "manage.py", "runserver", "0.0.0.0:8000"];
        return Ok(Some((words(&all), Some(8000))));
    }
    if is_installed && let Some(script) = script(&context.join("pyproject.toml"))? {
        return Ok(Some((vec![script], None)));
    }
    let found = STARTS.iter().find(|name| context.join(name).is_file());
    Ok(found.map(|name| (words(&["python", name]), None)))
}

/// The first program that a `pyproject.toml` says it installs.
///
/// Source: the Python packaging specifications, "pyproject.toml".
fn script(path: &Path) -> Result<Option<String>> {
    let read = || format!("cannot read {}", path.display());
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file.with_context(read)?,
    };
    let mut text = String::new();
    file.take(LONGEST)
        .read_to_string(&mut text)
        .with_context(read)?;
    let table: toml::Table = text.parse().with_context(read)?;
    let scripts = table
        .get("project")
        .and_then(|project| project.get("scripts"));
    let scripts = scripts.and_then(toml::Value::as_table);
    Ok(scripts.and_then(|scripts| scripts.keys().next().cloned()))
}

/// Whether a file is a program that may be executed and asks for no interpreter, which
/// would load its libraries.
fn is_program(path: &Path) -> bool {
    let is_executable = |path: &Path| {
        let found = fs::symlink_metadata(path);
        found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    is_executable(path) && isolab_engine::bootstrap::is_static(path).unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &[(&str, &str)]) -> Result<String> {
        let place = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = place.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        Ok(Tree::of(place.path())?.dockerfile())
    }

    #[test]
    fn a_project_gets_its_requirements_first_and_a_command_where_one_is_known() {
        let text = written(&[("requirements.txt", ""), ("app.py", ""), ("wheels/x", "")]).unwrap();
        let lines: Vec<_> = text.lines().skip(1).collect();
        assert_eq!(
            lines,
            [
                "FROM python:3",
                "WORKDIR /app",
                "COPY requirements.txt .",
                "RUN --mount=type=bind,source=wheels,target=/wheels \\",
                "    pip install --no-index --find-links /wheels --no-cache-dir -r requirements.txt",
                "COPY --exclude=Dockerfile --exclude=**/.dockerignore --exclude=**/.git \
                 --exclude=**/.env* --exclude=**/.venv --exclude=wheels . .",
                "CMD [\"python\",\"app.py\"]",
            ]
        );
        let project = "[project]\nname = \"x\"\n[project.scripts]\nstart = \"x:main\"\n";
        let text = written(&[("pyproject.toml", project)]).unwrap();
        assert!(
            text.contains("pip install --only-binary :all: --no-cache-dir .\n"),
            "{text}"
        );
        assert!(text.ends_with("CMD [\"start\"]\n"), "{text}");
        let both = [
            ("requirements.txt", ""),
            ("pyproject.toml", project),
            ("app.py", ""),
        ];
        let text = written(&both).unwrap();
        assert!(text.ends_with("CMD [\"python\",\"app.py\"]\n"), "{text}");
        let text = written(&[("requirements.txt", ""), ("manage.py", "")]).unwrap();
        assert!(text.contains("EXPOSE 8000"), "{text}");
        assert!(written(&[("pyproject.toml", "no toml")]).is_err());
    }

    #[test]
    fn a_tree_that_is_nothing_known_is_an_error_that_says_what_is_looked_for() {
        let error = written(&[("README", "")]).unwrap_err().to_string();
        for looked_for in [
            "requirements.txt",
            "pyproject.toml",
            "index.html",
            "static program",
        ] {
            assert!(error.contains(looked_for), "{error}");
        }
        assert!(written(&[("index.html", "")]).unwrap().contains("httpd"));
    }
}
