//! Which versions and files are chosen.

use super::shelf::{Ask, Shelf};
use super::{check, picked};
use crate::resolve::{Projects, Rules, Strategy};

#[test]
fn the_newest_that_fits_is_chosen_behind_what_it_needs() {
    check(
        "a",
        "a 1.0 : b\na 1.10 : b<2\na 1.9\nb 1.0\nb 2.0",
        &["b 1.0", "a 1.10"],
    );
}

#[test]
fn an_older_version_is_taken_where_the_newest_does_not_fit() {
    check(
        "a\nb",
        "a 2.0 : c>=2\na 1.0 : c>=1\nb 1.0 : c<2\nc 1.0\nc 2.0",
        &["c 1.0", "a 1.0", "b 1.0"],
    );
}

#[test]
fn the_oldest_is_chosen_where_that_is_asked_for() {
    let mut ask = Ask::new("a>=1.1");
    ask.rules.strategy = Strategy::Lowest;
    let shelf = Shelf::new("a 1.0\na 1.1 : b\na 2.0\nb 3.0\nb 4.0\nb 3.0a1");
    assert_eq!(picked(&ask, &shelf), ["b 3.0", "a 1.1"]);
}

#[test]
fn the_best_tag_wins_and_then_the_latest_build() {
    let shelf = Shelf::new(
        "a 1.0\na 1.0 tags=cp311-cp311-linux_x86_64\na 1.0 tags=cp39-cp39-linux_x86_64\n\
         b 1.0 build=9\nb 1.0 build=10\nb 1.0",
    );
    let resolution = Ask::new("a\nb").of(&shelf).expect("a choice");
    let files = resolution.picks.iter().flat_map(|pick| &pick.offer);
    let files: Vec<_> = files.map(|offer| offer.file_name.as_str()).collect();
    assert_eq!(
        files,
        [
            "a-1.0-cp311-cp311-linux_x86_64.whl",
            "b-1.0-10-py3-none-any.whl"
        ]
    );
}

#[test]
fn versions_for_other_interpreters_are_passed_over() {
    check(
        "a\nb\nc",
        "a 2.0 python=>=3.12\na 1.0 python=>=3.11\nb 2.0 says-python=>=3.12\nb 1.0\n\
         c 2.0 tags=cp312-cp312-linux_x86_64\nc 3.0 sources\nc 1.0",
        &["a 1.0", "b 1.0", "c 1.0"],
    );
}

#[test]
fn markers_decide_what_is_needed() {
    check(
        "a\nz ; sys_platform == 'win32'",
        "a 1.0 : b ; python_version >= '3.11' | c ; python_version < '3.11'\nb 1.0\nc 1.0",
        &["b 1.0", "a 1.0"],
    );
}

#[test]
fn an_extra_brings_what_it_needs_at_the_version_of_its_project() {
    let table = "a 1.0 extras=x : b ; extra == 'x' | c ; extra == 'y'\n\
                 a 2.0 extras=x : b>=9 ; extra == 'x'\nb 1.0\nc 1.0\nd 1.0 : a";
    check("a[x]", table, &["b 1.0", "a 1.0"]);
    check("a", table, &["a 2.0"]);
    check("d\na[x]", table, &["b 1.0", "a 1.0", "d 1.0"]);
    let resolution = Ask::new("a[X]").of(&Shelf::new(table)).expect("a choice");
    assert_eq!(resolution.picks[1].extras[0].as_str(), "x");
}

#[test]
fn an_extra_may_name_others_of_its_own_project() {
    check(
        "a[all]",
        "a 1.0 extras=all,x : a[x] ; extra == 'all' | b ; extra == 'x'\nb 1.0",
        &["b 1.0", "a 1.0"],
    );
}

#[test]
fn an_extra_that_is_not_there_is_told_and_passed_over() {
    let resolution = Ask::new("a[x]").of(&Shelf::new("a 1.0")).expect("a choice");
    assert_eq!(resolution.notes, ["a 1.0 has no extra `x`"]);
}

