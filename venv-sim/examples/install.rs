//! Installs wheels into an environment, for timing a whole process:
//! `install [--MODE] [--compile] [--remove NAME] DIR WHEEL...`, MODE one of `clone`, `hardlink`,
//! `copy`, `symlink`.

use std::error::Error as _;
use std::process::ExitCode;

use venv_sim::install::{Addition, Changed, InstallOptions, LinkMode, install};
use venv_sim::{Cache, Environment, Error, Name, Search, Store};

fn main() -> ExitCode {
    let mut options = InstallOptions::default();
    let (mut paths, mut remove) = (Vec::new(), Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match &argument[..] {
            "--clone" => options.link_mode = LinkMode::Clone,
            "--hardlink" => options.link_mode = LinkMode::HardLink,
            "--copy" => options.link_mode = LinkMode::Copy,
            "--symlink" => options.link_mode = LinkMode::Symlink,
            "--compile" => options.compile_bytecode = true,
            "--remove" => remove.extend(arguments.next().and_then(|name| name.parse().ok())),
            _ => paths.push(argument),
        }
    }
    let Some((dir, wheels)) = paths.split_first() else {
        eprintln!("usage: install [--MODE] [--compile] [--remove NAME] DIR WHEEL...");
        return ExitCode::from(2);
    };
    match run(dir, wheels, &remove, &options) {
        Ok(changed) => {
            for warning in changed.warnings {
                eprintln!("warning: {warning}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprint!("error: {error}");
            if let Some(cause) = error.source() {
                eprint!(": {cause}");
            }
            eprintln!();
            if let Some(hint) = error.hint() {
                eprintln!(" hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run(
    dir: &str,
    wheels: &[String],
    remove: &[Name],
    options: &InstallOptions,
) -> Result<Changed, Error> {
    let environment = Environment::open(dir.as_ref())?;
    let python = environment.python.to_string_lossy().into_owned();
    let python = Search::of_process().discover(Some(&python))?;
    let store = Store::of(&Cache::of_user())?;
    let stored: Vec<_> = wheels
        .iter()
        .map(|wheel| store.add(wheel.as_ref()))
        .collect::<Result<_, _>>()?;
    let additions: Vec<_> = stored
        .iter()
        .map(|stored| Addition {
            stored,
            requested: true,
            direct_url: None,
        })
        .collect();
    install(&environment, &python, &additions, remove, &store, options)
}
