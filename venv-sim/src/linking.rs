//! What an interpreter's own file says of the machine and the C library that it needs.
//!
//! An answer from inside the interpreter would not do: `uname` tells of the kernel, and a 32-bit
//! Python runs under a 64-bit one.
//!
//! Source: `elf(5)`; PEP 656 for musl; the *ELF for the Arm Architecture* for hard float.

use std::fs::File;
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::ask::run;

/// What was read from the file, and asked of its loader.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) struct Linking {
    pub(crate) machine: Machine,
    /// The version of musl, where the loader is musl's.
    pub(crate) musl: Option<(u32, u32)>,
}

/// The machines whose programs run on more than one architecture that `uname` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(crate) enum Machine {
    /// 32-bit x86.
    I686,
    /// 32-bit Arm, with arguments in floating-point registers.
    ArmHardFloat,
    #[default]
    Other,
}

/// How long the path of a loader may be: `PATH_MAX`.
const LONGEST: u64 = 4096;

/// What an ELF file says of itself.
#[derive(Debug, PartialEq, Eq)]
struct Elf {
    machine: Machine,
    loader: Option<PathBuf>,
}

/// The loader that `program` names, which belongs to its C library.
pub(crate) fn loader_of(program: &Path) -> Option<PathBuf> {
    read(program)?.loader
}

impl Linking {
    /// Of the program at `path`; nothing is known of a file that is no ELF file.
    pub(crate) fn of(path: &Path) -> Self {
        let Some(elf) = read(path) else {
            return Self::default();
        };
        Self {
            machine: elf.machine,
            musl: elf.loader.as_deref().and_then(musl_version),
        }
    }
}

fn read(program: &Path) -> Option<Elf> {
    let file = File::open(program).ok()?;
    parse(|at, length| {
        let mut bytes = vec![0; usize::try_from(length).ok()?];
        file.read_exact_at(&mut bytes, at).ok()?;
        Some(bytes)
    })
}

/// musl's loader, run alone, says which it is: `musl libc (x86_64)`, `Version 1.2.4`.
fn musl_version(loader: &Path) -> Option<(u32, u32)> {
    let name = loader.file_name()?.to_str()?;
    if !loader.is_absolute() || !name.contains("musl") {
        return None;
    }
    musl_said(&String::from_utf8_lossy(&run(loader, &[]).ok()?.stderr))
}

