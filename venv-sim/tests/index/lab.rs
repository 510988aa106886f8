//! What the tests share: wheels, pages, an index with nothing of this machine in it.

use std::io::{Cursor, Write};
use std::path::Path;
use std::time::Duration;

use sha2::{Digest, Sha256};
use tempfile::TempDir;
use venv_sim::index::{Inputs, Variables};
use venv_sim::{Cache, Catalogue, Index, IndexFlags, IndexSettings, Name, Offer};

use crate::server::{Answer, Request};

pub(crate) fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

/// A directory and an index whose settings are these flags, and nothing else.
pub(crate) struct Lab {
    pub(crate) home: TempDir,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self {
            home: tempfile::tempdir().expect("a directory"),
        }
    }

    pub(crate) fn cache(&self) -> Cache {
        Cache::at(self.home.path().join("cache"))
    }

    pub(crate) fn index(&self, flags: &IndexFlags) -> Index {
        self.index_with(flags, &Variables::new())
    }

    pub(crate) fn index_with(&self, flags: &IndexFlags, variables: &Variables) -> Index {
        let settings = self.settings(flags, variables).expect("settings");
        Index::new(settings, &self.cache())
    }

    pub(crate) fn settings(
        &self,
        flags: &IndexFlags,
        variables: &Variables,
    ) -> venv_sim::Result<IndexSettings> {
        let root = self.home.path().join("root");
        let inputs = Inputs {
            environment: None,
            stdlib: None,
            variables,
            command: "install",
            root: &root,
        };
        IndexSettings::of(&inputs, flags)
    }

    /// Where fetched files go.
    pub(crate) fn files(&self) -> std::path::PathBuf {
        self.home.path().join("files")
    }

    /// What lies there, whatever it is called.
    pub(crate) fn listed(&self) -> Vec<String> {
        let entries = std::fs::read_dir(self.files())
            .into_iter()
            .flatten()
            .flatten();
        entries
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .collect()
    }
}

/// An index at this address, asked without much patience.
pub(crate) fn at(url: &str) -> IndexFlags {
    IndexFlags {
        index_url: Some(url.to_owned()),
        timeout: Some(Duration::from_secs(1)),
        retries: Some(1),
        ..IndexFlags::default()
    }
}

/// A wheel of `project`, with so much beside its METADATA.
pub(crate) fn wheel(project: &str, version: &str, filling: usize) -> Vec<u8> {
    let mut wheel = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let stored =
        zip::write::SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (path, content) in [
        (format!("{project}.py"), vec![b'#'; filling]),
        (
            format!("{project}-{version}.dist-info/METADATA"),
            metadata(project, version).into_bytes(),
        ),
    ] {
        wheel.start_file(path, stored).expect("a file");
        wheel.write_all(&content).expect("written");
    }
    wheel.finish().expect("a wheel").into_inner()
}

pub(crate) fn metadata(project: &str, version: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {project}\nVersion: {version}\nRequires-Dist: needed\n")
}

pub(crate) fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// A page in JSON with these files, each as the text of an object.
pub(crate) fn page(project: &str, files: &[String]) -> String {
    format!(
        r#"{{"meta": {{"api-version": "1.1"}}, "name": "{project}", "files": [{}]}}"#,
        files.join(",")
    )
}

/// A file of a page, with its digest and size.
pub(crate) fn file(url: &str, bytes: &[u8]) -> String {
    let name = url.rsplit('/').next().expect("a name");
    format!(
        r#"{{"filename": "{name}", "url": "{url}", "hashes": {{"sha256": "{}"}}, "size": {}}}"#,
        sha256(bytes),
        bytes.len()
    )
}

/// The name of the wheel that most tests are about.
pub(crate) const WHEEL: &str = "a-1.0-py3-none-any.whl";

/// An index with one wheel, whose file is answered by `answer`.
pub(crate) fn serving(
    bytes: Vec<u8>,
    answer: impl Fn(&Request, &[u8]) -> Answer + Send + Sync,
) -> impl Fn(&Request) -> Answer + Send + Sync {
    move |request| match &request.path[..] {
        "/simple/a/" => Answer::json(page("a", &[file(&format!("../../f/{WHEEL}"), &bytes)])),
        path if path == format!("/f/{WHEEL}") => answer(request, &bytes),
        _ => Answer::missing(),
    }
}

/// The one file that an index offers of `a`.
pub(crate) fn only_offer(index: &Index) -> Offer {
    let mut offers = index.offers(&name("a")).expect("offers");
    assert_eq!(offers.len(), 1, "{offers:?}");
    offers.remove(0)
}

/// The error and its remedy, as a user would read them.
pub(crate) fn told(error: &venv_sim::Error) -> String {
    format!("{error}\n{}", error.hint().unwrap_or_default())
}

pub(crate) fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).expect("a file")
}
