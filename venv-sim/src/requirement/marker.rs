//! Markers: under which interpreters and for which extras a requirement holds.

use std::fmt;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifier};

use super::specifier::takes_one;
use super::text::Text;
use super::{MarkerEnvironment, Name};
use crate::refusal::{Refusal, shown};

/// A condition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Marker {
    /// One comparison.
    Compares(Comparison),
    /// All of these, two at least.
    All(Vec<Marker>),
    /// Any of these, two at least.
    Any(Vec<Marker>),
}

/// `variable operator "text"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparison {
    variable: Variable,
    operator: Operator,
    text: String,
    /// Whether the text stands first.
    is_reversed: bool,
    /// The operator with the text, where a version is compared with it: markers are judged far
    /// more often than read.
    specifier: Option<Box<VersionSpecifier>>,
}

/// How deep parentheses may be: a stranger's text must not exhaust the stack.
const DEEPEST: u32 = 50;

impl Marker {
    /// Reads a condition; the text behind it is left.
    pub(super) fn parse(text: &mut Text<'_>) -> Result<Self, Refusal> {
        Self::any(text, DEEPEST)
    }

    fn any(text: &mut Text<'_>, depth: u32) -> Result<Self, Refusal> {
        let mut parts = vec![Self::all(text, depth)?];
        while takes_word(text, "or") {
            parts.push(Self::all(text, depth)?);
        }
        Ok(one_or(parts, Self::Any))
    }

    fn all(text: &mut Text<'_>, depth: u32) -> Result<Self, Refusal> {
        let mut parts = vec![Self::part(text, depth)?];
        while takes_word(text, "and") {
            parts.push(Self::part(text, depth)?);
        }
        Ok(one_or(parts, Self::All))
    }

    fn part(text: &mut Text<'_>, depth: u32) -> Result<Self, Refusal> {
        if !text.takes("(") {
            return Ok(Self::Compares(comparison(text)?));
        }
        let depth = depth.checked_sub(1);
        let depth = depth.ok_or_else(|| Refusal::new("a parenthesis is too deep in others"))?;
        let inside = Self::any(text, depth)?;
        match text.takes(")") {
            true => Ok(inside),
            false => Err(Refusal::new("the parenthesis has no end")),
        }
    }

    /// Whether it holds for an interpreter, with these extras asked for.
    #[must_use]
    pub fn holds(&self, environment: &MarkerEnvironment, extras: &[Name]) -> bool {
        match self {
            Self::Compares(comparison) => comparison.holds(environment, extras),
            Self::All(parts) => parts.iter().all(|part| part.holds(environment, extras)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(environment, extras)),
        }
    }
}

fn one_or(mut parts: Vec<Marker>, many: impl FnOnce(Vec<Marker>) -> Marker) -> Marker {
    match parts.len() {
        1 => parts.remove(0),
        _ => many(parts),
    }
}

/// Takes a word that is not the beginning of a longer one.
fn takes_word(text: &mut Text<'_>, word: &str) -> bool {
    let mut ahead = *text;
    let found = ahead.word() == word;
    if found {
        *text = ahead;
    }
    found
}

fn comparison(text: &mut Text<'_>) -> Result<Comparison, Refusal> {
    let at = text.rest();
    if let Some(quoted) = text.quoted() {
        let quoted = quoted?.to_owned();
        let operator = Operator::parse(text)?;
        if text.quoted().is_some() {
            return Err(Refusal::new(format!("{} compares no variable", shown(at))));
        }
        return Ok(Comparison {
            variable: Variable::parse(text)?,
            operator,
            text: quoted,
            is_reversed: true,
            specifier: None,
        });
    }
    let variable = Variable::parse(text)?;
    let operator = Operator::parse(text)?;
    let quoted = text.quoted();
    let quoted = quoted.ok_or_else(|| {
        Refusal::new(format!(
            "the comparison {} is not with a quoted text",
            shown(at)
        ))
    })?;
    let text = quoted?.to_owned();
    let specifier = variable
        .is_version()
        .then(|| operator.with(&text))
        .flatten();
    Ok(Comparison {
        variable,
        operator,
        text,
        is_reversed: false,
        specifier: specifier.map(Box::new),
    })
}

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Variable {
    OsName,
    SysPlatform,
    PlatformMachine,
    PlatformPythonImplementation,
    PlatformRelease,
    PlatformSystem,
    PlatformVersion,
    PythonVersion,
    PythonFullVersion,
    ImplementationName,
    ImplementationVersion,
    Extra,
}

