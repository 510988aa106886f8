//! What a Dockerfile says, and its author probably did not mean.
//!
//! The rules and their names are those of `docker build --check`, as far as they can
//! be judged without building; `# check=skip=NAME,…` at a file's top silences them.
//! What can be told of a single line is told when it is read.
//!
//! Source: Docker's documentation, "Build checks".

use std::collections::BTreeSet;

use super::graph::{Graph, Origin};
use super::ignore::Ignore;
use super::instruction::{Command, Instruction};
use super::port::Ports;
use super::problem::{Warning, did_you_mean, shown};
use super::scope::{Given, Globals, Scope};
use super::stage::{Dockerfile, Stage};
use super::{Source, Template};
use crate::image::Reference;

/// So many are told, of so many stages.
const MOST: usize = 200;

/// What is needed to judge a file.
pub struct Checks<'a> {
    /// The file.
    pub file: &'a Dockerfile,
    /// What its global arguments are worth.
    pub globals: &'a Globals,
    /// What its stages need.
    pub graph: &'a Graph,
    /// The stage that is built.
    pub target: usize,
    /// What stays at home.
    pub ignore: &'a Ignore,
    /// The variables, each as `NAME=value`, of an image, where it is known. What is
    /// not set in a stage is told only where it is.
    pub environment: &'a dyn Fn(&str) -> Option<Vec<String>>,
}

/// What a stage passes on to one that begins from it.
#[derive(Clone)]
struct State<'a> {
    scope: Scope<'a>,
    /// Whether all the variables are known that the image sets.
    is_known: bool,
    has_shell: bool,
    has_workdir: bool,
}

/// The warnings as they are found.
struct Found(Vec<Warning>);

impl Found {
    fn tell(&mut self, line: usize, rule: &'static str, what: impl Into<String>) {
        if self.0.len() < MOST {
            let what = what.into();
            self.0.push(Warning { line, rule, what });
        }
    }
}

