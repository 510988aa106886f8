//! What stages need of each other.
//!
//! A stage needs the one that it begins from, and those that it copies or mounts
//! files of. It can only need earlier ones, so the order of the file is an order of
//! building; stages of which neither needs the other can be built at once.
//!
//! Source: BuildKit, `toDispatchState` and `toCommand` in
//! `dockerfile2llb/convert.go`.

use std::collections::{BTreeMap, BTreeSet};

use super::instruction::Instruction;
use super::problem::{Fault, Problem, Problems, did_you_mean, shown};
use super::scope::Globals;
use super::stage::{Dockerfile, Stage};

/// Where a stage begins, or where files come from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Nothing at all.
    Scratch,
    /// A stage, by its number.
    Stage(usize),
    /// An image, by its name.
    Image(String),
}

/// The stages of a file, and what each needs.
#[derive(Clone, Debug)]
pub struct Graph {
    bases: Vec<Origin>,
    needs: Vec<BTreeSet<Origin>>,
    /// The last stage of each name.
    names: BTreeMap<String, usize>,
    /// How many stages there are.
    count: usize,
}

/// That a stage needs one which is not earlier.
struct Ahead {
    stage: usize,
    needs: usize,
    line: usize,
}

/// So many are enough to tell.
const MOST: usize = 20;
/// So many instructions of base stages are looked through for triggers.
const MOST_WORK: usize = 4 << 20;

impl Graph {
    /// The stages of `file`.
    ///
    /// # Errors
    /// [`Problems`]: stages that need each other, themselves, or one that comes
    /// later, numbers that no stage has, and bases that are not known.
    pub fn new(file: &Dockerfile, globals: &Globals) -> Result<Self, Problems> {
        let mut graph = Self {
            bases: Vec::new(),
            needs: Vec::new(),
            names: names_of(file),
            count: file.stages.len(),
        };
        let mut work = MOST_WORK;
        let mut problems = Vec::new();
        let mut ahead = Vec::new();
        let mut earlier = BTreeMap::new();
        for (index, stage) in file.stages.iter().enumerate() {
            let base = globals.base(stage).unwrap_or_else(|problem| {
                problems.push(problem);
                String::new()
            });
            let base = match (earlier.get(&base), &*base) {
                (Some(stage), _) => Origin::Stage(*stage),
                (None, "scratch") => Origin::Scratch,
                (None, image) => Origin::Image(image.to_owned()),
            };
            let mut needs = BTreeSet::from([base.clone()]);
            for (line, from) in taken_from(file, stage, &base, &mut work) {
                match graph.origin(from) {
                    Ok(Origin::Stage(other)) if other >= index => ahead.push(Ahead {
                        stage: index,
                        needs: other,
                        line,
                    }),
                    Ok(origin) => {
                        needs.insert(origin);
                    }
                    Err(fault) => problems.push(Problem::new(line, fault)),
                }
            }
            graph.bases.push(base);
            graph.needs.push(needs);
            if let Some(name) = &stage.name {
                earlier.insert(name.clone(), index);
            }
        }
        let told = ahead
            .iter()
            .take(MOST)
            .map(|one| graph.backwards(file, one, &ahead));
        problems.extend(told);
        Problems::unless_none(problems)?;
        Ok(graph)
    }

    /// Where the stage `index` begins.
    #[must_use]
    pub fn base(&self, index: usize) -> &Origin {
        &self.bases[index]
    }

    /// All that the stage `index` needs: where it begins, and what it takes files
    /// from.
    #[must_use]
    pub fn needs(&self, index: usize) -> &BTreeSet<Origin> {
        &self.needs[index]
    }

    /// What the `from` of a `COPY` or of a mount means: a stage by name, in any
    /// case, or by number, counted from 0; else an image.
    ///
    /// # Errors
    /// What is wrong with a number that no stage has.
    fn origin(&self, from: &str) -> Result<Origin, Fault> {
        if let Some(index) = self.named(from) {
            return Ok(Origin::Stage(index));
        }
        let is_number = from.bytes().all(|byte| byte.is_ascii_digit());
        match from {
            "scratch" => Ok(Origin::Scratch),
            _ if is_number => Err(Fault::new(format!("there is no stage {}", shown(from)))
                .remedy("stages are counted from 0; a name is surer")),
            image => Ok(Origin::Image(image.to_owned())),
        }
    }

    /// As the `from` of a `COPY` or a mount is looked up, in a file without problems.
    #[must_use]
    pub fn from(&self, from: &str) -> Origin {
        let image = || Origin::Image(from.to_owned());
        self.origin(from).unwrap_or_else(|_| image())
    }

    fn named(&self, name: &str) -> Option<usize> {
        let number = || name.parse().ok().filter(|index| *index < self.count);
        self.names
            .get(&name.to_ascii_lowercase())
            .copied()
            .or_else(number)
    }

