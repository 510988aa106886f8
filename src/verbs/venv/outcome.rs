//! What a change of an environment did, or would do, for people and for programs.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use venv_sim::Name;
use venv_sim::fill::{Filled, Plan};
use venv_sim::install::{Changed, LinkMode};

use crate::report::text::shown;
use crate::stderr;

/// The warnings, on standard error.
pub(super) fn warn<'a>(warnings: impl IntoIterator<Item = &'a String>) {
    for warning in warnings {
        stderr::tell(format_args!("warning: {}", shown(warning)));
    }
}

/// What came and went, and a line that sums it up.
pub(super) fn text(filled: &Filled, dir: &Path, took: Duration) -> String {
    let plan = &filled.plan;
    let dir = dir.display();
    if plan.is_empty() {
        let count = plan.picks.len();
        return format!(
            "everything asked for is there: {} in {dir}\n",
            packages(count)
        );
    }
    let mut text = changes(plan);
    let (added, removed) = (plan.additions().count(), plan.removals.len());
    let what = match (added, removed) {
        (0, removed) => format!("{} removed", packages(removed)),
        (added, 0) => format!("{} installed", packages(added)),
        (added, removed) => format!("{} installed, {removed} removed", packages(added)),
    };
    let Some(changed) = &filled.changed else {
        let _ = writeln!(text, "nothing was changed: this is what would be, in {dir}");
        return text;
    };
    let by = changed.link_mode.map(|mode| format!(", by {}", link(mode)));
    let seconds = took.as_secs_f64();
    let _ = writeln!(
        text,
        "{what} in {dir} ({seconds:.2} s{})",
        by.unwrap_or_default()
    );
    text
}

/// A line for each project that comes or goes.
fn changes(plan: &Plan) -> String {
    let mut text = String::new();
    let before = |name: &Name| {
        let mut found = plan.before.iter().filter(|(known, _)| known == name);
        found.next().map(|(_, version)| version)
    };
    for name in &plan.removals {
        let version = before(name).map(|version| format!(" {version}"));
        let _ = writeln!(text, "- {name}{}", version.unwrap_or_default());
    }
    for pick in plan.additions() {
        let (name, version) = (&pick.name, &pick.version);
        let _ = match before(name) {
            Some(old) if old != version => writeln!(text, "~ {name} {old} -> {version}"),
            Some(_) => writeln!(text, "~ {name} {version} (again)"),
            None => writeln!(text, "+ {name} {version}"),
        };
    }
    text
}

pub(super) fn packages(count: usize) -> String {
    match count {
        1 => "1 package".to_owned(),
        count => format!("{count} packages"),
    }
}

pub(super) fn wheels(count: usize) -> String {
    match count {
        1 => "1 wheel".to_owned(),
        count => format!("{count} wheels"),
    }
}

fn link(mode: LinkMode) -> &'static str {
    match mode {
        LinkMode::Auto => "links or copies",
        LinkMode::Clone => "clones",
        LinkMode::HardLink => "hard links",
        LinkMode::Copy => "copies",
        LinkMode::Symlink => "symbolic links",
    }
}

/// The same for programs.
pub(super) fn described(filled: &Filled, dir: &Path) -> Value {
    let changed = filled.changed.as_ref();
    json!({
        "schema": "isolab.venv.change/1",
        "environment": dir,
        "plan": picks(&filled.plan),
        "removals": filled.plan.removals.iter().map(Name::as_str).collect::<Vec<_>>(),
        "changed": changed.is_some(),
        "link_mode": changed.and_then(|changed| changed.link_mode).map(link),
        "notes": filled.plan.notes,
        "warnings": changed.map(|changed| &changed.warnings),
    })
}

/// What was chosen.
pub(super) fn picks(plan: &Plan) -> Value {
    let pick = |pick: &venv_sim::Pick| {
        let offer = pick.offer.as_ref();
        json!({
            "name": pick.name.as_str(),
            "version": pick.version.to_string(),
            "installs": offer.is_some(),
            "file": offer.map(|offer| &offer.file_name),
            "from": offer.map(|offer| shown(&offer.location.to_string()).into_owned()),
            "requested": pick.requested,
            "needed_by": pick.needed_by.iter().map(Name::as_str).collect::<Vec<_>>(),
        })
    };
    plan.picks.iter().map(pick).collect()
}

/// What an uninstall did.
pub(super) fn removed(changed: &Changed, dir: &Path, took: Duration) -> String {
    let mut text = String::new();
    for (name, version) in &changed.removed {
        let _ = writeln!(text, "- {name} {}", shown(version));
    }
    let (count, seconds) = (packages(changed.removed.len()), took.as_secs_f64());
    let _ = writeln!(
        text,
        "{count} removed from {} ({seconds:.2} s)",
        dir.display()
    );
    text
}