impl Checks<'_> {
    /// All that is doubtful, with what was found while reading, in the order of the
    /// lines.
    #[must_use]
    pub fn warnings(&self) -> Vec<Warning> {
        let mut found = Found(self.file.warnings.clone());
        self.names(&mut found);
        self.casing(&mut found);
        self.unused(&mut found);
        let arguments = self
            .file
            .global_args
            .iter()
            .map(|global| &*global.argument.name);
        let arguments: BTreeSet<&str> = arguments.collect();
        let defaults = Globals::new(self.file, &Given::nothing()).ok();
        let mut states: Vec<State<'_>> = Vec::new();
        for (index, stage) in self.file.stages.iter().enumerate().take(MOST) {
            self.from(stage, &arguments, &mut found);
            if let Some(platform) = &stage.platform {
                self.platform(stage, platform, &mut found);
            }
            if let Some(defaults) = &defaults {
                without_arguments(stage, defaults, &mut found);
            }
            let mut state = self.begin(index, &states);
            self.once_only(stage, &mut found);
            for step in &stage.steps {
                self.step(step.line(), &step.instruction, &mut state, &mut found);
            }
            states.push(state);
        }
        let skipped = Skipped::of(self.file);
        found.0.retain(|warning| !skipped.holds(warning.rule));
        found.0.sort_by_key(|warning| warning.line);
        found.0
    }

    fn names(&self, found: &mut Found) {
        let mut known = BTreeSet::new();
        for stage in &self.file.stages {
            let Some(name) = &stage.name else { continue };
            if !known.insert(name) {
                let what = format!("an earlier stage is called `{name}` too");
                found.tell(stage.line(), "DuplicateStageName", what);
            }
        }
    }

    fn casing(&self, found: &mut Found) {
        let written = |original: &str| {
            let word: String = original
                .chars()
                .take_while(char::is_ascii_alphabetic)
                .collect();
            word
        };
        let words: Vec<(usize, String)> = self
            .file
            .stages
            .iter()
            .flat_map(|stage| {
                let from = (stage.line(), written(stage.original.trim_start()));
                let steps = stage.steps.iter();
                let steps = steps.map(|step| (step.line(), written(step.original.trim_start())));
                std::iter::once(from).chain(steps)
            })
            .collect();
        let is_lower = |word: &str| word.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_upper = |word: &str| word.bytes().all(|byte| byte.is_ascii_uppercase());
        let lower = words.iter().filter(|(_, word)| is_lower(word)).count();
        let upper = words.iter().filter(|(_, word)| is_upper(word)).count();
        for (line, word) in &words {
            let (agrees, most) = match lower > upper {
                true => (is_lower(word), "lower"),
                false => (is_upper(word), "upper"),
            };
            if !agrees {
                let what = format!("`{word}` is not in {most} case, as most instructions are");
                found.tell(*line, "ConsistentInstructionCasing", what);
            }
        }
    }

    fn unused(&self, found: &mut Found) {
        let needed: BTreeSet<usize> = self.graph.order(self.target).into_iter().collect();
        let last = self.file.stages.len() - 1;
        // Another target is another program's choice; all but the last are there
        // for something that is built.
        let needed_by_any = |index: usize| {
            let needs = |other: usize| self.graph.needs(other).contains(&Origin::Stage(index));
            (index + 1..=last).any(needs)
        };
        for (index, stage) in self.file.stages.iter().enumerate().take(MOST) {
            if index != last && !needed.contains(&index) && !needed_by_any(index) {
                let name = stage.name.clone().unwrap_or_else(|| index.to_string());
                let what = format!("no stage needs stage `{name}`, so it is not built");
                found.tell(stage.line(), "UnusedStage", what);
            }
        }
    }

    fn from(&self, stage: &Stage, arguments: &BTreeSet<&str>, found: &mut Found) {
        let lookup = |name: &str| self.globals.lookup(name);
        for template in [Some(&stage.base), stage.platform.as_ref()]
            .into_iter()
            .flatten()
        {
            for name in template.unset(&lookup, self.file.directives.escape) {
                if !arguments.contains(&*name) {
                    let known: Vec<&str> = self.globals.names().collect();
                    let what = missing(&name, &known, "is not declared before the first FROM");
                    found.tell(stage.line(), "UndefinedArgInFrom", what);
                }
            }
        }
    }

    fn platform(&self, stage: &Stage, platform: &Template, found: &mut Found) {
        let text = platform.as_str();
        if matches!(text, "$TARGETPLATFORM" | "${TARGETPLATFORM}") {
            let what = format!("--platform={text} is what is built for anyway");
            found.tell(stage.line(), "RedundantTargetPlatform", what);
        }
        let Ok(Some(constant)) = self.globals.platform(stage) else {
            return;
        };
        let named = |part: &str| stage.name.as_ref().is_some_and(|name| name.contains(part));
        if !platform.has_variables() && !named(&constant.os) && !named(&constant.architecture) {
            let what = format!("--platform={text} is the same on every machine");
            found.tell(stage.line(), "FromPlatformFlagConstDisallowed", what);
        }
    }

    /// What is set at the beginning of a stage.
    fn begin<'s>(&'s self, index: usize, earlier: &[State<'s>]) -> State<'s> {
        let path = "PATH=".to_owned();
        let known = match self.graph.base(index) {
            Origin::Stage(base) => return earlier[*base].clone(),
            Origin::Scratch => Some(Vec::new()),
            Origin::Image(name) => (self.environment)(name),
        };
        let is_known = known.is_some();
        let environment: Vec<String> = known
            .unwrap_or_default()
            .into_iter()
            .chain([path])
            .collect();
        State {
            scope: Scope::of_image(self.globals, &environment),
            is_known,
            has_shell: false,
            has_workdir: false,
        }
    }

    /// Of some instructions only the last counts.
    fn once_only(&self, stage: &Stage, found: &mut Found) {
        for name in ["CMD", "ENTRYPOINT", "HEALTHCHECK"] {
            let of_that_name = stage
                .steps
                .iter()
                .filter(|step| step.instruction.name() == name);
            let mut lines = of_that_name.map(super::Step::line).peekable();
            while let (Some(line), Some(_)) = (lines.next(), lines.peek()) {
                let what = format!("a later {name} of the same stage replaces this one");
                found.tell(line, "MultipleInstructionsDisallowed", what);
            }
        }
    }

    fn step(
        &self,
        line: usize,
        instruction: &Instruction,
        state: &mut State<'_>,
        found: &mut Found,
    ) {
        let escape = self.file.directives.escape;
        if state.is_known {
            let mut told = BTreeSet::new();
            for template in instruction.templates() {
                for name in template.unset(&|name| state.scope.lookup(name), escape) {
                    if !state.scope.knows(&name) && told.insert(name.clone()) {
                        let known: Vec<&str> = state.scope.names().collect();
                        let what = missing(&name, &known, "is not set here");
                        found.tell(line, "UndefinedVar", what);
                    }
                }
            }
        }
        match instruction {
            Instruction::Env(pairs) => {
                pairs
                    .iter()
                    .for_each(|pair| secret(line, "ENV", pair.name.as_str(), found));
                // What cannot be expanded is the builder's to refuse.
                let _ = state.scope.set(pairs);
            }
            Instruction::Arg(arguments) => {
                arguments
                    .iter()
                    .for_each(|one| secret(line, "ARG", &one.name, found));
                let _ = state.scope.declare(arguments);
            }
            Instruction::Shell(_) => state.has_shell = true,
            Instruction::Cmd(Command::Shell(_)) | Instruction::Entrypoint(Command::Shell(_))
                if !state.has_shell =>
            {
                let name = instruction.name();
                let what = format!(
                    "a shell runs this {name}, and signals do not reach what it runs: write \
                     `{name} [\"program\", \"argument\"]`"
                );
                found.tell(line, "JSONArgsRecommended", what);
            }
            Instruction::Workdir(path) => {
                let path = path.as_str();
                if !state.has_workdir && !path.starts_with(['/', '$', '"', '\'']) {
                    let what = format!("`{}` depends on where the base image is", shown(path));
                    found.tell(line, "WorkdirRelativePath", what);
                }
                state.has_workdir = true;
            }
            Instruction::Expose(ports) => ports.iter().for_each(|port| exposed(line, port, found)),
            Instruction::Copy(copy) if copy.from.is_none() => {
                self.ignored(line, &copy.sources.sources, found);
            }
            Instruction::Add(add) => self.ignored(line, &add.sources.sources, found),
            _ => {}
        }
    }

    /// What is copied, and stays at home.
    fn ignored(&self, line: usize, sources: &[Source], found: &mut Found) {
        for source in sources {
            let Source::Path(path) = source else { continue };
            let path = path.as_str();
            if path.contains(['$', '*', '?', '[', '\\', '"', '\'']) || path.contains("://") {
                continue;
            }
            let relative = path.trim_start_matches('/');
            let decision = self.ignore.decide(relative);
            // A directory may come along for what a later line brings back from below it.
            let stays = self.ignore.may_skip_directory(relative);
            if let (true, Some((at, pattern))) = (stays, decision.because) {
                let what = format!(
                    "`{}` stays out of the build context: line {at} of .dockerignore says `{}`",
                    shown(path),
                    shown(pattern)
                );
                found.tell(line, "CopyIgnoredFile", what);
            }
        }
    }
}

