//! Links that lead nowhere, files that are not as they were installed, and what an interrupted
//! installer left.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use super::{Ailment, AilmentKind, Repair, kept, store_links};
use crate::config::env_flag;
use crate::environment::Environment;
use crate::error::{Error, Result};
use crate::install;
use crate::installed::{Distribution, FileState, Finding, Harm, Installed, Problem};
use crate::occupancy::{Found, Occupied};
use crate::places::Search;
use crate::requirement::Name;
use crate::store::Store;

/// Whether a process that was changing the environment was killed.
pub(super) fn half_done(environment: &Environment) -> Option<Ailment> {
    let left = install::is_unfinished(environment);
    left.then(|| Ailment {
        kind: AilmentKind::HalfDone,
        what: "a change of it is unfinished".to_owned(),
        why: "the process that was installing or uninstalling was killed".to_owned(),
        remedy: "undo the change, as the next install would".to_owned(),
        repair: Some(Repair::Recover),
    })
}

pub(super) fn recover(dir: &Path) -> Result<String> {
    let environment = Environment::open(dir)?;
    Ok(match install::recover(&environment)? {
        true => "undid the unfinished change".to_owned(),
        false => "left the unfinished change to the process that is at it".to_owned(),
    })
}

/// Looks at links, files and records.
pub(super) fn examine(environment: &Environment, search: &Search) -> Result<Vec<Ailment>> {
    let installed = Installed::of(environment)?;
    let (mut ailments, explained) = store_links::examine(environment, &installed, search);
    ailments.extend(links(environment, &explained));
    ailments.extend(damaged(&installed));
    ailments.extend(unmet(environment, &installed, search));
    ailments.extend(edited(environment, &installed, &explained, search));
    Ok(ailments)
}

/// Links of the top, of `bin` and of site-packages that lead nowhere and are not `explained`.
fn links(environment: &Environment, explained: &HashSet<PathBuf>) -> Vec<Ailment> {
    let dir = &environment.dir;
    let places = [
        dir.clone(),
        dir.join("bin"),
        environment.site_packages.clone(),
    ];
    let entries = places
        .iter()
        .flat_map(|place| fs::read_dir(place).into_iter().flatten().flatten());
    let links = entries.map(|entry| entry.path());
    let broken = links
        .filter(|path| path.is_symlink() && fs::metadata(path).is_err())
        .filter(|path| !explained.contains(path));
    let ailment = |link: PathBuf| {
        let to = fs::read_link(&link).unwrap_or_default();
        let name = link.strip_prefix(dir).unwrap_or(&link).display();
        let is_lib64 = link == dir.join("lib64");
        let name_of = link
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        // The interpreter's other names lead to the one that is whole.
        let target = match () {
            () if is_lib64 => Some("lib"),
            () if name_of.starts_with("python") && link.parent() == Some(&dir.join("bin")) => {
                Some("python")
            }
            () => None,
        };
        Ailment {
            kind: AilmentKind::BrokenLink,
            what: format!(
                "the link {name} leads to {}, which is not there",
                to.display()
            ),
            why: "what it led to was removed or moved".to_owned(),
            remedy: match target {
                Some(target) => format!("lead it to {target}"),
                None => "install again what it belongs to, or remove it".to_owned(),
            },
            repair: target.map(|to| Repair::Relink {
                link,
                to: to.into(),
            }),
        }
    };
    broken.map(ailment).collect()
}

/// Leads `link` to `to`, in one step, if it still leads nowhere.
pub(super) fn relink(held: &Occupied, link: &Path, to: &Path) -> Result<String> {
    let path = kept::named(held, link)?;
    if held.look(path)? != Found::Other || fs::metadata(link).is_ok() {
        return Ok(format!("left {}, which is another by now", link.display()));
    }
    kept::relink(held, path, to)?;
    Ok(format!("led {} to {}", link.display(), to.display()))
}

