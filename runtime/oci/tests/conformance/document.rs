//! `docs/CONFORMANCE.md`: its table is written from the claims and from a run,
//! and a test sees to it that no claim is missing there.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::panic::catch_unwind;
use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use libtest_mimic::Failed;

use crate::subject::{Runtime, Subject};
use crate::{Claim, Need, deviations, judge};

/// What stands before the table that is written.
const BEGIN: &str = "<!-- written by the tests: from here -->\n";
/// What stands behind it.
const END: &str = "<!-- written by the tests: to here -->\n";

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/CONFORMANCE.md")
}

/// Whether this run is to write the document instead of testing.
pub(crate) fn is_asked_for() -> bool {
    std::env::var_os("ISOLAB_CONFORMANCE").is_some_and(|value| value == "write")
}

/// Each claim has its line, with its sentence as it is in the code.
pub(crate) fn is_complete(claims: &[&Claim]) -> Result<(), Failed> {
    let text = fs::read_to_string(path()).map_err(|error| error.to_string())?;
    let (_, tables) = text.split_once(BEGIN).ok_or("no mark in the document")?;
    let written: Vec<&str> = tables
        .lines()
        .filter(|line| line.starts_with("| ") && line.contains(" | `"))
        .collect();
    for claim in claims {
        let line = sentence(claim);
        if !written.iter().any(|written| written.starts_with(&line)) {
            return Err(format!("not in docs/CONFORMANCE.md: {line}").into());
        }
    }
    if written.len() == claims.len() {
        Ok(())
    } else {
        Err("docs/CONFORMANCE.md lists a claim that is not tested".into())
    }
}

/// The cells of a claim that do not depend on a run.
fn sentence(claim: &Claim) -> String {
    format!("| {} | {} | `{}` |", claim.level, claim.gist, claim.name)
}

/// Runs everything, and puts the results between the marks of the document.
pub(crate) fn write(claims: &[&'static Claim], subjects: &[(Subject, Need)]) {
    let results = results(claims, subjects);
    let mut notes = Vec::new();
    let mut table = String::new();
    let mut section = "";
    for claim in claims {
        if claim.section != section {
            section = claim.section;
            let _ = write!(table, "\n### {section}\n\n| level | demand | test |");
            for (subject, _) in subjects {
                let _ = write!(table, " {} |", subject.name().replace("::", " "));
            }
            let _ = writeln!(table, "\n|---|---|---|{}", "---|".repeat(subjects.len()));
        }
        table.push_str(&sentence(claim));
        for (subject, _) in subjects {
            let cell = match &results[&(claim.name, subject.name())] {
                Outcome::Passes => "yes".to_owned(),
                Outcome::Fails => "**no**".to_owned(),
                Outcome::NotHere(why) => format!("— {}", note(&mut notes, why)),
                Outcome::Deviates(why) => format!("no {}", note(&mut notes, why)),
            };
            let _ = write!(table, " {cell} |");
        }
        table.push('\n');
    }
    table.push('\n');
    for (index, text) in notes.iter().enumerate() {
        let _ = writeln!(table, "{}. {text}", index + 1);
    }
    let document = fs::read_to_string(path()).unwrap();
    let (before, rest) = document.split_once(BEGIN).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let versions = versions();
    fs::write(
        path(),
        format!("{before}{BEGIN}\n{versions}\n{table}\n{END}{after}"),
    )
    .unwrap();
}

/// The number of a note, which is added where it is new.
fn note(notes: &mut Vec<String>, text: &str) -> String {
    let index = notes.iter().position(|note| note == text);
    let index = index.unwrap_or_else(|| {
        notes.push(text.to_owned());
        notes.len() - 1
    });
    format!("({})", index + 1)
}

fn versions() -> String {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let groups = match crate::host::unified() {
        Some(_) => "cgroup v2",
        None => "cgroup v1",
    };
    let mut text = format!("Linux {}, {groups}", release.trim());
    for runtime in Runtime::ALL {
        if let Some(version) = runtime.version() {
            let _ = write!(text, "; {version}");
        }
    }
    text.push_str(".\n");
    text
}

/// How a runtime does with a claim.
enum Outcome {
    Passes,
    Fails,
    NotHere(String),
    Deviates(&'static str),
}

type Results = BTreeMap<(&'static str, String), Outcome>;

fn results(claims: &[&'static Claim], subjects: &[(Subject, Need)]) -> Results {
    let mut work = Vec::new();
    for claim in claims {
        work.extend(
            subjects
                .iter()
                .map(|(subject, able)| (*claim, *subject, able)),
        );
    }
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Results::new());
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(&(claim, subject, able)) =
                    work.get(next.fetch_add(1, Ordering::Relaxed))
                {
                    let outcome = outcome(claim, subject, able);
                    let mut results = results.lock().unwrap();
                    results.insert((claim.name, subject.name()), outcome);
                }
            });
        }
    });
    results.into_inner().unwrap()
}

fn outcome(claim: &Claim, subject: Subject, able: &Need) -> Outcome {
    if let Err(why) = able.clone().and_then(|()| (claim.need)(subject)) {
        return Outcome::NotHere(why);
    }
    let deviation = deviations::of(subject, claim.name);
    let passes = catch_unwind(|| match deviation {
        None => judge(claim, subject),
        Some(_) => (claim.test)(subject),
    });
    match (passes.is_ok(), deviation) {
        (true, None) => Outcome::Passes,
        (false, Some((why, _))) | (true, Some((why, true))) => Outcome::Deviates(why),
        (true, Some((_, false))) | (false, None) => Outcome::Fails,
    }
}
