//! What `sys.path` is made of in an environment: where Python looks for modules, and why there.
//!
//! The interpreter is asked once, started as a user starts it: with the user's variables, and
//! with what `.pth` files run at its start. Each entry is then told from the others by where it
//! lies, and those of `.pth` files by the line that adds them.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::ask;
use crate::environment::Environment;
use crate::error::{Error, Result};

/// Where the interpreter of an environment looks for modules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SysPath {
    /// `sys.executable`.
    pub executable: PathBuf,
    /// The whole version.
    pub version: String,
    /// `sys.implementation.name`.
    pub implementation: String,
    /// `sys.prefix`: the environment, if Python takes it for one.
    pub prefix: PathBuf,
    /// `sys.base_prefix`: the installation that it is made from.
    pub base_prefix: PathBuf,
    /// Whether the script's own directory comes before everything here; with `-P` it does not.
    pub begins_with_script: bool,
    /// The entries, in order.
    pub entries: Vec<Entry>,
    /// Lines of `.pth` files that are code, and run at each start.
    pub code: Vec<PthLine>,
    /// `PYTHONHOME`, which moves the standard library, where it is set.
    pub python_home: Option<PathBuf>,
}

/// One entry of `sys.path`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The directory or archive.
    pub path: PathBuf,
    /// What it is.
    pub kind: Kind,
    /// Whether it is there: Python passes over what is not.
    pub exists: bool,
}

/// What an entry of `sys.path` is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// `PYTHONPATH` names it.
    PythonPath,
    /// The standard library as an archive, which few installations have.
    LibraryArchive,
    /// The standard library of the base interpreter.
    Library,
    /// Its extension modules: `lib-dynload`.
    Extensions,
    /// The environment's own packages.
    Packages,
    /// The base interpreter's packages.
    BasePackages,
    /// The user's packages, below the home directory.
    UserPackages,
    /// A line of a `.pth` file names it.
    Pth(PthLine),
    /// Something at the interpreter's start added it.
    Unknown,
}

/// A line of a `.pth` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PthLine {
    /// The file.
    pub file: PathBuf,
    /// Which line, from 1.
    pub line: usize,
    /// What it says.
    pub text: String,
}

#[derive(Deserialize)]
struct Said {
    executable: Bytes,
    version: String,
    implementation: String,
    prefix: Bytes,
    base_prefix: Bytes,
    begins_with_script: bool,
    path: Vec<Bytes>,
    library: Vec<Bytes>,
    user: Option<Bytes>,
    user_enabled: bool,
    packages: Vec<Bytes>,
    base_packages: Vec<Bytes>,
    pythonpath: Vec<Bytes>,
    pythonhome: Option<Bytes>,
}

/// A path in JSON: each byte as the character of the same number.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Bytes(PathBuf);

impl TryFrom<String> for Bytes {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let bytes: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
        let bytes = bytes.map_err(|_| "a path with a character above U+00FF")?;
        Ok(Self(OsString::from_vec(bytes).into()))
    }
}

/// Asks the interpreter of `environment`.
///
/// # Errors
/// [`Error::NotAnInterpreter`] where it does not start, or prints no answer.
pub fn sys_path(environment: &Environment) -> Result<SysPath> {
    let path = &environment.python;
    let refused = |cause: String| Error::NotAnInterpreter {
        path: path.clone(),
        cause,
    };
    let answer = ask::run(path, &["-c", include_str!("sys_path.py")]).map_err(refused)?;
    if !answer.status.success() {
        let complaint = String::from_utf8_lossy(&answer.stderr).into_owned();
        let last = complaint.trim().lines().next_back().unwrap_or_default();
        let last = crate::refusal::shown(last);
        return Err(refused(format!("it ended with {}: {last}", answer.status)));
    }
    // Code in a .pth file may print before.
    let lines = answer.stdout.split(|byte| *byte == b'\n');
    let line = lines.map(<[u8]>::trim_ascii).rfind(|line| !line.is_empty());
    let said: Said = serde_json::from_slice(line.unwrap_or_default())
        .map_err(|error| refused(format!("it printed no answer ({error})")))?;
    Ok(said.explained())
}

impl Said {
    fn explained(self) -> SysPath {
        let mut lines = BTreeMap::new();
        let mut code = Vec::new();
        let user = self.user.iter().filter(|_| self.user_enabled);
        let sites = self.packages.iter().chain(&self.base_packages).chain(user);
        for site in sites {
            // Python reads the files of those that it has put into sys.path.
            if self.path.iter().any(|entry| entry.0 == site.0) {
                read_pth_files(&site.0, &mut lines, &mut code);
            }
        }
        let entries = self.path.iter().map(|entry| Entry {
            kind: self.kind(&entry.0, &lines),
            exists: entry.0.exists(),
            path: entry.0.clone(),
        });
        SysPath {
            entries: entries.collect(),
            executable: self.executable.0,
            version: self.version,
            implementation: self.implementation,
            prefix: self.prefix.0,
            base_prefix: self.base_prefix.0,
            begins_with_script: self.begins_with_script,
            code,
            python_home: self.pythonhome.map(|home| home.0),
        }
    }

