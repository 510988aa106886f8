//! Wheels made for a test, honest and not, and pictures of directories.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use venv_sim::install::{Addition, Changed, InstallOptions, install};
use venv_sim::wheel::{Digest, Entry, Record};
use venv_sim::{Environment, Interpreter, Store, Stored};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// A wheel in the making.
#[derive(Debug, Clone)]
pub(crate) struct Draft {
    project: String,
    version: String,
    tag: String,
    pure: bool,
    files: Vec<(String, Vec<u8>)>,
    scripts: String,
    requires: String,
}

impl Draft {
    pub(crate) fn new(project: &str, version: &str) -> Self {
        Self {
            project: project.to_owned(),
            version: version.to_owned(),
            tag: "py3-none-any".to_owned(),
            pure: true,
            files: Vec::new(),
            scripts: String::new(),
            requires: String::new(),
        }
    }

    pub(crate) fn file(mut self, path: &str, content: impl AsRef<[u8]>) -> Self {
        let content = content.as_ref().to_owned();
        self.files.push((path.to_owned(), content));
        self
    }

    /// A line of `[console_scripts]`.
    pub(crate) fn script(mut self, line: &str) -> Self {
        self.scripts.push_str(line);
        self.scripts.push('\n');
        self
    }

    pub(crate) fn tag(mut self, tag: &str) -> Self {
        self.tag = tag.to_owned();
        self
    }

    pub(crate) fn platlib(mut self) -> Self {
        self.pure = false;
        self
    }

    pub(crate) fn requires_python(mut self, versions: &str) -> Self {
        self.requires
            .push_str(&format!("Requires-Python: {versions}\n"));
        self
    }

    pub(crate) fn requires(mut self, requirement: &str) -> Self {
        self.requires
            .push_str(&format!("Requires-Dist: {requirement}\n"));
        self
    }

    /// Puts a file into `.data`.
    pub(crate) fn data(self, path: &str, content: &str) -> Self {
        let path = format!("{}-{}.data/{path}", self.project, self.version);
        self.file(&path, content)
    }

    /// Writes it to `dir`.
    pub(crate) fn write(&self, dir: &Path) -> PathBuf {
        let info = format!("{}-{}.dist-info", self.project, self.version);
        let mut files = self.files.clone();
        let mut text = |name: &str, text: String| {
            files.push((format!("{info}/{name}"), text.into_bytes()));
        };
        text(
            "METADATA",
            format!(
                "Metadata-Version: 2.1\nName: {}\nVersion: {}\n{}",
                self.project, self.version, self.requires
            ),
        );
        text(
            "WHEEL",
            format!(
                "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {}\nTag: {}\n",
                self.pure, self.tag
            ),
        );
        if !self.scripts.is_empty() {
            text(
                "entry_points.txt",
                format!("[console_scripts]\n{}", self.scripts),
            );
        }
        let mut record = Record::default();
        for (path, content) in &files {
            record.entries.push(Entry {
                path: path.clone(),
                digest: Some(Digest::of(content)),
                size: Some(content.len() as u64),
            });
        }
        record.entries.push(Entry {
            path: format!("{info}/RECORD"),
            digest: None,
            size: None,
        });
        files.push((format!("{info}/RECORD"), record.to_text()));
        let path = dir.join(format!(
            "{}-{}-{}.whl",
            self.project, self.version, self.tag
        ));
        let mut zip = ZipWriter::new(File::create(&path).expect("a file"));
        for (path, content) in files {
            let options = SimpleFileOptions::default();
            zip.start_file(path, options).expect("a member");
            zip.write_all(&content).expect("written");
        }
        zip.finish().expect("an archive");
        path
    }

    /// The wheel in `store`, by way of `dir`.
    pub(crate) fn stored(&self, store: &Store, dir: &Path) -> venv_sim::Result<Stored> {
        store.add(&self.write(dir))
    }
}

/// Installs one as it is done unless something else is asked for.
pub(crate) fn put_one(
    environment: &Environment,
    python: &Interpreter,
    store: &Store,
    wheel: &Stored,
) -> venv_sim::Result<Changed> {
    let options = InstallOptions::default();
    put(environment, python, store, &[wheel], &options)
}

/// Installs these as if each was asked for.
pub(crate) fn put(
    environment: &Environment,
    python: &Interpreter,
    store: &Store,
    wheels: &[&Stored],
    options: &InstallOptions,
) -> venv_sim::Result<Changed> {
    let additions: Vec<Addition<'_>> = wheels
        .iter()
        .map(|stored| Addition {
            stored,
            requested: true,
            direct_url: None,
        })
        .collect();
    install(environment, python, &additions, &[], store, options)
}

/// Everything below `dir`: its kind and mode, and its content or where it leads.
pub(crate) fn picture(dir: &Path) -> BTreeMap<PathBuf, (u32, Vec<u8>)> {
    let mut seen = BTreeMap::new();
    for path in crate::machine::files(dir) {
        let at = dir.join(&path);
        let found = fs::symlink_metadata(&at).expect("there");
        let content = if found.is_symlink() {
            fs::read_link(&at)
                .expect("a link")
                .into_os_string()
                .into_encoded_bytes()
        } else if found.is_file() {
            fs::read(&at).expect("readable")
        } else {
            Vec::new()
        };
        seen.insert(path, (found.mode(), content));
    }
    seen
}

/// Fails with the paths in which two pictures differ.
pub(crate) fn same(
    what: &str,
    seen: &BTreeMap<PathBuf, (u32, Vec<u8>)>,
    expected: &BTreeMap<PathBuf, (u32, Vec<u8>)>,
) -> Result<(), libtest_mimic::Failed> {
    let paths: std::collections::BTreeSet<_> = seen.keys().chain(expected.keys()).collect();
    let differ: Vec<_> = paths
        .into_iter()
        .filter(|path| seen.get(*path) != expected.get(*path))
        .take(8)
        .collect();
    match differ.is_empty() {
        true => Ok(()),
        false => Err(format!("{what}: other than expected: {differ:?}").into()),
    }
}
