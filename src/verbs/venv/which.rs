//! `isolab venv which`: which interpreter, which environment, why, and where it looks.

use std::fmt::Write as _;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use venv_sim::index::variables_of_process;
use venv_sim::{Cache, Chosen, SysPath, SysPathEntry, SysPathKind, fill, sys_path};

use super::place::Place;
use crate::report::text::shown;
use crate::stdout;
use crate::verbs::table::table;

/// What `venv which` is asked about.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The environment's interpreter is started once, as you would start it: with your \
    variables, and with\nwhat its .pth files run."
)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// Where there is no environment, or its interpreter does not start.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let chosen = args.place.choose()?;
    let path = sys_path(&chosen.environment)?;
    let index = index(&chosen);
    stdout::print(if args.json {
        format!("{:#}\n", described(&chosen, &path, &index))
    } else {
        text(&chosen, &path, &index)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Where packages come from, and who says so; the reason where nobody does.
fn index(chosen: &Chosen) -> Vec<String> {
    let environment = &chosen.environment;
    let interpreter = environment.interpreter(&Cache::of_user());
    let said = interpreter
        .and_then(|python| fill::index_of(environment, &python, &variables_of_process()));
    let said = said.unwrap_or_else(|error| error.to_string());
    said.lines().map(str::to_owned).collect()
}

fn described(chosen: &Chosen, path: &SysPath, index: &[String]) -> Value {
    let entry = |entry: &SysPathEntry| {
        json!({
            "path": entry.path.to_string_lossy(),
            "what": what(entry),
            "exists": entry.exists,
        })
    };
    let entries: Vec<Value> = path.entries.iter().map(entry).collect();
    let code = path.code.iter();
    let code = code.map(|line| json!({ "file": line.file, "line": line.line, "text": line.text }));
    json!({
        "schema": "isolab.venv.which/1",
        "environment": chosen.environment.dir,
        "why": chosen.why.to_string(),
        "interpreter": chosen.environment.python,
        "base_interpreter": base_interpreter(chosen),
        "version": path.version,
        "implementation": path.implementation,
        "prefix": path.prefix.to_string_lossy(),
        "base_prefix": path.base_prefix.to_string_lossy(),
        "system_site_packages": chosen.environment.system_site_packages,
        "pythonhome": path.python_home,
        "begins_with_script": path.begins_with_script,
        "path": entries,
        "index": index,
        "code_at_start": code.collect::<Vec<_>>(),
    })
}

/// The program that the environment's is, or is a link to.
fn base_interpreter(chosen: &Chosen) -> String {
    let real = std::fs::canonicalize(&chosen.environment.python);
    let real = real.unwrap_or_else(|_| chosen.environment.python.clone());
    real.to_string_lossy().into_owned()
}

fn what(entry: &SysPathEntry) -> String {
    let what = match &entry.kind {
        SysPathKind::PythonPath => "PYTHONPATH",
        SysPathKind::LibraryArchive => "standard library, as an archive",
        SysPathKind::Library => "standard library, of the base interpreter",
        SysPathKind::Extensions => "its extension modules, of the base interpreter",
        SysPathKind::Packages => "packages of the environment",
        SysPathKind::BasePackages => "packages of the base interpreter",
        SysPathKind::UserPackages => "packages of the user, outside of the environment",
        SysPathKind::Unknown => "added by something that runs at the start",
        SysPathKind::Pth(line) => {
            let file = line.file.file_name().unwrap_or_default().to_string_lossy();
            return format!("line {} of {file}", line.line);
        }
    };
    match entry.exists {
        true => what.to_owned(),
        false => format!("{what} (not there)"),
    }
}

fn text(chosen: &Chosen, path: &SysPath, index: &[String]) -> String {
    let environment = &chosen.environment;
    let mut text = String::new();
    let mut line = |title: &str, value: &str| {
        let _ = writeln!(text, "{title:<12} {}", shown(value));
    };
    line("environment", &environment.dir.to_string_lossy());
    line("because", &chosen.why.to_string());
    let python = environment.python.display();
    line(
        "interpreter",
        &format!("{python} ({} {})", path.implementation, path.version),
    );
    line("which is", &base_interpreter(chosen));
    if path.prefix == path.base_prefix {
        line(
            "warning",
            "it does not take itself for an environment: sys.prefix is sys.base_prefix",
        );
    }
    if let Some(home) = &path.python_home {
        let home = home.display();
        line(
            "warning",
            &format!("PYTHONHOME is {home}: the standard library is taken from there"),
        );
    }
    text.push_str("\nmodules are looked for, in this order, in\n\n");
    let script = path.begins_with_script.then(|| {
        vec![
            "(the script's)".to_owned(),
            "directory of the script; with -c and -m, the working directory".to_owned(),
        ]
    });
    let entries = path.entries.iter();
    let entries = entries.map(|entry| vec![entry.path.to_string_lossy().into_owned(), what(entry)]);
    let rows: Vec<_> = script.into_iter().chain(entries).collect();
    text.push_str(&table(&["directory", "what it is"], &rows, None));
    if !path.code.is_empty() {
        text.push_str("\nrun at each start\n\n");
    }
    for line in &path.code {
        let (file, said) = (line.file.to_string_lossy(), &line.text);
        let said: String = said.chars().take(100).collect();
        let _ = writeln!(text, "{}:{}: {}", shown(&file), line.line, shown(&said));
    }
    text.push_str("\npackages come from\n\n");
    for line in index {
        text.push_str(&shown(line));
        text.push('\n');
    }
    text
}
