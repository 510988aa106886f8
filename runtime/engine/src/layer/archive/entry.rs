//! One entry: what it is and what is said of it, from whichever place it is said.

use tar::Header;

use super::pax::Records;
use super::{Fault, bad, number};

/// What an entry is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layer) enum Kind {
    File,
    HardLink,
    Symlink,
    Character,
    Block,
    Directory,
    Fifo,
}

/// Since 1970.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::layer) struct Time {
    pub(in crate::layer) seconds: i64,
    pub(in crate::layer) nanoseconds: i64,
}

/// A part of a file that the archive has bytes for; between them are holes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::layer) struct Segment {
    pub(in crate::layer) offset: u64,
    pub(in crate::layer) length: u64,
}

/// An entry as it is to be made; its names are as the archive has them.
#[derive(Clone, Debug)]
pub(in crate::layer) struct Entry {
    pub(in crate::layer) kind: Kind,
    pub(in crate::layer) name: Vec<u8>,
    /// What a link leads to.
    pub(in crate::layer) link: Vec<u8>,
    pub(in crate::layer) mode: u32,
    pub(in crate::layer) uid: u32,
    pub(in crate::layer) gid: u32,
    pub(in crate::layer) modified: Time,
    /// Major and minor number of a device.
    pub(in crate::layer) device: (u32, u32),
    pub(in crate::layer) attributes: Vec<(Vec<u8>, Vec<u8>)>,
    /// Of the file, holes included.
    pub(in crate::layer) size: u64,
    /// What the archive has of the file, in order and apart.
    pub(in crate::layer) segments: Vec<Segment>,
}

impl Entry {
    /// All but the data.
    pub(super) fn read(header: &Header, pax: &Records) -> Result<Self, Fault> {
        let old = header.as_old();
        let name = pax.name("path")?;
        let link = pax.name("linkpath")?;
        let name = name.unwrap_or_else(|| header.path_bytes().into_owned());
        let link = link.unwrap_or_else(|| until_nul(&old.linkname).to_owned());
        let modified = match pax.time("mtime")? {
            Some(time) => time,
            None => Time {
                seconds: number::read_signed(&old.mtime).ok_or_else(|| bad("a time"))?,
                nanoseconds: 0,
            },
        };
        let mode = number::read(&old.mode).ok_or_else(|| bad("a mode"))?;
        Ok(Self {
            kind: kind(old.linkflag[0], &name)?,
            link,
            // A mode's file type, which some write, is the header's to say.
            mode: u32::try_from(mode & 0o7777).unwrap_or_default(),
            uid: id(pax.number("uid")?, &old.uid)?,
            gid: id(pax.number("gid")?, &old.gid)?,
            modified,
            device: device(header)?,
            attributes: pax.attributes()?,
            size: 0,
            segments: Vec::new(),
            name,
        })
    }
}

fn kind(flag: u8, name: &[u8]) -> Result<Kind, Fault> {
    Ok(match flag {
        // Before POSIX a directory was a file whose name ends so.
        0 if name.ends_with(b"/") => Kind::Directory,
        0 | b'0' | b'7' | b'S' => Kind::File,
        b'1' => Kind::HardLink,
        b'2' => Kind::Symlink,
        b'3' => Kind::Character,
        b'4' => Kind::Block,
        b'5' => Kind::Directory,
        b'6' => Kind::Fifo,
        other => {
            let reason = format!("its type, `{}`, is not known", other.escape_ascii());
            return Err(Fault::refused(name, reason));
        }
    })
}

/// Numbers that mean "no change" to `chown(2)` are nobody's.
fn id(told: Option<u64>, field: &[u8]) -> Result<u32, Fault> {
    let id = match told {
        Some(id) => Some(id),
        None => number::read(field),
    };
    id.and_then(|id| u32::try_from(id).ok())
        .filter(|id| *id != u32::MAX)
        .ok_or_else(|| bad("an owner"))
}

fn device(header: &Header) -> Result<(u32, u32), Fault> {
    let fields = match (header.as_ustar(), header.as_gnu()) {
        (Some(ustar), _) => (ustar.dev_major, ustar.dev_minor),
        (_, Some(gnu)) => (gnu.dev_major, gnu.dev_minor),
        _ => return Ok((0, 0)),
    };
    // Some leave spaces or nothing where there is no device.
    let read = |field: &[u8]| {
        let number = number::read(field).and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| bad("a device's number"))
    };
    Ok((read(&fields.0)?, read(&fields.1)?))
}

fn until_nul(field: &[u8]) -> &[u8] {
    field.split(|byte| *byte == 0).next().unwrap_or_default()
}
