//! A root file system for a program of this machine: the program and what it loads, at the paths
//! that they have here, and our init.
//!
//! Not every file that a program opens can be known before it runs. Libraries and interpreters
//! are, and for Python the modules that its start and the lab's workload load; all else is named
//! with `--file`.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use vm_model::initramfs::Archive;

use crate::{closure, hint, loaded, program};

/// How many interpreters of interpreters are followed, as the kernel does.
const DEEPEST: u32 = 4;
/// The part of a file that says what it is.
const HEAD: u64 = 4096;

/// Where loaders of the system's lie.
const SYSTEM: [&str; 3] = ["/lib", "/lib64", "/usr"];

/// The root in the making.
#[derive(Debug)]
pub struct Root {
    archive: Archive,
    added: BTreeSet<PathBuf>,
}

impl Root {
    /// A root with our init, as `/init` and as `/true`.
    ///
    /// # Errors
    /// Never in practice: its names are fixed.
    pub fn new() -> Result<Self> {
        let mut archive = Archive::guest(program::TRUE)?;
        archive.add_hard_link("true", "init")?;
        Ok(Self {
            archive,
            added: BTreeSet::new(),
        })
    }

    /// The archive.
    #[must_use]
    pub fn archive(&mut self) -> &mut Archive {
        &mut self.archive
    }

    /// The archive, for good.
    #[must_use]
    pub fn into_archive(self) -> Archive {
        self.archive
    }

    /// Adds the program at `path` with what it loads.
    ///
    /// # Errors
    /// If it cannot be read, is for another processor, or lacks something here as well.
    pub fn add_program(&mut self, path: &Path) -> Result<()> {
        self.add(path, path, DEEPEST)
    }

    /// Adds `SOURCE:DESTINATION`, a file or directory; a program with what it loads.
    ///
    /// # Errors
    /// As [`add_program`](Self::add_program), and if it is not written so.
    pub fn add_named(&mut self, text: &str) -> Result<()> {
        let wrong = || {
            let next = "write it as --file SOURCE:/DESTINATION, or --file /PATH for the same path";
            hint::with(format!("cannot put `{text}` into the guest"), next)
        };
        let (source, destination) = text.rsplit_once(':').unwrap_or((text, text));
        if source.is_empty() || !destination.starts_with('/') {
            return Err(wrong());
        }
        let (source, destination) = (Path::new(source), Path::new(destination));
        let found =
            fs::metadata(source).with_context(|| format!("cannot put `{text}` into the guest"))?;
        if found.is_dir() {
            return Ok(self.archive.add_tree(source, destination)?);
        }
        self.add(source, destination, DEEPEST)
    }

    fn add(&mut self, host: &Path, at: &Path, depth: u32) -> Result<()> {
        if !self.added.insert(at.to_owned()) {
            return Ok(());
        }
        self.archive.add_host_file(host, at)?;
        let head = head(host)?;
        if let Some(line) = head.strip_prefix(b"#!") {
            return self.add_interpreter(host, line, depth);
        }
        if !head.starts_with(b"\x7fELF") {
            return Ok(());
        }
        check_processor(host, &head)?;
        if is_python(host) {
            self.add_python(host)?;
        }
        let Some(loader) = loader(host, &head)? else {
            return Ok(());
        };
        for file in loaded::listed_by(&loader, host)? {
            if self.added.insert(file.clone()) {
                self.archive.add_host_file(&file, &file)?;
            }
        }
        Ok(())
    }

    /// Adds what the first line of a script names; `env NAME` names two.
    fn add_interpreter(&mut self, script: &Path, line: &[u8], depth: u32) -> Result<()> {
        let shown = script.display();
        if depth == 0 {
            bail!("cannot put {shown} into the guest: its interpreter is a script's, and so on");
        }
        let line = line.split(|byte| *byte == b'\n').next().unwrap_or_default();
        let mut words = line
            .split(u8::is_ascii_whitespace)
            .filter(|word| !word.is_empty())
            .map(|word| Path::new(OsStr::from_bytes(word)));
        let Some(interpreter) = words.next() else {
            bail!("cannot put {shown} into the guest: it names no interpreter");
        };
        self.add(interpreter, interpreter, depth - 1)
            .with_context(|| format!("cannot put the interpreter of {shown} into the guest"))?;
        if interpreter.file_name() == Some(OsStr::new("env"))
            && let Some(name) = words.next()
        {
            let found = resolve(name.as_os_str())?;
            self.add(&found, &found, depth - 1)?;
        }
        Ok(())
    }

