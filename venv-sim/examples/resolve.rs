//! Chooses versions as installing would, for timing and for looking at:
//! `resolve [--python REQUEST] [--times N] [--same] [--lowest] [-r FILE] [-c FILE] REQUIREMENT...`.

use std::error::Error as _;
use std::process::ExitCode;
use std::time::Instant;

use venv_sim::index::{Index, IndexFlags, IndexSettings, Inputs, variables_of_process};
use venv_sim::{Cache, Demand, RequirementsFile, Rules, Strategy, Wanted, resolve};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            let mut source = error.source();
            while let Some(cause) = source {
                eprintln!("  {cause}");
                source = cause.source();
            }
            if let Some(hint) = error.hint() {
                eprintln!(" hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> venv_sim::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let (mut python, mut times, mut rules) = (None, 1, Rules::default());
    let mut is_same = false;
    let mut file = RequirementsFile::default();
    let variable = |name: &str| std::env::var(name).ok();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--python" => python = arguments.next(),
            "--times" => times = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(1),
            // Ask one index each time: what is left is the choosing.
            "--same" => is_same = true,
            "--lowest" => rules.strategy = Strategy::Lowest,
            "-r" | "-c" => {
                let path = arguments.next().unwrap_or_default();
                match argument.as_str() {
                    "-r" => file.read(path.as_ref(), &variable)?,
                    _ => file.read_constraints(path.as_ref(), &variable)?,
                }
            }
            _ => file.wanted.push(Wanted::typed(&argument)?),
        }
    }
    let python = venv_sim::discover(python.as_deref())?;
    let variables = variables_of_process();
    let inputs = Inputs {
        environment: None,
        stdlib: Some(&python.stdlib),
        variables: &variables,
        command: "install",
        root: "/".as_ref(),
    };
    let mut flags = IndexFlags::default();
    file.settings.add_to(&mut flags);
    let settings = IndexSettings::of(&inputs, &flags)?;
    let tags = python.tags();
    rules.prereleases |= file.settings.prereleases;
    rules.require_hashes |= file.settings.require_hashes;
    rules.no_binary = file.settings.no_binary.clone();
    let mut index = Index::new(settings.clone(), &Cache::of_user());
    for time in 1..=times {
        let begun = Instant::now();
        if !is_same {
            index = Index::new(settings.clone(), &Cache::of_user());
        }
        let demand = Demand {
            markers: &python.markers,
            rank: &|tag| tags.rank(tag),
            wanted: &file.wanted,
            constraints: &file.constraints,
            held: &[],
            rules: &rules,
        };
        let resolution = resolve(&demand, &index)?;
        let took = begun.elapsed();
        if time == 1 {
            for pick in &resolution.picks {
                println!("{}=={}", pick.name, pick.version);
            }
            for note in &resolution.notes {
                eprintln!("note: {note}");
            }
        }
        eprintln!("{:.2} ms", took.as_secs_f64() * 1e3);
    }
    Ok(())
}
