//! What is told where nothing fits.

use super::shelf::{Ask, Shelf};
use crate::error::Error;

/// The lines of the explanation, and the remedy.
fn told(ask: &Ask, shelf: &Shelf) -> (Vec<String>, Option<&'static str>) {
    match ask.of(shelf) {
        Err(error @ Error::Unsatisfiable { .. }) => {
            let text = error.to_string();
            let lines = text.lines().skip(1).map(|line| line.trim().to_owned());
            (lines.collect(), error.hint())
        }
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn check(wanted: &str, table: &str, lines: &[&str], remedy: &str) {
    let (told, hint) = told(&Ask::new(wanted), &Shelf::new(table));
    assert_eq!(told, lines);
    assert!(hint.unwrap_or("").contains(remedy), "{hint:?}");
}

#[test]
fn two_wishes_that_exclude_each_other() {
    check(
        "django>=5\nlibrary-a",
        "django 3.2\ndjango 4.2\ndjango 5.0\nlibrary-a 1.0 : django<4\nlibrary-a 1.1 : django<4\n\
         library-a 1.4 : django<4",
        &[
            "you ask for django>=5",
            "you ask for library-a",
            "library-a 1.0 to 1.4, all that there are, need django<4",
            "so no version of django does for all of them",
        ],
        "",
    );
}

#[test]
fn a_chain_is_told_from_the_wish_to_the_conflict() {
    check(
        "a\nc>=2",
        "a 1.0 : b\nb 1.0 : c<1.5\nb 1.1 : c<2\nc 1.0\nc 2.0",
        &[
            "you ask for a",
            "you ask for c>=2",
            "a 1.0 needs b",
            "b 1.1 needs c<2",
            "b 1.0 needs c<1.5",
            "so no version of c does for all of them",
        ],
        "",
    );
}

#[test]
fn versions_that_each_need_their_own_are_told_together() {
    let mut table = String::from("core 9.0\n");
    for minor in 0..30 {
        table.push_str(&format!(
            "tool 1.{minor} : core==1.{minor}\ncore 1.{minor}\n"
        ));
    }
    check(
        "tool\ncore>=9",
        &table,
        &[
            "you ask for tool",
            "you ask for core>=9",
            "tool 1.0 to 1.29 need core 1.0 to 1.29, each some of these",
            "so no version of core does for all of them",
        ],
        "",
    );
}

#[test]
fn an_extra_is_told_by_its_name() {
    check(
        "a[x]\nb<2",
        "a 1.0 extras=x : b>=2 ; extra == 'x'\nb 1.0\nb 2.0",
        &[
            "you ask for a[x]",
            "you ask for b<2",
            "a[x] 1.0 needs b>=2",
            "so no version of b does for all of them",
        ],
        "",
    );
}

#[test]
fn a_project_that_nobody_knows() {
    check(
        "reqeusts\nrequests",
        "requests 1.0",
        &[
            "you ask for reqeusts",
            "nobody that was asked knows a project reqeusts; did you mean requests?",
        ],
        "slip",
    );
    check(
        "a",
        "a 1.0 : gone>=2",
        &[
            "you ask for a",
            "a 1.0 needs gone>=2",
            "nobody that was asked knows a project gone",
        ],
        "index",
    );
}

#[test]
fn a_version_that_there_is_not() {
    check(
        "a>=9",
        "a 1.0\na 1.5\na 2.0 sources",
        &[
            "you ask for a>=9",
            "there are 3 versions of a, from 1.0 to 2.0, and none is that",
        ],
        "that there is",
    );
}

#[test]
fn versions_for_another_python() {
    check(
        "numpy>=2.3",
        "numpy 2.0\nnumpy 2.3.0 python=>=3.12\nnumpy 2.3.1 python=>=3.12\nnumpy 2.4 python=>=3.13",
        &[
            "you ask for numpy>=2.3",
            "numpy 2.4: for Python >=3.13, and this one is 3.11.7",
            "numpy 2.3.0 to 2.3.1: for Python >=3.12, and this one is 3.11.7",
            "numpy 2.0 could be had",
        ],
        "another Python",
    );
    // Only its METADATA says so.
    check(
        "a",
        "a 1.0 says-python=>=3.12\na 1.1 says-python=>=3.12",
        &[
            "you ask for a",
            "a 1.0 to 1.1: for Python >=3.12, and this one is 3.11.7",
        ],
        "",
    );
}

#[test]
fn wheels_for_another_machine_and_no_wheels_at_all() {
    check(
        "a\nb",
        "a 1.0 tags=cp312-cp312-win_amd64\nb 1.0",
        &[
            "you ask for a",
            "a 1.0: no wheel for this interpreter on this machine, only for cp312 on win_amd64",
        ],
        "another",
    );
    check(
        "a==1.1",
        "a 1.0\na 1.1 sources",
        &[
            "you ask for a==1.1",
            "a 1.1: sources only, and no wheel",
            "a 1.0 could be had",
        ],
        "build",
    );
}

#[test]
fn of_wheels_for_others_the_nearest_are_told_first() {
    check(
        "a",
        "a 1.0 tags=cp39.cp310.cp312.cp313.pp311-abi3-linux_x86_64",
        &[
            "you ask for a",
            "a 1.0: no wheel for this interpreter, cp311, only for cp312, cp310, cp313, cp39, …",
        ],
        "of a Python",
    );
    check(
        "a",
        "a 1.0 tags=cp311-cp311-win_amd64\na 1.0 tags=cp311-cp311-manylinux_2_17_aarch64\n\
         a 1.0 tags=cp311-cp311-musllinux_1_2_x86_64\na 1.0 tags=cp39-cp39-macosx_11_0_arm64",
        &[
            "you ask for a",
            "a 1.0: no wheel for this system, only for musllinux_1_2_x86_64, \
             manylinux_2_17_aarch64, win_amd64",
        ],
        "this system",
    );
}

#[test]
fn pins_that_contradict_each_other_are_told_with_their_places() {
    let mut ask = Ask::new("a==1.0\na==2.0");
    ask.wanted[1].at = Some(crate::requirements_file::Position {
        file: "r.txt".to_owned(),
        line: 3,
    });
    let both = [
        "you ask for a==1.0 (on the command line) and for a==2.0 (r.txt:3)",
        "a==1.0 (on the command line) and a==2.0 (r.txt:3) exclude each other",
    ];
    for table in ["a 1.0\na 2.0", "a 1.0", "a 3.0 sources"] {
        let (lines, hint) = told(&ask, &Shelf::new(table));
        assert_eq!(lines, both);
        assert!(hint.expect("a remedy").contains("leave one"));
    }
    // What there is not is another matter.
    let (lines, _) = told(&Ask::new("a>=9\na<2"), &Shelf::new("a 1.0\na 3.0"));
    assert!(lines[1].contains("none is that"), "{lines:?}");
    // Nor do wishes contradict each other that a version between those that there are would meet.
    for wishes in ["a>=1.1\na<1.4", "a!=1.0\na<3.0", "a>1.0\na<3.0"] {
        let (lines, _) = told(&Ask::new(wishes), &Shelf::new("a 1.0\na 3.0"));
        assert!(
            !lines.iter().any(|line| line.contains("exclude each other")),
            "{lines:?}"
        );
    }
    // Of what does not hold here, nothing is said.
    check(
        "a==1.0\na>=2 ; os_name == 'nt'\na<1",
        "a 0.9\na 1.0",
        &[
            "you ask for a==1.0 (on the command line) and for a<1 (on the command line)",
            "a==1.0 (on the command line) and a<1 (on the command line) exclude each other",
        ],
        "leave one",
    );
}

#[test]
fn all_that_cannot_be_had_is_told() {
    let ask = Ask::new("gone\na\nlost\na>=7");
    let (mut lines, _) = told(&ask, &Shelf::new("a 1.0"));
    // Which is first is the solver's choice.
    lines.sort();
    assert_eq!(
        lines,
        [
            "nobody that was asked knows a project gone",
            "nobody that was asked knows a project lost",
            "there is a 1.0, and no other",
            "you ask for a (on the command line) and for a>=7 (on the command line)",
            "you ask for gone",
            "you ask for lost",
        ]
    );
}

#[test]
fn where_no_index_is_asked_the_places_are_told() {
    let mut shelf = Shelf::new("a 1.0");
    shelf.who = crate::Asked {
        is_known: true,
        indexes: Vec::new(),
        places: vec!["/w".to_owned(), "/x".to_owned()],
    };
    let (lines, hint) = told(&Ask::new("b"), &shelf);
    let line = "no file of a project b lies in /w or in /x, and no index is asked";
    assert_eq!(lines[1], line);
    assert!(hint.expect("a remedy").contains("--no-index"));
    shelf.who.places.clear();
    let (lines, _) = told(&Ask::new("b"), &shelf);
    assert!(lines[1].contains("no place is named"), "{lines:?}");
}

#[test]
fn prereleases_and_versions_taken_back() {
    check(
        "a>=2",
        "a 1.0\na 2.1rc1",
        &[
            "you ask for a>=2",
            "a 2.1rc1 is a pre-release, and you name none",
            "a 1.0 could be had",
        ],
        "--pre",
    );
    check(
        "a",
        "a 1.0 yanked=too slow\na 1.1 yanked",
        &["you ask for a", "a 1.1 was taken back by its author"],
        "==",
    );
}

#[test]
fn constraints_hashes_and_wheels_that_are_not_wanted() {
    let shelf = Shelf::new("a 1.0\na 2.0");
    let (lines, _) = told(&Ask::new("a>=2").constrained("a<2"), &shelf);
    assert_eq!(
        lines,
        [
            "you ask for a>=2",
            "a 2.0: left out by your constraint a<2",
            "a 1.0 could be had"
        ]
    );
    let mut ask = Ask::new("a==1.0");
    ask.wanted[0].hashes = vec![crate::wheel::Digest::of(b"another content")];
    let (lines, _) = told(&ask, &shelf);
    assert_eq!(
        lines,
        [
            "you ask for a==1.0",
            "a 1.0: no file of it has a hash that you list"
        ]
    );
    let mut ask = Ask::new("a==1.0");
    ask.rules.no_binary.all = true;
    let (lines, hint) = told(&ask, &shelf);
    assert_eq!(lines.len(), 2);
    assert!(lines[1].contains("--no-binary"), "{lines:?}");
    assert!(hint.expect("a remedy").contains("build"));
}

#[test]
fn a_digest_by_an_algorithm_that_is_not_listed_contradicts_nothing() {
    let shelf = Shelf::new("a 1.0");
    let mut ask = Ask::new("a==1.0").constrained("a==1.0");
    let sha512 = vec![crate::wheel::Digest::Sha512([0; 64])];
    let sha256 = vec![crate::wheel::Digest::of(b"a-1.0-py3-none-any.whl")];
    ask.wanted[0].hashes.clone_from(&sha512);
    ask.constraints[0].hashes.clone_from(&sha256);
    let resolution = ask.of(&shelf).expect("a choice");
    // Each list goes with it to where the content is.
    let hashes = &resolution.picks[0].hashes;
    assert_eq!(hashes.len(), 2);
    assert!(hashes.contains(&sha512) && hashes.contains(&sha256));
}

#[test]
fn what_a_hashed_requirement_needs_has_to_be_hashed_too() {
    let shelf = Shelf::new("a 1.0 : b\nb 1.0");
    let mut ask = Ask::new("a==1.0");
    ask.wanted[0].hashes = vec![crate::wheel::Digest::of(b"a-1.0-py3-none-any.whl")];
    let (lines, _) = told(&ask, &shelf);
    assert_eq!(
        lines,
        [
            "you ask for a==1.0",
            "a 1.0 needs b",
            "b 1.0: you list no hash of it, and once one requirement has a hash all need one"
        ]
    );
}

#[test]
fn newer_versions_that_could_not_be_weighed_are_told_too() {
    check(
        "a\nb>=2",
        "a 1.0 : b<2\na 2.0 python=>=3.12\nb 1.0\nb 2.0",
        &[
            "you ask for a",
            "you ask for b>=2",
            "a 1.0 needs b<2",
            "so no version of b does for all of them",
            "(a 2.0: for Python >=3.12, and this one is 3.11.7)",
        ],
        "",
    );
}

#[test]
fn broken_metadata_is_a_reason() {
    check(
        "a",
        "a 1.0 broken",
        &[
            "you ask for a",
            "a 1.0: cannot be used: its METADATA has no Name",
        ],
        "",
    );
}

#[test]
fn an_index_that_cannot_be_reached_is_no_conflict() {
    let mut shelf = Shelf::new("a 1.0 : b");
    shelf.unreachable = Some("b".parse().expect("a name"));
    let error = Ask::new("a").of(&shelf).expect_err("unreachable");
    assert!(matches!(error, Error::Io { .. }), "{error}");
}

#[test]
fn an_address_in_a_requirement_that_the_user_did_not_name_is_refused() {
    check(
        "a",
        "a 1.0 : b @ https://x.test/b-1.0-py3-none-any.whl\nb 1.0",
        &[
            "you ask for a",
            "a 1.0: needs `b @ https://x.test/b-1.0-py3-none-any.whl`, and only you may name an address",
        ],
        "",
    );
}

#[test]
fn once_one_requirement_has_a_hash_all_need_one_and_a_version() {
    let shelf = Shelf::new("a 1.0\nb 1.0");
    for (second, part) in [("b==1.0", "no hash"), ("b", "not pinned")] {
        let mut ask = Ask::new(&format!("a==1.0\n{second}"));
        ask.wanted[0].hashes = vec![crate::wheel::Digest::of(b"a-1.0-py3-none-any.whl")];
        let error = ask.of(&shelf).expect_err(second);
        assert!(error.to_string().contains(part), "{error}");
        ask.rules.require_hashes = true;
        ask.wanted.remove(0);
        let error = ask.of(&shelf).expect_err(second);
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_version_on_an_index_that_is_not_looked_at_is_told() {
    let shelf = Shelf::new("a 1.0").and_elsewhere("a 2.0\na 3.0");
    let (lines, hint) = told(&Ask::new("a>=2,<3"), &shelf);
    assert_eq!(
        lines,
        [
            "you ask for a>=2,<3",
            "a 2.0 is offered by shelf and not looked at, since an index before has a",
            "a 1.0 could be had"
        ]
    );
    assert!(hint.expect("a remedy").contains("index"));
}
