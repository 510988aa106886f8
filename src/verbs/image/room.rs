//! Where a user's verbs on images run: here, or in the engine room.
//!
//! Layers have files of many owners. Where this user is granted more ids than his
//! own, they are unpacked, changed and removed inside a user namespace that maps
//! them: the verb is executed there once more, as a whole. The user's groups do not
//! count there: what only they may read is opened before, and is the standard input
//! inside.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use anyhow::{Context as _, Result};
use isolab_engine::Error;
use isolab_engine::registry::{Elsewhere, Logins, Settings, ask_for_login};
use isolab_engine::room::Room;
use isolab_engine::room::task::Task;
use isolab_engine::store::Owners;

use crate::{places, stderr};

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

/// The first word inside: whether standard input was opened outside.
const GIVEN: &str = "given";
const OWN: &str = "own";
/// How the first word begins where logins are asked for outside; their socket's name
/// comes after it.
const ASK: &str = "ask:";

/// Whether this process is in the room, and its input was opened outside.
static IS_GIVEN: AtomicBool = AtomicBool::new(false);
/// Where logins are asked for.
static LOGINS: OnceLock<String> = OnceLock::new();

/// The words of the verb that is performed inside, of those that it was entered with.
#[must_use]
pub fn taken(words: &[OsString]) -> &[OsString] {
    let Some((first, words)) = words.split_first() else {
        return words;
    };
    IS_GIVEN.store(*first == *GIVEN, Ordering::Relaxed);
    if let Some(name) = first.to_str().and_then(|first| first.strip_prefix(ASK)) {
        let _ = LOGINS.set(name.to_owned());
    }
    words
}

/// Who knows logins, where this is inside and there is somebody.
pub(super) fn elsewhere() -> Option<Arc<Elsewhere>> {
    let name = LOGINS.get()?;
    Some(Arc::new(|registry, repository| {
        ask_for_login(name, registry, repository)
    }))
}

/// What was opened outside, where this is inside.
pub(super) fn given() -> Result<Option<File>> {
    match IS_GIVEN.load(Ordering::Relaxed) {
        true => Ok(Some(standard_input()?)),
        false => Ok(None),
    }
}

/// What a verb reads: a file, or standard input.
pub(super) fn input(path: Option<&Path>) -> Result<File> {
    match (given()?, path) {
        (Some(given), _) => Ok(given),
        (None, Some(path)) => {
            File::open(path).with_context(|| format!("cannot read {}", path.display()))
        }
        (None, None) => standard_input(),
    }
}

fn standard_input() -> Result<File> {
    let input = io::stdin().as_fd().try_clone_to_owned();
    Ok(input.context("cannot read standard input")?.into())
}

/// Runs `here` where the files of layers can be had: in the room, by executing this
/// program there with the same words, or here.
pub(super) fn within(here: impl FnOnce(&Room) -> Result<ExitCode>) -> Result<ExitCode> {
    let room = Room::find();
    match is_entered(&room) {
        true => Ok(enter(&room, None)?.into()),
        false => here(&room),
    }
}

/// The same for a verb that may need logins: who stays outside finds them, as `settings`
/// say.
pub(super) fn within_asking(
    settings: Settings,
    here: impl FnOnce(&Room) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let room = Room::find();
    if !is_entered(&room) {
        return here(&room);
    }
    let name = format!("isolab-{}-{:016x}", std::process::id(), fastrand::u64(..));
    let logins = Logins::listen(&name, settings)?;
    let words = words(&format!("{ASK}{name}"));
    let attend = Box::new(|pid| logins.answer(pid));
    let ended = room.enter_attended(&verb(nobody), &words, attend);
    Ok(ended?.into())
}

/// The same for a verb that is of use without unpacking: where the room cannot be
/// entered it runs here, and is given no owners.
pub(super) fn unpacking(
    open: impl FnOnce() -> Result<File>,
    here: impl FnOnce(Option<Owners>) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let room = Room::find();
    if !is_entered(&room) {
        return here(Some(room.owners()));
    }
    match enter(&room, Some(open()?)) {
        Err(refused @ Error::Container(_)) => {
            let why = refused.in_one_line();
            stderr::tell(format_args!("note: nothing is unpacked yet: {why}"));
            here(None)
        }
        ended => Ok(ended?.into()),
    }
}

fn is_entered(room: &Room) -> bool {
    room.maps().is_some() && room.owners() == Owners::Mapped
}

fn enter(room: &Room, input: Option<File>) -> isolab_engine::Result<u8> {
    let words = words(if input.is_some() { GIVEN } else { OWN });
    match input {
        Some(input) => room.enter_reading(&verb(nobody), &words, input.as_fd()),
        None => room.enter(&verb(nobody), &words),
    }
}

fn words(first: &str) -> Vec<OsString> {
    let typed = env::args_os().skip(1);
    std::iter::once(first.into()).chain(typed).collect()
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
