//! The compiler against a reading of the policy itself: for any policy and any
//! call, the program answers what the policy says.

use proptest::prelude::*;

use super::interpreter::{is_accepted, run};
use super::*;
use crate::spec::{Arg, Comparison, Rule};

fn holds(arg: &Arg, args: &[u64; 6]) -> bool {
    let actual = args[arg.index as usize];
    match arg.op {
        Comparison::NotEqual => actual != arg.value,
        Comparison::Less => actual < arg.value,
        Comparison::LessEqual => actual <= arg.value,
        Comparison::Equal => actual == arg.value,
        Comparison::GreaterEqual => actual >= arg.value,
        Comparison::Greater => actual > arg.value,
        Comparison::MaskedEqual => actual & arg.value == arg.value_two,
    }
}

fn exact(arg: &Arg) -> bool {
    matches!(arg.op, Comparison::Equal | Comparison::MaskedEqual)
}

/// The answer for the native call `name` with `args`, read off the policy.
fn expected(policy: &Seccomp, name: &str, args: &[u64; 6]) -> u32 {
    let default = answer("default", policy.default_action, policy.default_errno_ret).unwrap();
    let answer = |rule: &Rule| answer("rule", rule.action, rule.errno_ret).unwrap();
    let rules: Vec<&Rule> = policy
        .syscalls
        .iter()
        .filter(|rule| rule.names.iter().any(|n| n == name) && answer(rule) != default)
        .collect();
    if let Some(rule) = rules.iter().find(|rule| rule.args.is_empty()) {
        return answer(rule);
    }
    // Alternatives, each with all of its conditions.
    let mut choices: Vec<(Vec<&Arg>, u32)> = Vec::new();
    for rule in rules {
        let again = |a: &Arg| rule.args.iter().filter(|b| b.index == a.index).count() > 1;
        if rule.args.iter().any(again) {
            choices.extend(rule.args.iter().map(|arg| (vec![arg], answer(rule))));
        } else {
            choices.push((rule.args.iter().collect(), answer(rule)));
        }
    }
    let matching = choices
        .iter()
        .filter(|(all, _)| all.iter().all(|arg| holds(arg, args)));
    let best = matching.min_by_key(|(all, _)| match all.as_slice() {
        all if all.iter().all(|arg| exact(arg)) => (0, 0),
        [one] => match one.op {
            Comparison::Less | Comparison::LessEqual => (1, u128::from(one.value)),
            Comparison::Greater | Comparison::GreaterEqual => {
                (2, u128::MAX - u128::from(one.value))
            }
            _ => (3, 0),
        },
        _ => (3, 0),
    });
    best.map_or(default, |&(_, answer)| answer)
}

fn comparison() -> impl Strategy<Value = Comparison> {
    prop::sample::select(vec![
        Comparison::NotEqual,
        Comparison::Less,
        Comparison::LessEqual,
        Comparison::Equal,
        Comparison::GreaterEqual,
        Comparison::Greater,
        Comparison::MaskedEqual,
    ])
}

/// Values that meet at the seam between the 32-bit halves, and often each other.
fn value() -> impl Strategy<Value = u64> {
    let edges = vec![
        0,
        1,
        2,
        0xffff_ffff,
        0x1_0000_0000,
        0x1_0000_0001,
        u64::MAX - 1,
        u64::MAX,
    ];
    prop_oneof![4 => prop::sample::select(edges), 1 => any::<u64>()]
}

fn condition() -> impl Strategy<Value = Arg> {
    (0u32..6, comparison(), value(), value())
        .prop_map(|(index, op, value, two)| arg(index, op, value, two))
}

const NAMES: [&str; 12] = [
    "read",
    "write",
    "open",
    "mmap",
    "socket",
    "clone",
    "ioctl",
    "semop",
    "execve",
    "getpid",
    "openat2",
    "no_such_call",
];

fn action() -> impl Strategy<Value = (Action, Option<u32>)> {
    prop_oneof![
        Just((Action::Allow, None)),
        Just((Action::Kill, None)),
        Just((Action::KillProcess, None)),
        Just((Action::Trap, None)),
        Just((Action::Log, None)),
        prop::option::of(0u32..4096).prop_map(|errno| (Action::Errno, errno)),
        prop::option::of(0u32..65536).prop_map(|data| (Action::Trace, data)),
    ]
}

fn rule() -> impl Strategy<Value = Rule> {
    let names = prop::collection::vec(prop::sample::select(NAMES.to_vec()), 1..4);
    let args = prop_oneof![
        2 => Just(Vec::new()),
        3 => prop::collection::vec(condition(), 1..4),
    ];
    (names, action(), args).prop_map(|(names, (action, errno_ret), args)| Rule {
        names: names.into_iter().map(str::to_owned).collect(),
        action,
        errno_ret,
        args,
    })
}

fn any_policy() -> impl Strategy<Value = Seccomp> {
    let other = prop::sample::select(vec!["SCMP_ARCH_X86", "SCMP_ARCH_X32", "SCMP_ARCH_ARM"]);
    (
        action(),
        prop::collection::vec(rule(), 0..12),
        prop::collection::vec(other, 0..3),
    )
        .prop_map(
            |((default_action, default_errno_ret), syscalls, others)| Seccomp {
                default_action,
                default_errno_ret,
                syscalls,
                architectures: others.into_iter().map(str::to_owned).collect(),
                ..Seccomp::default()
            },
        )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn the_program_answers_what_the_policy_says(
        policy in any_policy(),
        calls in prop::collection::vec(
            (prop::sample::select(NAMES[..11].to_vec()), prop::array::uniform6(value())), 1..20),
    ) {
        let filter = match Filter::compile(&policy) {
            Ok(filter) => filter,
            // Drawn at random, two rules may contradict.
            Err(error) => {
                prop_assert!(error.to_string().contains("same conditions"), "{error}");
                return Ok(());
            }
        };
        prop_assert!(is_accepted(filter.program()));
        let rows = policy.syscalls.iter().flat_map(|r| &r.names).filter_map(|n| table::find(n));
        let last = rows.filter_map(|row| NATIVE.number(row)).max();
        for (name, args) in calls {
            let Some(number) = table::find(name).and_then(|row| NATIVE.number(row)) else {
                continue;
            };
            let answer = run(filter.program(), number, NATIVE.audit(), args);
            if last.is_some_and(|last| number <= last) {
                prop_assert_eq!(answer, expected(&policy, name, &args), "{} {:?}", name, args);
            }
        }
        for (audit, number) in [(0, 0), (0x4000_0003, 3), (0x4000_0028, 3), (0xC000_003E, u32::MAX)] {
            let _ = run(filter.program(), number, audit, [0; 6]);
        }
    }

    #[test]
    fn every_number_gets_the_answer_of_its_own_rule(
        chosen in prop::collection::vec(0usize..table::TABLE.len(), 1..300),
    ) {
        let names: Vec<&str> = chosen.iter().map(|&row| table::TABLE[row].0).collect();
        let filter = Filter::compile(&policy(vec![allow(&names, vec![])])).unwrap();
        let own = |row: &table::Row| NATIVE.number(row);
        let last = names.iter().filter_map(|name| own(table::find(name).unwrap())).max();
        for row in &table::TABLE {
            let Some(nr) = own(row) else { continue };
            let expected = match last {
                _ if names.contains(&row.0) => ALLOW,
                Some(last) if nr > last => NO_SUCH_CALL,
                _ => ERRNO | 1,
            };
            prop_assert_eq!(run(filter.program(), nr, NATIVE.audit(), [0; 6]), expected, "{}", row.0);
        }
    }
}
