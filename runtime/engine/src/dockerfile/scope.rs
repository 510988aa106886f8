//! Which variables are set where, and to what.
//!
//! There are two kinds of place. Before the first `FROM`, and in every `FROM`, the
//! global arguments are set, and those that describe the platforms. In a stage none
//! of them is, until the stage declares it with an `ARG` of its own; there the
//! image's variables are set, and those of `ENV` and `ARG` from their line on.
//!
//! Source: Dockerfile reference, "ARG", "Scope"; BuildKit, `buildMetaArgs`,
//! `dispatchArg` and `dispatchEnv` in `dockerfile2llb/convert.go`.

use std::collections::{BTreeMap, BTreeSet};

use super::instruction::{Argument, Pair};
use super::problem::{Fault, Problem};
use super::stage::{Dockerfile, Stage};
use super::{Escape, ExpansionError};
use crate::image::Platform;

/// Arguments that a program in a stage gets undeclared, and that leave no trace in
/// the image.
const PROXIES: [&str; 5] = [
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "FTP_PROXY",
    "NO_PROXY",
    "ALL_PROXY",
];

/// What whoever builds decides.
#[derive(Clone, Debug)]
pub struct Given {
    /// `--build-arg NAME=value`.
    pub arguments: BTreeMap<String, String>,
    /// `--platform`: what the image is for.
    pub target: Platform,
    /// What the build runs on.
    pub builder: Platform,
    /// `--target`, or the last stage's name.
    pub stage: String,
}

impl Given {
    /// Nothing but defaults, on and for this machine.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            arguments: BTreeMap::new(),
            target: Platform::host(),
            builder: Platform::host(),
            stage: String::new(),
        }
    }

    /// Those that describe the platforms.
    fn predefined(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for (prefix, platform) in [("TARGET", &self.target), ("BUILD", &self.builder)] {
            let variant = platform.variant.clone().unwrap_or_default();
            for (name, value) in [
                ("PLATFORM", platform.to_string()),
                ("OS", platform.os.clone()),
                ("ARCH", platform.architecture.clone()),
                ("VARIANT", variant),
            ] {
                all.insert(format!("{prefix}{name}"), value);
            }
        }
        all.insert("TARGETSTAGE".to_owned(), self.stage.clone());
        for (name, value) in &mut all {
            if let Some(given) = self.arguments.get(name) {
                value.clone_from(given);
            }
        }
        all
    }
}

/// What is set in a `FROM`.
#[derive(Clone, Debug)]
pub struct Globals {
    values: BTreeMap<String, String>,
    given: BTreeMap<String, String>,
    escape: Escape,
}

impl Globals {
    /// What the arguments of `file` are worth.
    ///
    /// # Errors
    /// [`Problem`] of a default that cannot be expanded.
    pub fn new(file: &Dockerfile, given: &Given) -> Result<Self, Problem> {
        let mut globals = Self {
            values: given.predefined(),
            given: given.arguments.clone(),
            escape: file.directives.escape,
        };
        for global in &file.global_args {
            let Argument { name, default } = &global.argument;
            let value = match (globals.given.get(name), default) {
                (Some(value), _) => value.clone(),
                (None, Some(default)) => default
                    .expand(&|name| globals.lookup(name), globals.escape)
                    .map_err(|error| of_line(global.line, &error))?,
                (None, None) => continue,
            };
            globals.values.insert(name.clone(), value);
        }
        Ok(globals)
    }

    /// What `name` is worth in a `FROM`.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// What `stage` begins from: an image, an earlier stage, or `scratch`.
    ///
    /// # Errors
    /// [`Problem`] of what cannot be expanded, or becomes nothing.
    pub fn base(&self, stage: &Stage) -> Result<String, Problem> {
        let base = stage.base.expand(&|name| self.lookup(name), self.escape);
        let base = base.map_err(|error| of_line(stage.line(), &error))?;
        if !base.is_empty() {
            return Ok(base);
        }
        let fault = Fault::new(format!("the image `{}` is an empty name", stage.base));
        let unset = stage.base.unset(&|name| self.lookup(name), self.escape);
        let remedy = unset.first().map(|name| {
            format!("declare `ARG {name}` with a default before the first FROM, or give it a value")
        });
        Err(Problem::new(stage.line(), fault.perhaps(remedy)))
    }

    /// The platform that `stage` names.
    ///
    /// # Errors
    /// [`Problem`] of what cannot be expanded, or is no platform.
    pub fn platform(&self, stage: &Stage) -> Result<Option<Platform>, Problem> {
        let Some(platform) = &stage.platform else {
            return Ok(None);
        };
        let text = platform.expand(&|name| self.lookup(name), self.escape);
        let text = text.map_err(|error| of_line(stage.line(), &error))?;
        let platform = text.parse().map_err(|error: crate::image::Invalid| {
            Problem::new(stage.line(), Fault::new(error.to_string()))
        });
        platform.map(Some)
    }
}

