//! What lies in an unpacked wheel, as one file of lines: installing reads this, and no directory.
//!
//! ```text
//! isolab-wheel 1
//! file asgiref-3.8.1-py3-none-any.whl
//! info asgiref-3.8.1.dist-info
//! root purelib
//! script NAME<tab>MODULE<tab>OBJECT
//! d asgiref
//! f SIZE TIME -|x DIGEST NAME
//! ```
//!
//! The directories stand in order, each after the one that it is in; the files after theirs.

use std::fmt::Write as _;

use pep440_rs::VersionSpecifiers;

use crate::refusal::{Refusal, shown};
use crate::wheel::{EntryPoint, WheelName};

/// The first line: the format and its version.
const FORMAT: &str = "isolab-wheel 1";

/// An unpacked wheel's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// What its file is called.
    pub(crate) file: String,
    /// What that says.
    pub(crate) name: WheelName,
    pub(crate) dist_info: String,
    pub(crate) is_pure: bool,
    pub(crate) requires_python: Option<VersionSpecifiers>,
    pub(crate) scripts: Vec<EntryPoint>,
    pub(crate) directories: Vec<Directory>,
}

/// One directory and the files right in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Directory {
    /// From the top of the wheel; empty for the top.
    pub(crate) path: String,
    pub(crate) files: Vec<StoredFile>,
}

/// A file, and what tells whether it is still what was unpacked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoredFile {
    pub(crate) name: String,
    pub(crate) size: u64,
    /// Seconds since 1970.
    pub(crate) modified: i64,
    pub(crate) is_executable: bool,
    /// As RECORD has it.
    pub(crate) digest: String,
}

impl Directory {
    /// The path of a file or a directory right in it.
    pub(crate) fn join(&self, name: &str) -> String {
        join(&self.path, name)
    }
}

/// `directory/name`, and `name` where the directory is the top.
pub(crate) fn join(directory: &str, name: &str) -> String {
    match directory {
        "" => name.to_owned(),
        _ => format!("{directory}/{name}"),
    }
}

impl Manifest {
    pub(crate) fn to_text(&self) -> String {
        let root = if self.is_pure { "purelib" } else { "platlib" };
        let mut text = format!(
            "{FORMAT}\nfile {}\ninfo {}\nroot {root}\n",
            self.file, self.dist_info
        );
        if let Some(versions) = &self.requires_python {
            let _ = writeln!(text, "python {versions}");
        }
        for script in &self.scripts {
            let EntryPoint {
                name,
                module,
                object,
            } = script;
            let _ = writeln!(text, "script {name}\t{module}\t{object}");
        }
        for directory in &self.directories {
            let _ = writeln!(text, "d {}", directory.path);
            for file in &directory.files {
                let executable = if file.is_executable { 'x' } else { '-' };
                let StoredFile {
                    size,
                    modified,
                    digest,
                    name,
                    ..
                } = file;
                let _ = writeln!(text, "f {size} {modified} {executable} {digest} {name}");
            }
        }
        text
    }

    /// The file at this path.
    pub(crate) fn file(&self, path: &str) -> Option<&StoredFile> {
        let (directory, name) = path.rsplit_once('/').unwrap_or(("", path));
        let mut directories = self.directories.iter();
        let directory = directories.find(|other| other.path == directory)?;
        directory.files.iter().find(|file| file.name == name)
    }

    /// Reads what [`Manifest::to_text`] wrote. Paths are made of it: none that leads elsewhere
    /// is taken.
    pub(crate) fn parse(text: &str) -> Result<Self, Refusal> {
        let odd = |line: &str| Refusal::new(format!("the line {} of a manifest", shown(line)));
        let mut lines = text.lines();
        let mut field = |key: &str| {
            let line = lines.next().unwrap_or_default();
            line.strip_prefix(key).ok_or_else(|| odd(line))
        };
        field(FORMAT)?;
        let file = field("file ")?;
        let dist_info = field("info ")?;
        let root = field("root ")?;
        if !is_name(dist_info) {
            return Err(odd(dist_info));
        }
        let mut manifest = Self {
            file: file.to_owned(),
            name: file.parse()?,
            dist_info: dist_info.to_owned(),
            is_pure: root == "purelib",
            requires_python: None,
            scripts: Vec::new(),
            directories: Vec::new(),
        };
        for line in lines {
            manifest.read_line(line).ok_or_else(|| odd(line))?;
        }
        Ok(manifest)
    }

    fn read_line(&mut self, line: &str) -> Option<()> {
        let (key, rest) = line.split_once(' ')?;
        match key {
            "f" => {
                let mut fields = rest.splitn(5, ' ');
                let file = StoredFile {
                    size: fields.next()?.parse().ok()?,
                    modified: fields.next()?.parse().ok()?,
                    is_executable: fields.next()? == "x",
                    digest: fields.next()?.to_owned(),
                    name: fields.next()?.to_owned(),
                };
                is_name(&file.name).then_some(())?;
                self.directories.last_mut()?.files.push(file);
            }
            "d" => {
                (rest.is_empty() || rest.split('/').all(is_name)).then_some(())?;
                self.directories.push(Directory {
                    path: rest.to_owned(),
                    files: Vec::new(),
                });
            }
            "script" => {
                let mut fields = rest.split('\t').map(str::to_owned);
                self.scripts.push(EntryPoint {
                    name: fields.next().filter(|name| is_name(name))?,
                    module: fields.next()?,
                    object: fields.next()?,
                });
            }
            "python" => self.requires_python = Some(rest.parse().ok()?),
            _ => return None,
        }
        Some(())
    }
}

fn is_name(name: &str) -> bool {
    !matches!(name, "" | "." | "..") && !name.contains(['/', '\0'])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn manifest() -> Manifest {
        let file = |name: &str, is_executable| StoredFile {
            name: name.to_owned(),
            size: 7,
            modified: 1_580_601_600,
            is_executable,
            digest: "sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU".to_owned(),
        };
        Manifest {
            file: "a_b-1.0-py3-none-any.whl".to_owned(),
            name: "a_b-1.0-py3-none-any.whl".parse().expect("a name"),
            dist_info: "a_b-1.0.dist-info".to_owned(),
            is_pure: true,
            requires_python: Some(">=3.8, <4".parse().expect("versions")),
            scripts: vec![EntryPoint {
                name: "a b".to_owned(),
                module: "a".to_owned(),
                object: "main.run".to_owned(),
            }],
            directories: vec![
                Directory {
                    path: String::new(),
                    files: vec![file("one module.py", false)],
                },
                Directory {
                    path: "a/été".to_owned(),
                    files: vec![file("tool.sh", true), file("x  y", false)],
                },
            ],
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        assert_eq!(Manifest::parse(&manifest().to_text()), Ok(manifest()));
    }

    #[test]
    fn a_path_that_leads_elsewhere_is_not_taken_from_a_manifest() {
        let text = manifest().to_text();
        for (from, to) in [
            ("d a/été", "d a/../../etc"),
            ("d a/été", "d /etc"),
            ("tool.sh", "../tool.sh"),
            ("x  y", ".."),
            ("info a_b-1.0.dist-info", "info ../a_b-1.0.dist-info"),
            ("script a b", "script ../../a"),
            ("isolab-wheel 1", "isolab-wheel 2"),
            ("f 7", "f seven"),
        ] {
            assert!(text.contains(from));
            Manifest::parse(&text.replace(from, to)).expect_err(to);
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(lines in prop::collection::vec("[dfx]? ?\\PC{0,20}", 0..6)) {
            let text = manifest().to_text() + &lines.join("\n");
            let _ = Manifest::parse(&text);
        }
    }
}
