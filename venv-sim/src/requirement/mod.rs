//! Requirements: which project, which of its versions, and when (PEP 508).
//!
//! ```
//! use venv_sim::Requirement;
//!
//! let requirement: Requirement = "Django[argon2] >=4.2,<6 ; python_version >= '3.10'".parse()?;
//! assert_eq!(requirement.name.as_str(), "django");
//! assert_eq!(requirement.extras[0].as_str(), "argon2");
//! # Ok::<(), venv_sim::Refusal>(())
//! ```
//!
//! Source: *Dependency specifiers* of the Python Packaging User Guide.

mod environment;
mod marker;
mod name;
mod specifier;
mod text;

use std::fmt;
use std::str::FromStr;

pub use environment::MarkerEnvironment;
pub use marker::Marker;
pub use name::Name;
use pep440_rs::{Version, VersionSpecifiers};
pub(crate) use specifier::{takes, takes_one};
use text::Text;

use crate::redaction::redacted;
use crate::refusal::{Refusal, shown_line, shown_url};

/// What one line of a list of requirements asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Requirement {
    /// The project.
    pub name: Name,
    /// What more of it is wanted.
    pub extras: Vec<Name>,
    /// Which of it.
    pub source: Source,
    /// When; always where there is none.
    pub marker: Option<Marker>,
}

/// Which of a project is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// A version that an index has; any where there is no specifier.
    Versions(VersionSpecifiers),
    /// The file at this address.
    Url(String),
}

impl Requirement {
    /// Whether `version` is one of those asked for, as PEP 440 has it. Which pre-releases count is
    /// not asked here; and every version may lie at an address.
    #[must_use]
    pub fn takes(&self, version: &Version) -> bool {
        match &self.source {
            Source::Versions(versions) => takes(versions, version),
            Source::Url(_) => true,
        }
    }
}

impl FromStr for Requirement {
    type Err = Refusal;

    fn from_str(line: &str) -> Result<Self, Refusal> {
        let mut text = Text::new(line);
        let requirement = requirement(&mut text);
        requirement
            .map_err(|why| Refusal::new(format!("the requirement {}: {why}", shown_line(line))))
    }
}

fn requirement(text: &mut Text<'_>) -> Result<Requirement, Refusal> {
    let name = text.name()?;
    let extras = extras(text)?;
    let source = if text.takes("@") {
        let url = text.until_space();
        if url.is_empty() {
            return Err(Refusal::new("there is no address behind the @"));
        }
        Source::Url(url.to_owned())
    } else {
        Source::Versions(specifiers(text)?)
    };
    let marker = match text.takes(";") {
        true => Some(Marker::parse(text)?),
        false => None,
    };
    match text.rest() {
        "" => Ok(Requirement {
            name,
            extras,
            source,
            marker,
        }),
        rest => Err(Refusal::new(format!("{} is too much", shown_url(rest)))),
    }
}

fn extras(text: &mut Text<'_>) -> Result<Vec<Name>, Refusal> {
    let mut extras = Vec::new();
    if !text.takes("[") || text.takes("]") {
        return Ok(extras);
    }
    loop {
        extras.push(text.name()?);
        if text.takes("]") {
            return Ok(extras);
        }
        if !text.takes(",") {
            return Err(Refusal::new("the list of extras has no end"));
        }
    }
}

/// With or without parentheses, up to the marker.
fn specifiers(text: &mut Text<'_>) -> Result<VersionSpecifiers, Refusal> {
    let in_parentheses = text.takes("(");
    let written = text.until(if in_parentheses { ")" } else { ";" }).trim();
    if in_parentheses && !text.takes(")") {
        return Err(Refusal::new("the parenthesis has no end"));
    }
    VersionSpecifiers::from_str(written).map_err(|why| {
        // The parser shows a pointer on lines of its own below the reason.
        if redacted(written) != written {
            // An address, which the parser's reason would quote.
            return Refusal::new(format!("the versions {} are none", shown_url(written)));
        }
        let why = why.to_string();
        let why = why.lines().next().unwrap_or_default();
        Refusal::new(format!(
            "the versions {}: {}",
            shown_url(written),
            why.trim_end()
        ))
    })
}

