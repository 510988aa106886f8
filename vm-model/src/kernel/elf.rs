//! What matters in an uncompressed kernel, whether QEMU can enter it directly; and in a module,
//! what it says of itself.
//!
//! QEMU starts an ELF kernel at the entry that it names for Xen's PVH boot protocol, in a note.
//! Kernels built without `CONFIG_PVH` lack it and must be booted compressed.
//!
//! Source: `elf(5)`; Xen's `elfnote.h`.

/// How an ELF file begins.
pub(super) const MAGIC: &[u8] = b"\x7fELF";

/// The type of a program header that holds notes.
const PT_NOTE: u64 = 4;

/// The type of Xen's note that names the 32-bit entry.
const PHYS32_ENTRY: u64 = 18;

/// Whether the 64-bit ELF image names a PVH entry.
pub(super) fn has_pvh_entry(elf: &[u8]) -> bool {
    notes(elf).is_some_and(|segments| segments.into_iter().any(names_the_entry))
}

/// The segments of notes, or nothing if the headers are damaged.
fn notes(elf: &[u8]) -> Option<Vec<&[u8]>> {
    let (table, size, count) = (
        number(elf, 32, 8)?,
        number(elf, 54, 2)?,
        number(elf, 56, 2)?,
    );
    let mut found = Vec::new();
    for index in 0..count {
        let header = usize::try_from(index.checked_mul(size)?.checked_add(table)?).ok()?;
        if number(elf, header, 4)? == PT_NOTE {
            let start = usize::try_from(number(elf, header.checked_add(8)?, 8)?).ok()?;
            let len = usize::try_from(number(elf, header.checked_add(32)?, 8)?).ok()?;
            found.push(elf.get(start..start.checked_add(len)?)?);
        }
    }
    Some(found)
}

/// Whether one of the notes in a segment is the one that names the entry.
fn names_the_entry(mut segment: &[u8]) -> bool {
    let mut next = || {
        let (name_len, len) = (number(segment, 0, 4)?, number(segment, 4, 4)?);
        let kind = number(segment, 8, 4)?;
        let padded = |len: u64| usize::try_from(len.checked_next_multiple_of(4)?).ok();
        let name = segment.get(12..12_usize.checked_add(usize::try_from(name_len).ok()?)?)?;
        let found = name == b"Xen\0" && kind == PHYS32_ENTRY;
        let end = padded(name_len)?
            .checked_add(padded(len)?)?
            .checked_add(12)?;
        segment = segment.get(end..).unwrap_or_default();
        Some(found)
    };
    std::iter::from_fn(&mut next).any(|found| found)
}

/// The bytes of the section `name` of a 64-bit ELF image.
pub(super) fn section<'a>(elf: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    elf.starts_with(MAGIC).then_some(())?;
    let (table, size) = (number(elf, 40, 8)?, number(elf, 58, 2)?);
    let (count, names_at) = (number(elf, 60, 2)?, number(elf, 62, 2)?);
    let header = |index: u64| usize::try_from(index.checked_mul(size)?.checked_add(table)?).ok();
    let content = |header: usize| {
        let start = usize::try_from(number(elf, header.checked_add(24)?, 8)?).ok()?;
        let len = usize::try_from(number(elf, header.checked_add(32)?, 8)?).ok()?;
        elf.get(start..start.checked_add(len)?)
    };
    let names = content(header(names_at)?)?;
    (0..count).find_map(|index| {
        let header = header(index)?;
        let at = usize::try_from(number(elf, header, 4)?).ok()?;
        let rest = names.get(at..)?.strip_prefix(name)?;
        (rest.first() == Some(&0)).then(|| content(header))?
    })
}

/// A little-endian number of `len` bytes at `at`.
pub(super) fn number(bytes: &[u8], at: usize, len: usize) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(len)?)?;
    Some(
        bytes
            .iter()
            .rev()
            .fold(0, |number, &byte| number << 8 | u64::from(byte)),
    )
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// An ELF image whose only segment holds two notes, the second of them `kind` by `name`.
    pub(crate) fn image(name: &[u8; 4], kind: u32) -> Vec<u8> {
        let note = |name: &[u8], kind: u32, bytes: &[u8]| {
            let lens = [name.len(), bytes.len()].map(|len| u32::try_from(len).unwrap());
            [
                &lens[0].to_le_bytes()[..],
                &lens[1].to_le_bytes(),
                &kind.to_le_bytes(),
                name,
                bytes,
            ]
            .concat()
        };
        let notes = [note(b"GNU\0", 3, &[7; 8]), note(name, kind, &[1; 4])].concat();
        let mut elf = vec![0; 64 + 56];
        elf[..4].copy_from_slice(MAGIC);
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 4;
        elf[64 + 8] = 120;
        elf[64 + 32] = u8::try_from(notes.len()).unwrap();
        [elf, notes].concat()
    }

    /// An ELF image whose sections are its names' and one called `name` that holds `bytes`.
    pub(crate) fn object(name: &[u8], bytes: &[u8]) -> Vec<u8> {
        let names = [b"\0", name, b"\0"].concat();
        let mut elf = vec![0; 64 + 2 * 64];
        elf[..4].copy_from_slice(MAGIC);
        elf[40] = 64;
        elf[58] = 64;
        elf[60] = 2;
        let mut header = |at: usize, name: u8, start: usize, len: usize| {
            elf[at] = name;
            elf[at + 24..at + 32].copy_from_slice(&(start as u64).to_le_bytes());
            elf[at + 32..at + 40].copy_from_slice(&(len as u64).to_le_bytes());
        };
        header(64, 0, 192, names.len());
        header(128, 1, 192 + names.len(), bytes.len());
        [elf, names, bytes.to_vec()].concat()
    }

    #[test]
    fn a_section_is_found_by_its_whole_name() {
        let good = object(b".modinfo", b"depends=");
        assert_eq!(section(&good, b".modinfo"), Some(&b"depends="[..]));
        assert_eq!(section(&good, b".modinf"), None);
        assert_eq!(section(&good[..good.len() - 1], b".modinfo"), None);
    }

    #[test]
    fn only_xens_note_of_the_entry_counts() {
        assert!(has_pvh_entry(&image(b"Xen\0", 18)));
        assert!(!has_pvh_entry(&image(b"Xen\0", 6)));
        assert!(!has_pvh_entry(&image(b"GNU\0", 18)));
    }

    #[test]
    fn a_damaged_image_has_no_entry_and_panics_nowhere() {
        let good = image(b"Xen\0", 18);
        for at in 0..good.len() {
            assert!(!has_pvh_entry(&good[..at]) || at == good.len());
            let mut bad = good.clone();
            bad[at] = 0xff;
            let _ = has_pvh_entry(&bad);
        }
    }
}
