//! Whether what is installed can work: its requirements, its interpreter, its files.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};

use pep440_rs::Version;

use super::needs::{Needs, satisfies};
use super::{Distribution, Form, Harm, Installed, text};
use crate::config::env_flag;
use crate::refusal::shown;
use crate::requirement::{MarkerEnvironment, Name, Requirement, Source};

/// Something that is wrong with a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Which distribution; the name of its directory where it cannot be read.
    pub of: String,
    /// Its version, where that is known.
    pub version: Option<Version>,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a distribution.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// It needs something that is not there.
    Missing(Requirement),
    /// It needs another version of something than is there.
    Conflict {
        /// What it needs.
        requirement: Requirement,
        /// What there is.
        found: Version,
    },
    /// It is for other versions of Python.
    WrongPython {
        /// Those that it is for.
        wanted: String,
        /// The one that there is.
        found: String,
    },
    /// Its wheel was for other interpreters or platforms.
    WrongTags(Vec<String>),
    /// A requirement of it cannot be read, so nobody knows whether it is there.
    Unclear(String),
    /// A file of it is not there any more, is another, or lies elsewhere.
    File {
        /// The file.
        path: PathBuf,
        /// What became of it.
        harm: Harm,
    },
    /// Nobody can tell which files it has.
    NoRecord(String),
    /// There is another of the same name.
    Twice(PathBuf),
    /// What says that it is installed cannot be read.
    Unreadable(String),
    /// An interrupted pip left it.
    Leftover,
}

impl Problem {
    /// A word for it, for programs.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Missing(_) => "missing",
            Self::Conflict { .. } => "conflict",
            Self::WrongPython { .. } => "wrong-python",
            Self::WrongTags(_) => "wrong-tags",
            Self::Unclear(_) => "unclear",
            Self::File { harm, .. } => match harm {
                Harm::Missing => "file-missing",
                Harm::Changed => "file-changed",
                Harm::Outside => "file-outside",
            },
            Self::NoRecord(_) => "no-record",
            Self::Twice(_) => "twice",
            Self::Unreadable(_) => "unreadable",
            Self::Leftover => "leftover",
        }
    }

    /// What mends it in the environment that `env` names, where it has to be named.
    #[must_use]
    pub fn remedy(&self, of: &str, env: Option<&Path>) -> String {
        let env = env_flag(env);
        match self {
            Self::Missing(requirement) => {
                format!("`isolab venv install{env} '{}'`", plain(requirement))
            }
            Self::Conflict { requirement, .. } => format!(
                "`isolab venv install{env} '{}'`, or another version of {of} that takes what is there",
                plain(requirement)
            ),
            Self::WrongPython { .. } | Self::WrongTags(_) => {
                format!(
                    "`isolab venv install{env} --reinstall {of}`, or an environment of another Python"
                )
            }
            Self::File {
                harm: Harm::Outside,
                ..
            } => "ask its author; nothing outside of the environment is read or removed".to_owned(),
            Self::File { .. } | Self::NoRecord(_) | Self::Unclear(_) => {
                format!("`isolab venv install{env} --reinstall {of}`")
            }
            Self::Twice(_) | Self::Unreadable(_) => {
                "remove the directory that is wrong, and install the project again".to_owned()
            }
            Self::Leftover => "remove it: `isolab doctor venv --fix` does".to_owned(),
        }
    }
}

/// The requirement without its marker, which holds.
fn plain(requirement: &Requirement) -> Requirement {
    Requirement {
        marker: None,
        ..requirement.clone()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(requirement) => {
                write!(f, "needs {}, which is not there", plain(requirement))
            }
            Self::Conflict { requirement, found } => {
                let (name, wanted) = (&requirement.name, plain(requirement));
                write!(f, "needs {wanted}, and {name} {found} is there")
            }
            Self::WrongPython { wanted, found } => {
                write!(f, "is for Python {wanted}, and this is {found}")
            }
            Self::WrongTags(tags) => {
                let tags = tags.join(", ");
                write!(f, "was built for {tags}, which this interpreter is not")
            }
            Self::Unclear(why) | Self::Unreadable(why) => f.write_str(why),
            Self::File { path, harm } => {
                let shown = shown(&path.to_string_lossy());
                match harm {
                    Harm::Missing => write!(f, "has lost its file {shown}"),
                    Harm::Changed => write!(f, "did not install {shown} as it is now"),
                    Harm::Outside => write!(f, "claims {shown}, outside of the environment"),
                }
            }
            Self::NoRecord(why) => write!(f, "has no list of its files: {why}"),
            Self::Twice(path) => {
                let shown = shown(&path.to_string_lossy());
                write!(f, "is there twice: also as {shown}")
            }
            Self::Leftover => f.write_str("is what an interrupted pip left"),
        }
    }
}

