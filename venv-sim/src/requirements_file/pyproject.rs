//! What a project's own `pyproject.toml` asks for: its requirements, those of its extras, and its
//! groups.
//!
//! Nothing is built here, and so only what is written counts: what a build would tell (`dynamic`)
//! is refused by name.
//!
//! Source: *pyproject.toml specification* and *Dependency Groups* of the Python Packaging User
//! Guide (PEP 621, 735).

use std::collections::BTreeSet;

use super::toml_file::{File, Table};
use super::wanted::Wanted;
use crate::error::Result;
use crate::refusal::{Refusal, shown};
use crate::requirement::{Marker, Name, Requirement, Source};

/// Which extras of a project are wanted.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Extras {
    /// All of them.
    pub all: bool,
    /// These.
    pub names: Vec<Name>,
}

/// How deep groups may include others.
const DEEPEST: usize = 32;

/// In how many ways extras may ask for each other: a stranger's file must not be read for ever.
const MOST: usize = 1000;

const DYNAMIC: &str = "list them in the file, or build a wheel of the project (`python -m build \
    --wheel`) and name that";

/// The requirements of the project in `file`, with those of its extras.
pub(super) fn project(file: &File<'_>, extras: &Extras) -> Result<Vec<Wanted>> {
    file.read(|whole| {
        let Some(project) = whole.table("project")? else {
            let remedy = "name a file of requirements, or one of its groups with `--group`";
            return Err(file.refused_whole("it has no table [project]", remedy));
        };
        check_static(project, "dependencies")?;
        let mut reading = Reading::of(project)?;
        for value in project.elements("dependencies", project.get("dependencies"))? {
            reading.take(project.wanted("dependencies", value)?, None)?;
        }
        for name in &reading.asked(extras)? {
            reading.extra(name, None)?;
        }
        Ok(reading.wanted)
    })
}

fn check_static(project: Table<'_>, key: &str) -> Result<()> {
    for value in project.elements("dynamic", project.get("dynamic"))? {
        if project.text("dynamic", value)? == key {
            let why = Refusal::new(format!(
                "its {key} are dynamic: only building it tells them"
            ));
            return Err(project.file.refused(value.span().start, (why, DYNAMIC)));
        }
    }
    Ok(())
}

/// A project's extras being read.
struct Reading<'t> {
    project: Table<'t>,
    name: Option<Name>,
    extras: Vec<(Name, &'t toml::Spanned<toml::de::DeValue<'t>>)>,
    /// Those that ask for what is being read, one in another.
    above: Vec<Name>,
    done: BTreeSet<(Name, Option<String>)>,
    wanted: Vec<Wanted>,
}

impl<'t> Reading<'t> {
    fn of(project: Table<'t>) -> Result<Self> {
        let name = match project.get("name") {
            Some(value) => project.text("name", value)?.parse().ok(),
            None => None,
        };
        let extras = match project.table("optional-dependencies")? {
            Some(table) => table.named()?,
            None => Vec::new(),
        };
        Ok(Self {
            project,
            name,
            extras,
            above: Vec::new(),
            done: BTreeSet::new(),
            wanted: Vec::new(),
        })
    }

    fn asked(&self, extras: &Extras) -> Result<Vec<Name>> {
        if extras.all || !extras.names.is_empty() {
            check_static(self.project, "optional-dependencies")?;
        }
        Ok(match extras.all {
            true => self.extras.iter().map(|(name, _)| name.clone()).collect(),
            false => extras.names.clone(),
        })
    }

    /// Takes a requirement, where `marker` holds, if there is one; of the project itself what its
    /// extras ask for.
    fn take(&mut self, mut one: Wanted, marker: Option<&Marker>) -> Result<()> {
        let Requirement {
            name,
            source,
            marker: own,
            extras,
        } = &mut one.requirement;
        if let Some(marker) = marker {
            *own = Some(both(own.take(), marker));
        }
        if self.name.as_ref() != Some(&*name) || matches!(source, Source::Url(_)) {
            self.wanted.push(one);
            return Ok(());
        }
        for extra in extras.iter() {
            self.extra(extra, own.as_ref())?;
        }
        Ok(())
    }

