//! Which wheels an interpreter accepts, the best first.
//!
//! The list has over a thousand entries, and most are a few pairs of interpreter and binary
//! interface with the same platforms each. Only the pairs and the platforms are kept; the rank
//! of a tag follows from its place in both.
//!
//! Source: *Platform compatibility tags* (PEP 425, 600, 656); the order is that of
//! `packaging.tags.sys_tags`.

use crate::facts::Build;
use crate::linking::{Linking, Machine};
use crate::wheel::Tag;

/// The tags that an interpreter accepts, in order of preference.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tags {
    rows: Vec<Row>,
    /// Of this machine, the closest first.
    platforms: Vec<String>,
}

/// What the tags of an interpreter follow from.
pub(crate) struct Traits<'a> {
    /// `sys.implementation.name`
    pub(crate) implementation: &'a str,
    pub(crate) version: (u8, u8),
    pub(crate) is_64bit: bool,
    pub(crate) build: &'a Build,
    pub(crate) linking: &'a Linking,
}

/// Tags of one interpreter and one binary interface.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Row {
    python: String,
    abi: String,
    /// For any platform, and not for each of this machine.
    is_any: bool,
    /// How many tags are better than the first of these.
    before: usize,
}

impl Tags {
    /// How many tags are better than `tag`; `None` where it is not accepted.
    #[must_use]
    pub fn rank(&self, tag: &Tag) -> Option<usize> {
        let is_any = tag.platform == "any";
        let row = self
            .rows
            .iter()
            .find(|row| row.is_any == is_any && row.python == tag.python && row.abi == tag.abi)?;
        if is_any {
            return Some(row.before);
        }
        let place = self
            .platforms
            .iter()
            .position(|platform| *platform == tag.platform)?;
        Some(row.before + place)
    }

    /// The lowest rank of `tags`, those of one file; `None` where none is accepted.
    #[must_use]
    pub fn best<'a>(&self, tags: impl IntoIterator<Item = &'a Tag>) -> Option<usize> {
        tags.into_iter().filter_map(|tag| self.rank(tag)).min()
    }

    /// All of them, the best first.
    pub fn iter(&self) -> impl Iterator<Item = Tag> {
        let any = ["any".to_owned()];
        self.rows.iter().flat_map(move |row| {
            let platforms = if row.is_any {
                &any[..]
            } else {
                &self.platforms[..]
            };
            let tag = |platform: &String| Tag {
                python: row.python.clone(),
                abi: row.abi.clone(),
                platform: platform.clone(),
            };
            platforms.iter().map(tag).collect::<Vec<_>>()
        })
    }

    pub(crate) fn of(python: &Traits<'_>) -> Self {
        let mut tags = Self {
            rows: Vec::new(),
            platforms: platforms(python.is_64bit, python.build, python.linking),
        };
        let own = match python.implementation {
            "cpython" => tags.push_cpython(python),
            other => tags.push_generic(python, other),
        };
        tags.push_compatible(python, own);
        tags
    }

    fn push(&mut self, python: &str, abi: &str, is_any: bool) {
        let before = self.rows.last().map_or(0, |row| {
            row.before + if row.is_any { 1 } else { self.platforms.len() }
        });
        self.rows.push(Row {
            python: python.to_owned(),
            abi: abi.to_owned(),
            is_any,
            before,
        });
    }

    /// `cp311-cp311`, `cp311-abi3`, `cp311-none`, and the stable interface of those before.
    fn push_cpython(&mut self, python: &Traits<'_>) -> Option<String> {
        let (major, minor) = python.version;
        let build = python.build;
        let own = format!("cp{major}{minor}");
        let is_free_threaded = build.free_threaded && (major, minor) >= (3, 13);
        for abi in cpython_abis(&own, (major, minor), build, is_free_threaded) {
            self.push(&own, &abi, false);
        }
        // The free-threaded build lays its objects out otherwise: no stable interface holds.
        let is_stable = !is_free_threaded && (major, minor) >= (3, 2);
        if is_stable {
            self.push(&own, "abi3", false);
        }
        self.push(&own, "none", false);
        if is_stable {
            for minor in (2..minor).rev() {
                self.push(&format!("cp{major}{minor}"), "abi3", false);
            }
        }
        Some(format!("cp{}", nodot(python)))
    }

    /// `pp310-pypy310_pp73`, and what is for the interpreter but not for its binary interface.
    fn push_generic(&mut self, python: &Traits<'_>, implementation: &str) -> Option<String> {
        let short = match implementation {
            "pypy" => "pp",
            "ironpython" => "ip",
            "jython" => "jy",
            other => other,
        };
        let own = format!("{short}{}", nodot(python)).to_lowercase();
        if let Some(abi) = generic_abi(&python.build.ext_suffix) {
            self.push(&own, &abi, false);
        }
        self.push(&own, "none", false);
        (short == "pp").then(|| "pp3".to_owned())
    }

    /// What is for the language: `py311-none`, `py3-none`, `py310-none`, and so on down.
    fn push_compatible(&mut self, python: &Traits<'_>, own: Option<String>) {
        let (major, minor) = python.version;
        let mut versions = vec![format!("py{major}{minor}"), format!("py{major}")];
        versions.extend((0..minor).rev().map(|minor| format!("py{major}{minor}")));
        for version in &versions {
            self.push(version, "none", false);
        }
        if let Some(own) = own {
            self.push(&own, "none", true);
        }
        for version in &versions {
            self.push(version, "none", true);
        }
    }
}

