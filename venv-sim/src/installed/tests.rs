//! Directories of packages, read as installers left them and as others broke them.

use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::*;
use crate::requirement::MarkerEnvironment;

/// A directory of packages in which each of these is installed: name, version, further headers.
fn place(distributions: &[(&str, &str, &str)]) -> TempDir {
    let place = tempfile::tempdir().expect("a directory");
    for (name, version, headers) in distributions {
        let info = place.path().join(format!("{name}-{version}.dist-info"));
        fs::create_dir(&info).expect("made");
        let text = format!(
            "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{headers}\n\nIt is.\n"
        );
        fs::write(info.join("METADATA"), text).expect("written");
        fs::write(info.join("INSTALLER"), "somebody\n").expect("written");
    }
    place
}

fn python(version: &str) -> MarkerEnvironment {
    MarkerEnvironment {
        python_version: version.to_owned(),
        python_full_version: format!("{version}.4"),
        sys_platform: "linux".to_owned(),
        ..MarkerEnvironment::default()
    }
}

fn read(place: &TempDir) -> Installed {
    Installed::below(place.path()).expect("read")
}

/// The problems of what is installed there, in words.
fn problems(place: &TempDir, environment: &MarkerEnvironment) -> Vec<String> {
    let installed = read(place);
    let findings = installed.check(&Installed::default(), environment, |_| true);
    findings
        .iter()
        .map(|finding| format!("{} {}", finding.of, finding.problem))
        .collect()
}

fn name(text: &str) -> Name {
    text.parse().expect("a name")
}

#[test]
fn what_is_installed_is_read_in_the_order_of_names() {
    let place = place(&[
        ("Zope.Interface", "6.0", ""),
        ("asgiref", "3.8.1", "Summary: ASGI"),
    ]);
    fs::write(
        place.path().join("old-1.0-py3.8.egg-info"),
        "Metadata-Version: 1.0\nName: old\nVersion: 1.0\n",
    )
    .expect("written");
    fs::create_dir(place.path().join("django")).expect("made");
    fs::create_dir(place.path().join("~jango-4.2.dist-info")).expect("made");
    let installed = read(&place);
    let seen: Vec<_> = installed
        .distributions
        .iter()
        .map(|one| (one.name().as_str(), one.written_name.as_str(), one.form))
        .collect();
    let expected = [
        ("asgiref", "asgiref", Form::DistInfo),
        ("old", "old", Form::EggInfo),
        ("zope-interface", "Zope.Interface", Form::DistInfo),
    ];
    assert_eq!(seen, expected);
    assert_eq!(installed.leftovers.len(), 1);
    let asgiref = installed.find(&name("asgiref")).expect("there");
    assert_eq!(asgiref.installer.as_deref(), Some("somebody"));
    assert_eq!(asgiref.header("summary").as_deref(), Some("ASGI"));
}

#[test]
fn one_that_cannot_be_read_hides_no_other() {
    let place = place(&[("good", "1.0", ""), ("dated", "2004d", "")]);
    fs::create_dir(place.path().join("empty-1.dist-info")).expect("made");
    let installed = read(&place);
    assert_eq!(installed.distributions.len(), 1);
    let unreadable: Vec<_> = installed.unreadable.iter().map(|one| &one.why).collect();
    assert!(unreadable[0].contains("2004d"), "{unreadable:?}");
    assert!(unreadable[1].contains("no METADATA"), "{unreadable:?}");
}

