//! Making an environment, as a list of steps.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::activation;
use crate::cache::Cache;
use crate::config::{Config, shell_word};
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::staging::Staging;

/// How an environment is to be made. The default is what `python -m venv --without-pip` makes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The name shown when it is active; else that of its directory.
    pub prompt: Option<String>,
    /// Whether it also sees the packages of the base interpreter.
    pub system_site_packages: bool,
    /// Whether an environment that is already there is replaced. Nothing else ever is.
    pub clear: bool,
    /// Whether the interpreter is copied, not linked to.
    pub copies: bool,
    /// Where files that all environments share are kept; [`Cache::none`] for an environment that
    /// shares nothing.
    pub cache: Cache,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prompt: None,
            system_site_packages: false,
            clear: false,
            copies: false,
            cache: Cache::of_user(),
        }
    }
}

/// Makes an environment for `python` at `dir`, and `dir`'s parents where missing.
///
/// It appears under its name complete or not at all, also if this process is killed: it is
/// built in a hidden directory beside it, which the next creation of that name removes if
/// need be. It holds no pip, as `uv venv` makes it.
///
/// # Errors
/// [`Error::Occupied`] if something is there: anything but an empty directory, or an environment
/// with [`Options::clear`]. [`Error::BadLocation`], [`Error::Unwritable`] if Python or a shell
/// could not use it there. [`Error::Busy`] if another process is creating it just now.
///
/// Source: PEP 405; CPython's `Lib/venv`.
pub fn create(dir: &Path, python: &Interpreter, options: &Options) -> Result<Environment> {
    let dir = std::path::absolute(dir).map_err(Error::io("find", dir))?;
    let occupied = check_location(&dir, options.clear)?;
    let config = config(&dir, python, options)?;

    let staging = Staging::begin(&dir)?;
    let root = staging.path();
    make_directories(root, python)?;
    let names = install_interpreter(root, python, options.copies)?;
    activation::install(root, &options.cache)?;
    let file = root.join("pyvenv.cfg");
    fs::write(&file, config.to_text()).map_err(Error::io("write", &file))?;
    if occupied {
        staging.replace()?;
    } else {
        staging.place()?;
    }

    let (major, minor, _) = python.version;
    Ok(Environment {
        python: dir.join("bin").join(names),
        site_packages: dir.join(&python.site_packages),
        version: (major, minor),
        home: home_of(python).to_owned(),
        system_site_packages: options.system_site_packages,
        prompt: options.prompt.clone(),
        dir,
    })
}

/// Whether an environment is there that may be replaced.
fn check_location(dir: &Path, clear: bool) -> Result<bool> {
    let bad = |cause| {
        Err(Error::BadLocation {
            dir: dir.to_owned(),
            cause,
        })
    };
    if dir.as_os_str().as_bytes().contains(&b':') {
        return bad("its path holds a colon, which separates the entries of PATH");
    }
    let found = match fs::symlink_metadata(dir) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(false),
        found => found.map_err(Error::io("look at", dir))?,
    };
    let occupied = |what, clearable| {
        Err(Error::Occupied {
            dir: dir.to_owned(),
            what,
            clearable,
        })
    };
    if found.is_symlink() {
        return bad("it is a symbolic link; name the directory that it leads to");
    }
    if !found.is_dir() {
        return occupied("a file", false);
    }
    let environment = dir.join("pyvenv.cfg").is_file();
    let mut entries = fs::read_dir(dir).map_err(Error::io("read directory", dir))?;
    if !environment && entries.next().is_some() {
        return occupied(
            "a directory that is no environment, and is not empty,",
            false,
        );
    }
    if environment && !clear {
        return occupied("an environment", true);
    }
    let working = std::env::current_dir().and_then(fs::canonicalize);
    let real = fs::canonicalize(dir).map_err(Error::io("resolve", dir))?;
    if working.is_ok_and(|working| working.starts_with(real)) {
        return bad("it is the working directory, which would be replaced; go to the one above");
    }
    Ok(environment)
}

/// The directory in which Python looks for its library.
fn home_of(python: &Interpreter) -> &Path {
    python.executable.parent().unwrap_or(Path::new("/"))
}

/// `pyvenv.cfg`, with the keys that CPython 3.11 and later write; older ones ignore some.
fn config(dir: &Path, python: &Interpreter, options: &Options) -> Result<Config> {
    let (major, minor, patch) = python.version;
    let mut config = Config::default();
    config.push_path("home", home_of(python))?;
    config.push(
        "include-system-site-packages",
        options.system_site_packages.to_string(),
    );
    config.push("version", format!("{major}.{minor}.{patch}"));
    if let Some(prompt) = &options.prompt {
        config.push_prompt(prompt)?;
    }
    config.push_path("executable", &python.executable)?;
    config.push("command", command(dir, python, options));
    config.push("venv-sim", env!("CARGO_PKG_VERSION"));
    Ok(config)
}

/// The command by which CPython would make the same environment.
fn command(dir: &Path, python: &Interpreter, options: &Options) -> String {
    let mut command = format!(
        "{} -m venv --without-pip",
        shell_word(python.executable.as_ref())
    );
    for (given, flag) in [
        (options.system_site_packages, " --system-site-packages"),
        (options.copies, " --copies"),
        (options.clear, " --clear"),
    ] {
        if given {
            command.push_str(flag);
        }
    }
    if let Some(prompt) = &options.prompt {
        command = format!("{command} --prompt={}", shell_word(OsStr::new(prompt)));
    }
    format!("{command} {}", shell_word(dir.as_ref()))
}

fn make_directories(root: &Path, python: &Interpreter) -> Result<()> {
    let mut directories = vec![root.join("bin"), root.join("include")];
    let mut library = root.to_owned();
    for part in &python.site_packages {
        library.push(part);
        directories.push(library.clone());
    }
    for directory in directories {
        fs::create_dir(&directory).map_err(Error::io("create directory", &directory))?;
    }
    if python.is_64bit && python.site_packages.starts_with("lib") {
        link("lib".as_ref(), &root.join("lib64"))?;
    }
    Ok(())
}

/// Puts the interpreter into `bin` under all its names; gives the plain one.
fn install_interpreter(root: &Path, python: &Interpreter, copies: bool) -> Result<&'static str> {
    let bin = root.join("bin");
    let names = python.names();
    let (first, others) = names
        .split_first()
        .map_or((PathBuf::new(), &[][..]), |(first, others)| {
            (bin.join(first), others)
        });
    if copies {
        fs::copy(&python.executable, &first)
            .map_err(Error::io("copy the interpreter to", &first))?;
    } else {
        link(&python.executable, &first)?;
    }
    for name in others {
        let path = bin.join(name);
        if !copies {
            link(first.file_name().unwrap_or_default().as_ref(), &path)?;
        } else if fs::hard_link(&first, &path).is_err() {
            fs::copy(&first, &path).map_err(Error::io("copy the interpreter to", &path))?;
        }
    }
    Ok("python")
}

fn link(target: &Path, at: &Path) -> Result<()> {
    symlink(target, at).map_err(Error::io("create symbolic link", at))
}
