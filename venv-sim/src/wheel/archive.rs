//! A wheel's file, opened, and held to everything that it says of itself.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use zip::ZipArchive;
use zip::read::ZipFile;

use super::name::read_version;
use super::{Digest, EntryPoints, Metadata, Record, WheelName, member_path};
use crate::error::{Error, Result};
use crate::refusal::{Refusal, shown};

/// A wheel whose parts agree with each other: its name, its METADATA, and its RECORD with what is
/// in the archive. The contents themselves are checked when they are read.
#[derive(Debug, Clone)]
pub struct Wheel<R: Read + Seek = BufReader<File>> {
    /// What its file's name says.
    pub name: WheelName,
    /// What its METADATA says.
    pub metadata: Metadata,
    /// Its commands.
    pub entry_points: EntryPoints,
    /// Whether its packages go where pure Python goes, and not to `platlib`.
    pub is_pure: bool,
    /// `PROJECT-VERSION.dist-info`, as the archive has it.
    pub dist_info: String,
    archive: ZipArchive<R>,
    members: Vec<Member>,
}

/// A file of the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its path from the top of the archive.
    pub path: PathBuf,
    /// Whether it is to be executable.
    pub is_executable: bool,
    /// What its content has to be; none for RECORD itself.
    pub digest: Option<Digest>,
    /// Its size in bytes.
    pub size: u64,
    /// The day that the archive has for it, in days since 1970; the first day that an archive can
    /// have where it has none.
    pub day: u32,
    /// Its place in the archive.
    index: usize,
}

/// What RECORD cannot vouch for: itself, and its signatures.
const UNRECORDED: [&str; 3] = ["RECORD", "RECORD.jws", "RECORD.p7s"];

/// The longest of the files of a `.dist-info` that are read whole, in bytes.
const LONGEST: u64 = 64 << 20;

/// How much a wheel may unpack to, whatever its own size, and how many times that.
const FREE: u64 = 1 << 30;
const MOST_TIMES: u64 = 200;

impl Wheel {
    /// Opens the wheel at `path`.
    ///
    /// # Errors
    /// [`Error::Io`] where it cannot be read; [`Error::BadWheel`] where it is none, or where its
    /// parts do not agree.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io("open", path))?;
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or("");
        Self::read(name, BufReader::new(file)).map_err(|cause| Error::BadWheel {
            path: path.to_owned(),
            cause,
        })
    }
}

impl<R: Read + Seek> Wheel<R> {
    /// Reads a wheel whose file is called `name`.
    ///
    /// # Errors
    /// Where it is none, or where its parts do not agree.
    pub fn read(name: &str, reader: R) -> Result<Self, Refusal> {
        let name: WheelName = name.parse()?;
        let mut archive = ZipArchive::new(reader).map_err(|why| no_zip(&why))?;
        // One stretch of bytes for many files: small to send, and endless to unpack.
        if archive
            .has_overlapping_entries()
            .map_err(|why| no_zip(&why))?
        {
            return Err(Refusal::new(
                "files in it share bytes, which only a bomb has",
            ));
        }
        let mut members = members(&mut archive)?;
        let dist_info = dist_info(&members, &name)?;
        let mut text = |file: &str| text(&mut archive, &members, &dist_info, file);
        let needed = |file: &str, found: Option<String>| {
            found.ok_or_else(|| Refusal::new(format!("it has no {file} in its .dist-info")))
        };
        let is_pure = is_pure(&needed("WHEEL", text("WHEEL")?)?)?;
        let metadata = Metadata::parse(&needed("METADATA", text("METADATA")?)?)?;
        if (&metadata.name, &metadata.version) != (&name.project, &name.version) {
            return Err(Refusal::new(format!(
                "its name says {} {}, and its METADATA {} {}",
                name.project, name.version, metadata.name, metadata.version
            )));
        }
        let entry_points = text("entry_points.txt")?.unwrap_or_default();
        let entry_points = EntryPoints::parse(&entry_points)?;
        entry_points.scripts()?;
        let record = Record::parse(needed("RECORD", text("RECORD")?)?.as_bytes())?;
        vouch(&mut members, &record, &dist_info)?;
        Ok(Self {
            name,
            metadata,
            entry_points,
            is_pure,
            dist_info,
            archive,
            members,
        })
    }

    /// Its files, in the order of their paths.
    #[must_use]
    pub fn members(&self) -> &[Member] {
        &self.members
    }

