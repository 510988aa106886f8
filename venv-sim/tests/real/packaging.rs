//! Versions, specifiers, markers and requirements, held against `packaging`, the reference: the
//! copy in the pip that an interpreter brings along answers the same made-up questions.

use std::io::Write as _;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use pep440_rs::Version;
use serde_json::{Value, json};
use venv_sim::{Interpreter, MarkerEnvironment, Requirement, Source};

use crate::machine::{python, trial};

/// So many questions of each kind.
const MANY: usize = 5000;

/// Of the copies before, some still know the versions of the time before PEP 440.
const OLDEST: &str = "23.0";

type Check = fn(&Reference) -> Result<(), Failed>;

pub(crate) fn trials() -> Vec<Trial> {
    let reference = reference();
    let missing = || reference.as_ref().err().cloned();
    let checks: [(&str, Check); 5] = [
        ("versions_are_spelled_as_packaging_spells_them", spelling),
        ("versions_are_ordered_as_packaging_orders_them", order),
        ("specifiers_take_what_packaging_takes", specifiers),
        ("markers_hold_where_packaging_says_so", markers),
        (
            "requirements_are_read_as_packaging_reads_them",
            requirements,
        ),
    ];
    let trials = checks.into_iter().map(|(name, check)| {
        let reference = reference.clone();
        trial(name, missing(), move || check(&reference?))
    });
    trials.collect()
}

/// An interpreter whose pip has a copy that is new enough.
#[derive(Clone)]
struct Reference(Interpreter);

fn reference() -> Result<Reference, String> {
    let oldest: Version = OLDEST.parse().expect("a version");
    let versions = ["3.14", "3.13", "3.12", "3.11"];
    let pythons = versions.iter().filter_map(|version| python(version).ok());
    let fits = |reference: &Reference| {
        let about = reference.answers(&[json!(["about"])]).ok()?;
        let version: Version = about[0].as_str()?.parse().ok()?;
        Some(version >= oldest)
    };
    pythons
        .map(Reference)
        .find(|reference| fits(reference) == Some(true))
        .ok_or_else(|| format!("no interpreter with packaging {OLDEST} or newer in its pip"))
}

impl Reference {
    fn answers(&self, questions: &[Value]) -> Result<Vec<Value>, Failed> {
        let mut child = Command::new(&self.0.executable)
            .args(["-I", "-c", include_str!("packaging.py")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let mut stdin = child.stdin.take().expect("piped");
        let lines: String = questions.iter().map(|one| format!("{one}\n")).collect();
        let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()));
        let output = child.wait_with_output()?;
        let _ = writer.join();
        let said = String::from_utf8_lossy(&output.stdout);
        let answers: Vec<Value> = said
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        match answers.len() == questions.len() {
            true => Ok(answers),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned().into()),
        }
    }

    /// Holds our answers against the reference's; the first differences are told.
    fn check(&self, cases: &[(Value, Value)]) -> Result<(), Failed> {
        let questions: Vec<Value> = cases.iter().map(|(question, _)| question.clone()).collect();
        let answers = self.answers(&questions)?;
        let pairs = cases.iter().zip(&answers);
        let differ = pairs.filter(|((_, ours), theirs)| *theirs != "undefined" && ours != *theirs);
        let told: Vec<String> = differ
            .map(|((question, ours), theirs)| format!("{question}: {ours}, and packaging {theirs}"))
            .collect();
        let kinds: std::collections::BTreeSet<_> = answers.iter().map(Value::to_string).collect();
        if kinds.len() < 2 {
            return Err(format!("all answers are {kinds:?}: the questions are no good").into());
        }
        match told.len() {
            0 => Ok(()),
            count => Err(format!("{count} differ:\n{}", told[..count.min(12)].join("\n")).into()),
        }
    }
}

