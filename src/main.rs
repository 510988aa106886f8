//! The `isolab` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use isolab::{cli, hint};

fn main() -> ExitCode {
    match cli::run(cli::Cli::of_words()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            if let Some(hint) = hint::of(&error) {
                eprintln!(" hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}
