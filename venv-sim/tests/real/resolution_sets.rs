//! Fifty requirement sets, each answered by us and by uv from the same index.
//!
//! Which versions are the right ones changes every day, so there is nothing to compare with but
//! another resolver at the same time. What may differ is written down beside the set, with the reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use libtest_mimic::{Failed, Trial};
use venv_sim::index::{IndexFlags, IndexSettings, Inputs, variables_of_process};
use venv_sim::{
    Catalogue as _, Demand, Error, Index, Interpreter, Rules, Strategy, Wanted, resolve,
};

use crate::machine::{any_python, cache, program, python, scratch, trial};

/// A set of requirements, and what is known of its answer.
#[derive(Debug, Clone, Default)]
struct Set {
    name: String,
    python: String,
    is_lowest: bool,
    is_refused: bool,
    wanted: Vec<String>,
    constraints: Vec<String>,
    /// The projects in which the answers may differ.
    differs: BTreeSet<String>,
}

pub(crate) fn trials() -> Vec<Trial> {
    let sets = read(include_str!("resolution_sets.txt"));
    let reached = reached();
    let trials = sets.into_iter().map(|set| {
        let name = format!(
            "the_set_{}_is_answered_as_by_uv",
            set.name.replace('-', "_")
        );
        let found = python(&set.python).map_err(|_| format!("no Python {} here", set.python));
        let missing = reached.as_ref().err().or(found.as_ref().err()).cloned();
        let reached = reached.as_ref().ok().cloned();
        trial(name, missing, move || {
            reached.expect("reached").compare(&set, &found?)
        })
    });
    trials.collect()
}

fn read(text: &str) -> Vec<Set> {
    let mut sets: Vec<Set> = Vec::new();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    for line in lines {
        if let Some(header) = line.strip_prefix('[') {
            let (name, rest) = header.split_once("] ").expect("a header");
            let mut words = rest.split_whitespace();
            let mut set = Set {
                name: name.to_owned(),
                python: words.next().expect("a Python").to_owned(),
                ..Set::default()
            };
            for word in words {
                match word {
                    "lowest" => set.is_lowest = true,
                    "refused" => set.is_refused = true,
                    other => panic!("{other}"),
                }
            }
            sets.push(set);
            continue;
        }
        let set = sets.last_mut().expect("a header first");
        if let Some(constraint) = line.strip_prefix("constraint ") {
            set.constraints.push(constraint.to_owned());
        } else if let Some(differs) = line.strip_prefix("differs ") {
            let (names, _why) = differs.split_once(": ").expect("a reason");
            set.differs.extend(names.split(' ').map(str::to_owned));
        } else {
            set.wanted.push(line.to_owned());
        }
    }
    assert!(sets.len() >= 50, "{} sets", sets.len());
    sets
}

/// The other resolver, and the index that both ask.
#[derive(Clone)]
struct Reached {
    uv: PathBuf,
    settings: IndexSettings,
    index: Arc<Index>,
}

/// What is missing, if anything is.
fn reached() -> Result<Reached, String> {
    let peers = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/peers/bin/uv");
    let uv = Some(peers)
        .filter(|uv| uv.is_file())
        .or_else(|| program("uv"));
    let uv = uv.ok_or("uv is not installed here")?;
    let python = any_python()?;
    let variables = variables_of_process();
    let inputs = Inputs {
        environment: None,
        stdlib: Some(&python.stdlib),
        variables: &variables,
        command: "install",
        root: Path::new("/"),
    };
    let text = |error: Error| error.to_string();
    let settings = IndexSettings::of(&inputs, &IndexFlags::default()).map_err(text)?;
    let index = Index::new(settings.clone(), &cache());
    // One that every index for everybody has.
    let offers = index
        .offers(&"pip".parse().expect("a name"))
        .map_err(text)?;
    match offers.is_empty() {
        true => Err("the index that is set has no pip: it is not one for everybody".to_owned()),
        false => Ok(Reached {
            uv,
            settings,
            index: Arc::new(index),
        }),
    }
}

type Answer = Result<BTreeMap<String, String>, String>;