/// Numbers that look random, and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        // Knuth's constants for a linear congruential generator of 64 bits.
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).expect("31 bits") % limit
    }

    fn one_of<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// A version, near others, in one of its spellings; now and then none.
    fn version(&mut self) -> String {
        let mut text = self.one_of(&["", "", "", "", "1!", "v", "0!"]).to_owned();
        text.push_str(self.one_of(&[
            "1", "2", "0", "1.0", "1.1", "1.0.0", "1.0.1", "2.0", "1.10", "01.2",
        ]));
        text.push_str(self.one_of(&[
            "", "", "", "", "a1", "b2", "rc1", ".alpha", "-c.3", "pre2", "_beta1", "a",
        ]));
        text.push_str(self.one_of(&[
            "", "", "", "", ".post1", "-2", ".rev3", "post", ".r0", "-post_1",
        ]));
        text.push_str(self.one_of(&["", "", "", "", ".dev1", "dev", "-dev2", ".DEV0"]));
        text.push_str(self.one_of(&["", "", "", "", "", "", "+abc", "+1.a", "+Ab_2", "+0.1"]));
        text.push_str(self.one_of(&[
            "", "", "", "", "", "", "", "", "", "", "", ".", "!", " x", "+",
        ]));
        text
    }

    fn specifier(&mut self) -> String {
        let operator = self.one_of(&["==", "!=", "<=", ">=", "<", ">", "~=", "=== "]);
        let star = if self.below(5) == 0 { ".*" } else { "" };
        let version = self.version();
        // It reads the prefix of `~=` off the text, and is wrong where that is not the one spelling.
        let version = match version.parse::<Version>() {
            Ok(version) if operator == "~=" => version.to_string(),
            _ => version,
        };
        format!("{operator}{version}{star}")
    }
}

fn spelling(reference: &Reference) -> Result<(), Failed> {
    let mut dice = Dice(1);
    let cases = (0..MANY).map(|_| {
        let text = dice.version();
        let ours = text
            .parse::<Version>()
            .ok()
            .map(|version| version.to_string());
        (json!(["version", text]), json!(ours))
    });
    reference.check(&cases.collect::<Vec<_>>())
}

fn order(reference: &Reference) -> Result<(), Failed> {
    let mut dice = Dice(2);
    let mut version = || loop {
        let text = dice.version();
        if let Ok(version) = text.parse::<Version>() {
            return (text, version);
        }
    };
    let cases = (0..MANY).map(|_| {
        let ((one, left), (other, right)) = (version(), version());
        (json!(["order", one, other]), json!(left.cmp(&right) as i8))
    });
    reference.check(&cases.collect::<Vec<_>>())
}

fn specifiers(reference: &Reference) -> Result<(), Failed> {
    let mut dice = Dice(3);
    let mut cases = Vec::new();
    while cases.len() < MANY * 2 {
        let version = dice.version();
        let Ok(parsed) = version.parse::<Version>() else {
            continue;
        };
        let mut specifiers = dice.specifier();
        if dice.below(4) == 0 {
            specifiers = format!("{specifiers} , {}", dice.specifier());
        }
        let requirement: Result<Requirement, _> = format!("a {specifiers}").parse();
        // Left to others: texts that are no versions, and prefixes that are no releases.
        let is_ours =
            requirement.is_ok() || !(specifiers.contains("===") || specifiers.contains(".*"));
        if is_ours {
            let ours = requirement
                .ok()
                .map(|requirement| requirement.takes(&parsed));
            cases.push((json!(["takes", specifiers, version]), json!(ours)));
        }
    }
    reference.check(&cases)
}

fn markers(reference: &Reference) -> Result<(), Failed> {
    let mut dice = Dice(4);
    let environment = MarkerEnvironment {
        os_name: "posix".to_owned(),
        sys_platform: "linux".to_owned(),
        platform_machine: "x86_64".to_owned(),
        platform_python_implementation: "CPython".to_owned(),
        platform_release: "6.1.0".to_owned(),
        platform_system: "Linux".to_owned(),
        platform_version: "#1 SMP".to_owned(),
        python_version: "3.11".to_owned(),
        python_full_version: "3.11.7".to_owned(),
        implementation_name: "cpython".to_owned(),
        implementation_version: "3.11.7".to_owned(),
    };
    let same = json!({
        "os_name": "posix", "sys_platform": "linux", "platform_machine": "x86_64",
        "platform_python_implementation": "CPython", "platform_release": "6.1.0",
        "platform_system": "Linux", "platform_version": "#1 SMP", "python_version": "3.11",
        "python_full_version": "3.11.7", "implementation_name": "cpython",
        "implementation_version": "3.11.7", "extra": "",
    });
    let cases = (0..MANY).map(|_| {
        let marker = marker(&mut dice, 3);
        let read = format!("a ; {marker}").parse::<Requirement>().ok();
        let ours = read.and_then(|read| read.marker);
        let ours = ours.map(|marker| marker.holds(&environment, &[]));
        (json!(["marker", marker, same]), json!(ours))
    });
    reference.check(&cases.collect::<Vec<_>>())
}