    /// Takes the requirements of an extra; where `marker` holds, if there is one.
    fn extra(&mut self, name: &Name, marker: Option<&Marker>) -> Result<()> {
        // What leads back to an extra asks for nothing that the extra does not ask for anyway.
        let is_new = !self.above.contains(name)
            && self
                .done
                .insert((name.clone(), marker.map(ToString::to_string)));
        if !is_new {
            return Ok(());
        }
        let file = self.project.file;
        if self.done.len() > MOST {
            let why = format!("its extras ask for each other in more than {MOST} ways");
            return Err(file.refused_whole(why, "write out what they ask for"));
        }
        let found = self.extras.iter().find(|(known, _)| known == name);
        let Some((_, value)) = found else {
            let known: Vec<&str> = self.extras.iter().map(|(name, _)| name.as_str()).collect();
            let why = match known.is_empty() {
                true => format!("it has no extra {name}, and no other"),
                false => format!("it has no extra {name}; it has {}", known.join(", ")),
            };
            let remedy = "name an extra that it has, or leave `--extra` out";
            return Err(file.refused_whole(why, remedy));
        };
        self.above.push(name.clone());
        for value in self.project.elements("an extra", Some(value))? {
            self.take(self.project.wanted("an extra", value)?, marker)?;
        }
        self.above.pop();
        Ok(())
    }
}

/// A marker that holds where both do.
fn both(one: Option<Marker>, other: &Marker) -> Marker {
    let parts = |marker: Marker| match marker {
        Marker::All(parts) => parts,
        one => vec![one],
    };
    let mut all = one.map(parts).unwrap_or_default();
    for part in parts(other.clone()) {
        if !all.contains(&part) {
            all.push(part);
        }
    }
    match all.len() {
        1 => all.remove(0),
        _ => Marker::All(all),
    }
}

/// The requirements of the group `name` in `file`.
pub(super) fn group(file: &File<'_>, name: &Name) -> Result<Vec<Wanted>> {
    file.read(|whole| {
        let groups = match whole.table("dependency-groups")? {
            Some(table) => table.named()?,
            None => Vec::new(),
        };
        let mut reading = Groups {
            whole,
            groups,
            above: Vec::new(),
            done: BTreeSet::new(),
            wanted: Vec::new(),
        };
        reading.read(name, None)?;
        // A group may ask for extras of the project, which no index is asked for.
        let Some(project) = whole.table("project")? else {
            return Ok(reading.wanted);
        };
        let mut own = Reading::of(project)?;
        for one in reading.wanted {
            own.take(one, None)?;
        }
        Ok(own.wanted)
    })
}

/// Groups being read, one in another.
struct Groups<'t> {
    whole: Table<'t>,
    groups: Vec<(Name, &'t toml::Spanned<toml::de::DeValue<'t>>)>,
    above: Vec<Name>,
    done: BTreeSet<Name>,
    wanted: Vec<Wanted>,
}

impl Groups<'_> {
    /// Reads the group `name`, which the byte `by` of the file includes.
    fn read(&mut self, name: &Name, by: Option<usize>) -> Result<()> {
        let file = self.whole.file;
        let Some((_, value)) = self.groups.iter().find(|(known, _)| known == name) else {
            return Err(self.unknown(name, by));
        };
        if self.above.contains(name) || self.above.len() >= DEEPEST {
            let why = Refusal::new(format!(
                "the group {name} is being read already: groups that include each other have no end"
            ));
            let remedy = "leave one of the two inclusions out";
            return Err(file.refused(by.unwrap_or(0), (why, remedy)));
        }
        // Once is enough, and a pyramid of inclusions would be read for ever.
        if !self.done.insert(name.clone()) {
            return Ok(());
        }
        self.above.push(name.clone());
        for value in self.whole.elements("a group", Some(value))? {
            let Some(included) = self.whole.as_table(value) else {
                self.wanted.push(self.whole.wanted("a group", value)?);
                continue;
            };
            let at = value.span().start;
            let other = included
                .get("include-group")
                .filter(|_| included.len() == 1);
            let Some(other) = other else {
                let why = Refusal::new(
                    "an element of a group is neither a requirement nor `include-group`",
                );
                return Err(file.refused(at, (why, "correct the line, or leave it out")));
            };
            let other = self.whole.text("a group", other)?.parse();
            let other: Name =
                other.map_err(|why| file.refused(at, (why, "name a group of this file")))?;
            self.read(&other, Some(at))?;
        }
        self.above.pop();
        Ok(())
    }

    fn unknown(&self, name: &Name, by: Option<usize>) -> crate::Error {
        let known: Vec<&str> = self.groups.iter().map(|(name, _)| name.as_str()).collect();
        let why = match known.is_empty() {
            true => format!("it has no group {}, and no other", shown(name.as_str())),
            false => format!("it has no group {name}; it has {}", known.join(", ")),
        };
        let remedy = "name a group of its table [dependency-groups]";
        match by {
            Some(at) => self.whole.file.refused(at, (Refusal::new(why), remedy)),
            None => self.whole.file.refused_whole(why, remedy),
        }
    }
}
