//! The `isolab` command.
#![forbid(unsafe_code)]

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;
use isolab::verbs::image;
use isolab::{cli, guard, guest_disk, hint, interrupt};
use isolab_engine::room::task;

fn main() -> ExitCode {
    // First of all: this may be the program in the engine room.
    let tasks = [
        image::room::verb(again),
        image::run::UNPACK,
        image::fetch::FETCH,
        guest_disk::TASK,
        isolab_engine::run::TASK,
        isolab_engine::run::COPY,
    ];
    if let Some(code) = task::perform(&tasks) {
        return code.into();
    }
    let done = match guard::Args::of_process() {
        Some(args) => guard::run(&args),
        None => cli::run(cli::Cli::of_words()),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            hint::tell(&error);
            hint::code(&error).into()
        }
    }
}

/// A verb as it was typed outside of the room, run inside. None that comes here ends
/// but well or with an error.
fn again(words: &[OsString]) -> isolab_engine::Result<u8> {
    if let Err(error) = interrupt::end_unheard() {
        hint::tell(&error);
    }
    let program = OsString::from("isolab");
    let words = image::room::taken(words);
    let parsed = cli::Cli::parse_from(std::iter::once(&program).chain(words));
    Ok(match cli::run(parsed) {
        Ok(_) => 0,
        Err(error) => {
            hint::tell(&error);
            hint::code(&error)
        }
    })
}