/// Records that cannot be read, and what pip left.
fn damaged(installed: &Installed) -> Vec<Ailment> {
    let mut ailments = Vec::new();
    if !installed.leftovers.is_empty() {
        let names = installed
            .leftovers
            .iter()
            .filter_map(|path| path.file_name()?.to_str());
        ailments.push(Ailment {
            kind: AilmentKind::Damaged,
            what: format!("there is {}", names.collect::<Vec<_>>().join(", ")),
            why: "pip renames what it removes so, and was interrupted before it removed it"
                .to_owned(),
            remedy: "put it aside, below `kept`".to_owned(),
            repair: Some(Repair::SetAside(installed.leftovers.clone())),
        });
    }
    ailments.extend(installed.unreadable.iter().map(|one| Ailment {
        kind: AilmentKind::Damaged,
        what: format!("{}: {}", one.path.display(), one.why),
        why: "an installer was interrupted, or somebody removed its files".to_owned(),
        remedy: "install the project again, or remove the directory".to_owned(),
        repair: None,
    }));
    ailments
}

pub(super) fn set_aside(held: &Occupied, paths: &[PathBuf]) -> Result<String> {
    for path in paths {
        kept::away(held, kept::named(held, path)?)?;
    }
    Ok(format!(
        "put {} aside, below {}",
        paths.len(),
        held.dir.join(kept::KEPT).display()
    ))
}

/// What needs something that is not there, or is there in a version that it does not take.
fn unmet(environment: &Environment, installed: &Installed, search: &Search) -> Vec<Ailment> {
    // Without an interpreter nobody knows which requirements hold; that it is gone is told.
    let Ok(interpreter) = environment.interpreter(&search.cache) else {
        return Vec::new();
    };
    let base = Installed::of_base(environment).unwrap_or_default();
    let tags = interpreter.tags();
    let suits = |tag: &crate::wheel::Tag| tags.rank(tag).is_some();
    let findings = installed.check(&base, &interpreter.markers, suits);
    let is_unmet = |finding: &Finding| {
        matches!(
            finding.problem,
            Problem::Missing(_)
                | Problem::Conflict { .. }
                | Problem::WrongPython { .. }
                | Problem::WrongTags(_)
        )
    };
    let ailment = |finding: Finding| {
        let version = finding.version.map(|version| format!(" {version}"));
        Ailment {
            kind: AilmentKind::Unmet,
            what: format!(
                "{}{} {}",
                finding.of,
                version.unwrap_or_default(),
                finding.problem
            ),
            why: "it was installed without what it needs, or that was removed or replaced since"
                .to_owned(),
            remedy: finding.problem.remedy(&finding.of, Some(&environment.dir)),
            repair: None,
        }
    };
    findings.into_iter().filter(is_unmet).map(ailment).collect()
}

/// Files that are not what their RECORD says; those that the store has can be mended.
fn edited(
    environment: &Environment,
    installed: &Installed,
    explained: &HashSet<PathBuf>,
    search: &Search,
) -> Vec<Ailment> {
    let mut harmed: BTreeMap<String, Vec<(PathBuf, Harm)>> = BTreeMap::new();
    for finding in installed.check_files(&environment.dir) {
        if let Problem::File { path, harm } = finding.problem
            && !explained.contains(&path)
        {
            harmed.entry(finding.of).or_default().push((path, harm));
        }
    }
    if harmed.is_empty() {
        return Vec::new();
    }
    let store = Store::of(&search.cache).ok();
    let of = |name: &str| {
        installed
            .distributions
            .iter()
            .find(|one| one.written_name == name)
    };
    let ailment = |(name, files): (String, Vec<(PathBuf, Harm)>)| {
        let one = of(&name)?;
        let stored = store
            .as_ref()
            .map_or_else(Vec::new, |store| trees(store, one));
        let is_stored = |path: &Path| {
            let inside = path.strip_prefix(&one.location);
            inside.is_ok_and(|inside| stored.iter().any(|tree| tree.join(inside).exists()))
        };
        let mendable = files.iter().filter(|(path, _)| is_stored(path)).count();
        Some(edit(one, environment, &files, mendable))
    };
    harmed.into_iter().filter_map(ailment).collect()
}