fn missing(name: &str, known: &[&str], how: &str) -> String {
    // Case often is all that is wrong, and short names are near everything.
    let guess = match name.len() {
        0..=2 => None,
        _ => did_you_mean(name, known),
    };
    let guess = guess.map(|guess| format!(": {guess}")).unwrap_or_default();
    format!("the variable `{}` {how}{guess}", shown(name))
}

fn without_arguments(stage: &Stage, defaults: &Globals, found: &mut Found) {
    let is_image = |base: String| base.parse::<Reference>().is_ok();
    if stage.base.has_variables() && !defaults.base(stage).is_ok_and(is_image) {
        let what = format!("`{}` is no image unless arguments are given", stage.base);
        found.tell(stage.line(), "InvalidDefaultArgInFrom", what);
    }
}

/// A name of which a word, between underscores, says that it is a secret.
fn secret(line: usize, instruction: &str, name: &str, found: &mut Found) {
    const SECRET: [&str; 10] = [
        "apikey",
        "auth",
        "credential",
        "credentials",
        "key",
        "password",
        "pword",
        "passwd",
        "secret",
        "token",
    ];
    let lower = name.to_ascii_lowercase();
    let is_secret = lower.split('_').any(|part| SECRET.contains(&part));
    if is_secret && !lower.split('_').any(|part| part == "public") {
        let what = format!(
            "{instruction} `{}` stays in the image for all to read: use `RUN --mount=type=secret`",
            shown(name)
        );
        found.tell(line, "SecretsUsedInArgOrEnv", what);
    }
}

