//! The `newc` encoding: a header of thirteen hexadecimal numbers, a name, the bytes, padding.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use super::{Content, Node, refused};
use crate::error::{Error, Result};

/// Type bits of a mode, `inode(7)`.
const DIRECTORY: u32 = 0o040_000;
const REGULAR: u32 = 0o100_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// The name that ends an archive.
pub(super) const TRAILER: &[u8] = b"TRAILER!!!";

/// What the thirteen numbers are made from.
#[derive(Clone, Copy, Default)]
struct Header {
    inode: u32,
    mode: u32,
    links: u32,
    modified: u32,
    size: u32,
    device: (u32, u32),
}

/// Writes `entries` and the trailer to `out`, and returns the number of bytes.
pub(super) fn write(
    entries: &BTreeMap<PathBuf, Node>,
    out: &mut impl Write,
    path: &Path,
) -> Result<u64> {
    let mut out = Counted { out, bytes: 0 };
    let groups = LinkGroups::of(entries);
    for (inode, (name, node)) in (1u32..).zip(entries) {
        let file = |error| Error::file("write", path)(error);
        let raw = name.as_os_str().as_bytes();
        let header = Header {
            inode,
            links: 1,
            ..Header::default()
        };
        match node {
            Node::Dir { mode } => {
                let header = Header {
                    mode: DIRECTORY | mode,
                    links: 2,
                    ..header
                };
                entry(&mut out, &header, raw, b"").map_err(file)?;
            }
            Node::Symlink { target } => {
                let size = size_of(name, target.len() as u64)?;
                let header = Header {
                    mode: SYMLINK | 0o777,
                    size,
                    ..header
                };
                entry(&mut out, &header, raw, target).map_err(file)?;
            }
            Node::CharDevice { mode, device } => {
                let header = Header {
                    mode: CHARACTER | mode,
                    device: *device,
                    ..header
                };
                entry(&mut out, &header, raw, b"").map_err(file)?;
            }
            Node::File { .. } | Node::Link { .. } => {
                let group = groups.group_of(name, node, inode);
                let header = Header {
                    inode: group.inode,
                    links: group.links,
                    ..header
                };
                write_file(&mut out, header, name, &group, entries, path)?;
            }
        }
    }
    let trailer = Header {
        links: 1,
        ..Header::default()
    };
    entry(&mut out, &trailer, TRAILER, b"").map_err(Error::file("write", path))?;
    Ok(out.bytes)
}

/// Writes one name of a regular file. Of several names, only the last carries the bytes, as
/// `cpio(1)` does it: a reader links the names that it saw before to them.
fn write_file(
    out: &mut Counted<'_, impl Write>,
    header: Header,
    name: &Path,
    group: &Group<'_>,
    entries: &BTreeMap<PathBuf, Node>,
    path: &Path,
) -> Result<()> {
    let Some(Node::File { mode, content }) = entries.get(group.file) else {
        return Err(refused(name, "the file that it links to is gone"));
    };
    let header = Header {
        mode: REGULAR | mode,
        ..header
    };
    let raw = name.as_os_str().as_bytes();
    if name != group.last {
        return entry(out, &header, raw, b"").map_err(Error::file("write", path));
    }
    match content {
        Content::Bytes(bytes) => {
            let header = Header {
                size: size_of(name, bytes.len() as u64)?,
                ..header
            };
            entry(out, &header, raw, bytes).map_err(Error::file("write", path))
        }
        Content::Host {
            path: host,
            len,
            modified,
        } => {
            let size = size_of(name, *len)?;
            let header = Header {
                size,
                modified: *modified,
                ..header
            };
            preamble(out, &header, raw).map_err(Error::file("write", path))?;
            copy_exactly(out, host, *len, path)?;
            out.pad().map_err(Error::file("write", path))
        }
    }
}

