//! The name of a wheel's file: project, version, build, and the tags that tell whom it is for.

use std::fmt;
use std::str::FromStr;

use pep440_rs::Version;

use crate::refusal::{Refusal, shown};
use crate::requirement::Name;

/// The name of a wheel's file, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WheelName {
    /// The project, normalized.
    pub project: Name,
    /// Its version.
    pub version: Version,
    /// Which build of that version, where the name says.
    pub build: Option<Build>,
    /// Whom it is for: every combination of the tags that the name lists.
    pub tags: Vec<Tag>,
}

/// A build tag. Of two wheels that are alike otherwise the one with the greater is preferred.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Build {
    /// The digits that it begins with.
    pub number: u64,
    /// What follows them.
    pub rest: String,
}

/// One combination of tags (PEP 425), as in `cp311-abi3-manylinux_2_17_x86_64`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag {
    /// The interpreter and its version: `py3`, `cp311`.
    pub python: String,
    /// The binary interface: `none`, `abi3`, `cp311`.
    pub abi: String,
    /// The platform: `any`, `linux_x86_64`, `manylinux_2_17_x86_64`.
    pub platform: String,
}

/// How many combinations one name may list: the longest names of the index list about thirty.
const MOST_TAGS: usize = 1000;

impl FromStr for WheelName {
    type Err = Refusal;

    /// Reads the name of a file, without its directory.
    fn from_str(file: &str) -> Result<Self, Refusal> {
        let stem = file.strip_suffix(".whl").ok_or_else(|| {
            let shown = shown(file);
            Refusal::new(format!("the name {shown} does not end in .whl"))
        })?;
        let parts: Vec<&str> = stem.split('-').collect();
        let (project, version, build, tags) = match parts[..] {
            [project, version, python, abi, platform] => {
                (project, version, None, [python, abi, platform])
            }
            [project, version, build, python, abi, platform] => {
                (project, version, Some(build), [python, abi, platform])
            }
            _ => {
                return Err(Refusal::new(format!(
                    "the name {} is not PROJECT-VERSION[-BUILD]-PYTHON-ABI-PLATFORM.whl",
                    shown(file)
                )));
            }
        };
        let in_name = |what: &str, part: &str, why: &dyn fmt::Display| {
            Refusal::new(format!("the {what} {} of its name: {why}", shown(part)))
        };
        Ok(Self {
            project: Name::from_str(project).map_err(|e| in_name("project", project, &e))?,
            version: read_version(version).map_err(|e| in_name("version", version, &e))?,
            build: build.map(Build::from_str).transpose()?,
            tags: combinations(tags)?,
        })
    }
}

/// The version in a name, where `_` stands for `-`. What reads versions takes blanks and ends of
/// lines around them for nothing, and in a name they are something.
pub(super) fn read_version(written: &str) -> Result<Version, Refusal> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '+' | '!');
    if !written.chars().all(is_plain) {
        return Err(Refusal::new("it has other characters than a version has"));
    }
    let version = Version::from_str(&written.replace('_', "-"));
    version.map_err(|why| Refusal::new(why.to_string()))
}

impl FromStr for Build {
    type Err = Refusal;

    fn from_str(text: &str) -> Result<Self, Refusal> {
        let end = text
            .find(|c: char| !c.is_ascii_digit())
            .unwrap_or(text.len());
        let (digits, rest) = text.split_at(end);
        let number = digits.parse().map_err(|_| {
            let shown = shown(text);
            Refusal::new(format!(
                "the build tag {shown} of its name begins with no number"
            ))
        })?;
        // The name becomes a line of the store's list, and a line it has to stay.
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.');
        if !rest.chars().all(is_plain) {
            let shown = shown(text);
            return Err(Refusal::new(format!(
                "the build tag {shown} of its name has other characters than letters and digits"
            )));
        }
        let rest = rest.to_owned();
        Ok(Self { number, rest })
    }
}

