//! A root file system in words, written as an archive.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::PathBuf;

use tar::{Builder, EntryType, Header};

use crate::error::{Error, Result};

/// What lies at a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory, and its mode.
    Directory(u32),
    /// A file of these bytes, and its mode.
    File(Vec<u8>, u32),
    /// A copy of a host's file, and its mode.
    Copy(PathBuf, u32),
    /// A symlink to this.
    Link(String),
}

/// Paths without a leading slash, and what lies there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree(BTreeMap<String, Node>);

impl Tree {
    /// What every container needs: mount points, a place for temporary files, and
    /// names for root and nobody.
    #[must_use]
    pub fn skeleton() -> Self {
        let mut tree = Self::default();
        for directory in ["dev", "etc", "proc", "sys"] {
            tree.put(directory, Node::Directory(0o755));
        }
        tree.put("root", Node::Directory(0o700));
        tree.put("tmp", Node::Directory(0o1777));
        let passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n";
        tree.put("etc/passwd", Node::File(passwd.into(), 0o644));
        let group = "root:x:0:\nnogroup:x:65534:\n";
        tree.put("etc/group", Node::File(group.into(), 0o644));
        tree
    }

    /// Puts `node` at `path`, and directories above it where there are none.
    pub fn put(&mut self, path: &str, node: Node) {
        for (slash, _) in path.match_indices('/') {
            let above = path[..slash].to_owned();
            self.0.entry(above).or_insert(Node::Directory(0o755));
        }
        self.0.insert(path.to_owned(), node);
    }

    /// Writes it as a tar archive whose every entry has the time `epoch`.
    ///
    /// # Errors
    /// [`Error::Read`] for a host's file; [`Error::Write`].
    pub fn write(&self, out: impl Write, epoch: u64) -> Result<()> {
        let mut builder = Builder::new(out);
        for (path, node) in &self.0 {
            append(&mut builder, path, node, epoch)?;
        }
        builder.finish().map_err(not_written)
    }
}

fn append<W: Write>(builder: &mut Builder<W>, path: &str, node: &Node, epoch: u64) -> Result<()> {
    let mut header = Header::new_ustar();
    header.set_mtime(epoch);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match node {
        Node::Directory(mode) => {
            header.set_entry_type(EntryType::Directory);
            header.set_mode(*mode);
            let path = format!("{path}/");
            let appended = builder.append_data(&mut header, path, io::empty());
            appended.map_err(not_written)
        }
        Node::File(bytes, mode) => {
            header.set_mode(*mode);
            header.set_size(bytes.len() as u64);
            let appended = builder.append_data(&mut header, path, &**bytes);
            appended.map_err(not_written)
        }
        Node::Copy(from, mode) => {
            let file = File::open(from).map_err(Error::read(from))?;
            let bytes = file.metadata().map_err(Error::read(from))?.len();
            header.set_mode(*mode);
            header.set_size(bytes);
            // Not a byte more than the header says, should the file grow.
            let appended = builder.append_data(&mut header, path, file.take(bytes));
            appended.map_err(not_written)
        }
        Node::Link(to) => {
            header.set_entry_type(EntryType::Symlink);
            header.set_mode(0o777);
            let appended = builder.append_link(&mut header, path, to);
            appended.map_err(not_written)
        }
    }
}

fn not_written(source: io::Error) -> Error {
    Error::Write {
        path: "the layer".into(),
        source,
    }
}
