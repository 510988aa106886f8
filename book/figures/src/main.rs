//! The command that mdBook runs: its JSON in, the same JSON out.
//!
//! Source: *mdBook Documentation*, "For Developers: Preprocessors".
#![forbid(unsafe_code)]

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use serde_json::Value;

fn main() -> ExitCode {
    // `supports RENDERER` asks whether to run at all; HTML is all that the
    // figures are made for.
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [question, renderer] = &arguments[..] {
        let yes = question == "supports" && renderer == "html";
        return if yes {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        };
    }
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(problems) => {
            for problem in problems {
                eprintln!("error: {problem}");
            }
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Vec<String>> {
    let input: Value = serde_json::from_reader(io::stdin().lock())
        .map_err(|e| vec![format!("cannot read what mdbook sends: {e}")])?;
    let Value::Array(parts) = input else {
        return Err(vec![
            "cannot read what mdbook sends: it is no pair".to_owned(),
        ]);
    };
    let Ok([context, mut book]) = <[Value; 2]>::try_from(parts) else {
        return Err(vec![
            "cannot read what mdbook sends: it is no pair".to_owned(),
        ]);
    };
    let root = Path::new(context["root"].as_str().unwrap_or("."));
    let source = Path::new(context["config"]["book"]["src"].as_str().unwrap_or("src"));
    book_figures::process(&mut book, root, source)
        .map_err(|failures| failures.iter().map(ToString::to_string).collect::<Vec<_>>())?;
    let text = serde_json::to_vec(&book).map_err(|e| vec![format!("cannot write JSON: {e}")])?;
    io::stdout()
        .write_all(&text)
        .map_err(|e| vec![format!("cannot answer mdbook: {e}")])
}
