//! Free memory that is there.
//!
//! A virtual machine gets a page from its host when it is first touched, and gives it back when it
//! has lain idle: on the machine that docs/MODEL.md tells of, the same boot takes half as long
//! again after a quiet quarter of an hour. That is the price of the lab's own machine and of
//! nothing that is measured in it, and it would count for whoever comes first.

use std::hint::black_box;

use anyhow::Result;

use crate::footprint::available_bytes;

/// Sees to it that `bytes` of what the machine has free are there, or a quarter of all of it, by
/// touching them. Where no memory is taken away, that is a moment's work for nothing.
///
/// # Errors
/// If the kernel does not tell what is free.
pub fn back(bytes: u64) -> Result<()> {
    let most = available_bytes()? / 4;
    let bytes = usize::try_from(bytes.min(most))?;
    // Not of zeros, which are one page until they are written to.
    drop(black_box(vec![1u8; bytes]));
    Ok(())
}
