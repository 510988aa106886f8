//! Where a user's verbs on images run: here, or in the engine room.
//!
//! Layers have files of many owners. Where this user is granted more ids than his
//! own, they are unpacked, changed and removed inside a user namespace that maps
//! them: the verb is executed there once more, as a whole.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::process::ExitCode;

use anyhow::Result;
use isolab_engine::room::Room;
use isolab_engine::room::task::Task;
use isolab_engine::store::Owners;

use crate::places;

/// The verb, in the room, where `perform` parses and runs what was typed. Who only
/// enters needs no more than its name.
#[must_use]
pub const fn verb(perform: fn(&[OsString]) -> isolab_engine::Result<u8>) -> Task {
    Task {
        name: "verb",
        perform,
        mounts: false,
        starts_others: true,
    }
}

/// Runs `here` where the files of layers can be had: in the room, by executing this
/// program there with the same words, or here.
pub(super) fn within(here: impl FnOnce(&Room) -> Result<ExitCode>) -> Result<ExitCode> {
    let room = Room::find();
    if room.maps().is_some() && room.owners() == Owners::Mapped {
        let words: Vec<OsString> = env::args_os().skip(1).collect();
        return Ok(room.enter(&verb(nobody), &words)?.into());
    }
    here(&room)
}

/// The same for a verb that needs no more than to reach the layers that are
/// unpacked: where there are none of many owners, it runs here.
///
/// # Errors
/// Those of `here`, and where there is no room to be had.
pub fn with_layers(here: impl FnOnce() -> Result<ExitCode>) -> Result<ExitCode> {
    let mapped = places::data().map(|data| data.join("images/layers/mapped"));
    let layers = mapped.and_then(|path| fs::read_dir(path).ok());
    match layers.is_some_and(|mut layers| layers.next().is_some()) {
        true => within(|_| here()),
        false => here(),
    }
}

/// Removes what may have owners that only the room knows: layers, and what builds
/// kept or left.
///
/// # Errors
/// Where some cannot be removed.
pub fn remove_layers() -> Result<()> {
    let Some(images) = places::data().map(|data| data.join("images")) else {
        return Ok(());
    };
    let room = Room::find();
    for part in ["layers", "caches", "ingest"] {
        let path = images.join(part);
        if path.exists() {
            isolab_engine::room::remove(&room, &path)?;
        }
    }
    Ok(())
}

/// Performed by nobody: inside, the program has the real one.
fn nobody(_: &[OsString]) -> isolab_engine::Result<u8> {
    Ok(1)
}