fn musl_said(text: &str) -> Option<(u32, u32)> {
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    lines.next().filter(|line| line.starts_with("musl"))?;
    let version = lines.next()?.strip_prefix("Version ")?;
    let (major, rest) = version.split_once('.')?;
    let minor = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Reads the header and the loader's name; `read(at, length)` gives the bytes of the file.
fn parse(read: impl Fn(u64, u64) -> Option<Vec<u8>>) -> Option<Elf> {
    let start = read(0, 52)?;
    if !start.starts_with(b"\x7fELF") {
        return None;
    }
    let (is_64bit, is_little) = (*start.get(4)? == 2, *start.get(5)? == 1);
    let number = |bytes: &[u8], at: usize, length: usize| -> Option<u64> {
        let digits = bytes.get(at..at.checked_add(length)?)?;
        let add = |number: u64, digit: &u8| (number << 8) | u64::from(*digit);
        Some(match is_little {
            true => digits.iter().rev().fold(0, add),
            false => digits.iter().fold(0, add),
        })
    };
    // Where things lie in the header of each class: program headers, their size and count.
    let header = if is_64bit { read(0, 64)? } else { start };
    let (table, flags, size, count) = match is_64bit {
        true => (
            number(&header, 32, 8)?,
            number(&header, 48, 4)?,
            number(&header, 54, 2)?,
            number(&header, 56, 2)?,
        ),
        false => (
            number(&header, 28, 4)?,
            number(&header, 36, 4)?,
            number(&header, 42, 2)?,
            number(&header, 44, 2)?,
        ),
    };
    // EM_386, EM_ARM; EF_ARM_EABI_VER5, EF_ARM_ABI_FLOAT_HARD.
    let machine = match (is_64bit, number(&header, 18, 2)?) {
        (false, 3) if is_little => Machine::I686,
        (false, 40) if is_little && flags >> 24 == 5 && flags & 0x400 != 0 => Machine::ArmHardFloat,
        _ => Machine::Other,
    };
    let mut loader = None;
    // No linker writes more than a dozen.
    for index in 0..count.min(64) {
        let entry = read(table.checked_add(index * size)?, size.min(56))?;
        if number(&entry, 0, 4)? != 3 {
            continue; // not PT_INTERP
        }
        let (at, length) = match is_64bit {
            true => (number(&entry, 8, 8)?, number(&entry, 32, 8)?),
            false => (number(&entry, 4, 4)?, number(&entry, 16, 4)?),
        };
        let mut name = read(at, Some(length).filter(|length| *length <= LONGEST)?)?;
        name.truncate(name.iter().position(|byte| *byte == 0)?);
        loader = Some(PathBuf::from(std::ffi::OsString::from_vec(name)));
        break;
    }
    Some(Elf { machine, loader })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of_bytes(bytes: &[u8]) -> Option<Elf> {
        parse(|at, length| {
            let at = usize::try_from(at).ok()?;
            let end = at.checked_add(usize::try_from(length).ok()?)?;
            Some(bytes.get(at..end)?.to_owned())
        })
    }

    /// An ELF header of 32 bits as the specification lays it out, with one loader named.
    fn arm(flags: u32) -> Vec<u8> {
        let mut file = vec![0; 52];
        file[..7].copy_from_slice(b"\x7fELF\x01\x01\x01");
        file[18] = 40;
        file[28..32].copy_from_slice(&52_u32.to_le_bytes());
        file[36..40].copy_from_slice(&flags.to_le_bytes());
        file[42] = 32;
        file[44] = 1;
        let mut entry = vec![0; 32];
        entry[0] = 3;
        entry[4..8].copy_from_slice(&84_u32.to_le_bytes());
        entry[16..20].copy_from_slice(&20_u32.to_le_bytes());
        file.extend(entry);
        file.extend(b"/lib/ld-musl-arm.so\0");
        file
    }

    #[test]
    fn hard_float_is_told_by_the_flags() {
        let hard = of_bytes(&arm(0x0500_0400)).expect("an ELF file");
        assert_eq!(hard.machine, Machine::ArmHardFloat);
        assert_eq!(hard.loader, Some("/lib/ld-musl-arm.so".into()));
        let soft = of_bytes(&arm(0x0500_0200)).expect("an ELF file");
        assert_eq!(soft.machine, Machine::Other);
    }

    #[test]
    fn this_very_program_is_understood() {
        let own = std::env::current_exe().expect("a path");
        assert_eq!(Linking::of(&own), Linking::default());
        assert!(loader_of("/bin/sh".as_ref()).is_some_and(|loader| loader.exists()));
    }

    #[test]
    fn musl_is_believed_only_in_its_own_words() {
        let said = "musl libc (x86_64)\nVersion 1.2.4\nDynamic Program Loader\n";
        assert_eq!(musl_said(said), Some((1, 2)));
        assert_eq!(musl_said("musl libc\nVersion 1.1.24-git\n"), Some((1, 1)));
        assert_eq!(musl_said("ld.so: usage\nVersion 1.2.4"), None);
        assert_eq!(musl_said("musl libc"), None);
    }

    proptest! {
        #[test]
        fn no_file_makes_the_parser_panic(
            mut file in proptest::collection::vec(any::<u8>(), 0..200), class in 0_u8..3, data in 0_u8..3,
        ) {
            for (at, byte) in b"\x7fELF".iter().chain([&class, &data]).enumerate() {
                if let Some(place) = file.get_mut(at) {
                    *place = *byte;
                }
            }
            let _ = of_bytes(&file);
        }
    }
}
