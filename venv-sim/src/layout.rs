//! What an environment consists of, written into an empty directory.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use crate::activation;
use crate::config::{Config, shell_word};
use crate::error::{Error, Result};
use crate::interpreter::Interpreter;
use crate::legacy;
use crate::options::Options;

/// Writes an environment into `root`, which is empty and will be called `dir`.
pub(crate) fn build(
    root: &Path,
    dir: &Path,
    python: &Interpreter,
    options: &Options,
) -> Result<()> {
    let config = config(dir, python, options)?;
    make_directories(root, python)?;
    // Python 2 would follow a link out of the environment.
    install_interpreter(root, python, options.copies || python.is_legacy())?;
    if python.is_legacy() {
        legacy::complete(root, python, &options.cache)?;
    }
    activation::install(root, &options.cache)?;
    let file = root.join("pyvenv.cfg");
    fs::write(&file, config.to_text()).map_err(Error::io("write", &file))
}

/// The directory in which Python looks for its library.
pub(crate) fn home_of(python: &Interpreter) -> &Path {
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
    if python.is_legacy() {
        config.push("layout", "legacy"); // no command of its own would make it
    } else {
        config.push("command", command(dir, python, options));
    }
    if options.relocatable {
        config.push("relocatable", "true"); // uv's key
    }
    config.push("venv-sim", env!("CARGO_PKG_VERSION"));
    Ok(config)
}

/// The command by which CPython would make the same environment.
fn command(dir: &Path, python: &Interpreter, options: &Options) -> String {
    let mut command = format!("{} -m venv", shell_word(python.executable.as_ref()));
    // In the order in which CPython writes them.
    for (given, flag) in [
        (options.copies, " --copies"),
        (!options.seed, " --without-pip"),
        (options.system_site_packages, " --system-site-packages"),
        (options.clear && !options.upgrade, " --clear"),
        (options.upgrade, " --upgrade"),
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

/// Puts the interpreter into `bin` under all its names.
fn install_interpreter(root: &Path, python: &Interpreter, copies: bool) -> Result<()> {
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
    Ok(())
}

fn link(target: &Path, at: &Path) -> Result<()> {
    symlink(target, at).map_err(Error::io("create symbolic link", at))
}
