//! What is found out or made once, however many tests ask for it.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use libtest_mimic::Failed;

use crate::place::{Home, said};

/// What was asked already, and why it cannot be had, if so.
static ANSWERS: Mutex<Option<HashMap<String, Option<String>>>> = Mutex::new(None);
/// Where copies are made of.
static PLACE: Mutex<Option<tempfile::TempDir>> = Mutex::new(None);

/// The answer to `question`, which is asked once.
pub(crate) fn once(question: &str, ask: impl FnOnce() -> Option<String>) -> Option<String> {
    if let Some(known) = lock(&ANSWERS).get_or_insert_default().get(question) {
        return known.clone();
    }
    // Asking may ask.
    let answer = ask();
    let mut answers = lock(&ANSWERS);
    let answers = answers.get_or_insert_default();
    answers.insert(question.to_owned(), answer.clone());
    answer
}

/// A copy of this program that others may reach, as `to`. Another process copies it: one
/// that we had open to write could not be executed.
pub(crate) fn program(to: &Path) -> Result<(), Failed> {
    let program = made("isolab", |path| {
        said(
            Command::new("cp")
                .arg(env!("CARGO_BIN_EXE_isolab"))
                .arg(path),
        )
        .map(drop)
    })?;
    match fs::hard_link(&program, to) {
        Ok(()) => Ok(()),
        Err(_) => said(Command::new("cp").arg(program).arg(to)).map(drop),
    }
}

/// A home that has the base image of these tests.
pub(crate) fn with_busybox() -> Result<Home, Failed> {
    let base = made("base", |path| {
        let home = Home::new();
        home.says(&["image", "bootstrap", "busybox"])?;
        copy(&home.path().join("data"), path)
    })?;
    let home = Home::new();
    copy(&base, &home.path().join("data"))?;
    Ok(home)
}

/// No links: two stores must not have one lock.
fn copy(from: &Path, to: &Path) -> Result<(), Failed> {
    said(Command::new("cp").arg("-a").arg(from).arg(to)).map(drop)
}

/// What lies under `name`, made if nobody did.
fn made(name: &str, make: impl FnOnce(&Path) -> Result<(), Failed>) -> Result<PathBuf, Failed> {
    let mut place = lock(&PLACE);
    let there = match &*place {
        Some(there) => there,
        None => place.insert(tempfile::tempdir()?),
    };
    let path = there.path().join(name);
    if !path.exists() {
        make(&path)?;
    }
    Ok(path)
}

/// Removes what was made, when all tests have ended.
pub(crate) fn remove() {
    drop(lock(&PLACE).take());
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
