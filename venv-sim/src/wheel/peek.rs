//! The METADATA of a wheel, without the rest of it.

use std::io::{Read, Seek};

use zip::ZipArchive;

use super::{Metadata, WheelName};
use crate::refusal::{Refusal, shown};

/// The longest METADATA that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// The text of the METADATA in a wheel: of the only `.dist-info` that has one.
///
/// What else the wheel holds is not looked at; installing does that.
///
/// # Errors
/// Where it is no zip archive, has not one `.dist-info`, or no METADATA in it.
pub fn metadata_text<R: Read + Seek>(reader: R) -> Result<String, Refusal> {
    let no_zip = |why| Refusal::new(format!("it cannot be read as a zip archive: {why}"));
    let mut archive = ZipArchive::new(reader).map_err(no_zip)?;
    // From the list at its end alone: a look at each file would be a question to the server each.
    let is_metadata = |name: &str| {
        let top = name.strip_suffix(".dist-info/METADATA");
        top.is_some_and(|top| !top.contains('/'))
    };
    let mut found: Option<String> = None;
    for name in archive.file_names() {
        let name = name.map_err(no_zip)?;
        if is_metadata(&name) && found.replace(name.into_owned()).is_some() {
            return Err(Refusal::new("it has more than one METADATA"));
        }
    }
    let name = found.ok_or_else(|| Refusal::new("it has no METADATA in its .dist-info"))?;
    let file = archive.by_name(&name).map_err(no_zip)?;
    let mut bytes = Vec::new();
    let read = file.take(LONGEST + 1).read_to_end(&mut bytes);
    read.map_err(|why| Refusal::new(format!("its METADATA cannot be unpacked: {why}")))?;
    if bytes.len() as u64 > LONGEST {
        return Err(Refusal::new("its METADATA is longer than 64 MiB"));
    }
    let text = String::from_utf8(bytes).map_err(|_| Refusal::new("its METADATA is not UTF-8"))?;
    Ok(text)
}

/// Reads `text` as the METADATA of the wheel called `name`.
///
/// # Errors
/// Where it cannot be read, or is another project's or version's.
pub fn metadata_of(name: &WheelName, text: &str) -> Result<Metadata, Refusal> {
    let metadata = Metadata::parse(text)?;
    match (&metadata.name, &metadata.version) == (&name.project, &name.version) {
        true => Ok(metadata),
        false => Err(Refusal::new(format!(
            "its name says {} {}, and its METADATA {} {}",
            name.project,
            name.version,
            shown(metadata.name.as_str()),
            metadata.version
        ))),
    }
}
