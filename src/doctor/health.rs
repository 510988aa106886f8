//! `isolab doctor venv`: what ails an environment, and its mending.

use std::io::{self, IsTerminal as _};
use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use venv_sim::{AilmentKind, Health, Search, Surroundings, examine};

use super::diagnosis::Verdict;
use super::render::{self, Style};
use crate::compare::privacy::Redactor;
use crate::report::text::shown;
use crate::stderr;
use crate::stdout;

/// The health of the environment that is active or here; `None` where there is none.
pub(super) fn of_here() -> Option<Health> {
    let (dir, _) = Surroundings::of_process().place(None).ok()?;
    examine(&dir, &Search::of_process()).ok()
}

/// Examines the environment at `dir`, or the one of here, and mends it if asked to. The exit
/// code is 1 if something ails it still.
pub(super) fn run(dir: Option<&Path>, fix: bool, is_json: bool) -> Result<ExitCode> {
    let (dir, _) = Surroundings::of_process().place(dir)?;
    let search = Search::of_process();
    let mut health = examine(&dir, &search)?;
    let mut mended = Vec::new();
    let say: fn(&str) = |sentence| stderr::tell(sentence);
    if fix && health.ailments.iter().any(venv_sim::Ailment::is_mendable) {
        mended = health.mend(&search, say)?;
        health = examine(&dir, &search)?;
        // One ailment may hide another: scripts are looked at when pyvenv.cfg can be read.
        if health.ailments.iter().any(venv_sim::Ailment::is_mendable) {
            mended.extend(health.mend(&search, say)?);
            health = examine(&dir, &search)?;
        }
    }
    let is_well = health.ailments.is_empty();
    stdout::print(if is_json {
        let mut described = described(&health, &mended);
        Redactor::of_process().tell_all(&mut described);
        format!("{described:#}\n")
    } else {
        let style = Style::of_environment(io::stdout().is_terminal());
        let mended = mended
            .iter()
            .map(|done| format!("mended: {}\n", shown(done)));
        mended.collect::<String>() + &text(&health, style)
    })?;
    Ok(match is_well {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

pub(super) fn described(health: &Health, mended: &[String]) -> Value {
    let ailments = health.ailments.iter().map(|one| {
        json!({
            "kind": one.kind.name(),
            "what": one.what,
            "why": one.why,
            "remedy": one.remedy,
            "mendable": one.is_mendable(),
        })
    });
    json!({
        "schema": "isolab.doctor.venv/1",
        "environment": health.dir,
        "ailments": ailments.collect::<Vec<_>>(),
        "mended": mended,
    })
}

pub(super) fn text(health: &Health, style: Style) -> String {
    let mut page = format!(
        "The environment {}\n\n",
        shown(&health.dir.to_string_lossy())
    );
    if health.ailments.is_empty() {
        let look = render::look(Verdict::Works);
        render::line(&mut page, style, look, "nothing ails it", "");
    }
    for one in &health.ailments {
        let verdict = match one.kind {
            AilmentKind::InterpreterUpdated
            | AilmentKind::BrokenLink
            | AilmentKind::Edited
            | AilmentKind::Damaged => Verdict::Limited,
            _ => Verdict::Fails,
        };
        let look = render::look(verdict);
        render::line(&mut page, style, look, one.kind.name(), &shown(&one.what));
        render::labelled(&mut page, "cause:", &one.why);
        let fix = match one.is_mendable() {
            true => format!("{} (`--fix` does)", one.remedy),
            false => one.remedy.clone(),
        };
        render::labelled(&mut page, "fix:", &shown(&fix));
    }
    page
}