    /// The content of `member`, checked against its digest and size.
    ///
    /// # Errors
    /// Where it cannot be unpacked, or is not what RECORD says.
    pub fn content(&mut self, member: &Member) -> Result<Vec<u8>, Refusal> {
        let content = content(&mut self.archive, member)?;
        match &member.digest {
            Some(digest) if !digest.is_of(&content) => {
                let shown = shown(&member.path.to_string_lossy());
                Err(Refusal::new(format!(
                    "the content of {shown} is not what its RECORD says"
                )))
            }
            _ => Ok(content),
        }
    }
}

fn no_zip(why: &zip::result::ZipError) -> Refusal {
    Refusal::new(format!("it cannot be read as a zip archive: {why}"))
}

/// The files, each at a path of its own that leads nowhere else.
fn members<R: Read + Seek>(archive: &mut ZipArchive<R>) -> Result<Vec<Member>, Refusal> {
    let mut members = BTreeMap::new();
    let (mut packed, mut unpacked) = (0u64, 0u64);
    for index in 0..archive.len() {
        let file = archive.by_index_raw(index).map_err(|why| no_zip(&why))?;
        let name = file.name().map_err(|why| no_zip(&why))?.into_owned();
        let path = member_path(&name)?;
        if file.is_dir() {
            continue;
        }
        let refused = |why: &str| Err(Refusal::new(format!("the file {} {why}", shown(&name))));
        if file.is_symlink() {
            return refused("is a symbolic link, which a wheel cannot hold");
        }
        if file.encrypted() {
            return refused("is encrypted");
        }
        packed = packed.saturating_add(file.compressed_size());
        unpacked = unpacked.saturating_add(file.size());
        let member = Member {
            is_executable: file.unix_mode().is_some_and(|mode| mode & 0o111 != 0),
            digest: None,
            size: file.size(),
            day: day_of(&file),
            index,
            path: path.clone(),
        };
        if members.insert(path, member).is_some() {
            return refused("is there twice");
        }
    }
    if unpacked > FREE && unpacked / MOST_TIMES > packed {
        let mib = unpacked >> 20;
        return Err(Refusal::new(format!(
            "it would unpack to {mib} MiB, {MOST_TIMES} times its size"
        )));
    }
    check_names(members.keys())?;
    Ok(members.into_values().collect())
}

/// 1980-01-01, before which no archive can date a file.
const FIRST_DAY: u32 = 3652;

/// The day of a file's date: its clock is some unknown place's, and of no use.
fn day_of<R: Read>(file: &ZipFile<'_, R>) -> u32 {
    let Some(date) = file.last_modified() else {
        return FIRST_DAY;
    };
    let (year, month) = (u32::from(date.year()), u32::from(date.month()));
    // Years that begin in March have their odd day last.
    let (year, month) = match month {
        1 | 2 => (year - 1, month + 9),
        _ => (year, month.saturating_sub(3)),
    };
    let days = year * 365 + year / 4 - year / 100 + year / 400 + (month * 153 + 2) / 5;
    (days + u32::from(date.day()))
        .saturating_sub(719_469)
        .max(FIRST_DAY)
}

/// No file is another's directory, and no two are one where case does not count.
fn check_names<'a>(paths: impl Iterator<Item = &'a PathBuf>) -> Result<(), Refusal> {
    let mut folded = BTreeMap::new();
    for path in paths {
        let lower = PathBuf::from(path.to_string_lossy().to_lowercase());
        if let Some(other) = folded.insert(lower, path) {
            let (one, two) = (
                shown(&other.to_string_lossy()),
                shown(&path.to_string_lossy()),
            );
            return Err(Refusal::new(format!("{one} and {two} differ in case only")));
        }
    }
    let parents = folded.keys().filter_map(|path| path.parent());
    let directories = and_above(parents);
    match folded
        .keys()
        .find(|path| directories.contains(path.as_path()))
    {
        Some(path) => {
            let shown = shown(&path.to_string_lossy());
            Err(Refusal::new(format!(
                "{shown} is a file, and other files are in it"
            )))
        }
        None => Ok(()),
    }
}

/// The one `.dist-info` at its top, which has to be its own.
fn dist_info(members: &[Member], name: &WheelName) -> Result<String, Refusal> {
    let tops = members.iter().filter_map(|member| {
        let top = member.path.iter().next()?.to_str()?;
        (top.ends_with(".dist-info") && member.path.iter().count() > 1).then_some(top)
    });
    let tops: BTreeSet<&str> = tops.collect();
    let mut tops = tops.into_iter();
    let (Some(own), None) = (tops.next(), tops.next()) else {
        return Err(Refusal::new(
            "it has not one .dist-info directory, as a wheel has",
        ));
    };
    let said = own.trim_end_matches(".dist-info").split_once('-');
    let is_own = said.is_some_and(|(project, version)| {
        project.parse() == Ok(name.project.clone())
            && read_version(version) == Ok(name.version.clone())
    });
    match is_own {
        true => Ok(own.to_owned()),
        false => Err(Refusal::new(format!(
            "its {} is another project's or version's",
            shown(own)
        ))),
    }
}

