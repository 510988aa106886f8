//! Wheels, built here: `app` with a command, which needs `core`.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use venv_sim::wheel::Digest;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

/// Writes the wheel of a project with one module, further headers and, if any, a command.
pub(crate) fn wheel(
    dir: &Path,
    name: &str,
    version: &str,
    headers: &str,
    command: bool,
) -> PathBuf {
    std::fs::create_dir_all(dir).expect("made");
    let path = dir.join(format!("{name}-{version}-py3-none-any.whl"));
    let info = format!("{name}-{version}.dist-info");
    let module = format!("version = {version:?}\n\n\ndef main():\n    print({name:?}, version)\n");
    let metadata = format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{headers}\n");
    let mut files = vec![
        (format!("{name}/__init__.py"), module),
        (format!("{info}/METADATA"), metadata),
        (
            format!("{info}/WHEEL"),
            "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n".to_owned(),
        ),
    ];
    if command {
        let entry = format!("[console_scripts]\n{name} = {name}:main\n");
        files.push((format!("{info}/entry_points.txt"), entry));
    }
    let mut record: String = files
        .iter()
        .map(|(path, text)| format!("{path},{},{}\n", Digest::of(text.as_bytes()), text.len()))
        .collect();
    record += &format!("{info}/RECORD,,\n");
    files.push((format!("{info}/RECORD"), record));
    let mut archive = ZipWriter::new(File::create(&path).expect("created"));
    for (path, text) in files {
        archive
            .start_file(path, SimpleFileOptions::default())
            .and_then(|()| archive.write_all(text.as_bytes()).map_err(Into::into))
            .expect("written");
    }
    archive.finish().expect("finished");
    path
}

/// `app 1.0`, which needs `core>=1`; `core` in two versions; `lone`, which needs what is nowhere.
pub(crate) fn directory(dir: &Path) -> PathBuf {
    let dir = dir.join("some wheels");
    wheel(&dir, "app", "1.0", "Requires-Dist: core>=1", true);
    wheel(&dir, "core", "1.0", "", false);
    wheel(&dir, "core", "2.0", "", false);
    wheel(&dir, "lone", "1.0", "Requires-Dist: nowhere", false);
    dir
}