    /// Adds what Python loads before and for ordinary work.
    fn add_python(&mut self, interpreter: &Path) -> Result<()> {
        let closure = closure::of(interpreter)?;
        for folder in &closure.folders {
            self.archive.add_dir(folder, 0o755)?;
        }
        for file in &closure.files {
            // By their own paths: where a directory is a link here, it is none there.
            if self.added.insert(file.clone()) {
                self.archive.add_host_file(file, file)?;
            }
        }
        for link in closure.links.keys() {
            let real = link.canonicalize()?;
            if real.is_file() && self.added.insert(link.clone()) {
                self.archive.add_host_file(&real, link)?;
            }
        }
        Ok(())
    }
}

/// The program that `name` means, as a shell would find it.
///
/// # Errors
/// With the code 127 if there is none, 126 if it cannot be executed.
pub fn resolve(name: &OsStr) -> Result<PathBuf> {
    let shown = name.to_string_lossy();
    let is_program = |path: &Path| {
        fs::metadata(path)
            .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
    };
    if name.as_bytes().contains(&b'/') {
        let path = std::path::absolute(Path::new(name))?;
        return match fs::metadata(&path) {
            Err(error) => Err(hint::coded(format!("cannot run {shown}: {error}"), 127)),
            Ok(_) if is_program(&path) => Ok(path),
            Ok(_) => {
                let message = format!("cannot run {shown}: it is no file that may be executed");
                Err(hint::coded(message, 126))
            }
        };
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut places = std::env::split_paths(&path).filter(|dir| dir.is_absolute());
    let found = places.find_map(|dir| Some(dir.join(name)).filter(|path| is_program(path)));
    found.ok_or_else(|| hint::coded(format!("cannot run {shown}: there is no such program"), 127))
}

fn head(path: &Path) -> Result<Vec<u8>> {
    let mut head = Vec::new();
    let read = File::open(path).and_then(|file| file.take(HEAD).read_to_end(&mut head));
    read.with_context(|| format!("cannot read {}", path.display()))?;
    Ok(head)
}

/// A little-endian number of `length` bytes in the header.
fn number(head: &[u8], at: usize, length: usize) -> Option<usize> {
    let bytes = head.get(at..at.checked_add(length)?)?;
    let fold = |number: usize, byte: &u8| number << 8 | usize::from(*byte);
    Some(bytes.iter().rev().fold(0, fold))
}

/// Refuses a program of another processor than the guest's.
///
/// Source: `elf(5)`, `e_machine`.
fn check_processor(path: &Path, head: &[u8]) -> Result<()> {
    const CLASS_64: u8 = 2;
    const X86_64: usize = 62;
    if head.get(4) == Some(&CLASS_64) && number(head, 18, 2) == Some(X86_64) {
        return Ok(());
    }
    let message = format!("cannot run {}: it is for another processor", path.display());
    Err(hint::coded(message, 126))
}

/// The loader that a program names, if it names one: it must be the system's, since it is asked.
///
/// Source: `elf(5)`, `PT_INTERP`.
fn loader(path: &Path, head: &[u8]) -> Result<Option<PathBuf>> {
    const PT_INTERP: usize = 3;
    let shown = path.display();
    let headers = || {
        let (table, size, count) = (
            number(head, 32, 8)?,
            number(head, 54, 2)?,
            number(head, 56, 2)?,
        );
        let all = (0..count).map(|index| table.checked_add(index.checked_mul(size)?));
        all.collect::<Option<Vec<_>>>()
    };
    let headers = headers().with_context(|| format!("cannot read the headers of {shown}"))?;
    let Some(header) = headers
        .into_iter()
        .find(|at| number(head, *at, 4) == Some(PT_INTERP))
    else {
        return Ok(None);
    };
    let name = || {
        let (at, length) = (number(head, header + 8, 8)?, number(head, header + 32, 8)?);
        head.get(at..at.checked_add(length)?)?.strip_suffix(b"\0")
    };
    let name = name().with_context(|| format!("cannot read which loader {shown} has"))?;
    let loader = PathBuf::from(OsStr::from_bytes(name));
    let real = loader
        .canonicalize()
        .with_context(|| format!("{shown} has no loader here: {}", loader.display()))?;
    if !SYSTEM.iter().any(|place| real.starts_with(place)) {
        bail!(
            "cannot run {shown}: its loader is not the system's: {}",
            loader.display()
        );
    }
    Ok(Some(loader))
}

/// Whether a program is CPython, by its name.
fn is_python(path: &Path) -> bool {
    let real = path.canonicalize();
    let name = real
        .as_deref()
        .unwrap_or(path)
        .file_name()
        .unwrap_or_default();
    let name = name.to_string_lossy();
    let version = name.strip_prefix("python");
    version.is_some_and(|rest| rest.chars().all(|c| c.is_ascii_digit() || c == '.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_as_a_shell_would_find_it() {
        assert_eq!(
            resolve(OsStr::new("/bin/sh")).unwrap(),
            Path::new("/bin/sh")
        );
        assert!(resolve(OsStr::new("sh")).unwrap().ends_with("sh"));
        for (name, code) in [
            ("/bin", 126),
            ("/etc/passwd", 126),
            ("/nonexistent", 127),
            ("no-such", 127),
        ] {
            let error = resolve(OsStr::new(name)).unwrap_err();
            assert_eq!(hint::code(&error), code, "{error:#}");
        }
    }

    #[test]
    fn a_shell_comes_with_its_loader() {
        let mut root = Root::new().unwrap();
        root.add_program(Path::new("/bin/sh")).unwrap();
        assert!(root.added.contains(Path::new("/bin/sh")));
        let has_loader = root
            .added
            .iter()
            .any(|path| path.to_string_lossy().contains("ld-"));
        let is_static = loader(Path::new("/bin/sh"), &head(Path::new("/bin/sh")).unwrap())
            .unwrap()
            .is_none();
        assert!(has_loader || is_static, "{:?}", root.added);
    }

    #[test]
    fn a_script_comes_with_what_its_first_line_names() {
        let dir = tempfile::tempdir().unwrap();
        let script = dir.path().join("script");
        for (line, named) in [
            ("#!/bin/sh -e", "/bin/sh"),
            ("#! /usr/bin/env sh", "/usr/bin/env"),
        ] {
            fs::write(&script, format!("{line}\necho\n")).unwrap();
            let mut root = Root::new().unwrap();
            root.add_program(&script).unwrap();
            assert!(root.added.contains(Path::new(named)), "{:?}", root.added);
        }
        fs::write(&script, format!("#!{}\n", script.display())).unwrap();
        assert!(
            Root::new().unwrap().add_program(&script).is_ok(),
            "it is in already"
        );
        fs::write(&script, "#!\n").unwrap();
        assert!(Root::new().unwrap().add_program(&script).is_err());
    }

    #[test]
    fn a_program_of_another_processor_or_loader_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("program");
        let mut bytes = fs::read("/bin/sh").unwrap();
        let at = bytes.windows(4).position(|text| text == b"/lib");
        bytes[18] = 183;
        fs::write(&path, &bytes).unwrap();
        let error = Root::new().unwrap().add_program(&path).unwrap_err();
        assert_eq!(hint::code(&error), 126, "{error:#}");
        let Some(at) = at else {
            return;
        };
        bytes[18] = 62;
        bytes[at..at + 4].copy_from_slice(b"/tmp");
        fs::write(&path, &bytes).unwrap();
        assert!(Root::new().unwrap().add_program(&path).is_err());
    }

    #[test]
    fn only_pythons_are_pythons() {
        let names = [
            "/x/python3.11",
            "/x/python3",
            "/x/python3-config",
            "/x/pythonic",
        ];
        let found = names.map(|name| is_python(Path::new(name)));
        assert_eq!(found, [true, true, false, false]);
    }
}