/// One of the texts of the `.dist-info`; `None` where there is none.
fn text<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    members: &[Member],
    dist_info: &str,
    file: &str,
) -> Result<Option<String>, Refusal> {
    let path = Path::new(dist_info).join(file);
    let Some(member) = members.iter().find(|member| member.path == path) else {
        return Ok(None);
    };
    if member.size > LONGEST {
        return Err(Refusal::new(format!(
            "its {file} is {} MiB long",
            member.size >> 20
        )));
    }
    let text = String::from_utf8(content(archive, member)?);
    text.map(Some)
        .map_err(|_| Refusal::new(format!("its {file} is not UTF-8")))
}

fn content<R: Read + Seek>(
    archive: &mut ZipArchive<R>,
    member: &Member,
) -> Result<Vec<u8>, Refusal> {
    let refused = |why: &dyn std::fmt::Display| {
        let shown = shown(&member.path.to_string_lossy());
        Refusal::new(format!("the file {shown} cannot be unpacked: {why}"))
    };
    let file: ZipFile<'_, R> = archive
        .by_index(member.index)
        .map_err(|why| refused(&why))?;
    let mut content = Vec::with_capacity(usize::try_from(member.size.min(LONGEST)).unwrap_or(0));
    // Not more than it says, however much there is.
    let read = file
        .take(member.size.saturating_add(1))
        .read_to_end(&mut content);
    read.map_err(|why| refused(&why))?;
    match content.len() as u64 == member.size {
        true => Ok(content),
        false => Err(refused(&"it has another size than the archive says")),
    }
}

/// Whether WHEEL says that it is pure; a format that nobody knows yet is refused.
fn is_pure(wheel: &str) -> Result<bool, Refusal> {
    let field = |name: &str| {
        let mut pairs = wheel.lines().filter_map(|line| line.split_once(':'));
        let found = pairs.find(|(key, _)| key.trim().eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.trim())
    };
    let version = field("Wheel-Version").unwrap_or("");
    if version.split('.').next() != Some("1") {
        let shown = shown(version);
        return Err(Refusal::new(format!(
            "it is of version {shown} of the format, which is unknown"
        )));
    }
    match field("Root-Is-Purelib") {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        _ => Err(Refusal::new(
            "its WHEEL does not say Root-Is-Purelib: true or false",
        )),
    }
}

/// Gives each file the digest that RECORD has for it: one line for each, and no more.
fn vouch(members: &mut [Member], record: &Record, dist_info: &str) -> Result<(), Refusal> {
    let mut lines = BTreeMap::new();
    for entry in &record.entries {
        let path = member_path(&entry.path)?;
        if lines.insert(path, entry).is_some() {
            let shown = shown(&entry.path);
            return Err(Refusal::new(format!(
                "its RECORD has two lines for {shown}"
            )));
        }
    }
    for member in &mut *members {
        let is_unrecorded = UNRECORDED
            .iter()
            .any(|file| member.path == Path::new(dist_info).join(file));
        let line = lines.remove(&member.path);
        let shown = || shown(&member.path.to_string_lossy());
        match line {
            _ if is_unrecorded => {}
            None => {
                return Err(Refusal::new(format!(
                    "its RECORD has no line for {}",
                    shown()
                )));
            }
            Some(line) if line.digest.is_none() => {
                return Err(Refusal::new(format!(
                    "its RECORD has no digest of {}",
                    shown()
                )));
            }
            Some(line) if line.size.is_some_and(|size| size != member.size) => {
                return Err(Refusal::new(format!(
                    "its RECORD has another size of {}",
                    shown()
                )));
            }
            Some(line) => member.digest.clone_from(&line.digest),
        }
    }
    // Directories have lines in the RECORD of some old tools.
    let above = and_above(members.iter().map(|member| member.path.as_path()));
    match lines.keys().find(|path| !above.contains(path.as_path())) {
        Some(path) => {
            let shown = shown(&path.to_string_lossy());
            Err(Refusal::new(format!(
                "its RECORD has a line for {shown}, which is not in it"
            )))
        }
        None => Ok(()),
    }
}

/// The paths and all that is above them, which is looked at once: of files that lie deep most of
/// what is above them is known.
fn and_above<'a>(paths: impl Iterator<Item = &'a Path>) -> HashSet<&'a Path> {
    let mut known = HashSet::new();
    for path in paths {
        for above in path.ancestors() {
            if !known.insert(above) {
                break;
            }
        }
    }
    known
}

mod extract;

pub(crate) use extract::ExtractError;

#[cfg(test)]
mod tests;