fn exposed(line: usize, port: &Template, found: &mut Found) {
    let text = port.as_str();
    if port.has_variables() {
        return;
    }
    if text.contains(':') && text.parse::<Ports>().is_ok() {
        let what = format!(
            "`{}` names more than a port, and the rest says nothing",
            shown(text)
        );
        found.tell(line, "ExposeInvalidFormat", what);
    }
    if let Some((_, protocol)) = text.split_once('/')
        && protocol.bytes().any(|byte| byte.is_ascii_uppercase())
    {
        let what = format!("the protocol of `{}` is written in lower case", shown(text));
        found.tell(line, "ExposeProtoCasing", what);
    }
}

/// What `# check=` silences.
struct Skipped<'a> {
    all: bool,
    rules: Vec<&'a str>,
}

impl<'a> Skipped<'a> {
    fn of(file: &'a Dockerfile) -> Self {
        let options = file
            .directives
            .check
            .as_deref()
            .unwrap_or_default()
            .split(';');
        let skip = options.filter_map(|option| option.trim().strip_prefix("skip="));
        let rules: Vec<&str> = skip
            .flat_map(|rules| rules.split(','))
            .map(str::trim)
            .collect();
        Self {
            all: rules.iter().any(|rule| rule.eq_ignore_ascii_case("all")),
            rules,
        }
    }