    /// The stage that `--target` names, or the last one.
    ///
    /// # Errors
    /// What is wrong, with the names that there are.
    pub fn target(&self, name: Option<&str>) -> Result<usize, TargetError> {
        let Some(name) = name else {
            return Ok(self.bases.len() - 1);
        };
        self.named(name).ok_or_else(|| {
            let names: Vec<&str> = self.names.keys().map(String::as_str).collect();
            let remedy = did_you_mean(name, &names).or_else(|| match &names[..] {
                [] => None,
                names => Some(format!("there are {}", shown(&names.join(", ")))),
            });
            TargetError {
                name: shown(name),
                remedy,
            }
        })
    }

    /// The stages that `target` needs, itself included, each after those that it
    /// needs.
    #[must_use]
    pub fn order(&self, target: usize) -> Vec<usize> {
        let mut needed = vec![false; target + 1];
        needed[target] = true;
        for index in (0..=target).rev() {
            if needed[index] {
                self.stages_of(index).for_each(|other| needed[other] = true);
            }
        }
        (0..=target).filter(|index| needed[*index]).collect()
    }

    /// The same in groups: those of a group need nothing of each other, only of
    /// groups before.
    #[must_use]
    pub fn groups(&self, target: usize) -> Vec<Vec<usize>> {
        let mut level = vec![0; target + 1];
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for index in self.order(target) {
            let after = self.stages_of(index).map(|other| level[other] + 1);
            level[index] = after.max().unwrap_or(0);
            if groups.len() == level[index] {
                groups.push(Vec::new());
            }
            groups[level[index]].push(index);
        }
        groups
    }

    /// The other stages that the stage `index` needs.
    pub fn stages_of(&self, index: usize) -> impl Iterator<Item = usize> {
        self.needs[index].iter().filter_map(|origin| match origin {
            Origin::Stage(other) => Some(*other),
            Origin::Scratch | Origin::Image(_) => None,
        })
    }

    /// What to say of a stage that needs one ahead of it.
    fn backwards(&self, file: &Dockerfile, one: &Ahead, all: &[Ahead]) -> Problem {
        let name = |index: usize| match &file.stages[index].name {
            Some(name) => format!("`{name}`"),
            None => format!("{index}"),
        };
        let (from, to) = (name(one.stage), name(one.needs));
        let fault = if one.stage == one.needs {
            Fault::new(format!("stage {from} takes files from itself"))
        } else if self.reaches(one.needs, one.stage, all) {
            Fault::new(format!("stages {from} and {to} need each other"))
        } else {
            Fault::new(format!(
                "stage {from} takes files from {to}, which comes later"
            ))
            .remedy("move that stage up")
        };
        Problem::new(one.line, fault)
    }

    /// Whether `from` needs `to`, those ahead counted.
    fn reaches(&self, from: usize, to: usize, ahead: &[Ahead]) -> bool {
        let mut jumps: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for one in ahead {
            jumps.entry(one.stage).or_default().push(one.needs);
        }
        let mut seen = vec![false; self.bases.len()];
        let mut todo = vec![from];
        while let Some(index) = todo.pop() {
            if index == to {
                return true;
            }
            if !std::mem::replace(&mut seen[index], true) {
                todo.extend(self.stages_of(index));
                todo.extend(jumps.get(&index).into_iter().flatten());
            }
        }
        false
    }
}

/// `--target` names no stage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no stage `{name}`")]
pub struct TargetError {
    /// What was asked for.
    pub name: String,
    /// What there is instead.
    pub remedy: Option<String>,
}

fn names_of(file: &Dockerfile) -> BTreeMap<String, usize> {
    let stages = file.stages.iter().enumerate();
    stages
        .filter_map(|(index, stage)| Some((stage.name.clone()?, index)))
        .collect()
}

/// What `stage` takes files from, with the lines; what the triggers of the stage
/// that it begins from do is done in it.
fn taken_from<'a>(
    file: &'a Dockerfile,
    stage: &'a Stage,
    base: &Origin,
    work: &mut usize,
) -> Vec<(usize, &'a str)> {
    let mut taken = Vec::new();
    if let Origin::Stage(base) = base {
        let steps = &file.stages[*base].steps;
        *work = work.saturating_sub(steps.len());
        // A file that has so many was made to take long.
        for step in steps.iter().filter(|_| *work > 0) {
            if let Instruction::Onbuild(trigger) = &step.instruction {
                let origins = trigger.instruction().origins();
                taken.extend(origins.into_iter().map(|from| (stage.line(), from)));
            }
        }
    }
    for step in &stage.steps {
        let origins = step.instruction.origins();
        taken.extend(origins.into_iter().map(|from| (step.line(), from)));
    }
    taken
}

#[cfg(test)]
mod tests {
    use super::super::{Given, parse};
    use super::*;

