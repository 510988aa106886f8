//! `METADATA`: what a project is called, what it needs, and for which interpreters it is.

use std::fmt;
use std::str::FromStr;

use pep440_rs::{Version, VersionSpecifiers};

use crate::refusal::{Refusal, shown};
use crate::requirement::{Name, Requirement};

/// What installing and resolving ask of the core metadata.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    /// The project, normalized.
    pub name: Name,
    /// Its version.
    pub version: Version,
    /// What else has to be there, and when.
    pub requires: Vec<Requirement>,
    /// The interpreters that it is for, where it says.
    pub requires_python: Option<VersionSpecifiers>,
    /// The extras that can be asked for.
    pub extras: Vec<Name>,
    /// What it is, in a line; for people only.
    pub summary: Option<String>,
}

impl Metadata {
    /// Reads the headers; the description behind them is left.
    ///
    /// # Errors
    /// A name, version or requirement that is missing or cannot be read, by its line, and a
    /// version of the format whose major number nobody knows yet.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let (metadata, refused) = Self::parse_installed(text)?;
        match refused.into_iter().next() {
            Some(why) => Err(why),
            None => Ok(metadata),
        }
    }

    /// Reads what an older installer let through: a requirement that cannot be read is left out
    /// and its refusal given beside the rest, because what is installed is there all the same.
    ///
    /// # Errors
    /// As [`Metadata::parse`], but for the lines that are left out.
    pub(crate) fn parse_installed(text: &str) -> Result<(Self, Vec<Refusal>), Refusal> {
        let headers = headers(text);
        let one = |name: &str| {
            let mut found = headers
                .iter()
                .filter(|(key, _)| key.eq_ignore_ascii_case(name));
            found.next().map(|(_, value)| value.as_str())
        };
        let needed = |name: &str| {
            one(name).ok_or_else(|| Refusal::new(format!("its METADATA has no {name}")))
        };
        let version = needed("Metadata-Version")?;
        if !matches!(version.split('.').next(), Some("1" | "2")) {
            let shown = shown(version);
            return Err(Refusal::new(format!(
                "its METADATA is of version {shown}, which is unknown"
            )));
        }
        let mut refused = Vec::new();
        let metadata = Self {
            name: read("Name", needed("Name")?)?,
            version: read("Version", needed("Version")?)?,
            requires: readable("Requires-Dist", &headers, &mut refused),
            requires_python: readable("Requires-Python", &headers, &mut refused)
                .into_iter()
                .next(),
            extras: readable("Provides-Extra", &headers, &mut refused),
            summary: one("Summary").map(str::to_owned),
        };
        Ok((metadata, refused))
    }
}

/// The values of all headers called `name` that can be read; the others' refusals go to `refused`.
fn readable<T: FromStr<Err: fmt::Display>>(
    name: &str,
    headers: &[(String, String)],
    refused: &mut Vec<Refusal>,
) -> Vec<T> {
    let of = headers
        .iter()
        .filter(|(key, _)| key.eq_ignore_ascii_case(name));
    let read = of.filter_map(|(_, value)| match read(name, value) {
        Ok(value) => Some(value),
        Err(why) => {
            refused.push(why);
            None
        }
    });
    read.collect()
}

fn read<T: FromStr<Err: fmt::Display>>(key: &str, value: &str) -> Result<T, Refusal> {
    value.parse().map_err(|why: T::Err| {
        // The parser shows a pointer on lines of its own below the reason.
        let why = why.to_string();
        let why = why.lines().next().unwrap_or_default();
        Refusal::new(format!("{key} in its METADATA is {}: {why}", shown(value)))
    })
}

/// The headers up to the first empty line; a line that begins with a space goes on with the one
/// before.
pub(crate) fn headers(text: &str) -> Vec<(String, String)> {
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        if line.is_empty() {
            break;
        }
        if line.starts_with([' ', '\t']) {
            if let Some((_, value)) = headers.last_mut() {
                value.push('\n');
                value.push_str(line.trim());
            }
        } else if let Some((key, value)) = line.split_once(':') {
            headers.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const DJANGO: &str = "Metadata-Version: 2.1\nName: Django\nVersion: 5.1.2\n\
        Summary: A framework\nRequires-Python: >=3.10\n\
        Requires-Dist: asgiref <4,>=3.8.1\nRequires-Dist: sqlparse >=0.3.1\n\
        Requires-Dist: tzdata ; sys_platform == \"win32\"\n\
        Provides-Extra: argon2\nRequires-Dist: argon2-cffi >=19.1.0 ; extra == 'argon2'\n\
        License: one\n        and its second line: not a header\n\
        \nName: what stands in the description\n";

    #[test]
    fn what_is_needed_is_read_and_the_description_is_not() {
        let metadata = Metadata::parse(DJANGO).expect("METADATA");
        assert_eq!(metadata.name.as_str(), "django");
        assert_eq!(metadata.version.to_string(), "5.1.2");
        assert_eq!(metadata.requires.len(), 4);
        let needed: Vec<_> = metadata.requires.iter().map(|r| r.name.as_str()).collect();
        assert_eq!(needed, ["asgiref", "sqlparse", "tzdata", "argon2-cffi"]);
        let python = metadata.requires_python.expect("a range");
        assert!(python.contains(&"3.11".parse().expect("a version")));
        assert!(!python.contains(&"3.9".parse().expect("a version")));
        assert_eq!(metadata.extras.len(), 1);
        assert_eq!(metadata.summary.as_deref(), Some("A framework"));
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        for (from, to, why) in [
            ("Name: Django\n", "", "no Name"),
            (
                "Name: Django",
                "Name: ../x",
                "Name in its METADATA is `../x`",
            ),
            ("Version: 5.1.2", "Version: five", "Version in its METADATA"),
            ("Metadata-Version: 2.1", "Metadata-Version: 3.0", "unknown"),
            ("asgiref <4,>=3.8.1", "asgiref ?", "Requires-Dist"),
            (">=3.10", "newer", "Requires-Python"),
        ] {
            let text = DJANGO.replacen(from, to, 1);
            let refusal = Metadata::parse(&text).expect_err(to).to_string();
            assert!(
                refusal.contains(why) && !refusal.contains('\n'),
                "{refusal}"
            );
        }
    }

    proptest! {
        #[test]
        fn no_text_panics_and_each_refusal_is_one_line(
            key in "Name|Version|Requires-Dist|Requires-Python|Provides-Extra|X",
            value in "\\PC{0,40}|[a-z<>=,;. '\"\\[\\]()@]{0,30}",
        ) {
            let text = DJANGO.replacen('\n', &format!("\n{key}: {value}\n"), 1);
            if let Err(why) = Metadata::parse(&text) {
                prop_assert!(!why.to_string().contains('\n'));
            }
        }
    }
}
