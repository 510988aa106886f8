//! Where several rules name one call: the answers of runc and crun, that is of
//! libseccomp, tried with `mkdir` and a mode of 0777.

use super::*;
use crate::spec::Comparison::{Equal, Greater, GreaterEqual, Less, MaskedEqual, NotEqual};

fn errno(number: u32, conditions: &[(Comparison, u64)]) -> Rule {
    let args = conditions
        .iter()
        .map(|&(op, value)| arg(1, op, value, value));
    Rule {
        names: vec!["mkdirat".to_owned()],
        action: Action::Errno,
        errno_ret: Some(number),
        args: args.collect(),
    }
}

/// The error number for a mode of 0777, of two rules and of the same two swapped.
fn check(rules: [Rule; 2], forward: u32, swapped: u32) {
    let [first, second] = rules;
    let number = table::find("mkdirat")
        .and_then(|row| NATIVE.number(row))
        .unwrap();
    for (rules, expected) in [
        (vec![first.clone(), second.clone()], forward),
        (vec![second, first], swapped),
    ] {
        let mut seccomp = policy(rules);
        seccomp.default_action = Action::Allow;
        let filter = Filter::compile(&seccomp).unwrap();
        let answer = run(
            filter.program(),
            number,
            NATIVE.audit(),
            [0, 0o777, 0, 0, 0, 0],
        );
        assert_eq!(answer, ERRNO | expected, "{:?}", seccomp.syscalls);
    }
}

#[test]
fn of_two_rules_without_conditions_the_first_holds() {
    check([errno(5, &[]), errno(6, &[])], 5, 6);
}

#[test]
fn a_rule_without_conditions_beats_those_with() {
    check([errno(5, &[(Equal, 0o777)]), errno(6, &[])], 6, 6);
}

#[test]
fn exact_values_come_before_ranges_and_narrow_ranges_before_wide_ones() {
    check(
        [errno(5, &[(Equal, 0o777)]), errno(6, &[(GreaterEqual, 1)])],
        5,
        5,
    );
    check(
        [
            errno(5, &[(GreaterEqual, 1)]),
            errno(6, &[(GreaterEqual, 2)]),
        ],
        6,
        6,
    );
    check(
        [errno(5, &[(NotEqual, 1)]), errno(6, &[(Equal, 0o777)])],
        6,
        6,
    );
    check(
        [errno(5, &[(Less, 0o1000)]), errno(6, &[(Greater, 2)])],
        5,
        5,
    );
    check(
        [
            errno(5, &[(MaskedEqual, 0o700)]),
            errno(6, &[(Equal, 0o777)]),
        ],
        5,
        6,
    );
}

#[test]
fn conditions_on_one_argument_are_alternatives() {
    let either = errno(5, &[(Equal, 1), (Equal, 0o777)]);
    check([either.clone(), either], 5, 5);
}

#[test]
fn a_rule_with_the_default_action_says_nothing() {
    let allow = allow(&["mkdirat"], vec![]);
    check([allow, errno(5, &[])], 5, 5);
}

#[test]
fn the_same_conditions_with_two_actions_are_a_contradiction() {
    let rules = vec![errno(5, &[(Equal, 1)]), errno(6, &[(Equal, 1)])];
    let error = Filter::compile(&policy(rules)).unwrap_err();
    assert!(
        error.to_string().contains("linux.seccomp.syscalls"),
        "{error}"
    );
    assert!(error.hint().is_some());
    // But not where a rule without conditions decides.
    let rules = vec![
        errno(5, &[(Equal, 1)]),
        errno(6, &[(Equal, 1)]),
        errno(7, &[]),
    ];
    assert!(Filter::compile(&policy(rules)).is_ok());
}