#[test]
fn a_requirement_that_nobody_can_read_is_a_finding_and_the_rest_is_read() {
    let place = place(&[("old", "1.0", "Requires-Dist: a (>=1.0.*)\nRequires-Dist: b")]);
    let found = problems(&place, &python("3.11"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains(">=1.0.*"), "{found:?}");
    assert_eq!(found[1], "old needs b, which is not there");
}

#[test]
fn requirements_hold_by_their_markers_and_by_the_extras_that_others_ask_for() {
    let api = "Requires-Dist: server[fast]>=1\nRequires-Dist: winonly; sys_platform == 'win32'";
    let server = "Provides-Extra: fast\nRequires-Dist: loop; extra == 'fast'\n\
        Requires-Dist: ssl-lib; extra == 'tls'\nRequires-Dist: server[more]; extra == 'fast'\n\
        Requires-Dist: deep; extra == 'more'";
    let place = place(&[("api", "1.0", api), ("server", "1.5", server)]);
    let found = problems(&place, &python("3.11"));
    let expected = [
        "server needs loop, which is not there",
        "server needs deep, which is not there",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_wrong_version_of_a_package_or_of_python_is_found() {
    let place = place(&[
        (
            "web",
            "1.0",
            "Requires-Dist: core<2,>=1\nRequires-Python: >=3.12",
        ),
        ("core", "2.0b1", "Requires-Python: >=3.8"),
    ]);
    let expected = [
        "web needs core>=1, <2, and core 2.0b1 is there",
        "web is for Python >=3.12, and this is 3.11.4",
    ];
    let found: Vec<String> = problems(&place, &python("3.11"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("web needs core") && found[0].ends_with("core 2.0b1 is there"));
    assert_eq!(found[1], expected[1]);
}

#[test]
fn what_the_base_brings_is_there() {
    let place = place(&[("web", "1.0", "Requires-Dist: core<2")]);
    let base = self::place(&[("core", "1.0", "")]);
    let findings = read(&place).check(&read(&base), &python("3.11"), |_| true);
    assert_eq!(findings, []);
}

#[test]
fn a_wheel_for_another_interpreter_is_found() {
    let place = place(&[("fast", "1.0", "")]);
    let wheel = "Wheel-Version: 1.0\nTag: cp310-cp310-linux_x86_64\n";
    fs::write(place.path().join("fast-1.0.dist-info/WHEEL"), wheel).expect("written");
    let check = |mine: &str| {
        let suits = |tag: &crate::wheel::Tag| tag.python == mine;
        read(&place).check(&Installed::default(), &python("3.11"), suits)
    };
    assert_eq!(check("cp310"), []);
    assert_eq!(check("cp311")[0].problem.kind(), "wrong-tags");
}

#[test]
fn files_are_held_to_record_and_nothing_outside_is_read() {
    let place = place(&[("web", "1.0", "")]);
    let packages = place.path();
    for file in ["same.py", "edited.py", "longer.py"] {
        fs::write(packages.join(file), "x = 1\n").expect("written");
    }
    let digest = crate::wheel::Digest::of(b"x = 1\n");
    let lines = ["same.py", "edited.py", "longer.py", "gone.py"]
        .map(|file| format!("{file},{digest},6\n"))
        .concat();
    let record = lines + "web-1.0.dist-info/RECORD,,\n__pycache__/same.pyc,,\n../../etc/passwd,,\n";
    fs::write(packages.join("web-1.0.dist-info/RECORD"), record).expect("written");
    fs::write(packages.join("edited.py"), "x = 2\n").expect("written");
    fs::write(packages.join("longer.py"), "x = 1\n\n").expect("written");
    let findings = read(&place).check_files(packages);
    let seen: Vec<_> = findings
        .iter()
        .map(|finding| finding.problem.kind())
        .collect();
    assert_eq!(
        seen,
        [
            "file-changed",
            "file-changed",
            "file-missing",
            "file-outside"
        ]
    );
}

#[test]
fn frozen_lines_are_those_of_pip() {
    let place = place(&[
        ("Django", "4.2.0", ""),
        ("demo", "1.0", ""),
        ("sources", "0.1", ""),
        ("pip", "24.0", ""),
        ("wheel", "0.40", ""),
    ]);
    let origin = |of: &str, json: &str| {
        fs::write(place.path().join(of).join("direct_url.json"), json).expect("written");
    };
    origin(
        "demo-1.0.dist-info",
        r#"{"url":"file:///srv/demo-1.0-py3-none-any.whl","archive_info":{}}"#,
    );
    origin(
        "sources-0.1.dist-info",
        r#"{"url":"file:///srv/sources","dir_info":{"editable":true}}"#,
    );
    let lines = |python, all| -> Vec<String> {
        let frozen = read(&place).freeze(python, all);
        frozen.iter().map(ToString::to_string).collect()
    };
    let expected = [
        "demo @ file:///srv/demo-1.0-py3-none-any.whl",
        "Django==4.2.0",
        "# editable, without version control (sources==0.1)\n-e /srv/sources",
    ];
    assert_eq!(lines((3, 11), false), expected);
    assert_eq!(lines((3, 12), false).last().unwrap(), "wheel==0.40");
    assert_eq!(lines((3, 12), true).len(), 5);
}

/// A tree in lines: depth, name, mark.
fn drawn(nodes: &[Node], depth: usize, into: &mut Vec<String>) {
    for node in nodes {
        let mark = node
            .mark
            .map(|mark| format!(" {mark:?}"))
            .unwrap_or_default();
        into.push(format!("{}{}{mark}", "  ".repeat(depth), node.name));
        drawn(&node.below, depth + 1, into);
    }
}

#[track_caller]
fn check_tree(place: &TempDir, is_inverted: bool, only: &[&str], expected: &[&str]) {
    let only: Vec<Name> = only.iter().map(|text| name(text)).collect();
    let tree = read(place).tree(&python("3.11"), is_inverted, &only);
    let mut lines = Vec::new();
    drawn(&tree, 0, &mut lines);
    assert_eq!(lines, expected);
}

#[test]
fn a_tree_shows_each_once_and_names_what_is_missing_or_does_not_fit() {
    let place = place(&[
        (
            "app",
            "1",
            "Requires-Dist: web\nRequires-Dist: core>=2\nRequires-Dist: gone",
        ),
        ("web", "1", "Requires-Dist: core"),
        ("core", "1", "Requires-Dist: base"),
        ("base", "1", ""),
        ("alone", "1", ""),
    ]);
    let expected = [
        "alone",
        "app",
        "  core Conflict",
        "    base",
        "  gone Missing",
        "  web",
        "    core Shown",
    ];
    check_tree(&place, false, &[], &expected);
    let inverted = [
        "base",
        "  core",
        "    app Conflict",
        "    web",
        "      app Shown",
    ];
    // `app` needs nothing more above it, so it is drawn again, without a branch to leave out.
    let inverted = inverted.map(|line| line.replace("app Shown", "app"));
    let inverted: Vec<&str> = inverted.iter().map(String::as_str).collect();
    check_tree(&place, true, &["base"], &inverted);
    check_tree(&place, false, &["web"], &["web", "  core", "    base"]);
}

#[test]
fn a_circle_is_drawn_once_and_marked() {
    let place = place(&[
        ("a", "1", "Requires-Dist: b"),
        ("b", "1", "Requires-Dist: c"),
        ("c", "1", "Requires-Dist: a\nRequires-Dist: d"),
        ("d", "1", ""),
    ]);
    let expected = ["a", "  b", "    c", "      a Cycle", "      d"];
    check_tree(&place, false, &[], &expected);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Whatever others wrote, it is read to its end, and no line of a list is two.
    #[test]
    fn whatever_others_wrote_a_frozen_line_is_one_line(
        headers in proptest::collection::vec("(Requires-Dist|Requires-Python|X): [ -~\\r\\t]{0,40}", 0..4),
        origin in r#"\{"url":"[ -~]{0,20}(\\n)?","(dir_info|archive_info)":\{("editable":true)?\}\}"#,
        requires in "[ -~\\n]{0,60}",
        link in "/?[ -~\\r\\x1b]{0,20}",
    ) {
        let place = place(&[("demo", "1.0", &headers.join("\n"))]);
        let write = |path: &str, text: &str| fs::write(place.path().join(path), text).expect("written");
        write("demo-1.0.dist-info/direct_url.json", &origin);
        write("demo-1.0.dist-info/RECORD", &requires);
        fs::create_dir(place.path().join("old.egg-info")).expect("made");
        write("old.egg-info/PKG-INFO", "Metadata-Version: 1.0\nName: old\nVersion: 1\n");
        write("old.egg-info/requires.txt", &requires);
        write("linked.egg-link", &link);
        let installed = read(&place);
        for one in installed.freeze((3, 11), true) {
            let text = one.to_string();
            let lines = text.lines().filter(|line| !line.starts_with('#')).count();
            prop_assert_eq!(lines, 1);
            prop_assert!(!text.replace('\n', "").contains(char::is_control), "{:?}", text);
        }
        let environment = python("3.11");
        let _ = installed.check(&Installed::default(), &environment, |_| false);
        let _ = installed.check_files(place.path());
        let _ = installed.tree(&environment, true, &[]);
    }
}