fn nodot(python: &Traits<'_>) -> String {
    let (major, minor) = python.version;
    match python.build.nodot.as_str() {
        "" => format!("{major}{minor}"),
        nodot => nodot.to_owned(),
    }
}

fn cpython_abis(own: &str, version: (u8, u8), build: &Build, is_threaded: bool) -> Vec<String> {
    let threaded = if is_threaded { "t" } else { "" };
    let debug = if build.debug { "d" } else { "" };
    let unicode = if build.wide_unicode && version < (3, 3) {
        "u"
    } else {
        ""
    };
    let pymalloc = if build.pymalloc && version < (3, 8) {
        "m"
    } else {
        ""
    };
    let mut abis = vec![format!("{own}{threaded}{debug}{pymalloc}{unicode}")];
    if build.debug && version >= (3, 8) {
        // Since 3.8 a debug build loads what was built for a release.
        abis.push(format!("{own}{threaded}"));
    }
    abis
}

/// What the suffix of extension modules says: `.pypy310-pp73-x86_64-linux-gnu.so`.
fn generic_abi(suffix: &str) -> Option<String> {
    let soabi = suffix.strip_prefix('.')?.split_once('.')?.0;
    let mut parts = soabi.split('-');
    let abi = match soabi {
        "" => return None,
        _ if soabi.starts_with("cpython") => format!("cp{}", parts.nth(1)?),
        _ if soabi.starts_with("cp") => parts.next()?.to_owned(),
        _ if soabi.starts_with("pypy") => parts.take(2).collect::<Vec<_>>().join("-"),
        _ if soabi.starts_with("graalpy") => parts.take(3).collect::<Vec<_>>().join("-"),
        _ => soabi.to_owned(),
    };
    Some(normalized(&abi))
}

fn normalized(text: &str) -> String {
    text.replace(['.', '-', ' '], "_").to_lowercase()
}

/// The platforms whose programs run here, the closest first.
fn platforms(is_64bit: bool, build: &Build, linking: &Linking) -> Vec<String> {
    let platform = normalized(&build.platform);
    let Some(kernel) = platform.strip_prefix("linux_") else {
        return vec![platform];
    };
    // What `uname` says is the kernel's; a program of 32 bits has another.
    let architectures = match (is_64bit, kernel) {
        (false, "x86_64") => vec!["i686"],
        (false, "aarch64" | "armv8l") => vec!["armv8l", "armv7l"],
        (_, kernel) => vec![kernel],
    };
    let mut found = Vec::new();
    if let Some(glibc) = build
        .glibc
        .filter(|_| is_manylinux(&architectures, linking))
    {
        manylinux(&architectures, glibc, &mut found);
    }
    if let Some((major, minor)) = linking.musl {
        for architecture in &architectures {
            let version = |minor| format!("musllinux_{major}_{minor}_{architecture}");
            found.extend((0..=minor.min(MOST_MINORS)).rev().map(version));
        }
    }
    found.extend(architectures.iter().map(|name| format!("linux_{name}")));
    found
}

/// No C library has had so many minor versions: what says more is not believed.
const MOST_MINORS: u32 = 200;
/// Of a major version that has ended nobody knows the last minor one yet.
const LAST_GLIBC_MINOR: u32 = 50;

/// Whether PEP 600 says anything of this architecture, and the program is of the kind it means.
fn is_manylinux(architectures: &[&str], linking: &Linking) -> bool {
    if architectures.contains(&"armv7l") {
        return linking.machine == Machine::ArmHardFloat;
    }
    if architectures.contains(&"i686") {
        return linking.machine == Machine::I686;
    }
    let known = [
        "x86_64",
        "aarch64",
        "ppc64",
        "ppc64le",
        "s390x",
        "loongarch64",
        "riscv64",
    ];
    architectures.iter().any(|name| known.contains(name))
}

