//! The interpreter of an environment: whether it is there, and still the one it was.

use std::fs;
use std::path::{Path, PathBuf};

use super::{Ailment, AilmentKind, Repair, kept};
use crate::config::{Config, env_flag};
use crate::create::create;
use crate::environment::{Environment, site_packages};
use crate::error::Result;
use crate::interpreter::Interpreter;
use crate::occupancy::{Occupied, PATIENCE};
use crate::options::Options;
use crate::places::Search;
use crate::sys_path::sys_path;

/// Compares `bin/python` with what `pyvenv.cfg` says.
pub(super) fn examine(dir: &Path, search: &Search) -> Option<Ailment> {
    let config = Config::read(dir).ok()?;
    let (major, minor) = config.version()?;
    let home = config.get("home").map(PathBuf::from);
    let python = dir.join("bin/python");
    let name = if config
        .get("implementation")
        .is_some_and(|name| name.eq_ignore_ascii_case("pypy"))
    {
        "pypy"
    } else {
        "python"
    };
    let heir = || heir(search, &format!("{name}{major}.{minor}"), (major, minor));
    let home_is_gone = home.as_ref().is_some_and(|home| !home.is_dir());
    if !python.is_file() || home_is_gone {
        let home = home.unwrap_or_default();
        let what = match python.is_symlink() || home_is_gone {
            true => format!(
                "its interpreter, Python {major}.{minor} in {}, is gone",
                home.display()
            ),
            false => "it has no bin/python".to_owned(),
        };
        let why = "an environment is links to an interpreter that is installed elsewhere: \
            uninstalling or upgrading that one takes it away from the environment, too";
        return Some(changed(
            AilmentKind::InterpreterGone,
            what,
            why,
            heir(),
            (major, minor),
            dir,
        ));
    }
    let found = search.behind(&python).ok()?;
    if (found.version.0, found.version.1) != (major, minor) {
        let (now_major, now_minor, _) = found.version;
        let what = format!(
            "its bin/python is Python {now_major}.{now_minor}, and its packages are for {major}.{minor}"
        );
        let why = "the program that it leads to was replaced by another version, which looks for \
            packages in a directory of its own, and would find none here";
        return Some(changed(
            AilmentKind::InterpreterOther,
            what,
            why,
            heir(),
            (major, minor),
            dir,
        ));
    }
    let now = version(&found);
    let was = config
        .get("version")
        .or_else(|| config.get("version_info"))?;
    let patch = was.split('.').nth(2)?;
    if patch.parse() != Ok(found.version.2) {
        let what = format!("its interpreter is Python {now} now, and was {was}");
        let why = "the base interpreter was updated within its minor version: what is installed \
            goes on working, and only pyvenv.cfg is behind";
        return Some(changed(
            AilmentKind::InterpreterUpdated,
            what,
            why,
            Some(found),
            (major, minor),
            dir,
        ));
    }
    None
}

fn version(python: &Interpreter) -> String {
    let (major, minor, patch) = python.version;
    format!("{major}.{minor}.{patch}")
}

/// Another interpreter of the same minor version.
fn heir(search: &Search, name: &str, version: (u8, u8)) -> Option<Interpreter> {
    let request = name.strip_prefix("python").unwrap_or(name);
    let found = search.discover(Some(request)).ok()?;
    ((found.version.0, found.version.1) == version).then_some(found)
}

fn changed(
    kind: AilmentKind,
    what: String,
    why: &str,
    heir: Option<Interpreter>,
    (major, minor): (u8, u8),
    dir: &Path,
) -> Ailment {
    let env = env_flag(Some(dir));
    let remedy = match &heir {
        Some(heir) => format!(
            "lead it to Python {} at {}",
            version(heir),
            heir.executable.display()
        ),
        None => format!(
            "install a Python {major}.{minor} again (`pyenv install {major}.{minor}`), or make a new \
             environment and `isolab venv install -r` what `isolab venv freeze{env}` printed of this one"
        ),
    };
    Ailment {
        kind,
        what,
        why: why.to_owned(),
        remedy,
        repair: heir.map(|heir| Repair::Upgrade(Box::new(heir))),
    }
}

/// Whether its interpreter starts, with what `.pth` files run.
pub(super) fn starts(environment: &Environment) -> Option<Ailment> {
    let error = sys_path(environment).err()?;
    Some(Ailment {
        kind: AilmentKind::InterpreterFails,
        what: error.to_string(),
        why: "the program is there and does not run: a system library it needs may be gone, or a \
            line of a .pth file or sitecustomize fails"
            .to_owned(),
        remedy: format!(
            "`{} -v -c ''` shows where it ends",
            environment.python.display()
        ),
        repair: None,
    })
}

/// Leads the environment to `python`; what is replaced is kept.
pub(super) fn replace(
    dir: &Path,
    python: &Interpreter,
    search: &Search,
    say: fn(&str),
) -> Result<String> {
    keep_what_is_replaced(&Occupied::take(dir, PATIENCE, say)?)?;
    let options = Options {
        upgrade: true,
        cache: search.cache.clone(),
        say,
        ..Options::default()
    };
    create(dir, python, &options)?;
    Ok(format!(
        "led it to Python {} at {}",
        version(python),
        python.executable.display()
    ))
}

fn keep_what_is_replaced(held: &Occupied) -> Result<()> {
    let bin = fs::read_dir(held.dir.join("bin")).into_iter();
    for entry in bin.flatten().flatten() {
        let Ok(name) = entry.file_name().into_string() else {
            continue;
        };
        let is_file = entry.file_type().is_ok_and(|kind| kind.is_file());
        if is_file && (name.to_lowercase().starts_with("activate") || name.starts_with("python")) {
            kept::copy(held, &format!("bin/{name}"))?;
        }
    }
    kept::copy(held, "pyvenv.cfg")
}

/// Where the packages of the environment at `dir` are, also where its interpreter is gone.
pub(super) fn packages_of(dir: &Path) -> Option<PathBuf> {
    let config = Config::read(dir).ok()?;
    site_packages(dir, config.version()?)
}
