//! What is installed in an environment, by whomever, and which files are whose.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io::ErrorKind;

use super::ground::{Found, Ground};
use super::{at, is_own, named, refused};
use crate::error::{Error, Result};
use crate::requirement::Name;
use crate::wheel::{Digest, Record};

/// A project with a directory of metadata in `site-packages`.
#[derive(Debug)]
pub(crate) struct Distribution {
    pub(crate) name: Name,
    /// As its directory has it.
    pub(crate) version: String,
    /// `PROJECT-VERSION.dist-info`, or what older tools made instead.
    pub(crate) info: String,
    /// Whether it has no RECORD by its kind: `.egg-info`, `.egg-link`.
    is_legacy: bool,
}

/// A file as a RECORD lists it.
#[derive(Debug)]
pub(crate) struct Listed {
    /// From the environment's top.
    pub(crate) path: String,
    /// What it holds, where the RECORD says.
    pub(crate) digest: Option<Digest>,
}

/// Whose a file is.
#[derive(Debug)]
pub(crate) struct Owner {
    pub(crate) name: Name,
    /// What it may hold: more than one if several projects list it.
    pub(crate) digests: Vec<Digest>,
}

/// All of them.
#[derive(Debug)]
pub(crate) struct Present {
    distributions: Vec<Distribution>,
}

impl Present {
    pub(crate) fn read(ground: &Ground) -> Result<Self> {
        let site = at(ground, &ground.site);
        let entries = fs::read_dir(&site).map_err(Error::io("read directory", &site))?;
        let mut distributions = Vec::new();
        for entry in entries {
            let entry = entry.map_err(Error::io("read directory", &site))?;
            if let Ok(name) = entry.file_name().into_string() {
                distributions.extend(distribution(name));
            }
        }
        distributions.sort_by(|one, other| one.info.cmp(&other.info));
        Ok(Self { distributions })
    }

    /// The places in the list of those of these names.
    pub(crate) fn find<'a>(&self, names: impl Iterator<Item = &'a Name>) -> Result<Vec<usize>> {
        let names: HashSet<&Name> = names.collect();
        let found = self.distributions.iter().enumerate();
        let found = found.filter(|(_, distribution)| names.contains(&distribution.name));
        let mut going = Vec::new();
        for (index, distribution) in found {
            if distribution.is_legacy {
                return Err(refused(
                    "uninstall",
                    &distribution.name,
                    format!(
                        "{} was made by an older tool and lists no files",
                        named(&distribution.info)
                    ),
                    "let the tool that installed it uninstall it, or make the environment anew",
                ));
            }
            going.push(index);
        }
        Ok(going)
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = (usize, &Distribution)> {
        self.distributions.iter().enumerate()
    }

    pub(crate) fn named(&self, going: &[usize]) -> Vec<(Name, String)> {
        let of = |index: &usize| {
            let distribution = &self.distributions[*index];
            (distribution.name.clone(), distribution.version.clone())
        };
        going.iter().map(of).collect()
    }

    pub(crate) fn missing(&self, names: &[Name]) -> Vec<Name> {
        let there = |name: &&Name| self.distributions.iter().any(|other| other.name == **name);
        names.iter().filter(|name| !there(name)).cloned().collect()
    }

    /// Whose file each is, of those that do not go.
    pub(crate) fn owners(&self, ground: &Ground, going: &[usize]) -> HashMap<String, Owner> {
        let mut owners: HashMap<String, Owner> = HashMap::new();
        for (index, distribution) in self.all() {
            if going.contains(&index) || distribution.is_legacy {
                continue;
            }
            // One that cannot be read claims nothing, and loses nothing: what is nobody's is
            // not replaced.
            for listed in distribution.files(ground).unwrap_or_default() {
                let owner = owners.entry(listed.path).or_insert_with(|| Owner {
                    name: distribution.name.clone(),
                    digests: Vec::new(),
                });
                owner.digests.extend(listed.digest);
            }
        }
        owners
    }
}

impl Distribution {
    /// Its files, from the environment's top, as its RECORD lists them.
    pub(crate) fn files(&self, ground: &Ground) -> Result<Vec<Listed>> {
        let record = format!("{}/{}/RECORD", ground.site, self.info);
        let impossible = |cause: String, remedy| refused("uninstall", &self.name, cause, remedy);
        if ground.look(&record)? != Found::File {
            return Err(impossible(
                format!("{} has no RECORD of its files", named(&self.info)),
                "let the tool that installed it uninstall it, or make the environment anew",
            ));
        }
        let path = at(ground, &record);
        let text = fs::read(&path).map_err(Error::io("read", &path))?;
        let record = lenient(&text).map_err(|cause| {
            impossible(
                cause,
                "install it again, which mends it, or make the environment anew",
            )
        })?;
        let mut files = Vec::new();
        for (path, digest) in record {
            let below = below(ground, &path).filter(|path| !is_own(path));
            let Some(path) = below else {
                return Err(impossible(
                    format!("its RECORD lists {}, which is not its own", named(&path)),
                    "look at its RECORD: what wrote that line is not to be trusted",
                ));
            };
            files.push(Listed { path, digest });
        }
        Ok(files)
    }
}

/// The paths of a RECORD with their digests, whatever vouches for their contents: other tools wrote MD5 once.
fn lenient(text: &[u8]) -> Result<Vec<(String, Option<Digest>)>, String> {
    if let Ok(record) = Record::parse(text) {
        let entries = record.entries.into_iter();
        return Ok(entries.map(|entry| (entry.path, entry.digest)).collect());
    }
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .from_reader(text);
    let mut paths = Vec::new();
    for row in reader.records() {
        let row = row.map_err(|_| "its RECORD is not text of comma-separated values".to_owned())?;
        paths.extend(
            row.get(0)
                .filter(|path| !path.is_empty())
                .map(|path| (path.to_owned(), None)),
        );
    }
    Ok(paths)
}

/// Where a path of a RECORD lies, from the environment's top; nothing if outside of it.
fn below(ground: &Ground, path: &str) -> Option<String> {
    let mut names: Vec<&str> = match path.strip_prefix('/') {
        None => ground.site.split('/').collect(),
        // Some tools write the whole path of what is not below site-packages.
        Some(_) => Vec::new(),
    };
    let rest = match path.starts_with('/') {
        true => path.strip_prefix(ground.dir.to_str()?)?.strip_prefix('/')?,
        false => path,
    };
    for name in rest.split('/') {
        match name {
            "" | "." => {}
            ".." => drop(names.pop()?),
            _ if name.contains('\0') => return None,
            _ => names.push(name),
        }
    }
    (!names.is_empty()).then(|| ground.one_name(&names.join("/")))
}

/// What a name in `site-packages` says, if it is of metadata.
fn distribution(info: String) -> Option<Distribution> {
    let (stem, kind) = info.rsplit_once('.')?;
    let is_legacy = match kind {
        "dist-info" => false,
        "egg-info" | "egg-link" => true,
        _ => return None,
    };
    let (name, version) = stem.split_once('-').unwrap_or((stem, ""));
    Some(Distribution {
        name: name.parse().ok()?,
        version: version.to_owned(),
        is_legacy,
        info,
    })
}

/// Whether an error says that something is not there.
pub(crate) fn is_absence(error: &std::io::Error) -> bool {
    error.kind() == ErrorKind::NotFound
}