#[test]
fn projects_may_need_each_other() {
    check("a", "a 1.0 : b\nb 1.0 : a>=1", &["b 1.0", "a 1.0"]);
}

#[test]
fn a_version_that_needs_another_of_itself_is_passed_over() {
    check("a", "a 2.0 : a<2\na 1.0 : a<2", &["a 1.0"]);
}

#[test]
fn prereleases_count_where_they_are_named_or_there_is_nothing_else() {
    let table = "a 1.0\na 2.0rc1\nb 1.0a1\nb 1.0a2\nc 1.0 : a>=2.0rc1";
    check("a", table, &["a 1.0"]);
    check("a>1.0a1", table, &["a 2.0rc1"]);
    check("a!=1.1a1", table, &["a 1.0"]);
    check("b", table, &["b 1.0a2"]);
    check("c", table, &["a 2.0rc1", "c 1.0"]);
    let mut ask = Ask::new("a");
    ask.rules.prereleases = true;
    assert_eq!(picked(&ask, &Shelf::new(table)), ["a 2.0rc1"]);
    let ask = Ask::new("a").constrained("a>=0.1.dev1");
    assert_eq!(picked(&ask, &Shelf::new(table)), ["a 2.0rc1"]);
}

#[test]
fn a_release_is_better_than_a_prerelease_that_another_project_names() {
    check(
        "a",
        "a 1.0 : b>=1.0rc1\nb 1.0\nb 2.0a1",
        &["b 1.0", "a 1.0"],
    );
}

#[test]
fn yanked_versions_are_taken_only_where_they_are_pinned() {
    let table = "a 1.0\na 2.0 yanked=slow\nb 1.0 : a==2.0";
    check("a>=0.5", table, &["a 1.0"]);
    check("a==2.0", table, &["a 2.0"]);
    check("a===2.0", table, &["a 2.0"]);
    check("b", table, &["a 2.0", "b 1.0"]);
    let resolution = Ask::new("a==2").of(&Shelf::new(table)).expect("a choice");
    assert_eq!(
        resolution.notes,
        ["a 2.0 was taken back by its author: `slow`"]
    );
}

#[test]
fn local_versions_are_as_pep_440_has_them() {
    let table = "a 1.0\na 1.0+cpu\na 0.9+cpu";
    check("a==1.0", table, &["a 1.0+cpu"]);
    check("a==1.0+cpu", table, &["a 1.0+cpu"]);
    check("a===1.0", table, &["a 1.0"]);
    check("a<1.0", table, &["a 0.9+cpu"]);
    check("a<=0.9", table, &["a 0.9+cpu"]);
}

#[test]
fn constraints_hold_only_of_what_is_needed() {
    let shelf = Shelf::new("a 1.0 : b\nb 1.0\nb 2.0\nc 1.0");
    let ask = Ask::new("a").constrained("b<2\nc<1");
    assert_eq!(picked(&ask, &shelf), ["b 1.0", "a 1.0"]);
}

#[test]
fn nothing_else_is_taken_without_dependencies() {
    let mut ask = Ask::new("a[x]");
    ask.rules.no_dependencies = true;
    let shelf = Shelf::new("a 1.0 extras=x : b | c ; extra == 'x'");
    assert_eq!(picked(&ask, &shelf), ["a 1.0"]);
}

#[test]
fn broken_metadata_passes_a_version_over_with_a_note() {
    let shelf = Shelf::new("a 2.0 broken\na 1.5 called=z\na 1.0");
    let resolution = Ask::new("a").of(&shelf).expect("a choice");
    assert_eq!(resolution.picks[0].version.to_string(), "1.0");
    assert_eq!(
        resolution.notes,
        [
            "passed over a 1.5: its METADATA says that it is z 1.5",
            "passed over a 2.0: its METADATA has no Name"
        ]
    );
}

#[test]
fn what_is_installed_and_does_stays_and_nobody_is_asked() {
    let shelf = Shelf::new("a 2.0\nb 2.0");
    let ask = Ask::new("a").with_installed("a 1.0 : b\nb 1.0");
    assert_eq!(picked(&ask, &shelf), ["b 1.0", "a 1.0"]);
    assert_eq!(shelf.asked.borrow().len(), 0);
    let resolution = ask.of(&shelf).expect("a choice");
    assert!(resolution.picks.iter().all(|pick| pick.offer.is_none()));
}

