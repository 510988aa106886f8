//! `isolab venv check`: whether what is installed can work.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use venv_sim::Installed;
use venv_sim::installed::{Finding, Problem};

use super::place::{Place, Seen};
use crate::report::text::shown;
use crate::stdout;

/// What `venv check` is asked to look at.
#[derive(Debug, clap::Args)]
#[command(after_help = "Exits with 0 if everything fits, with 1 if something was found.")]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// Do not read the files that RECORD vouches for
    #[arg(long)]
    no_files: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// Where there is no environment, or its interpreter cannot be asked.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let seen = args.place.read()?;
    let findings = findings(&seen, !args.no_files)?;
    let env = seen.named.as_deref();
    stdout::print(if args.json {
        let list: Vec<Value> = findings
            .iter()
            .map(|finding| described(finding, env))
            .collect();
        let checked = json!({
            "schema": "isolab.venv.check/1",
            "environment": seen.chosen.environment.dir,
            "packages": seen.installed.distributions.len(),
            "findings": list,
        });
        format!("{checked:#}\n")
    } else {
        text(&seen, &findings)
    })?;
    Ok(match findings.is_empty() {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

fn findings(seen: &Seen, files: bool) -> Result<Vec<Finding>> {
    let environment = &seen.chosen.environment;
    let interpreter = seen.interpreter()?;
    let base = Installed::of_base(environment)?;
    let tags = interpreter.tags();
    let suits = |tag: &venv_sim::wheel::Tag| tags.rank(tag).is_some();
    let mut findings = seen.installed.check(&base, &interpreter.markers, suits);
    if files {
        findings.extend(seen.installed.check_files(&environment.dir));
    }
    Ok(findings)
}

fn described(finding: &Finding, env: Option<&Path>) -> Value {
    let path = match &finding.problem {
        Problem::File { path, .. } | Problem::Twice(path) => Some(path),
        _ => None,
    };
    json!({
        "of": finding.of,
        "version": finding.version.as_ref().map(ToString::to_string),
        "kind": finding.problem.kind(),
        "message": finding.problem.to_string(),
        "path": path,
        "remedy": finding.problem.remedy(&finding.of, env),
    })
}

fn text(seen: &Seen, findings: &[Finding]) -> String {
    let count = seen.installed.distributions.len();
    if findings.is_empty() {
        let dir = seen.chosen.environment.dir.display();
        return format!("everything fits: {} in {dir}\n", counted(count, "package"));
    }
    let mut text = String::new();
    let mut last: Option<String> = None;
    for finding in findings {
        let version = finding
            .version
            .as_ref()
            .map(|version| format!(" {version}"));
        let of = format!("{}{}", finding.of, version.unwrap_or_default());
        let _ = writeln!(
            text,
            "{}: {}",
            shown(&of),
            shown(&finding.problem.to_string())
        );
        // Of a hundred files of one project once.
        let remedy = finding.problem.remedy(&finding.of, seen.named.as_deref());
        if last.as_ref() != Some(&remedy) {
            let _ = writeln!(text, "   fix: {}", shown(&remedy));
        }
        last = Some(remedy);
    }
    let _ = writeln!(
        text,
        "{} in {}",
        counted(findings.len(), "finding"),
        counted(count, "package")
    );
    text
}

fn counted(count: usize, what: &str) -> String {
    match count {
        1 => format!("1 {what}"),
        count => format!("{count} {what}s"),
    }
}
