//! The memory of one mapping of a process: what a guest's RAM takes, apart from
//! the program that runs the guest.
//!
//! A guest's RAM is memory of QEMU's. Whoever executes the guest's instructions,
//! the processor or an emulator, its kernel touches the same pages; the rest of
//! QEMU under an emulator is above all translated code, which is no cost of
//! virtualization. So the two are told apart.

use std::fs;

use anyhow::{Context, Result, bail};

/// A process's memory, proportional set size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Split {
    /// The guest's RAM.
    pub ram: u64,
    /// The part of it that lies in huge pages, of which the first touch takes
    /// all.
    pub ram_in_huge_pages: u64,
    /// All else.
    pub rest: u64,
}

/// Tells the RAM of the guest that `pid` runs, `ram_bytes` large, from the rest.
///
/// The RAM is the one anonymous mapping of exactly that size that cannot be
/// executed; QEMU asks for huge pages there, which keeps the kernel from merging
/// it with a neighbour.
///
/// # Errors
/// If the process is gone or may not be looked at, or if not exactly one mapping
/// can be meant.
///
/// Source: `proc_pid_smaps(5)`.
pub fn split(pid: i32, ram_bytes: u64) -> Result<Split> {
    let path = format!("/proc/{pid}/smaps");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    split_of(&text, ram_bytes).with_context(|| format!("cannot find the guest's RAM in {path}"))
}

fn split_of(smaps: &str, ram_bytes: u64) -> Result<Split> {
    let mappings = parse(smaps);
    let all: u64 = mappings.iter().map(|mapping| mapping.pss).sum();
    let mut meant = mappings
        .iter()
        .filter(|mapping| mapping.is_data && mapping.size == ram_bytes);
    match (meant.next(), meant.next()) {
        (Some(ram), None) => Ok(Split {
            ram: ram.pss,
            ram_in_huge_pages: ram.huge,
            rest: all - ram.pss,
        }),
        (None, _) => bail!("no mapping has {ram_bytes} bytes"),
        (Some(_), Some(_)) => bail!("several mappings have {ram_bytes} bytes"),
    }
}

/// The code of files that `pid` has in memory, in bytes: what it has executed, with what the kernel
/// brought along around it.
///
/// # Errors
/// If the process is gone or may not be looked at.
///
/// Source: `proc_pid_smaps(5)`, field `Rss`.
pub fn code_bytes(pid: i32) -> Result<u64> {
    let path = format!("/proc/{pid}/smaps");
    let text = fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    Ok(code_of(&text))
}

fn code_of(smaps: &str) -> u64 {
    let mappings = parse(smaps).into_iter().filter(|mapping| mapping.is_code);
    mappings.map(|mapping| mapping.rss).sum()
}

/// A mapping, its sizes in bytes.
#[derive(Default)]
struct Mapping {
    /// Of a file, and to be executed.
    is_code: bool,
    /// Anonymous, and to be read and written but not executed.
    is_data: bool,
    size: u64,
    rss: u64,
    pss: u64,
    huge: u64,
}

fn parse(smaps: &str) -> Vec<Mapping> {
    let mut mappings: Vec<Mapping> = Vec::new();
    for line in smaps.lines() {
        let mut words = line.split_ascii_whitespace();
        let (Some(first), Some(second)) = (words.next(), words.next()) else {
            continue;
        };
        let Some(field) = first.strip_suffix(':') else {
            // `7f52-7f53 rw-p 00000000 00:00 0  [name]`: the beginning of one.
            let file = words.nth(2).unwrap_or_default();
            mappings.push(Mapping {
                is_data: second == "rw-p" && file == "0",
                is_code: second.contains('x') && file != "0",
                ..Mapping::default()
            });
            continue;
        };
        let (Some(mapping), Ok(kibibytes)) = (mappings.last_mut(), second.parse::<u64>()) else {
            continue;
        };
        match field {
            "Size" => mapping.size = kibibytes * 1024,
            "Rss" => mapping.rss = kibibytes * 1024,
            "Pss" => mapping.pss = kibibytes * 1024,
            "AnonHugePages" => mapping.huge = kibibytes * 1024,
            _ => {}
        }
    }
    mappings
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn mapping(access: &str, file: &str, size: u64, pss: u64) -> String {
        format!(
            "7f0000000000-7f0001000000 {access} 00000000 00:00 {file}\nSize: {} kB\nRss: 9 kB\n\
             Pss: {} kB\nPss_Dirty: 3 kB\nAnonHugePages: {} kB\nVmFlags: rd wr\n",
            size / 1024,
            pss / 1024,
            pss / 2048
        )
    }

    #[test]
    fn the_ram_is_told_from_the_rest_by_its_size_and_its_access() {
        // Translated code, as large as the RAM but executable; a mapped file; the heap.
        let smaps = mapping("rwxp", "0", 128 * MIB, 80 * MIB)
            + &mapping("rw-p", "0", 128 * MIB, 60 * MIB)
            + &mapping("rw-p", "4711 /some/file", 128 * MIB, MIB)
            + &mapping("rw-p", "0 [heap]", 4 * MIB, 2 * MIB);
        let found = split_of(&smaps, 128 * MIB).unwrap();
        assert_eq!((found.ram, found.rest), (60 * MIB, 83 * MIB));
        assert_eq!(found.ram_in_huge_pages, 30 * MIB);
    }

    #[test]
    fn where_none_or_several_could_be_meant_nothing_is_said() {
        let one = mapping("rw-p", "0", 128 * MIB, 60 * MIB);
        assert!(split_of(&one, 256 * MIB).is_err());
        assert!(split_of(&(one.clone() + &one), 128 * MIB).is_err());
        assert!(split_of("", 128 * MIB).is_err());
    }

    #[test]
    fn code_is_of_a_file_and_can_be_executed() {
        // Translated code is of no file, and data of one is no code; of each 9 KiB are there.
        let smaps = mapping("rwxp", "0", MIB, MIB)
            + &mapping("r-xp", "4711 /some/file", 2 * MIB, MIB)
            + &mapping("r--p", "4711 /some/file", MIB, MIB)
            + &mapping("r-xp", "42 /another", MIB, MIB)
            + &mapping("r-xp", "0 [vdso]", MIB, MIB);
        assert_eq!(code_of(&smaps), 2 * 9 * 1024);
    }

    #[test]
    fn this_process_can_be_read() {
        let own = i32::try_from(std::process::id()).unwrap();
        assert!(code_bytes(own).unwrap() > 0);
        let error = split(own, 1).unwrap_err();
        assert!(format!("{error:#}").contains("no mapping"), "{error:#}");
    }
}