fn edit(
    one: &Distribution,
    environment: &Environment,
    files: &[(PathBuf, Harm)],
    mendable: usize,
) -> Ailment {
    let count = |harm| files.iter().filter(|(_, one)| *one == harm).count();
    let (changed, missing) = (count(Harm::Changed), count(Harm::Missing));
    let first = files
        .first()
        .map_or(environment.dir.as_path(), |(path, _)| path);
    let first = first
        .strip_prefix(&environment.dir)
        .unwrap_or(first)
        .display();
    let project = format!("{} {}", one.written_name, one.version());
    let env = env_flag(Some(&environment.dir));
    let again = format!("`isolab venv install{env} --reinstall {}`", one.name());
    Ailment {
        kind: AilmentKind::Edited,
        what: format!(
            "files of {project} are not as they were installed: {changed} changed, {missing} gone, \
             such as {first}"
        ),
        why: "somebody edited them, or another project that was installed later brought its own"
            .to_owned(),
        remedy: match mendable {
            0 => again,
            count if count == files.len() => {
                "restore them from the store, and keep the changed ones below `kept`".to_owned()
            }
            count => format!("restore {count} of them from the store; for the rest, {again}"),
        },
        repair: (mendable > 0).then(|| Repair::Restore(one.name().clone())),
    }
}

/// Where the files of wheels of this project and version lie in the store.
fn trees(store: &Store, one: &Distribution) -> Vec<PathBuf> {
    let wheels = store_links::wheels(store, one).into_iter();
    wheels.map(|stored| stored.tree()).collect()
}

/// Puts files of the store into the places of those of `project` that are not as they were;
/// what was changed is kept.
pub(super) fn restore(held: &Occupied, project: &Name, search: &Search) -> Result<String> {
    let dir = &held.dir;
    let environment = Environment::open(dir)?;
    let installed = Installed::of(&environment)?;
    let store = Store::of(&search.cache)?;
    // An edit through a hard link is one of the store, too: that is mended first.
    store.verify(false)?;
    let (mut restored, mut left) = (0, 0);
    let mut of_project = installed.distributions.iter();
    for one in of_project.by_ref().filter(|one| one.name() == project) {
        let trees = trees(&store, one);
        for file in one.files().unwrap_or_default() {
            if !matches!(file.harm(dir), Some(Harm::Changed | Harm::Missing)) {
                continue;
            }
            let path = kept::inside(dir, &file.path);
            match (path, content(&trees, one, &file)) {
                (Some(path), Some(content)) if put(held, path, &content)? => restored += 1,
                _ => left += 1,
            }
        }
    }
    let left = match left {
        0 => String::new(),
        left => {
            let env = env_flag(Some(dir));
            format!("; {left} could not be: `isolab venv install{env} --reinstall {project}`")
        }
    };
    Ok(format!(
        "restored {restored} files of {project} from the store{left}"
    ))
}

/// Puts `content` at `path`, and keeps what was there; not behind a link, wherever it leads.
fn put(held: &Occupied, path: &str, content: &[u8]) -> Result<bool> {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    let is_real = |end: usize| {
        let found = held.look(&directory[..end])?;
        Ok::<_, Error>(matches!(found, Found::Directory | Found::Nothing))
    };
    let slashes = directory.match_indices('/').map(|(at, _)| at);
    for end in slashes.chain([directory.len()]).filter(|end| *end > 0) {
        if !is_real(end)? {
            return Ok(false);
        }
    }
    if held.look(path)? == Found::Directory {
        return Ok(false);
    }
    kept::make(held, directory)?;
    kept::copy(held, path)?;
    kept::replace(held, path, content)?;
    Ok(true)
}

/// What RECORD says that the file should hold, if the store has it.
fn content(trees: &[PathBuf], one: &Distribution, file: &FileState) -> Option<Vec<u8>> {
    let inside = file.path.strip_prefix(&one.location).ok()?;
    let digest = file.digest.as_ref()?;
    let contents = trees
        .iter()
        .filter_map(|tree| fs::read(tree.join(inside)).ok());
    contents.into_iter().find(|content| digest.is_of(content))
}
