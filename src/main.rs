//! The `isolab` command.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use clap::Parser;
use isolab::{cli, hint};

fn main() -> ExitCode {
    if !isolab_oci::process::is_at_its_own_path() {
        // Executed through /proc/self/exe from inside a container (CVE-2019-5736).
        eprintln!("error: cannot run: this isolab is not the file at its own path");
        eprintln!(" hint: start it again; it was replaced just now, or executed by a container");
        return ExitCode::FAILURE;
    }
    match cli::run(cli::Cli::parse()) {
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