impl Installed {
    /// What is wrong with requirements and interpreter; `base` are the packages that the
    /// environment also sees, and `suits` tells whether a tag is one of the interpreter's.
    #[must_use]
    pub fn check(
        &self,
        base: &Installed,
        environment: &MarkerEnvironment,
        suits: impl Fn(&crate::wheel::Tag) -> bool,
    ) -> Vec<Finding> {
        let mut findings = self.broken();
        let needs = Needs::of(self, environment);
        let mut seen: BTreeMap<&Name, &Distribution> = BTreeMap::new();
        for one in &self.distributions {
            let mut push = |problem| findings.push(one.finding(problem));
            if let Some(first) = seen.insert(one.name(), one) {
                push(Problem::Twice(first.path.clone()));
            }
            for why in &one.refused {
                push(Problem::Unclear(why.to_string()));
            }
            for requirement in needs.requirements(one) {
                let found = self.find(&requirement.name);
                match found.or_else(|| base.find(&requirement.name)) {
                    None => push(Problem::Missing(requirement.clone())),
                    Some(found) if !satisfies(found, requirement) => push(Problem::Conflict {
                        requirement: requirement.clone(),
                        found: found.version().clone(),
                    }),
                    Some(_) => {}
                }
            }
            if let Some(problem) = one.wrong_python(environment) {
                push(problem);
            }
            let tags = one.tags();
            if !tags.is_empty() && !tags.iter().any(&suits) {
                push(Problem::WrongTags(
                    tags.iter().map(ToString::to_string).collect(),
                ));
            }
        }
        findings
    }

    /// What is wrong with the files of each distribution in the environment at `dir`.
    #[must_use]
    pub fn check_files(&self, dir: &Path) -> Vec<Finding> {
        let mut findings = Vec::new();
        // That an older installer kept no list is nothing that anybody did wrong.
        let recorded = self.distributions.iter();
        for one in recorded.filter(|one| one.form == Form::DistInfo) {
            match one.files() {
                Err(why) => findings.push(one.finding(Problem::NoRecord(why))),
                Ok(files) => findings.extend(files.into_iter().filter_map(|file| {
                    let harm = file.harm(dir)?;
                    let path = file.path;
                    Some(one.finding(Problem::File { path, harm }))
                })),
            }
        }
        findings
    }

    fn broken(&self) -> Vec<Finding> {
        let finding = |path: &Path, problem| Finding {
            of: path
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned(),
            version: None,
            problem,
        };
        let unreadable = self.unreadable.iter();
        let unreadable =
            unreadable.map(|one| finding(&one.path, Problem::Unreadable(one.why.clone())));
        let leftovers = self.leftovers.iter();
        let leftovers = leftovers.map(|path| finding(path, Problem::Leftover));
        unreadable.chain(leftovers).collect()
    }
}

impl Distribution {
    fn finding(&self, problem: Problem) -> Finding {
        Finding {
            of: self.written_name.clone(),
            version: Some(self.version().clone()),
            problem,
        }
    }

    fn wrong_python(&self, environment: &MarkerEnvironment) -> Option<Problem> {
        let wanted = self.metadata.requires_python.as_ref()?;
        let found = environment.python_full_version.parse().ok()?;
        (!wanted.contains(&final_of(&found))).then(|| Problem::WrongPython {
            wanted: wanted.to_string(),
            found: environment.python_full_version.clone(),
        })
    }

    /// The tags that WHEEL lists; none where there is no WHEEL, or none that can be read.
    #[must_use]
    pub fn tags(&self) -> Vec<crate::wheel::Tag> {
        let wheel = match self.form {
            Form::DistInfo => text(&self.path.join("WHEEL")).unwrap_or_default(),
            _ => String::new(),
        };
        let headers = crate::wheel::headers(&wheel);
        let tags = headers
            .iter()
            .filter(|(key, _)| key.eq_ignore_ascii_case("Tag"));
        let tag = |(_, value): &(String, String)| {
            let mut parts = value.splitn(3, '-').map(str::to_owned);
            Some(crate::wheel::Tag {
                python: parts.next()?,
                abi: parts.next()?,
                platform: parts.next()?,
            })
        };
        tags.filter_map(tag).collect()
    }
}

/// A Python before its release counts as that release: `3.15.0b1` is no `3.14`.
fn final_of(version: &Version) -> Version {
    Version::new(version.release().iter().copied())
}

impl Installed {
    /// Whether `requirement` is satisfied here; one of an address never is, because nobody can
    /// tell whether what lies there is still the same.
    #[must_use]
    pub fn satisfies(&self, requirement: &Requirement) -> bool {
        let found = self.find(&requirement.name);
        let by_version = matches!(requirement.source, Source::Versions(_));
        by_version && found.is_some_and(|found| satisfies(found, requirement))
    }
}