    fn holds(&self, rule: &str) -> bool {
        self.all
            || self
                .rules
                .iter()
                .any(|known| known.eq_ignore_ascii_case(rule))
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;
    use super::*;

    /// The rules that speak, with their lines.
    fn rules(text: &str) -> Vec<(usize, &'static str)> {
        let file = parse(text.as_bytes()).unwrap_or_else(|problems| panic!("{text}: {problems}"));
        let globals = Globals::new(&file, &Given::nothing()).unwrap();
        let graph = Graph::new(&file, &globals).unwrap();
        let ignore = Ignore::parse(b"# ours\nsecret\n*.log\nsrc\n!src/**\n").unwrap();
        let checks = Checks {
            file: &file,
            globals: &globals,
            graph: &graph,
            target: graph.target(None).unwrap(),
            ignore: &ignore,
            environment: &|image| (image == "python").then(|| vec!["PYTHON_VERSION=3".to_owned()]),
        };
        let warnings = checks.warnings();
        warnings
            .into_iter()
            .map(|warning| (warning.line, warning.rule))
            .collect()
    }

    fn check(text: &str, expected: &[(usize, &'static str)]) {
        assert_eq!(rules(text), expected, "{text}");
    }

    #[test]
    fn a_file_without_faults_is_not_blamed() {
        check(
            "ARG V=3\nFROM python AS build\nARG V X\nENV PATH=$PATH:/x Y=$V$X$PYTHON_VERSION\n\
             WORKDIR /a\nWORKDIR b\nRUN echo $undefined\nFROM scratch\nCOPY --from=build /a /b\n\
             EXPOSE 80/tcp\nENTRYPOINT [\"/b\"]\n",
            &[],
        );
    }

    #[test]
    fn a_variable_that_is_not_set_is_told() {
        check("FROM scratch\nCOPY $a b", &[(2, "UndefinedVar")]);
        check("ARG a=1\nFROM scratch\nCOPY $a b", &[(3, "UndefinedVar")]);
        check("FROM scratch\nCOPY ${a:-x} b", &[]);
        check(
            "FROM python\nENV V=$PYTHON_VERSION W=$PHYTON_VERSION",
            &[(2, "UndefinedVar")],
        );
        // What an unknown image sets is not known.
        check("FROM unknown\nENV V=$W", &[]);
        check("FROM scratch AS a\nARG X=1\nFROM a\nCOPY $X b", &[]);
        check("FROM scratch\nENV a=1 b=$a", &[(2, "UndefinedVar")]);
        check(
            "FROM a:$TAG\n",
            &[(1, "UndefinedArgInFrom"), (1, "InvalidDefaultArgInFrom")],
        );
        check("ARG TAG\nFROM a:$TAG\n", &[(2, "InvalidDefaultArgInFrom")]);
        check("ARG TAG=1\nFROM a:$TAG\n", &[]);
    }

    #[test]
    fn a_stage_that_nobody_needs_is_told() {
        check("FROM a AS x\nFROM b\n", &[(1, "UnusedStage")]);
        check("FROM a AS x\nFROM x AS y\nFROM b\nCOPY --from=1 a b", &[]);
        check(
            "FROM a AS x\nFROM a AS x\nFROM x",
            &[(1, "UnusedStage"), (2, "DuplicateStageName")],
        );
    }

    #[test]
    fn what_is_overruled_or_runs_in_a_shell_is_told() {
        check("FROM a\nCMD x\n", &[(2, "JSONArgsRecommended")]);
        check("FROM a\nSHELL [\"x\"]\nCMD x\n", &[]);
        check(
            "FROM a\nCMD [\"x\"]\nCMD [\"y\"]",
            &[(2, "MultipleInstructionsDisallowed")],
        );
        check(
            "FROM a\nWORKDIR x\nWORKDIR y",
            &[(2, "WorkdirRelativePath")],
        );
        check("FROM a AS b\nCMD [\"x\"]\nFROM b\nCMD [\"y\"]", &[]);
    }

    #[test]
    fn odd_platforms_and_ports_and_cases_are_told() {
        check(
            "FROM --platform=$TARGETPLATFORM a",
            &[(1, "RedundantTargetPlatform")],
        );
        check(
            "FROM --platform=linux/arm64 a",
            &[(1, "FromPlatformFlagConstDisallowed")],
        );
        check("FROM --platform=linux/arm64 a AS b-arm64", &[]);
        check(
            "FROM a\nEXPOSE 80/TCP 1:2 $X",
            &[(2, "ExposeProtoCasing"), (2, "ExposeInvalidFormat")],
        );
        check(
            "FROM a\nrun x\nRUN y",
            &[(2, "ConsistentInstructionCasing")],
        );
        check("from a\nrun x\n", &[]);
    }

    #[test]
    fn a_secret_by_its_name_is_told() {
        check(
            "FROM a\nARG GITHUB_TOKEN\nENV PASSWD=x",
            &[(2, "SecretsUsedInArgOrEnv"), (3, "SecretsUsedInArgOrEnv")],
        );
        check("FROM a\nARG PUBLIC_KEY\nENV MONKEY=x", &[]);
    }

    #[test]
    fn a_source_that_stays_at_home_is_told() {
        check(
            "FROM a\nCOPY secret/x a.log /b/\nADD *.log http://a/secret b/",
            &[(2, "CopyIgnoredFile"), (2, "CopyIgnoredFile")],
        );
        check("FROM a AS b\nFROM b\nCOPY --from=b secret /", &[]);
        check("FROM a\nCOPY src /b/", &[]);
    }

    #[test]
    fn a_file_may_silence_rules() {
        check(
            "# check=skip=JSONArgsRecommended, WorkdirRelativePath;error=true\nFROM a\nCMD x",
            &[],
        );
        check("# check=skip=all\nFROM a\nMAINTAINER x\nCMD x", &[]);
        check(
            "# check=error=true\nFROM a\nCMD x",
            &[(3, "JSONArgsRecommended")],
        );
    }
}
