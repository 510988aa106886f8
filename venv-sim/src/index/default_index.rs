//! The index that an interpreter's own pip asks where nobody says another.
//!
//! No address of an index stands in this program. Each Python brings one: in the pip that
//! `ensurepip` bundles, or that its distribution installed. There it is read, and not run: an
//! assignment of a text in the module that knows the index.

use std::fs::{self, File};
use std::io::{BufReader, Read};
use std::path::{Path, PathBuf};

use zip::ZipArchive;

use super::inputs::Inputs;
use super::url::Url;

/// The module of pip that knows its index, since pip 10; and before.
const MODULES: [&str; 2] = ["pip/_internal/models/index.py", "pip/models/index.py"];
/// Longer than that module ever was, in bytes.
const LONGEST: u64 = 64 * 1024;

/// Its address, and the file that says so; else where it was looked for.
pub(super) fn default_index(inputs: &Inputs<'_>) -> Result<(Url, PathBuf), Vec<String>> {
    let mut tried = Vec::new();
    for directory in wheel_directories(inputs) {
        for wheel in wheels(&directory) {
            if let Some(url) = in_wheel(&wheel) {
                return Ok((url, wheel));
            }
            tried.push(format!("{}: no address in it", wheel.display()));
        }
        tried.push(format!("{}: no pip in it", directory.display()));
    }
    for directory in package_directories(inputs) {
        for module in MODULES {
            let path = directory.join(module);
            if let Some(url) = File::open(&path)
                .ok()
                .and_then(text)
                .and_then(|text| address(&text))
            {
                return Ok((url, path));
            }
        }
        tried.push(format!("{}: no pip in it", directory.display()));
    }
    Err(tried)
}

/// Where wheels of pip lie: with the interpreter; where distributions put them that do not
/// want a second copy (Debian, Fedora).
fn wheel_directories(inputs: &Inputs<'_>) -> Vec<PathBuf> {
    let bundled = inputs
        .stdlib
        .map(|stdlib| stdlib.join("ensurepip/_bundled"));
    let mut directories: Vec<_> = bundled.into_iter().collect();
    directories.push(inputs.below_root("/usr/share/python-wheels"));
    directories
}

/// Where an installed pip lies: beside the standard library, and where distributions put it.
fn package_directories(inputs: &Inputs<'_>) -> Vec<PathBuf> {
    let beside = |name: &str| inputs.stdlib.map(|stdlib| stdlib.join(name));
    let mut directories: Vec<_> = ["site-packages", "dist-packages"]
        .into_iter()
        .filter_map(beside)
        .collect();
    directories.push(inputs.below_root("/usr/lib/python3/dist-packages"));
    directories
}

/// The wheels of pip in a directory, the last name first: of two, it is the newer, mostly.
fn wheels(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let is_pip = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("pip-") && name.ends_with(".whl"))
    };
    let mut wheels: Vec<_> = entries.map(|entry| entry.path()).filter(is_pip).collect();
    wheels.sort();
    wheels.reverse();
    wheels
}

fn in_wheel(path: &Path) -> Option<Url> {
    let mut archive = ZipArchive::new(BufReader::new(File::open(path).ok()?)).ok()?;
    MODULES.iter().find_map(|module| {
        let file = archive.by_name(module).ok()?;
        address(&text(file)?)
    })
}

fn text(file: impl Read) -> Option<String> {
    let mut text = String::new();
    file.take(LONGEST).read_to_string(&mut text).ok()?;
    Some(text)
}

/// The first text of `PyPI = …(…)`, which is the site, with `simple` behind it, which is the
/// index.
fn address(module: &str) -> Option<Url> {
    let assigned = module.lines().position(|line| {
        line.strip_prefix("PyPI")
            .is_some_and(|rest| rest.trim_start().starts_with('='))
    })?;
    let lines: Vec<&str> = module.lines().skip(assigned).take(8).collect();
    let call = lines.join("\n");
    let (_, arguments) = call.split_once('(')?;
    let quote = arguments.find(['\'', '"'])?;
    let mark = arguments[quote..].chars().next()?;
    let (site, _) = arguments[quote + 1..].split_once(mark)?;
    let site: Url = site.parse().ok()?;
    site.join("simple/").ok()
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::index::inputs::Variables;

    const MODULE: &str = "class PackageIndex:\n    def __init__(self, url, storage):\n        pass\n\n\
        PyPI = PackageIndex(\n    'https://index.test/', file_storage_domain='files.test'\n)\n\
        TestPyPI = PackageIndex('https://other.test/', file_storage_domain='x.test')\n";

    fn inputs<'a>(root: &'a Path, stdlib: &'a Path, variables: &'a Variables) -> Inputs<'a> {
        Inputs {
            environment: None,
            stdlib: Some(stdlib),
            variables,
            command: "install",
            root,
        }
    }

    #[test]
    fn the_address_is_read_from_however_pip_writes_it() {
        for module in [
            MODULE.to_owned(),
            MODULE.replace('\'', "\""),
            "PyPI = Index('https://index.test/')\n".to_owned(),
            "PyPI  =  PackageIndex(\"https://index.test\", \"f\")".to_owned(),
        ] {
            let url = address(&module).expect("an address");
            assert_eq!(url.to_text(), "https://index.test/simple/");
        }
        for module in [
            "",
            "PyPI",
            "PyPI = X(",
            "PyPI = X('",
            "PyPI = X('not an address')",
            "#PyPI = X('https://a/')",
        ] {
            assert_eq!(address(module), None, "{module}");
        }
    }

    #[test]
    fn the_bundled_wheel_comes_before_the_distribution_s_and_that_before_an_installed_pip() {
        let root = tempfile::tempdir().expect("a directory");
        let variables = Variables::new();
        let stdlib = root.path().join("usr/lib/python3.11");
        let inputs = inputs(root.path(), &stdlib, &variables);
        let tried = default_index(&inputs).expect_err("nothing there");
        assert_eq!(tried.len(), 5, "{tried:?}");

        let wheel = |path: &Path, host: &str| {
            fs::create_dir_all(path.parent().expect("above")).expect("made");
            let mut wheel = zip::ZipWriter::new(File::create(path).expect("made"));
            let stored = zip::write::SimpleFileOptions::default();
            wheel.start_file(MODULES[0], stored).expect("a file");
            let module = MODULE.replace("index.test", host);
            wheel.write_all(module.as_bytes()).expect("written");
            wheel.finish().expect("a wheel");
        };
        let host = || default_index(&inputs).expect("an index").0.host;

        let installed = stdlib.join("site-packages").join(MODULES[0]);
        fs::create_dir_all(installed.parent().expect("above")).expect("made");
        fs::write(&installed, MODULE.replace("index.test", "installed.test")).expect("written");
        assert_eq!(host(), "installed.test");
        let debian = root
            .path()
            .join("usr/share/python-wheels/pip-23.0-py3-none-any.whl");
        wheel(&debian, "debian.test");
        assert_eq!(host(), "debian.test");
        let bundled = stdlib.join("ensurepip/_bundled");
        fs::create_dir_all(&bundled).expect("made");
        fs::write(bundled.join("pip-24.0-py3-none-any.whl"), "no zip").expect("written");
        assert_eq!(host(), "debian.test");
        wheel(&bundled.join("pip-23.1-py3-none-any.whl"), "bundled.test");
        assert_eq!(host(), "bundled.test");
    }
}