/// Each by its name, and by the names that older metadata has for it.
const VARIABLES: [(&str, Variable); 18] = [
    ("os_name", Variable::OsName),
    ("sys_platform", Variable::SysPlatform),
    ("platform_machine", Variable::PlatformMachine),
    (
        "platform_python_implementation",
        Variable::PlatformPythonImplementation,
    ),
    ("platform_release", Variable::PlatformRelease),
    ("platform_system", Variable::PlatformSystem),
    ("platform_version", Variable::PlatformVersion),
    ("python_version", Variable::PythonVersion),
    ("python_full_version", Variable::PythonFullVersion),
    ("implementation_name", Variable::ImplementationName),
    ("implementation_version", Variable::ImplementationVersion),
    ("extra", Variable::Extra),
    ("os.name", Variable::OsName),
    ("sys.platform", Variable::SysPlatform),
    ("platform.machine", Variable::PlatformMachine),
    ("platform.version", Variable::PlatformVersion),
    (
        "platform.python_implementation",
        Variable::PlatformPythonImplementation,
    ),
    (
        "python_implementation",
        Variable::PlatformPythonImplementation,
    ),
];

impl Variable {
    fn parse(text: &mut Text<'_>) -> Result<Self, Refusal> {
        let at = text.rest();
        let word = text.word();
        if word.is_empty() {
            let shown = shown(at);
            return Err(Refusal::new(format!("there is no comparison at {shown}")));
        }
        let found = VARIABLES.iter().find(|(name, _)| *name == word);
        found
            .map(|(_, variable)| *variable)
            .ok_or_else(|| Refusal::new(format!("{} is no variable of markers", shown(word))))
    }

    fn name(self) -> &'static str {
        let found = VARIABLES.iter().find(|(_, variable)| *variable == self);
        found.map_or("", |(name, _)| name)
    }

    fn value(self, environment: &MarkerEnvironment) -> &str {
        match self {
            Self::OsName => &environment.os_name,
            Self::SysPlatform => &environment.sys_platform,
            Self::PlatformMachine => &environment.platform_machine,
            Self::PlatformPythonImplementation => &environment.platform_python_implementation,
            Self::PlatformRelease => &environment.platform_release,
            Self::PlatformSystem => &environment.platform_system,
            Self::PlatformVersion => &environment.platform_version,
            Self::PythonVersion => &environment.python_version,
            Self::PythonFullVersion => &environment.python_full_version,
            Self::ImplementationName => &environment.implementation_name,
            Self::ImplementationVersion => &environment.implementation_version,
            Self::Extra => "",
        }
    }

    /// Whether it is compared as a version is, where both sides are versions.
    fn is_version(self) -> bool {
        matches!(
            self,
            Self::PythonVersion
                | Self::PythonFullVersion
                | Self::ImplementationVersion
                | Self::PlatformRelease
        )
    }
}

/// How it is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Operator {
    ArbitrarilyEqual,
    Equal,
    NotEqual,
    AtMost,
    AtLeast,
    Below,
    Above,
    Compatible,
    In,
    NotIn,
}

/// The longer before those that they begin with.
const OPERATORS: [(&str, Operator); 8] = [
    ("===", Operator::ArbitrarilyEqual),
    ("==", Operator::Equal),
    ("!=", Operator::NotEqual),
    ("<=", Operator::AtMost),
    (">=", Operator::AtLeast),
    ("~=", Operator::Compatible),
    ("<", Operator::Below),
    (">", Operator::Above),
];

impl Operator {
    fn parse(text: &mut Text<'_>) -> Result<Self, Refusal> {
        let at = text.rest();
        for (sign, operator) in OPERATORS {
            if text.takes(sign) {
                return Ok(operator);
            }
        }
        if takes_word(text, "in") {
            return Ok(Self::In);
        }
        if takes_word(text, "not") && takes_word(text, "in") {
            return Ok(Self::NotIn);
        }
        let shown = shown(at);
        Err(Refusal::new(format!("there is no comparison at {shown}")))
    }

    fn sign(self) -> &'static str {
        let found = OPERATORS.iter().find(|(_, operator)| *operator == self);
        match self {
            Self::In => "in",
            Self::NotIn => "not in",
            _ => found.map_or("", |(sign, _)| sign),
        }
    }

    /// The specifier that it makes of a version.
    fn with(self, version: &str) -> Option<VersionSpecifier> {
        match self {
            Self::In | Self::NotIn => None,
            _ => format!("{}{version}", self.sign()).parse().ok(),
        }
    }

    /// As Python compares two texts.
    fn holds(self, left: &str, right: &str) -> bool {
        match self {
            Self::Equal | Self::ArbitrarilyEqual => left == right,
            Self::NotEqual => left != right,
            Self::AtMost => left <= right,
            Self::AtLeast => left >= right,
            Self::Below => left < right,
            Self::Above => left > right,
            Self::In => right.contains(left),
            Self::NotIn => !right.contains(left),
            // Of texts that are no versions nothing is a compatible release.
            Self::Compatible => false,
        }
    }
}

impl Comparison {
    fn holds(&self, environment: &MarkerEnvironment, extras: &[Name]) -> bool {
        if self.variable == Variable::Extra {
            return self.asks_for(extras);
        }
        let value = self.variable.value(environment);
        if self.variable.is_version()
            && let Some(holds) = self.of_versions(value)
        {
            return holds;
        }
        match self.is_reversed {
            false => self.operator.holds(value, &self.text),
            true => self.operator.holds(&self.text, value),
        }
    }

