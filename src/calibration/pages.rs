//! Which pages guests have in common: what a kernel that merges equal pages could
//! save, told without asking it to.
//!
//! Each page that a guest has touched is read from QEMU's memory and known by its
//! digest. Within one guest every page but the first of its kind could go; between
//! two, what both have.
//!
//! Sources: `proc_pid_pagemap(5)`, bit 63; `proc_pid_mem(5)`; the kernel's
//! `Documentation/admin-guide/mm/ksm.rst`.

use std::collections::HashSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;

use anyhow::{Context, Result, bail};
use sha2::{Digest as _, Sha256};

const PAGE: u64 = 4096;
/// Pages that are read at once.
const BATCH: u64 = 256;

/// What guests have in common, in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Equal {
    /// How much of each is equal to more of itself.
    pub within: f64,
    /// How much of each is equal to what the other has.
    pub between: f64,
}

/// Compares the first two of `pids`, whose guests have `ram` bytes.
///
/// # Errors
/// If there are not two, or their memory cannot be read.
pub(super) fn compare(pids: &[i32], ram: u64) -> Result<Equal> {
    let [first, second, ..] = pids else {
        bail!("there are no two guests to compare")
    };
    let (first, second) = (digests(*first, ram)?, digests(*second, ram)?);
    Ok(of(&first, &second))
}

fn of(first: &[[u8; 16]], second: &[[u8; 16]]) -> Equal {
    let distinct = |pages: &[[u8; 16]]| pages.iter().copied().collect::<HashSet<_>>();
    let (one, other) = (distinct(first), distinct(second));
    let bytes = |pages: usize| (pages as u64 * PAGE) as f64;
    let within = bytes(first.len() - one.len()) + bytes(second.len() - other.len());
    Equal {
        within: within / 2.0,
        between: bytes(one.intersection(&other).count()),
    }
}

/// The digests of all pages that a guest has touched.
fn digests(pid: i32, ram: u64) -> Result<Vec<[u8; 16]>> {
    let maps = fs::read_to_string(format!("/proc/{pid}/maps"))?;
    let begin = ram_at(&maps, ram).context("the guest's memory is not to be found")?;
    digests_at(pid, begin, ram)
}

/// The digests of the pages that `pid` has touched of those from `begin` on.
fn digests_at(pid: i32, begin: u64, ram: u64) -> Result<Vec<[u8; 16]>> {
    let open = |name: &str| File::open(format!("/proc/{pid}/{name}"));
    let (memory, pagemap) = (open("mem")?, open("pagemap")?);
    let mut found = Vec::new();
    let mut entries = vec![0; (BATCH * 8) as usize];
    let mut page = vec![0; PAGE as usize];
    for batch in (0..ram / PAGE).step_by(BATCH as usize) {
        let count = BATCH.min(ram / PAGE - batch);
        let entries = &mut entries[..(count * 8) as usize];
        pagemap.read_exact_at(entries, (begin / PAGE + batch) * 8)?;
        for (at, entry) in (batch..).zip(entries.chunks_exact(8)) {
            // Bit 63, of the eighth byte: present.
            if entry[7] & 0x80 != 0 {
                memory.read_exact_at(&mut page, begin + at * PAGE)?;
                let digest = Sha256::digest(&page);
                found.push(std::array::from_fn(|byte| digest[byte]));
            }
        }
    }
    Ok(found)
}

/// Where the one mapping of `ram` bytes begins that is data and of no file.
fn ram_at(maps: &str, ram: u64) -> Option<u64> {
    let mut found = maps.lines().filter_map(|line| {
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        let (from, to) = words.first()?.split_once('-')?;
        let address = |text| u64::from_str_radix(text, 16).ok();
        let (from, to) = (address(from)?, address(to)?);
        let is_data = words.get(1) == Some(&"rw-p") && words.get(4) == Some(&"0");
        (is_data && to.checked_sub(from)? == ram).then_some(from)
    });
    let only = found.next()?;
    found.next().is_none().then_some(only)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(number: u8) -> [u8; 16] {
        [number; 16]
    }

    #[test]
    fn equal_pages_are_counted_within_and_between() {
        let first = [page(0), page(0), page(0), page(1), page(2)];
        let second = [page(0), page(1), page(3)];
        let found = of(&first, &second);
        assert_eq!(found.within, 4096.0, "two of one, none of the other");
        assert_eq!(found.between, 2.0 * 4096.0);
    }

    #[test]
    fn the_memory_is_the_only_mapping_of_its_size() {
        let line = |at: u64, access: &str| {
            format!("{at:x}-{:x} {access} 00000000 00:00 0 \n", at + 0x10_0000)
        };
        let maps = line(0x100_0000, "r--p") + &line(0x200_0000, "rw-p");
        assert_eq!(ram_at(&maps, 0x10_0000), Some(0x200_0000));
        assert_eq!(
            ram_at(&(maps.clone() + &line(0x300_0000, "rw-p")), 0x10_0000),
            None
        );
        assert_eq!(ram_at(&maps, 0x20_0000), None);
        assert_eq!(ram_at("", 1), None);
    }

    #[test]
    fn this_processs_own_pages_are_read() {
        const PAGES: usize = 600;
        let bytes = vec![7u8; (PAGES + 1) * 4096];
        let begin = (bytes.as_ptr() as u64).next_multiple_of(PAGE);
        let own = i32::try_from(std::process::id()).unwrap();
        let found = digests_at(own, begin, PAGES as u64 * PAGE).unwrap();
        assert_eq!(found.len(), PAGES);
        let distinct: HashSet<_> = found.iter().collect();
        assert_eq!(distinct.len(), 1, "all of them are alike");
        assert_eq!(bytes[0], 7);
    }
}
