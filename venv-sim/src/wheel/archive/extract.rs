//! A member's content, written where it is to be: checked in the same pass, however long it is.

use std::io::{self, Read, Seek, Write};

use super::{Member, Wheel};
use crate::refusal::{Refusal, shown};

/// Why a member did not get where it was to be.
#[derive(Debug)]
pub(crate) enum ExtractError {
    /// The wheel is not what it says.
    Refused(Refusal),
    /// What was unpacked cannot be written.
    Write(io::Error),
}

impl<R: Read + Seek> Wheel<R> {
    /// Writes the content of `member` to `to`, through `buffer`.
    ///
    /// What was written is worth nothing where this fails.
    pub(crate) fn extract(
        &mut self,
        member: &Member,
        to: &mut impl Write,
        buffer: &mut [u8],
    ) -> Result<(), ExtractError> {
        let refused = |why: &dyn std::fmt::Display| {
            let shown = shown(&member.path.to_string_lossy());
            let why = format!("the file {shown} cannot be unpacked: {why}");
            ExtractError::Refused(Refusal::new(why))
        };
        let mut checker = member.digest.as_ref().map(super::Digest::checker);
        let mut file = self
            .archive
            .by_index(member.index)
            .map_err(|why| refused(&why))?;
        let mut left = member.size;
        loop {
            // Full before it is written: most files are one write.
            let mut filled = 0;
            while filled < buffer.len() {
                match file.read(&mut buffer[filled..]) {
                    Ok(0) => break,
                    Ok(count) => filled += count,
                    Err(why) => return Err(refused(&why)),
                }
            }
            if filled == 0 {
                break;
            }
            left = left
                .checked_sub(filled as u64)
                .ok_or_else(|| refused(&"it is longer than the archive says"))?;
            if let Some(checker) = &mut checker {
                checker.read(&buffer[..filled]);
            }
            to.write_all(&buffer[..filled])
                .map_err(ExtractError::Write)?;
        }
        if left > 0 {
            return Err(refused(&"it is shorter than the archive says"));
        }
        if checker.is_some_and(|checker| !checker.agrees()) {
            let shown = shown(&member.path.to_string_lossy());
            let why = format!("the content of {shown} is not what its RECORD says");
            return Err(ExtractError::Refused(Refusal::new(why)));
        }
        Ok(())
    }
}