    fn kind(&self, path: &Path, lines: &BTreeMap<PathBuf, PthLine>) -> Kind {
        let among = |paths: &[Bytes]| paths.iter().any(|known| known.0 == path);
        let named = path.file_name().unwrap_or_default();
        let is_packages = named == "site-packages" || named == "dist-packages";
        let (prefix, base) = (&self.prefix.0, &self.base_prefix.0);
        match () {
            () if among(&self.pythonpath) => Kind::PythonPath,
            () if among(&self.library) => Kind::Library,
            () if named == "lib-dynload" => Kind::Extensions,
            () if path.extension().is_some_and(|end| end == "zip") && path.starts_with(base) => {
                Kind::LibraryArchive
            }
            () if lines.contains_key(path) => Kind::Pth(lines[path].clone()),
            () if self.user.as_ref().is_some_and(|user| user.0 == path) => Kind::UserPackages,
            () if prefix != base && is_packages && path.starts_with(prefix) => Kind::Packages,
            () if among(&self.packages) && prefix != base => Kind::Packages,
            () if among(&self.base_packages) || is_packages => Kind::BasePackages,
            () => Kind::Unknown,
        }
    }
}

/// Reads the `.pth` files of `site` in the order in which Python does.
fn read_pth_files(site: &Path, lines: &mut BTreeMap<PathBuf, PthLine>, code: &mut Vec<PthLine>) {
    let entries = fs::read_dir(site).into_iter().flatten().flatten();
    let files = entries.map(|entry| entry.path());
    let mut files: Vec<PathBuf> = files
        .filter(|path| path.extension().is_some_and(|end| end == "pth") && path.is_file())
        .collect();
    files.sort();
    for file in files {
        let text = fs::read(&file).unwrap_or_default();
        for (line, text) in (1..).zip(String::from_utf8_lossy(&text).lines()) {
            let said = PthLine {
                file: file.clone(),
                line,
                text: text.trim_end().to_owned(),
            };
            if text.starts_with("import ") || text.starts_with("import\t") {
                code.push(said);
            } else if !text.trim().is_empty() && !text.starts_with('#') {
                lines.entry(site.join(text.trim_end())).or_insert(said);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An answer in which these are `sys.path`, of an environment at /env made from /usr.
    fn said(path: &[&str]) -> Said {
        let answer = serde_json::json!({
            "executable": "/env/bin/python", "version": "3.11.7", "implementation": "cpython",
            "prefix": "/env", "base_prefix": "/usr", "begins_with_script": true, "path": path,
            "library": ["/usr/lib/python3.11"], "user": "/home/u/.local/lib/python3.11/site-packages",
            "user_enabled": true, "packages": ["/env/lib/python3.11/site-packages"],
            "base_packages": ["/usr/local/lib/python3.11/dist-packages", "/usr/lib/python3/dist-packages"],
            "pythonpath": ["/srv/mine"], "pythonhome": null,
        });
        serde_json::from_value(answer).expect("an answer")
    }

    #[track_caller]
    fn check(path: &str, expected: &Kind) {
        let explained = said(&[path]).explained();
        assert_eq!(explained.entries[0].kind, *expected, "{path}");
    }

    #[test]
    fn each_entry_is_told_by_where_it_lies() {
        check("/srv/mine", &Kind::PythonPath);
        check("/usr/lib/python311.zip", &Kind::LibraryArchive);
        check("/usr/lib/python3.11", &Kind::Library);
        check("/usr/lib/python3.11/lib-dynload", &Kind::Extensions);
        check("/env/lib/python3.11/site-packages", &Kind::Packages);
        check("/env/lib64/python3.11/site-packages", &Kind::Packages);
        check("/usr/lib/python3/dist-packages", &Kind::BasePackages);
        check(
            "/home/u/.local/lib/python3.11/site-packages",
            &Kind::UserPackages,
        );
        check("/somewhere", &Kind::Unknown);
    }

    #[test]
    fn a_line_of_a_pth_file_is_named_and_its_code_is_told_apart() {
        let site = tempfile::tempdir().expect("a directory");
        let text = "# a comment\n/srv/sources\n\nimport demo; demo.hook()\nbelow\n";
        fs::write(site.path().join("demo.pth"), text).expect("written");
        fs::write(site.path().join("not.txt"), "/other\n").expect("written");
        let (mut lines, mut code) = (BTreeMap::new(), Vec::new());
        read_pth_files(site.path(), &mut lines, &mut code);
        assert_eq!(lines[Path::new("/srv/sources")].line, 2);
        assert_eq!(lines[&site.path().join("below")].line, 5);
        assert_eq!((lines.len(), code.len(), code[0].line), (2, 1, 4));
    }
}