fn marker(dice: &mut Dice, depth: usize) -> String {
    match dice.below(if depth == 0 { 4 } else { 8 }) {
        4 => format!(
            "{} and {}",
            marker(dice, depth - 1),
            marker(dice, depth - 1)
        ),
        5 => format!("{} or {}", marker(dice, depth - 1), marker(dice, depth - 1)),
        6 => format!("({})", marker(dice, depth - 1)),
        kind => {
            let texts = [
                "posix", "linux", "x86_64", "CPython", "3.11", "3.9", "win32", "", "lin",
            ];
            let versions = [
                "3.11", "3.9", "3.10", "3.*", "3.11.7", "3.11.8", "4", "3.12a1", "3",
            ];
            let operators = [
                "==", "!=", "<", ">", "<=", ">=", "~=", "===", "in", "not in",
            ];
            let operators = if kind == 7 {
                &operators[..]
            } else {
                &operators[..7]
            };
            let (variable, value) = match dice.below(2) {
                0 => (
                    dice.one_of(&[
                        "os_name",
                        "sys_platform",
                        "platform_machine",
                        "os.name",
                        "platform_python_implementation",
                        "python_implementation",
                        "nonsense",
                    ]),
                    dice.one_of(&texts),
                ),
                _ => (
                    dice.one_of(&[
                        "python_version",
                        "python_full_version",
                        "implementation_version",
                    ]),
                    dice.one_of(&versions),
                ),
            };
            let operator = match value.starts_with('3') || value == "4" {
                true => dice.one_of(operators),
                false => dice.one_of(&["==", "!=", "in", "not in"]),
            };
            match dice.below(4) {
                0 => format!("'{value}' {operator} {variable}"),
                _ => format!("{variable} {operator} \"{value}\""),
            }
        }
    }
}

fn requirements(reference: &Reference) -> Result<(), Failed> {
    let mut dice = Dice(5);
    let cases = (0..MANY).map(|_| {
        let mut line = dice
            .one_of(&["a", "A.b_c", "a-1", "a-", "-a", "x y", ""])
            .to_owned();
        line.push_str(dice.one_of(&[
            "", "", "", " ", "[x]", "[x, Y.z]", "[]", "[x", "[x y]", " [ x ] ",
        ]));
        line.push_str(dice.one_of(&[
            "",
            ">=1",
            " >=1 , <2",
            "(>=1)",
            " (>=1,<2) ",
            "(>=1",
            " @ https://x.test/a",
            "@ file:///a#b",
            ">1.0.*",
            " == 1.*",
            "1.0",
            "=1",
        ]));
        line.push_str(dice.one_of(&[
            "",
            "",
            " ; os_name == 'x'",
            ";os_name=='x'",
            " ; (os_name == 'x'",
            " ;",
            " ; os_name == 'x' and",
            " # x",
        ]));
        let read = line.parse::<Requirement>().ok();
        let ours = read.map(|read| {
            let mut extras: Vec<_> = read.extras.iter().map(ToString::to_string).collect();
            extras.sort();
            extras.dedup();
            let url = match &read.source {
                Source::Url(url) => Some(url.clone()),
                Source::Versions(_) => None,
            };
            json!([read.name.as_str(), extras, url, read.marker.is_some()])
        });
        (json!(["requirement", line]), json!(ours))
    });
    reference.check(&cases.collect::<Vec<_>>())
}