/// Copies `len` bytes of the host's file; the header has promised that many.
fn copy_exactly(out: &mut impl Write, host: &Path, len: u64, path: &Path) -> Result<()> {
    let mut file = File::open(host).map_err(Error::file("read", host))?;
    let mut left = len;
    let mut buffer = vec![0; 1 << 17];
    loop {
        // One byte more than promised is asked for, so that a file that grew is noticed too.
        let want = usize::try_from(left.saturating_add(1))
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = file
            .read(&mut buffer[..want])
            .map_err(Error::file("read", host))?;
        match (read as u64, left) {
            (0, 0) => return Ok(()),
            (read, left) if read == 0 || read > left => {
                let changed = io::Error::other("its size changed while it was read");
                return Err(Error::file("read", host)(changed));
            }
            (read, _) => left -= read,
        }
        out.write_all(&buffer[..read])
            .map_err(Error::file("write", path))?;
    }
}

fn size_of(name: &Path, len: u64) -> Result<u32> {
    u32::try_from(len).map_err(|_| refused(name, "a file of 4 GiB or more does not fit the format"))
}

fn entry(
    out: &mut Counted<'_, impl Write>,
    header: &Header,
    name: &[u8],
    bytes: &[u8],
) -> io::Result<()> {
    preamble(out, header, name)?;
    out.write_all(bytes)?;
    out.pad()
}

/// The header and the name, padded to where the bytes begin.
fn preamble(out: &mut Counted<'_, impl Write>, header: &Header, name: &[u8]) -> io::Result<()> {
    let &Header {
        inode,
        mode,
        links,
        modified,
        size,
        device: (major, minor),
    } = header;
    let name_len = name.len() + 1;
    // Owner, group and the device that holds the file are zero by design; so is the
    // checksum, which this variant of the format does not use.
    write!(
        out,
        "070701{inode:08x}{mode:08x}{0:08x}{0:08x}{links:08x}{modified:08x}{size:08x}{0:08x}{0:08x}\
         {major:08x}{minor:08x}{name_len:08x}{0:08x}",
        0
    )?;
    out.write_all(name)?;
    out.write_all(&[0])?;
    out.pad()
}

/// A writer that knows where it is, since padding depends on it.
struct Counted<'a, W> {
    out: &'a mut W,
    bytes: u64,
}

impl<W: Write> Counted<'_, W> {
    fn pad(&mut self) -> io::Result<()> {
        let padding = (4 - self.bytes % 4) % 4;
        self.write_all(&[0; 3][..padding as usize])
    }
}

impl<W: Write> Write for Counted<'_, W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.out.write(bytes)?;
        self.bytes += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// The names that share one file.
struct Group<'a> {
    file: &'a Path,
    last: &'a Path,
    inode: u32,
    links: u32,
}

/// For each file with more than one name: its last name in writing order, inode and link count.
struct LinkGroups<'a>(HashMap<&'a Path, Group<'a>>);

impl<'a> LinkGroups<'a> {
    fn of(entries: &'a BTreeMap<PathBuf, Node>) -> Self {
        let mut linked: HashMap<&Path, Group<'_>> = HashMap::new();
        for node in entries.values() {
            if let Node::Link { to } = node {
                linked
                    .entry(to)
                    .or_insert(Group {
                        file: to,
                        last: to,
                        inode: 0,
                        links: 1,
                    })
                    .links += 1;
            }
        }
        for (inode, (name, node)) in (1u32..).zip(entries) {
            let file = match node {
                Node::Link { to } => to,
                _ => name,
            };
            if let Some(group) = linked.get_mut(file.as_path()) {
                group.last = name;
                if group.inode == 0 {
                    group.inode = inode;
                }
            }
        }
        Self(linked)
    }

    fn group_of<'b>(&'b self, name: &'b Path, node: &'b Node, inode: u32) -> Group<'b> {
        let file = match node {
            Node::Link { to } => to,
            _ => name,
        };
        match self.0.get(file) {
            Some(&Group {
                file,
                last,
                inode,
                links,
            }) => Group {
                file,
                last,
                inode,
                links,
            },
            None => Group {
                file,
                last: name,
                inode,
                links: 1,
            },
        }
    }
}