impl Reached {
    fn compare(&self, set: &Set, python: &Interpreter) -> Result<(), Failed> {
        let ours = self.ours(set, python)?;
        let theirs = self.theirs(set, python)?;
        let (ours, theirs) = match (ours, theirs) {
            (Err(_), Err(_)) if set.is_refused => return Ok(()),
            (Err(ours), Err(theirs)) => {
                return Err(format!("both refuse it:\n{ours}\nuv: {theirs}").into());
            }
            (Err(ours), Ok(_)) => return Err(format!("only we refuse it:\n{ours}").into()),
            (Ok(_), Err(theirs)) => return Err(format!("only uv refuses it:\n{theirs}").into()),
            (Ok(_), Ok(_)) if set.is_refused => return Err("nobody refuses it".into()),
            (Ok(ours), Ok(theirs)) => (ours, theirs),
        };
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        let mut unexpected = Vec::new();
        for name in names
            .into_iter()
            .filter(|name| ours.get(*name) != theirs.get(*name))
        {
            if !set.differs.contains(name) {
                let shown =
                    |answer: Option<&String>| answer.map_or("none", String::as_str).to_owned();
                let (we, they) = (shown(ours.get(name)), shown(theirs.get(name)));
                unexpected.push(format!("{name}: {we}, and uv {they}"));
            }
        }
        match unexpected.is_empty() {
            true => Ok(()),
            false => Err(unexpected.join("\n").into()),
        }
    }

    fn ours(&self, set: &Set, python: &Interpreter) -> Result<Answer, Failed> {
        let typed = |lines: &[String]| -> Result<Vec<Wanted>, Error> {
            lines.iter().map(|line| Wanted::typed(line)).collect()
        };
        let (wanted, constraints) = (typed(&set.wanted)?, typed(&set.constraints)?);
        let tags = python.tags();
        let rules = Rules {
            strategy: match set.is_lowest {
                true => Strategy::Lowest,
                false => Strategy::Highest,
            },
            ..Rules::default()
        };
        let demand = Demand {
            markers: &python.markers,
            rank: &|tag| tags.rank(tag),
            wanted: &wanted,
            constraints: &constraints,
            held: &[],
            rules: &rules,
        };
        match resolve(&demand, &*self.index) {
            Ok(resolution) => {
                let picks = resolution.picks.into_iter();
                Ok(Ok(picks
                    .map(|pick| (pick.name.to_string(), pick.version.to_string()))
                    .collect()))
            }
            Err(error @ Error::Unsatisfiable { .. }) => Ok(Err(error.to_string())),
            Err(error) => Err(error.to_string().into()),
        }
    }

    fn theirs(&self, set: &Set, python: &Interpreter) -> Result<Answer, Failed> {
        let directory = scratch();
        let write = |name: &str, lines: &[String]| {
            let path = directory.path().join(name);
            std::fs::write(&path, lines.join("\n")).map(|()| path)
        };
        let mut command = Command::new(&self.uv);
        command
            .args([
                "pip",
                "compile",
                "--quiet",
                "--no-config",
                "--no-header",
                "--no-annotate",
            ])
            .args([
                "--no-progress",
                "--color",
                "never",
                "--only-binary",
                ":all:",
            ])
            .arg("--python")
            .arg(&python.executable)
            // Beside what is built, and not among the user's.
            .env(
                "UV_CACHE_DIR",
                Path::new(env!("CARGO_TARGET_TMPDIR")).join("uv"),
            );
        if set.is_lowest {
            command.args(["--resolution", "lowest"]);
        }
        for (place, index) in self.settings.indexes().iter().enumerate() {
            let option = if place == 0 {
                "--index-url"
            } else {
                "--extra-index-url"
            };
            command.args([option, index]);
        }
        command
            .arg("--constraint")
            .arg(write("constraints.txt", &set.constraints)?);
        command.arg(write("requirements.in", &set.wanted)?);
        let output = command.output()?;
        let text = String::from_utf8(output.stdout)?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            return match said.contains("No solution found") {
                true => Ok(Err(said)),
                false => Err(said.into()),
            };
        }
        let lines = text.lines().filter_map(|line| line.split_once("=="));
        // Extras and markers stand in the lines of some versions of it.
        let plain = |text: &str| text.split(['[', ' ', ';']).next().unwrap_or("").to_owned();
        Ok(Ok(lines
            .map(|(name, version)| (plain(name), plain(version)))
            .collect()))
    }
}