fn of_line(line: usize, error: &ExpansionError) -> Problem {
    Problem::new(line, Fault::new(error.to_string()))
}

/// What is set at a line of a stage. A stage that begins from another one goes on
/// with a copy of that one's.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    globals: &'a Globals,
    values: BTreeMap<String, String>,
    declared: BTreeSet<String>,
}

impl<'a> Scope<'a> {
    /// What an image with these variables, each as `NAME=value`, sets.
    #[must_use]
    pub fn of_image(globals: &'a Globals, environment: &[String]) -> Self {
        let pairs = environment.iter().map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (name.to_owned(), value.to_owned())
        });
        Self {
            globals,
            values: pairs.collect(),
            declared: BTreeSet::new(),
        }
    }

    /// What `name` is worth here.
    #[must_use]
    pub fn lookup(&self, name: &str) -> Option<String> {
        self.values.get(name).cloned()
    }

    /// Whether `name` is set, or declared by an `ARG` that has no value.
    #[must_use]
    pub fn knows(&self, name: &str) -> bool {
        self.values.contains_key(name) || self.declared.contains(name)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.values.keys().map(String::as_str)
    }

    /// Carries an `ENV` out; what the image gets. All of its values are expanded
    /// before any of its variables is set.
    ///
    /// # Errors
    /// [`ExpansionError`] of a name or value.
    pub fn set(&mut self, pairs: &[Pair]) -> Result<Vec<(String, String)>, ExpansionError> {
        let escape = self.globals.escape;
        let lookup = |name: &str| self.lookup(name);
        let expand = |pair: &Pair| {
            let name = pair.name.expand(&lookup, escape)?;
            Ok((name, pair.value.expand(&lookup, escape)?))
        };
        let pairs: Vec<(String, String)> = pairs.iter().map(expand).collect::<Result<_, _>>()?;
        self.values.extend(pairs.iter().cloned());
        Ok(pairs)
    }

    /// Carries an `ARG` out: what was given, else the default, else what the global
    /// argument of that name is worth.
    ///
    /// # Errors
    /// [`ExpansionError`] of a default that is needed.
    pub fn declare(&mut self, arguments: &[Argument]) -> Result<(), ExpansionError> {
        for Argument { name, default } in arguments {
            let value = match (self.globals.given.get(name), default) {
                (Some(given), _) => Some(given.clone()),
                (None, Some(default)) => {
                    Some(default.expand(&|name| self.lookup(name), self.globals.escape)?)
                }
                (None, None) => self.globals.lookup(name),
            };
            if let Some(value) = value {
                self.values.insert(name.clone(), value);
            }
            self.declared.insert(name.clone());
        }
        Ok(())
    }

    /// What a program that is run here finds set: the image's variables, the
    /// arguments, and the proxies.
    #[must_use]
    pub fn environment(&self) -> BTreeMap<String, String> {
        let is_proxy = |name: &str| PROXIES.iter().any(|known| known.eq_ignore_ascii_case(name));
        let proxies = self.globals.given.iter().filter(|(name, _)| is_proxy(name));
        let mut all: BTreeMap<String, String> = proxies
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        all.extend(self.values.clone());
        all
    }

    /// The arguments that are declared here and have a value: what a program sees
    /// of them decides about it, so a cache must know them.
    pub fn arguments(&self) -> impl Iterator<Item = (&str, &str)> {
        self.declared.iter().filter_map(|name| {
            let value = self.values.get(name)?;
            Some((name.as_str(), value.as_str()))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Instruction, parse};
    use super::*;

    fn given(arguments: &[(&str, &str)]) -> Given {
        let pair = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Given {
            arguments: arguments.iter().map(pair).collect(),
            target: "linux/arm/v7".parse().unwrap(),
            builder: "linux/amd64".parse().unwrap(),
            stage: "last".to_owned(),
        }
    }

    fn base(text: &str, arguments: &[(&str, &str)]) -> Result<String, Problem> {
        let file = parse(text.as_bytes()).unwrap();
        Globals::new(&file, &given(arguments))?.base(&file.stages[0])
    }

    /// What `$name` is worth at the end of the only stage.
    fn worth(text: &str, arguments: &[(&str, &str)], name: &str) -> Option<String> {
        let file = parse(text.as_bytes()).unwrap();
        let globals = Globals::new(&file, &given(arguments)).unwrap();
        let mut scope = Scope::of_image(&globals, &["IMAGE=i".to_owned()]);
        for step in &file.stages[0].steps {
            match &step.instruction {
                Instruction::Env(pairs) => drop(scope.set(pairs).unwrap()),
                Instruction::Arg(arguments) => scope.declare(arguments).unwrap(),
                other => panic!("{other:?}"),
            }
        }
        scope.lookup(name)
    }

    #[test]
    fn a_from_sees_global_arguments_and_platforms() {
        let base = |text: &str, arguments: &[(&str, &str)]| base(text, arguments).unwrap();
        assert_eq!(base("ARG V=1\nFROM a:$V", &[]), "a:1");
        assert_eq!(base("ARG V=1\nFROM a:$V", &[("V", "2")]), "a:2");
        assert_eq!(base("ARG V=1 W=$V.0\nFROM a:$W", &[("V", "2")]), "a:2.0");
        assert_eq!(base("FROM a:${V:-3}", &[("V", "2")]), "a:3");
        assert_eq!(
            base("FROM a-$TARGETARCH$TARGETVARIANT-$BUILDOS", &[]),
            "a-armv7-linux"
        );
        assert_eq!(base("FROM a-$TARGETARCH", &[("TARGETARCH", "x")]), "a-x");
        assert_eq!(base("FROM \"a\"'b'", &[]), "ab");
    }

    #[test]
    fn a_from_that_becomes_nothing_says_what_is_missing() {
        let problem = base("# x\nFROM $IMAGE", &[]).unwrap_err();
        assert_eq!(problem.line, 2);
        assert!(problem.remedy.unwrap().contains("ARG IMAGE"));
        assert_eq!(
            base("ARG a=${b?must be told}\nFROM $a", &[])
                .unwrap_err()
                .line,
            1
        );
    }

    #[test]
    fn a_platform_may_be_a_variable() {
        let platform = |text: &str| {
            let file = parse(text.as_bytes()).unwrap();
            let globals = Globals::new(&file, &given(&[])).unwrap();
            let platform = globals.platform(&file.stages[0])?;
            Ok::<_, Problem>(platform.map(|platform| platform.to_string()))
        };
        assert_eq!(
            platform("FROM --platform=$BUILDPLATFORM a"),
            Ok(Some("linux/amd64".to_owned()))
        );
        assert_eq!(platform("FROM a"), Ok(None));
        assert_eq!(platform("FROM --platform=$X a").unwrap_err().line, 1);
    }

    #[test]
    fn a_stage_sees_global_arguments_only_where_it_declares_them() {
        let worth = |text: &str, arguments: &[(&str, &str)]| worth(text, arguments, "V");
        assert_eq!(worth("ARG V=1\nFROM a", &[]), None);
        assert_eq!(worth("ARG V=1\nFROM a\nARG V", &[]).as_deref(), Some("1"));
        assert_eq!(worth("ARG V=1\nFROM a\nARG V=2", &[]).as_deref(), Some("2"));
        assert_eq!(
            worth("ARG V=1\nFROM a\nARG V=2", &[("V", "3")]).as_deref(),
            Some("3")
        );
        assert_eq!(worth("FROM a", &[("V", "3")]), None);
        assert_eq!(worth("FROM a\nARG V", &[]), None);
        assert_eq!(worth("FROM a\nARG V=$IMAGE", &[]).as_deref(), Some("i"));
        // The default is not looked at where a value is given.
        assert_eq!(
            worth("FROM a\nARG V=${x?}", &[("V", "3")]).as_deref(),
            Some("3")
        );
    }

    #[test]
    fn the_later_of_two_lines_decides_and_one_line_sees_what_was_before_it() {
        let worth = |text: &str| worth(text, &[], "b").unwrap_or_default();
        assert_eq!(worth("FROM x\nENV a=1\nENV a=2 b=$a"), "1");
        assert_eq!(worth("FROM x\nARG a=1\nARG a=2 b=$a"), "2");
        assert_eq!(worth("FROM x\nARG b=1\nENV b=2"), "2");
        assert_eq!(worth("FROM x\nENV b=${b:-0}1\nENV b=${b}2"), "012");
    }

    #[test]
    fn a_program_sees_proxies_that_nobody_declared() {
        let file = parse(b"FROM a").unwrap();
        let globals = Globals::new(&file, &given(&[("https_proxy", "p"), ("other", "o")])).unwrap();
        let mut scope = Scope::of_image(&globals, &[]);
        let all: Vec<_> = scope.environment().into_iter().collect();
        assert_eq!(all, [("https_proxy".to_owned(), "p".to_owned())]);
        assert_eq!(scope.lookup("https_proxy"), None);
        let other = Argument {
            name: "other".to_owned(),
            default: None,
        };
        let none = Argument {
            name: "none".to_owned(),
            default: None,
        };
        scope.declare(&[none, other]).unwrap();
        assert_eq!(scope.arguments().collect::<Vec<_>>(), [("other", "o")]);
        assert!(scope.knows("none"));
    }
}
