//! A whole file: its directives, its global arguments and its stages.

use std::ops::RangeInclusive;

use super::instruction::{Argument, Instruction};
use super::logical::{Logical, lay_out};
use super::problem::{Fault, Problem, Problems, Warning};
use super::words::Head;
use super::{Directives, Template, read};

/// A Dockerfile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dockerfile {
    /// What its top declares.
    pub directives: Directives,
    /// The `ARG`s before the first `FROM`, each with its line: for `FROM`, and for
    /// stages that declare them again.
    pub global_args: Vec<GlobalArgument>,
    /// Its stages, in order; at least one.
    pub stages: Vec<Stage>,
    /// What it probably does not mean.
    pub warnings: Vec<Warning>,
}

/// An `ARG` before the first `FROM`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GlobalArgument {
    /// Where it stands.
    pub line: usize,
    /// What it declares.
    pub argument: Argument,
}

/// A `FROM`, and what follows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Its name, in lower case.
    pub name: Option<String>,
    /// An image, an earlier stage, or `scratch`.
    pub base: Template,
    /// `--platform`.
    pub platform: Option<Template>,
    /// Where the `FROM` stands.
    pub lines: RangeInclusive<usize>,
    /// The `FROM` as it is written.
    pub original: String,
    /// What is done, in order.
    pub steps: Vec<Step>,
}

/// An instruction, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Step {
    /// The lines, counted from 1.
    pub lines: RangeInclusive<usize>,
    /// As it is written, over all its lines.
    pub original: String,
    /// What it says.
    pub instruction: Instruction,
}

impl Step {
    /// The first of its lines.
    #[must_use]
    pub fn line(&self) -> usize {
        *self.lines.start()
    }
}

impl Stage {
    /// The first of its lines.
    #[must_use]
    pub fn line(&self) -> usize {
        *self.lines.start()
    }
}

/// Reads a Dockerfile.
///
/// # Errors
/// [`Problems`]: all that is wrong with it, each with its line.
///
/// Source: Dockerfile reference; BuildKit, `frontend/dockerfile`.
pub fn parse(text: &[u8]) -> Result<Dockerfile, Problems> {
    let layout = lay_out(text);
    let mut problems = layout.problems;
    let mut file = Dockerfile {
        directives: layout.directives,
        global_args: Vec::new(),
        stages: Vec::new(),
        warnings: layout.warnings,
    };
    let unread = !problems.is_empty();
    for logical in layout.logical {
        let line = *logical.lines.start();
        if let Err(fault) = file.add(logical) {
            problems.push(Problem::new(line, fault));
        }
    }
    if problems.is_empty() && file.stages.is_empty() && !unread {
        let fault = Fault::new("there is no FROM").remedy("begin with `FROM IMAGE`");
        problems.push(Problem::new(1, fault));
    }
    Problems::unless_none(problems)?;
    file.warnings.sort_by_key(|warning| warning.line);
    Ok(file)
}

impl Dockerfile {
    fn add(&mut self, logical: Logical) -> Result<(), Fault> {
        let escape = self.directives.escape;
        let head = Head::cut(&logical.text, escape);
        if head.is("FROM") {
            let stage = self.stage(&head, &logical)?;
            self.stages.push(stage);
            return Ok(());
        }
        let line = *logical.lines.start();
        let instruction = read::instruction(&logical, escape, &mut self.warnings)?;
        match (self.stages.last_mut(), instruction) {
            (Some(stage), instruction) => stage.steps.push(Step {
                lines: logical.lines,
                original: logical.original,
                instruction,
            }),
            (None, Instruction::Arg(arguments)) => {
                let global = |argument| GlobalArgument { line, argument };
                self.global_args.extend(arguments.into_iter().map(global));
            }
            (None, instruction) => {
                let what = format!("{} stands before the first FROM", instruction.name());
                return Err(Fault::new(what).remedy("only ARG can stand there"));
            }
        }
        Ok(())
    }