    fn graph(text: &str) -> Result<Graph, Problems> {
        let file = parse(text.as_bytes())?;
        Graph::new(&file, &Globals::new(&file, &Given::nothing())?)
    }

    fn refused(text: &str, line: usize, what: &str) {
        let problems = graph(text).unwrap_err();
        let found = problems.iter().find(|problem| problem.line == line);
        let found = found.unwrap_or_else(|| panic!("{text}: {problems}"));
        assert!(found.what.contains(what), "{text}: {found}");
    }

    #[test]
    fn a_stage_needs_its_base_and_what_it_takes_files_from() {
        let graph = graph(
            "FROM debian AS build\nFROM scratch\nFROM build AS test\n\
             COPY --from=1 a b\nRUN --mount=from=BUILD,target=/x --mount=type=cache,target=/y true\n\
             COPY --from=busybox a b\n",
        )
        .unwrap();
        assert_eq!(graph.base(0), &Origin::Image("debian".to_owned()));
        assert_eq!(graph.base(1), &Origin::Scratch);
        assert_eq!(graph.base(2), &Origin::Stage(0));
        let busybox = Origin::Image("busybox".to_owned());
        let needs = [Origin::Stage(0), Origin::Stage(1), busybox.clone()];
        assert_eq!(graph.needs(2), &BTreeSet::from(needs));
        assert_eq!(graph.from("Test"), Origin::Stage(2));
        assert_eq!(graph.from("busybox"), busybox);
    }

    #[test]
    fn a_target_needs_no_more_than_it_uses_and_in_that_order() {
        let graph = graph(
            "FROM a AS one\nFROM b AS two\nFROM c AS three\nCOPY --from=one x y\n\
             FROM d AS four\nCOPY --from=three x y\nCOPY --from=two x y\nFROM e AS five\n",
        )
        .unwrap();
        let target = |name| graph.target(name).unwrap();
        assert_eq!(graph.order(target(None)), [4]);
        assert_eq!(graph.order(target(Some("FOUR"))), [0, 1, 2, 3]);
        assert_eq!(graph.groups(3), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(graph.order(target(Some("2"))), [0, 2]);
        let missing = graph.target(Some("thre")).unwrap_err();
        assert_eq!(missing.remedy.as_deref(), Some("did you mean `three`?"));
        assert!(graph.target(Some("5")).is_err());
        assert!(graph.target(Some("")).is_err());
    }

    #[test]
    fn a_base_is_the_last_stage_of_that_name_above() {
        let graph = graph("FROM x AS a\nFROM a AS a\nFROM a\nFROM b\nFROM y AS b\n").unwrap();
        assert_eq!(graph.base(1), &Origin::Stage(0));
        assert_eq!(graph.base(2), &Origin::Stage(1));
        // What comes later is an image of that name.
        assert_eq!(graph.base(3), &Origin::Image("b".to_owned()));
    }

    #[test]
    fn what_is_needed_ahead_or_in_a_circle_is_refused_with_its_line() {
        refused("FROM x AS a\nCOPY --from=b c d\nFROM y AS b\n", 2, "later");
        refused("FROM x AS a\nCOPY --from=1 c d\nFROM y\n", 2, "later");
        refused(
            "FROM x AS a\nRUN --mount=from=b,target=/b true\nFROM y AS b\n",
            2,
            "later",
        );
        refused("FROM x AS a\nCOPY --from=a c d\n", 2, "itself");
        refused(
            "FROM x AS a\nCOPY --from=b c d\nFROM a AS b\n",
            2,
            "each other",
        );
        let long = "FROM x AS a\nCOPY --from=c c d\nFROM a AS b\nFROM y AS c\nCOPY --from=b c d";
        refused(long, 2, "each other");
        refused("FROM x\nCOPY --from=7 c d\n", 2, "no stage 7");
        refused("FROM x\nFROM $y\n", 2, "empty name");
    }

    #[test]
    fn the_triggers_of_a_stage_are_those_of_who_begins_from_it() {
        let text = "FROM x AS a\nFROM y AS b\nONBUILD COPY --from=a c d\nFROM b\n";
        let graph = graph(text).unwrap();
        assert_eq!(
            graph.needs(1),
            &BTreeSet::from([Origin::Image("y".to_owned())])
        );
        assert_eq!(graph.order(2), [0, 1, 2]);
    }

    #[test]
    fn many_stages_take_no_long_time() {
        let mut text = "FROM x AS a\n".to_owned();
        text.push_str(&"ONBUILD COPY --from=a c d\n".repeat(20_000));
        text.push_str(&"FROM a AS b\nCOPY --from=b c d\n".repeat(20_000));
        let begin = std::time::Instant::now();
        let _ = graph(&text);
        assert!(begin.elapsed().as_secs() < 30, "{:?}", begin.elapsed());
    }
}
