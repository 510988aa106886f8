//! Headers: POSIX's `ustar`, and PAX records in front for what does not fit.

use tar::{EntryType, Header};

use crate::layer::archive::{ATTRIBUTE, BLOCK, Entry, Kind};

/// The longest name in a header. Longer ones are records and nothing else: ustar's
/// prefix would be a second way to say the same.
const NAME: usize = 100;
/// The largest size and time: eleven octal digits.
const MOST: u64 = (1 << 33) - 1;
/// The largest owner: seven.
const MOST_ID: u32 = (1 << 21) - 1;

/// All blocks in front of the data of `entry`.
pub(super) fn blocks(entry: &Entry) -> Vec<u8> {
    let mut blocks = Vec::new();
    let records = records(entry);
    if !records.is_empty() {
        let mut header = Header::new_ustar();
        name(&mut header, &[b"PaxHeaders/", &entry.name[..]].concat());
        header.set_entry_type(EntryType::XHeader);
        header.set_mode(0o644);
        header.set_size(records.len() as u64);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_cksum();
        blocks.extend_from_slice(header.as_bytes());
        blocks.extend_from_slice(&records);
        blocks.resize(blocks.len().next_multiple_of(BLOCK), 0);
    }
    blocks.extend_from_slice(header(entry).as_bytes());
    blocks
}

fn header(entry: &Entry) -> Header {
    let mut header = Header::new_ustar();
    name(&mut header, &entry.name);
    let linkname = &mut header.as_old_mut().linkname;
    copy(linkname, &entry.link);
    header.set_entry_type(match entry.kind {
        Kind::File => EntryType::Regular,
        Kind::HardLink => EntryType::Link,
        Kind::Symlink => EntryType::Symlink,
        Kind::Character => EntryType::Char,
        Kind::Block => EntryType::Block,
        Kind::Directory => EntryType::Directory,
        Kind::Fifo => EntryType::Fifo,
    });
    // What is too large is told by a record, and here by zero.
    let or_zero = |number: u64, most: u64| if number > most { 0 } else { number };
    header.set_mode(entry.mode);
    header.set_uid(or_zero(entry.uid.into(), MOST_ID.into()));
    header.set_gid(or_zero(entry.gid.into(), MOST_ID.into()));
    header.set_size(or_zero(entry.size, MOST));
    let seconds = u64::try_from(entry.modified.seconds).unwrap_or_default();
    header.set_mtime(or_zero(seconds, MOST));
    if let Some(ustar) = header.as_ustar_mut() {
        ustar.set_device_major(entry.device.0);
        ustar.set_device_minor(entry.device.1);
    }
    header.set_cksum();
    header
}

fn name(header: &mut Header, name: &[u8]) {
    copy(&mut header.as_old_mut().name, name);
}

fn copy(field: &mut [u8; NAME], text: &[u8]) {
    let length = text.len().min(NAME);
    field[..length].copy_from_slice(&text[..length]);
}

fn records(entry: &Entry) -> Vec<u8> {
    let mut records = Vec::new();
    let mut number = |key: &str, number: &dyn std::fmt::Display| {
        record(&mut records, key.as_bytes(), number.to_string().as_bytes());
    };
    if entry.size > MOST {
        number("size", &entry.size);
    }
    if entry.uid > MOST_ID {
        number("uid", &entry.uid);
    }
    if entry.gid > MOST_ID {
        number("gid", &entry.gid);
    }
    if !u64::try_from(entry.modified.seconds).is_ok_and(|seconds| seconds <= MOST) {
        number("mtime", &entry.modified.seconds);
    }
    if entry.name.len() > NAME {
        record(&mut records, b"path", &entry.name);
    }
    if entry.link.len() > NAME {
        record(&mut records, b"linkpath", &entry.link);
    }
    for (attribute, value) in &entry.attributes {
        record(&mut records, &[ATTRIBUTE, attribute].concat(), value);
    }
    records
}

/// `LENGTH KEY=VALUE`, where the length counts its own digits.
fn record(records: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    let rest = key.len() + value.len() + " =\n".len();
    let mut length = rest + 1;
    while rest + length.to_string().len() > length {
        length += 1;
    }
    records.extend_from_slice(length.to_string().as_bytes());
    for part in [b" ", key, b"=", value, b"\n"] {
        records.extend_from_slice(part);
    }
}