/// Every glibc down to the oldest that the architecture has, with the names from before PEP 600.
fn manylinux(architectures: &[&str], (major, minor): (u32, u32), found: &mut Vec<String>) {
    let is_x86 = architectures
        .iter()
        .any(|name| matches!(*name, "x86_64" | "i686"));
    let oldest = if is_x86 { 5 } else { 17 };
    for architecture in architectures {
        for glibc in (2..=major.min(MOST_MINORS)).rev() {
            let newest = if glibc == major {
                minor.min(MOST_MINORS)
            } else {
                LAST_GLIBC_MINOR
            };
            let oldest = if glibc == 2 { oldest } else { 0 };
            for minor in (oldest..=newest).rev() {
                found.push(format!("manylinux_{glibc}_{minor}_{architecture}"));
                let legacy = match (glibc, minor) {
                    (2, 17) => "manylinux2014",
                    (2, 12) => "manylinux2010",
                    (2, 5) => "manylinux1",
                    _ => continue,
                };
                found.push(format!("{legacy}_{architecture}"));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn build(platform: &str, glibc: Option<(u32, u32)>) -> Build {
        Build {
            platform: platform.to_owned(),
            glibc,
            pymalloc: true,
            wide_unicode: true,
            ..Build::default()
        }
    }

    fn linking(machine: Machine, musl: Option<(u32, u32)>) -> Linking {
        Linking { machine, musl }
    }

    #[track_caller]
    fn check(is_64bit: bool, build: &Build, linking: &Linking, expected: &[&str]) {
        assert_eq!(platforms(is_64bit, build, linking), expected);
    }

    #[test]
    fn glibc_is_counted_down_with_the_names_from_before() {
        // PEP 600: manylinux1 is glibc 2.5, 2010 is 2.12, 2014 is 2.17.
        let other = linking(Machine::Other, None);
        check(
            true,
            &build("linux-x86_64", Some((2, 6))),
            &other,
            &[
                "manylinux_2_6_x86_64",
                "manylinux_2_5_x86_64",
                "manylinux1_x86_64",
                "linux_x86_64",
            ],
        );
        // Architectures that came later begin with 2.17.
        check(
            true,
            &build("linux-aarch64", Some((2, 17))),
            &other,
            &[
                "manylinux_2_17_aarch64",
                "manylinux2014_aarch64",
                "linux_aarch64",
            ],
        );
        check(
            true,
            &build("linux-riscv64", Some((2, 16))),
            &other,
            &["linux_riscv64"],
        );
    }

    #[test]
    fn a_program_of_32_bits_has_another_platform_than_its_kernel() {
        let kernel = build("linux-x86_64", Some((2, 5)));
        let i686 = ["manylinux_2_5_i686", "manylinux1_i686", "linux_i686"];
        check(false, &kernel, &linking(Machine::I686, None), &i686);
        // x32, which no wheel is for.
        check(
            false,
            &kernel,
            &linking(Machine::Other, None),
            &["linux_i686"],
        );
        let kernel = build("linux-aarch64", Some((2, 17)));
        check(
            false,
            &kernel,
            &linking(Machine::ArmHardFloat, None),
            &[
                "manylinux_2_17_armv8l",
                "manylinux2014_armv8l",
                "manylinux_2_17_armv7l",
                "manylinux2014_armv7l",
                "linux_armv8l",
                "linux_armv7l",
            ],
        );
        check(
            false,
            &kernel,
            &linking(Machine::Other, None),
            &["linux_armv8l", "linux_armv7l"],
        );
    }

    #[test]
    fn musl_has_its_own_names() {
        check(
            true,
            &build("linux-x86_64", None),
            &linking(Machine::Other, Some((1, 1))),
            &[
                "musllinux_1_1_x86_64",
                "musllinux_1_0_x86_64",
                "linux_x86_64",
            ],
        );
    }

    #[test]
    fn a_version_that_nobody_has_makes_no_endless_list() {
        let absurd = build("linux-x86_64", Some((u32::MAX, u32::MAX)));
        let musl = linking(Machine::Other, Some((1, u32::MAX)));
        assert!(platforms(true, &absurd, &musl).len() < 20_000);
    }

    #[test]
    fn each_build_of_cpython_has_its_interface() {
        let plain = build("linux-x86_64", None);
        let debug = Build {
            debug: true,
            ..plain.clone()
        };
        assert_eq!(cpython_abis("cp27", (2, 7), &plain, false), ["cp27mu"]);
        assert_eq!(cpython_abis("cp37", (3, 7), &plain, false), ["cp37m"]);
        assert_eq!(cpython_abis("cp37", (3, 7), &debug, false), ["cp37dm"]);
        assert_eq!(cpython_abis("cp38", (3, 8), &plain, false), ["cp38"]);
        assert_eq!(
            cpython_abis("cp38", (3, 8), &debug, false),
            ["cp38d", "cp38"]
        );
        assert_eq!(cpython_abis("cp313", (3, 13), &plain, true), ["cp313t"]);
        assert_eq!(
            cpython_abis("cp313", (3, 13), &debug, true),
            ["cp313td", "cp313t"]
        );
    }

    #[test]
    fn other_implementations_say_theirs_in_the_suffix_of_extensions() {
        for (suffix, abi) in [
            (".pypy310-pp73-x86_64-linux-gnu.so", Some("pypy310_pp73")),
            (
                ".graalpy230-310-native-x86_64-linux.so",
                Some("graalpy230_310_native"),
            ),
            (".cpython-310-x86_64-linux-gnu.so", Some("cp310")),
            (
                ".rustpython-37m-x86_64-linux-gnu.so",
                Some("rustpython_37m_x86_64_linux_gnu"),
            ),
            (".so", None),
            ("", None),
        ] {
            assert_eq!(generic_abi(suffix).as_deref(), abi, "{suffix}");
        }
    }
}