    fn stage(&mut self, head: &Head<'_>, logical: &Logical) -> Result<Stage, Fault> {
        let from = read::from(head)?;
        let line = *logical.lines.start();
        let mut warn = |rule, what| self.warnings.push(Warning { line, rule, what });
        let name = from.name.as_ref().map(|name| name.to_ascii_lowercase());
        if let (Some(keyword), Some(written), Some(name)) = (&from.keyword, &from.name, &name) {
            let is_lower = |word: &str| word.bytes().all(|byte| !byte.is_ascii_uppercase());
            let is_upper = |word: &str| word.bytes().all(|byte| !byte.is_ascii_lowercase());
            let same = is_lower(keyword) && is_lower(head.name)
                || is_upper(keyword) && is_upper(head.name);
            if !same {
                let what = format!("`{}` and `{keyword}` are not of one case", head.name);
                warn("FromAsCasing", what);
            }
            if written != name {
                let what = format!("the stage `{written}` is `{name}` to those who name it");
                warn("StageNameCasing", what);
            }
            if matches!(&**name, "scratch" | "context") {
                let what = format!("the stage is called `{name}`, which has a meaning of its own");
                warn("ReservedStageName", what);
            }
        }
        Ok(Stage {
            name,
            base: from.base,
            platform: from.platform,
            lines: logical.lines.clone(),
            original: logical.original.clone(),
            steps: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(text: &str) -> Dockerfile {
        parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}: {problems}"))
    }

    fn problems(text: &str) -> Vec<(usize, String)> {
        let problems = parse(text.as_bytes()).unwrap_err();
        problems
            .iter()
            .map(|problem| (problem.line, problem.what.clone()))
            .collect()
    }

    fn rules(text: &str) -> Vec<&'static str> {
        file(text)
            .warnings
            .iter()
            .map(|warning| warning.rule)
            .collect()
    }

    #[test]
    fn a_file_is_arguments_and_stages() {
        let file = file(
            "# syntax=docker/dockerfile:1\nARG V=1\nFROM --platform=$BUILDPLATFORM a:$V AS Build\n\
             RUN x\n\nfrom scratch\ncopy --from=build \\\n  a b\n",
        );
        assert_eq!(file.global_args[0].argument.name, "V");
        assert_eq!(file.global_args[0].line, 2);
        let [build, last] = &file.stages[..] else {
            panic!()
        };
        assert_eq!(build.name.as_deref(), Some("build"));
        assert_eq!(build.base.as_str(), "a:$V");
        assert_eq!(build.platform.as_ref().unwrap().as_str(), "$BUILDPLATFORM");
        assert_eq!((build.line(), build.steps.len()), (3, 1));
        assert_eq!(last.steps[0].lines, 7..=8);
        assert_eq!(last.steps[0].original, "copy --from=build \\\n  a b");
    }

    #[test]
    fn all_problems_are_told_at_once_each_with_its_line() {
        let found = problems("RUN a\nFROM\nFROM b AS 1\nFROM c\nRNU x\nCOPY y\nENV z\n");
        let lines: Vec<usize> = found.iter().map(|(line, _)| *line).collect();
        assert_eq!(lines, [1, 2, 3, 5, 6, 7]);
        assert!(found[0].1.contains("before the first FROM"), "{found:?}");
    }

    #[test]
    fn a_file_without_stages_is_refused() {
        for text in ["", "\n# comment\n", "ARG a\n"] {
            assert_eq!(
                problems(text),
                [(1, "there is no FROM".to_owned())],
                "{text}"
            );
        }
    }

    #[test]
    fn from_takes_an_image_and_perhaps_a_name() {
        for bad in [
            "a b",
            "a AS",
            "a AS b c",
            "a AS -b",
            "a AS b/c",
            "--x=1 a",
            "--platform a",
            "",
        ] {
            assert_eq!(problems(&format!("FROM {bad}")).len(), 1, "{bad}");
        }
        assert_eq!(rules("FROM a as b"), ["FromAsCasing"]);
        assert_eq!(rules("FROM a AS B"), ["StageNameCasing"]);
        assert_eq!(rules("FROM a AS scratch"), ["ReservedStageName"]);
        assert_eq!(rules("FROM a AS b\nFROM a AS b"), [""; 0]);
        assert_eq!(rules("from a as b\nFROM a AS c"), [""; 0]);
    }

    #[test]
    fn a_file_with_every_line_wrong_is_told_briefly() {
        assert_eq!(problems(&"X\n".repeat(100_000)).len(), 50);
    }

    proptest! {
        #[test]
        fn no_bytes_are_too_strange(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn no_text_is_too_strange(text in "(FROM a\n)?((RUN|COPY|ENV|ONBUILD|ARG|#|HEALTHCHECK) [ -~\n<\\\\]{0,20}\n){0,5}") {
            if let Ok(file) = parse(text.as_bytes()) {
                prop_assert!(!file.stages.is_empty());
                let ends = file.stages.iter().flat_map(|stage| &stage.steps).map(|step| *step.lines.end());
                prop_assert!(ends.max().unwrap_or(0) <= text.lines().count());
            }
        }
    }
}
