//! Projects' files as their specifications have them, and as nobody should write them.

use proptest::prelude::*;

use super::pyproject::{self, Extras};
use super::toml_file::File;
use super::wanted::Wanted;
use crate::error::Result;
use crate::requirement::Name;

fn file(text: &str) -> File<'_> {
    File {
        name: "pyproject.toml".to_owned(),
        text,
        above: 0,
    }
}

fn texts(wanted: &[Wanted]) -> Vec<String> {
    let told = wanted.iter().map(|one| {
        let line = one.at.as_ref().map_or(0, |at| at.line);
        format!("{line} {}", one.requirement)
    });
    told.collect()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

fn extras(names: &[&str]) -> Extras {
    Extras {
        all: false,
        names: names.iter().map(|one| name(one)).collect(),
    }
}

fn project(text: &str, names: &[&str]) -> Result<Vec<Wanted>> {
    pyproject::project(&file(text), &extras(names))
}

const SPAM: &str = r#"[project]
name = "Spam.Eggs"
dependencies = [
  "httpx",
  "django>2.1; os_name != 'nt'",
]
[project.optional-dependencies]
gui = ["PyQt5"]
cli = ["rich", "click"]
All_Of = ["spam-eggs[gui,cli]", "spam_eggs[cli] ; os_name == 'nt'"]
circle = ["spam-eggs[circle]", "one"]
"#;

#[test]
fn a_project_asks_for_its_requirements_and_those_of_its_extras() {
    let read = |names: &[&str]| texts(&project(SPAM, names).expect("a project"));
    assert_eq!(read(&[]), ["4 httpx", "5 django>2.1 ; os_name != \"nt\""]);
    assert_eq!(read(&["CLI"])[2..], ["9 rich", "9 click"]);
    assert_eq!(
        read(&["all-of"])[2..],
        [
            "8 pyqt5",
            "9 rich",
            "9 click",
            "9 rich ; os_name == \"nt\"",
            "9 click ; os_name == \"nt\""
        ]
    );
    assert_eq!(read(&["circle"])[2..], ["11 one"]);
    let all = Extras {
        all: true,
        ..Extras::default()
    };
    let all = pyproject::project(&file(SPAM), &all).expect("a project");
    assert!(texts(&all).contains(&"11 one".to_owned()));
}

#[test]
fn extras_that_lead_back_to_themselves_ask_for_nothing_more_whatever_their_markers() {
    let of = |extras: &str| {
        let text = format!("[project]\nname = 'mine'\n[project.optional-dependencies]\n{extras}");
        project(&text, &["a"]).map(|wanted| texts(&wanted))
    };
    assert_eq!(
        of(
            "a = [\"mine[a]; os_name=='posix'\", \"mine[a]; os_name=='nt'\", \"w; sys_platform=='win32'\"]"
        )
        .expect("an end"),
        ["4 w ; sys_platform == \"win32\""]
    );
    // Both conditions hold of what is asked for by way of another, each once.
    assert_eq!(
        of("a = [\"mine[b]; os_name=='posix'\"]\nb = [\"w; os_name=='posix' and sys_platform=='linux'\"]")
            .expect("an end"),
        ["5 w ; os_name == \"posix\" and sys_platform == \"linux\""]
    );
    // Each of these doubles the ways.
    let mut pyramid = "a = ['mine[x30]']\nx0 = ['w']\n".to_owned();
    for floor in 1..=30 {
        let below = floor - 1;
        pyramid.push_str(&format!(
            "x{floor} = [\"mine[x{below}]; os_name<'{floor}'\", \"mine[x{below}]; os_name>'{floor}'\"]\n"
        ));
    }
    let error = of(&pyramid).expect_err("no end");
    assert!(error.to_string().contains("1000 ways"), "{error}");
}

#[test]
fn a_group_may_ask_for_extras_of_the_project_and_no_index_is_asked_for_it() {
    let text = "[project]\nname = 'mine'\n[project.optional-dependencies]\ntest = ['w']\n\
        [dependency-groups]\ndev = ['Mine[test]', 'v']\n";
    let wanted = pyproject::group(&file(text), &name("dev")).expect("a group");
    assert_eq!(texts(&wanted), ["4 w", "6 v"]);
}

#[test]
fn what_only_building_tells_is_refused_by_name() {
    let dynamic = "[project]\nname = 'a'\ndynamic = ['version',\n'dependencies']\n";
    let error = project(dynamic, &[]).expect_err("dynamic");
    assert!(error.to_string().contains("pyproject.toml:4"), "{error}");
    assert!(error.hint().expect("a remedy").contains("build"));
    let dynamic =
        "[project]\nname = 'a'\ndependencies = ['b']\ndynamic = ['optional-dependencies']\n";
    assert_eq!(texts(&project(dynamic, &[]).expect("static")), ["3 b"]);
    let error = project(dynamic, &["x"]).expect_err("dynamic");
    assert!(
        error
            .to_string()
            .contains("optional-dependencies are dynamic")
    );
}

/// The example of the specification.
const GROUPS: &str = r#"[dependency-groups]
coverage = ["coverage[toml]"]
test = ["pytest>7", {include-group = "coverage"}]
Typing_Test = ["typing", {include-group = "test"}, {include-group = "Coverage"}]
one = [{include-group = "two"}]
two = [{include-group = "one"}]
odd = [{include-group = "test", more = 1}]
lost = ["a",
  {include-group = "gone"}]
"#;

#[test]
fn a_group_has_what_it_includes() {
    let read = |text: &str| pyproject::group(&file(GROUPS), &name(text)).map(|one| texts(&one));
    assert_eq!(
        read("test").expect("a group"),
        ["3 pytest>7", "2 coverage[toml]"]
    );
    assert_eq!(
        read("typing-test").expect("a group"),
        ["4 typing", "3 pytest>7", "2 coverage[toml]"]
    );
    for (group, part) in [
        ("one", "pyproject.toml:6"),
        ("two", "no end"),
        ("odd", "pyproject.toml:7"),
        ("lost", "pyproject.toml:9"),
        ("gone", "it has coverage, "),
    ] {
        let why = read(group).expect_err(group).to_string();
        assert!(why.contains(part), "{group}: {why}");
    }
    let twice = "[dependency-groups]\na-b = []\nA_b = []\n";
    let why = pyproject::group(&file(twice), &name("a-b")).expect_err("twice");
    assert!(why.to_string().contains("twice"), "{why}");
}

#[test]
fn what_is_wrong_is_told_by_its_line() {
    for (text, part) in [
        ("", "[project]"),
        ("project = 1", "pyproject.toml:1"),
        ("[project]\nname = 'a'\n[project]\n", "pyproject.toml:3"),
        ("[project]\ndependencies = 'a'\n", "pyproject.toml:2"),
        (
            "[project]\ndependencies = [\n'a',\n1]\n",
            "pyproject.toml:4",
        ),
        (
            "[project]\ndependencies = [\n'a',\n'b ?']\n",
            "pyproject.toml:4",
        ),
        (
            "[project]\ndependencies = ['./a.whl']\n",
            "pyproject.toml:2",
        ),
        ("[project]\ndependencies = ['a @ git+https://x/y']\n", "git"),
    ] {
        let why = project(text, &[]).expect_err(text).to_string();
        assert!(why.contains(part), "{text}: {why}");
    }
    let why = project(SPAM, &["nope"])
        .expect_err("no such extra")
        .to_string();
    assert!(why.contains("it has all-of, circle, cli, gui"), "{why}");
}

#[test]
fn a_pyramid_of_inclusions_is_read_once() {
    let mut text = String::from("[dependency-groups]\ng0 = ['a']\n");
    for at in 1..30 {
        let below = format!("{{include-group = 'g{}'}}", at - 1);
        text.push_str(&format!("g{at} = [{below}, {below}]\n"));
    }
    let wanted = pyproject::group(&file(&text), &name("g29")).expect("a group");
    assert_eq!(texts(&wanted), ["2 a"]);
    for at in 30..200 {
        text.push_str(&format!("g{at} = [{{include-group = 'g{}'}}]\n", at - 1));
    }
    pyproject::group(&file(&text), &name("g199")).expect_err("too deep");
}

/// The words that such files are made of, in no order.
fn hostile() -> impl Strategy<Value = String> {
    let words = prop::sample::select(vec![
        "[project]",
        "[dependency-groups]",
        "[project.optional-dependencies]",
        "dependencies",
        "dynamic",
        "name",
        "a",
        "b",
        "=",
        "[",
        "]",
        "{",
        "}",
        "include-group",
        "'a'",
        "'b>=1'",
        "'a[b]'",
        "\"\"\"",
        ",",
        "\n",
        "1",
        "'dependencies'",
        "#",
        "'x @ http://me:secret@h'",
    ]);
    prop::collection::vec(words, 0..40).prop_map(|words| words.join(" "))
}

proptest! {
    #[test]
    fn no_file_panics_and_each_refusal_is_one_line_without_secrets(
        text in prop_oneof![hostile(), "\\PC{0,80}"],
    ) {
        let all = Extras { all: true, names: Vec::new() };
        let read = [
            pyproject::project(&file(&text), &all),
            pyproject::group(&file(&text), &name("a")),
        ];
        for error in read.into_iter().filter_map(Result::err) {
            let why = error.to_string();
            prop_assert!(!why.contains('\n') && !why.contains("secret"), "{}", why);
        }
    }

    /// What is written comes back, in order and with its line.
    #[test]
    fn requirements_come_back(names in prop::collection::vec("[a-z]{1,8}", 0..6)) {
        let lines: String = names.iter().map(|name| format!("  {name:?},\n")).collect();
        let text = format!("[project]\nname = 'itself-0'\ndependencies = [\n{lines}]\n");
        let wanted = project(&text, &[]).expect("a project");
        let expected = names.iter().zip(4..).map(|(name, line)| format!("{line} {name}"));
        prop_assert_eq!(texts(&wanted), expected.collect::<Vec<_>>());
    }
}