#[test]
fn what_is_installed_and_does_not_do_is_replaced() {
    let shelf = Shelf::new("a 1.0\na 2.0 : b>=2\nb 1.0\nb 2.0\nc 1.0");
    let ask = Ask::new("a>=2").with_installed("a 1.0\nb 1.0\nc 0.9");
    assert_eq!(picked(&ask, &shelf), ["b 2.0", "a 2.0"]);
    // Found out only when versions are weighed: b 1.0 alone would do for a 2.0.
    let ask = Ask::new("d").with_installed("b 1.0 : e<1\ne 0.5");
    let shelf = Shelf::new("d 1.0 : b | e>=1\nb 2.0\ne 1.0\ne 0.5");
    assert_eq!(picked(&ask, &shelf), ["b 2.0", "e 1.0", "d 1.0"]);
}

#[test]
fn upgrading_takes_the_newest_of_what_is_named() {
    let shelf = Shelf::new("a 1.0\na 2.0 : b\nb 1.0\nb 2.0");
    let installed = "a 1.0\nb 1.0";
    let mut ask = Ask::new("a").with_installed(installed);
    ask.rules.upgrade = Projects::These(vec!["a".parse().expect("a name")]);
    assert_eq!(picked(&ask, &shelf), ["b 1.0", "a 2.0"]);
    ask.rules.upgrade = Projects::All;
    assert_eq!(picked(&ask, &shelf), ["b 2.0", "a 2.0"]);
    ask.rules = Rules {
        reinstall: Projects::All,
        ..Rules::default()
    };
    let resolution = ask.of(&shelf).expect("a choice");
    assert!(resolution.picks.iter().all(|pick| pick.offer.is_some()));
}

#[test]
fn what_stays_and_loses_what_it_needs_is_told() {
    let shelf = Shelf::new("a 1.0 : b>=2\nb 2.0");
    let ask = Ask::new("a").with_installed("b 1.0\nc 1.0 : b<2");
    let resolution = ask.of(&shelf).expect("a choice");
    assert_eq!(
        resolution.notes,
        ["c 1.0, which is installed, needs b<2, and will have 2.0"]
    );
}

#[test]
fn who_needs_it_and_who_asks_for_it_is_told() {
    let shelf = Shelf::new("a 1.0 : c\nb 1.0 : c\nc 1.0");
    let resolution = Ask::new("a\nb").of(&shelf).expect("a choice");
    let [c, a, _] = &resolution.picks[..] else {
        panic!("{resolution:?}");
    };
    let needed_by: Vec<_> = c.needed_by.iter().map(crate::Name::as_str).collect();
    assert_eq!((needed_by, c.requested), (vec!["a", "b"], false));
    assert!(a.requested && a.needed_by.is_empty());
}

#[test]
fn dependencies_are_expected_before_they_are_asked_for() {
    let shelf = Shelf::new("a 1.0 : b | c\nb 1.0\nc 1.0");
    Ask::new("a").of(&shelf).expect("a choice");
    let asked = shelf.asked.borrow();
    assert_eq!(asked[0], "soon a");
    let place = |what: &str| asked.iter().position(|one| one == what);
    assert!(place("likely b-1.0-py3-none-any.whl") < place("b-1.0-py3-none-any.whl"));
    assert!(
        place("soon b c") < place("b") && place("soon b c").is_some(),
        "{asked:?}"
    );
}

#[test]
fn a_long_chain_does_not_exhaust_the_stack() {
    let mut table = String::new();
    for link in 0..5000 {
        table.push_str(&format!("p{link} 1.0 : p{}\n", link + 1));
    }
    table.push_str("p5000 1.0");
    let picks = picked(&Ask::new("p0"), &Shelf::new(&table));
    assert_eq!((picks.len(), &picks[0][..]), (5001, "p5000 1.0"));
}