    /// Extras are a set: each is equal to one of them or not, by its normalized name.
    fn asks_for(&self, extras: &[Name]) -> bool {
        let named = self.text.parse::<Name>().ok();
        let is_there = named.is_some_and(|name| extras.contains(&name));
        match self.operator {
            Operator::Equal | Operator::ArbitrarilyEqual | Operator::In => is_there,
            Operator::NotEqual | Operator::NotIn => !is_there,
            _ => false,
        }
    }

    /// The comparison as a specifier's, which is what stands behind the operator; `None` where the
    /// texts are no versions.
    fn of_versions(&self, value: &str) -> Option<bool> {
        if !self.is_reversed {
            let version = Version::from_str(value).ok()?;
            return Some(takes_one(self.specifier.as_ref()?, &version));
        }
        let version = Version::from_str(&self.text).ok()?;
        Some(takes_one(&self.operator.with(value)?, &version))
    }
}

impl fmt::Display for Marker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (parts, word) = match self {
            Self::Compares(comparison) => return write!(f, "{comparison}"),
            Self::All(parts) => (parts, "and"),
            Self::Any(parts) => (parts, "or"),
        };
        for (index, part) in parts.iter().enumerate() {
            if index > 0 {
                write!(f, " {word} ")?;
            }
            // Written as it was read: a list in a list of its own kind stood in parentheses too.
            match part {
                Self::Compares(comparison) => write!(f, "{comparison}")?,
                Self::All(_) if word == "or" => write!(f, "{part}")?,
                _ => write!(f, "({part})")?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, sign) = (self.variable.name(), self.operator.sign());
        let quote = if self.text.contains('"') { '\'' } else { '"' };
        let text = &self.text;
        match self.is_reversed {
            false => write!(f, "{name} {sign} {quote}{text}{quote}"),
            true => write!(f, "{quote}{text}{quote} {sign} {name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn here() -> MarkerEnvironment {
        MarkerEnvironment {
            os_name: "posix".to_owned(),
            sys_platform: "linux".to_owned(),
            platform_machine: "x86_64".to_owned(),
            platform_python_implementation: "CPython".to_owned(),
            platform_release: "6.1.0-18-amd64".to_owned(),
            platform_system: "Linux".to_owned(),
            python_version: "3.11".to_owned(),
            python_full_version: "3.11.7".to_owned(),
            implementation_name: "cpython".to_owned(),
            implementation_version: "3.11.7".to_owned(),
            platform_version: "#1 SMP".to_owned(),
        }
    }

    #[test]
    fn conditions_are_judged_as_the_specification_has_it() {
        // Each as packaging 24.1 answers for the same values.
        for (written, holds) in [
            ("python_version >= '3.9'", true),
            ("python_version < '3.9'", false),
            ("python_version == '3.*'", true),
            ("python_version ~= '3.8'", true),
            ("'3.9' <= python_version", true),
            ("'3.12' < python_version", false),
            ("python_full_version < '3.11.10'", true),
            ("python_version in '2.7 3.11'", true),
            ("python_version not in '2.7, 3.11'", false),
            ("sys_platform == 'win32'", false),
            ("sys.platform == 'linux'", true),
            ("platform_system != 'Windows'", true),
            ("os_name == 'nt' or os_name == 'posix'", true),
            (
                "os_name == 'nt' or os_name == 'posix' and python_version < '3'",
                false,
            ),
            (
                "(os_name == 'nt' or os_name == 'posix') and python_version > '3'",
                true,
            ),
            ("'lin' in sys_platform", true),
            ("extra == 'argon2'", false),
        ] {
            let marker = Marker::parse(&mut Text::new(written));
            let marker = marker.unwrap_or_else(|why| panic!("{written}: {why}"));
            assert_eq!(marker.holds(&here(), &[]), holds, "{written}");
        }
    }

    #[test]
    fn texts_that_are_no_versions_are_compared_as_texts() {
        // The specification's rule; packaging 24.1 ends with an error at both.
        for (written, holds) in [
            ("platform_release >= '5'", true),
            ("platform_machine ~= '1'", false),
        ] {
            let marker = Marker::parse(&mut Text::new(written)).expect(written);
            assert_eq!(marker.holds(&here(), &[]), holds, "{written}");
        }
    }

    #[test]
    fn extras_are_a_set_of_normalized_names() {
        let asked: Vec<Name> = vec![
            "argon2".parse().expect("a name"),
            "b-c".parse().expect("a name"),
        ];
        for (written, holds) in [
            ("extra == 'Argon2'", true),
            ("extra == 'b_c'", true),
            ("extra != 'd'", true),
            ("extra != 'argon2'", false),
            ("'argon2' == extra", true),
            ("extra == 'd' or extra == 'argon2'", true),
        ] {
            let marker = Marker::parse(&mut Text::new(written)).expect(written);
            assert_eq!(marker.holds(&here(), &asked), holds, "{written}");
        }
    }
}