/// For people: an address is shown without name and password.
impl fmt::Display for Requirement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name)?;
        if !self.extras.is_empty() {
            let extras: Vec<_> = self.extras.iter().map(Name::as_str).collect();
            write!(f, "[{}]", extras.join(","))?;
        }
        match &self.source {
            Source::Versions(versions) => write!(f, "{versions}")?,
            Source::Url(url) => write!(f, " @ {}", redacted(url))?,
        }
        match &self.marker {
            Some(marker) => write!(f, " ; {marker}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn requirements_of_the_specification_are_read() {
        // The examples of PEP 508, and what each says.
        for (line, said) in [
            ("A", "a"),
            ("A.B-C_D", "a-b-c-d"),
            ("aa", "aa"),
            ("name", "name"),
            ("name<=1", "name<=1"),
            ("name>=3", "name>=3"),
            ("name>=2,<3", "name>=2, <3"),
            ("name@http://foo.com", "name @ http://foo.com"),
            (
                "name [fred,bar] @ http://foo.com ; python_version=='2.7'",
                "name[fred,bar] @ http://foo.com ; python_version == \"2.7\"",
            ),
            (
                "name[quux, strange];python_version<'2.7' and platform_version=='2'",
                "name[quux,strange] ; python_version < \"2.7\" and platform_version == \"2\"",
            ),
            (
                "name; os_name=='a' and (os_name=='b' or os_name=='c')",
                "name ; os_name == \"a\" and (os_name == \"b\" or os_name == \"c\")",
            ),
            ("name[] (>=1.0 , <2)", "name>=1.0, <2"),
            ("name == 2.*", "name==2.*"),
        ] {
            let read: Requirement = line.parse().unwrap_or_else(|why| panic!("{why}"));
            assert_eq!(read.to_string(), said);
            assert_eq!(read.to_string().parse(), Ok(read));
        }
    }

    #[test]
    fn what_cannot_be_read_is_told_with_the_part() {
        for (line, part) in [
            ("", "name"),
            ("-a", "name"),
            ("a.", "name"),
            ("a ?", "versions"),
            ("a >=", "versions"),
            ("a (>=1", "parenthesis"),
            ("a[b", "extras"),
            ("a[b c]", "extras"),
            ("a @ ", "address"),
            ("a ; os_name", "comparison"),
            ("a ; os_name = 'x'", "comparison"),
            ("a ; os_name == 'x", "end"),
            ("a ; os_name == 'x' x", "too much"),
            ("a ; os_nome == 'x'", "os_nome"),
            ("a ; 'x' == 'x'", "variable"),
            ("a ; (os_name == 'x'", "parenthesis"),
            ("a\"", "versions"),
        ] {
            let why = line.parse::<Requirement>().expect_err(line).to_string();
            assert!(why.contains(part) && !why.contains('\n'), "{line}: {why}");
        }
    }

    #[test]
    fn a_password_is_in_no_message_and_still_in_what_was_read() {
        let line = "foo @ http://me:s3cret@h/foo-1.0-py3-none-any.whl";
        let read: Requirement = line.parse().expect("a requirement");
        assert!(!read.to_string().contains("s3cret"), "{read}");
        assert!(matches!(read.source, Source::Url(url) if url.contains("s3cret")));
        for line in [
            "foo @ http://me:s3cret@h/foo.whl what",
            "foo @ http://me:s3#cret@h/foo.whl what",
            "foo@http://me:s3cret@h/foo.whl ; bogus",
            "foo @ http://me: s3cret@h/foo.whl",
            "foo http://me:s3cret@h/foo.whl",
            "foo == http://me:s3cret@h/foo.whl",
            "//me:s3cret@h/foo.whl",
            "me:s3cret@h/foo.whl",
        ] {
            let why = line.parse::<Requirement>().expect_err(line).to_string();
            assert!(!why.contains("cret") && !why.contains("s3"), "{why}");
            assert!(why.contains("h/foo.whl"), "{why}");
        }
    }

    #[test]
    fn parentheses_without_end_do_not_exhaust_the_stack() {
        let deep = format!("a ; {}", "(".repeat(100_000));
        deep.parse::<Requirement>().expect_err("refused");
    }

    proptest! {
        #[test]
        fn no_text_panics_and_each_refusal_is_one_line(
            line in "\\PC{0,40}|[a-z0-9.<>=!~,;()@'\" \\[\\]\n*+-]{0,50}|a ; [a-z_.='\"<> ()]{0,60}",
        ) {
            match line.parse::<Requirement>() {
                Ok(mut read) => {
                    // What is shown of an address is all of it but name and password.
                    if let Source::Url(url) = &mut read.source {
                        *url = redacted(url);
                    }
                    prop_assert_eq!(read.to_string().parse::<Requirement>(), Ok(read));
                }
                Err(why) => prop_assert!(!why.to_string().contains('\n'), "{}", why),
            }
        }
    }
}