/// `py2.py3`, `none` and `any` are two tags.
fn combinations(sets: [&str; 3]) -> Result<Vec<Tag>, Refusal> {
    let plain = |tag: &str| {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        !tag.is_empty() && tag.chars().all(word)
    };
    let count = sets
        .iter()
        .map(|set| set.split('.').count())
        .product::<usize>();
    if count > MOST_TAGS {
        return Err(Refusal::new(format!("its name lists {count} tags")));
    }
    let mut tags = Vec::with_capacity(count);
    let [pythons, abis, platforms] = sets;
    for python in pythons.split('.') {
        for abi in abis.split('.') {
            for platform in platforms.split('.') {
                if let Some(odd) = [python, abi, platform].into_iter().find(|tag| !plain(tag)) {
                    let shown = shown(odd);
                    return Err(Refusal::new(format!("the tag {shown} of its name is none")));
                }
                let lower = |tag: &str| tag.to_ascii_lowercase();
                tags.push(Tag {
                    python: lower(python),
                    abi: lower(abi),
                    platform: lower(platform),
                });
            }
        }
    }
    Ok(tags)
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.python, self.abi, self.platform)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(file: &str) -> WheelName {
        file.parse().unwrap_or_else(|why| panic!("{file}: {why}"))
    }

    #[test]
    fn names_of_the_index_are_read() {
        let django = name("Django-5.1.2-py3-none-any.whl");
        assert_eq!(django.project.as_str(), "django");
        assert_eq!(django.version.to_string(), "5.1.2");
        assert_eq!((django.build, django.tags.len()), (None, 1));

        let numpy = name("numpy-2.1.2-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl");
        let platforms: Vec<_> = numpy.tags.iter().map(|tag| &tag.platform[..]).collect();
        assert_eq!(platforms, ["manylinux_2_17_x86_64", "manylinux2014_x86_64"]);

        let six = name("six-1.16.0-py2.py3-none-any.whl");
        assert_eq!(six.tags[1].to_string(), "py3-none-any");
        let dotted = name("zope.interface-7.0-1local-cp312-abi3-linux_x86_64.whl");
        assert_eq!(dotted.project.as_str(), "zope-interface");
        let build = dotted.build.expect("a build");
        assert_eq!((build.number, &build.rest[..]), (1, "local"));
        assert_eq!(
            name("a-1.0+local_1-py3-none-any.whl").version.to_string(),
            "1.0+local.1"
        );
    }

    #[test]
    fn what_is_no_name_of_a_wheel_is_refused_with_the_part() {
        for (file, part) in [
            ("a-1.0.tar.gz", ".whl"),
            ("a-1.0-py3-none.whl", "PLATFORM"),
            ("a-1.0-1-2-py3-none-any.whl", "PLATFORM"),
            ("-1.0-py3-none-any.whl", "project"),
            ("../a-1.0-py3-none-any.whl", "project"),
            ("a-one-py3-none-any.whl", "version"),
            ("a-1.0-x1-py3-none-any.whl", "build tag"),
            ("a-1.0-1\nx-py3-none-any.whl", "build tag"),
            ("a- 1.0-py3-none-any.whl", "version"),
            ("a-1.0 -py3-none-any.whl", "version"),
            ("a-1.0\n-py3-none-any.whl", "version"),
            ("a-1.0\t-1-py3-none-any.whl", "version"),
            ("a-1.0-py3-no/ne-any.whl", "no/ne"),
            ("a-1.0-py3..py2-none-any.whl", "tag"),
        ] {
            let why = file.parse::<WheelName>().expect_err(file).to_string();
            assert!(why.contains(part), "{file}: {why}");
        }
    }

    #[test]
    fn builds_are_ordered_by_their_number_first() {
        let build = |text: &str| text.parse::<Build>().expect("a build");
        assert!(build("9z") < build("10a"));
        assert!(build("1a") < build("1b"));
    }

    proptest! {
        #[test]
        fn no_name_panics_and_each_refusal_is_one_line(file in "\\PC{0,40}|[a-z0-9_.\\-\n]{0,40}(\\.whl)?") {
            if let Err(why) = file.parse::<WheelName>() {
                prop_assert!(!why.to_string().contains('\n'));
            }
        }
    }
}
