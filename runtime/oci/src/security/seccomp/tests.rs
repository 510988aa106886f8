//! The compiler against an interpreter: a filter must answer as its policy says.

use super::*;
use crate::spec::{Arg, Comparison, Rule};

/// `struct seccomp_data`, and the few instructions that the compiler emits.
fn run(program: &[Instruction], nr: u32, arch: u32, args: [u64; 6]) -> u32 {
    let mut data = vec![nr, arch, 0, 0];
    data.extend(args.iter().flat_map(|a| [*a as u32, (*a >> 32) as u32]));
    let (mut at, mut accumulator) = (0usize, 0u32);
    for _ in 0..program.len() {
        let Instruction {
            code,
            jump_true,
            jump_false,
            operand,
        } = program[at];
        let jump = |holds: bool| usize::from(if holds { jump_true } else { jump_false });
        at += 1;
        match code {
            0x20 => accumulator = data[operand as usize / 4],
            0x54 => accumulator &= operand,
            0x05 => at += operand as usize,
            0x15 => at += jump(accumulator == operand),
            0x25 => at += jump(accumulator > operand),
            0x35 => at += jump(accumulator >= operand),
            0x06 => return operand,
            other => panic!("unknown instruction {other:#x}"),
        }
    }
    panic!("the program does not end");
}

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
#[cfg(target_arch = "x86_64")]
const NATIVE: u32 = 0xC000_003E;
#[cfg(target_arch = "aarch64")]
const NATIVE: u32 = 0xC000_00B7;

fn policy(syscalls: Vec<Rule>) -> Seccomp {
    Seccomp {
        default_action: Action::Errno,
        syscalls,
        ..Seccomp::default()
    }
}

fn allow(names: &[&str], args: Vec<Arg>) -> Rule {
    let names = names.iter().map(|&n| n.to_owned()).collect();
    Rule {
        names,
        action: Action::Allow,
        errno_ret: None,
        args,
    }
}

fn arg(index: u32, op: Comparison, value: u64, value_two: u64) -> Arg {
    Arg {
        index,
        value,
        value_two,
        op,
    }
}

fn number(nr: libc::c_long) -> u32 {
    u32::try_from(nr).unwrap()
}

#[test]
fn the_tables_numbers_are_libcs() {
    let numbers = [
        ("read", libc::SYS_read),
        ("clone3", libc::SYS_clone3),
        ("openat2", libc::SYS_openat2),
        ("mount_setattr", libc::SYS_mount_setattr),
        ("seccomp", libc::SYS_seccomp),
        ("newfstatat", libc::SYS_newfstatat),
        ("pidfd_send_signal", libc::SYS_pidfd_send_signal),
    ];
    for (name, nr) in numbers {
        let row = table::TABLE.binary_search_by_key(&name, |row| row.0);
        let Ok(row) = row else {
            // The one name that asm-generic spells otherwise.
            assert!(cfg!(target_arch = "aarch64") && name == "newfstatat");
            continue;
        };
        let row = table::TABLE[row];
        let column = if cfg!(target_arch = "aarch64") {
            row.3
        } else {
            row.1
        };
        assert_eq!(column, Some(number(nr)), "{name}");
    }
}

#[test]
fn the_table_is_sorted_for_its_binary_search() {
    assert!(table::TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn another_architecture_is_killed_unless_it_was_asked_for() {
    let filter = Filter::compile(&policy(vec![allow(&["read"], vec![])])).unwrap();
    assert_eq!(run(filter.program(), 3, 0x4000_0003, [0; 6]), 0x8000_0000);
    let mut seccomp = policy(vec![allow(&["read"], vec![])]);
    seccomp.architectures = vec!["SCMP_ARCH_X86".to_owned()];
    let filter = Filter::compile(&seccomp).unwrap();
    if cfg!(target_arch = "x86_64") {
        assert_eq!(run(filter.program(), 3, 0x4000_0003, [0; 6]), ALLOW);
        assert_eq!(run(filter.program(), 0, 0x4000_0003, [0; 6]), ERRNO | 1);
    }
}

#[test]
fn all_conditions_of_a_rule_must_hold_and_rules_are_alternatives() {
    let filter = Filter::compile(&policy(vec![
        allow(
            &["mmap"],
            vec![
                arg(0, Comparison::Greater, 1 << 40, 0),
                arg(1, Comparison::MaskedEqual, 0xff00, 0x1200),
            ],
        ),
        allow(&["mmap"], vec![arg(5, Comparison::Equal, 7, 0)]),
    ]))
    .unwrap();
    let check = |args, expected| {
        assert_eq!(
            run(filter.program(), number(libc::SYS_mmap), NATIVE, args),
            expected
        );
    };
    check([(1 << 40) + 1, 0x12ab, 0, 0, 0, 0], ALLOW);
    check([1 << 40, 0x12ab, 0, 0, 0, 0], ERRNO | 1);
    check([(1 << 40) + 1, 0x13ab, 0, 0, 0, 0], ERRNO | 1);
    check([0, 0, 0, 0, 0, 7], ALLOW);
}

#[test]
fn what_the_kernel_would_refuse_is_refused_by_name() {
    let bad = policy(vec![allow(
        &["read"],
        vec![arg(6, Comparison::Equal, 0, 0)],
    )]);
    assert!(
        Filter::compile(&bad)
            .unwrap_err()
            .to_string()
            .contains("index 6")
    );
    let mut bad = policy(Vec::new());
    bad.flags = vec!["SECCOMP_FILTER_FLAG_FLY".to_owned()];
    assert!(
        Filter::compile(&bad)
            .unwrap_err()
            .to_string()
            .contains("FLY")
    );
    let mut bad = policy(Vec::new());
    bad.default_action = Action::Notify;
    assert!(
        Filter::compile(&bad)
            .unwrap_err()
            .to_string()
            .contains("listener")
    );
}

mod properties {
    use proptest::prelude::*;

    use super::*;

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

    /// Values that meet at the seam between the 32-bit halves.
    fn value() -> impl Strategy<Value = u64> {
        let edges = vec![0, 1, 0xffff_ffff, 0x1_0000_0000, 0x1_0000_0001, u64::MAX];
        prop_oneof![prop::sample::select(edges), any::<u64>()]
    }

    fn holds(arg: &Arg, actual: u64) -> bool {
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

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(300))]

        #[test]
        fn a_condition_answers_as_arithmetic_does(
            op in comparison(), index in 0u32..6, one in value(), two in value(), actual in value(),
        ) {
            let arg = arg(index, op, one, two);
            let rule = allow(&["write"], vec![arg.clone()]);
            let filter = Filter::compile(&policy(vec![rule])).unwrap();
            let mut args = [0; 6];
            args[index as usize] = actual;
            let answer = run(filter.program(), number(libc::SYS_write), NATIVE, args);
            prop_assert_eq!(answer, if holds(&arg, actual) { ALLOW } else { ERRNO | 1 });
        }

        #[test]
        fn every_number_gets_the_answer_of_its_own_rule(
            chosen in prop::collection::vec(0usize..table::TABLE.len(), 0..300),
        ) {
            let names: Vec<&str> = chosen.iter().map(|&row| table::TABLE[row].0).collect();
            let filter = Filter::compile(&policy(vec![allow(&names, vec![])])).unwrap();
            for row in &table::TABLE {
                let column = if cfg!(target_arch = "aarch64") { row.3 } else { row.1 };
                let Some(nr) = column else { continue };
                let expected = if names.contains(&row.0) { ALLOW } else { ERRNO | 1 };
                prop_assert_eq!(run(filter.program(), nr, NATIVE, [0; 6]), expected, "{}", row.0);
            }
            prop_assert_eq!(run(filter.program(), 0x4000_0000, NATIVE, [0; 6]), ERRNO | 1);
        }

        #[test]
        fn no_text_makes_the_parser_panic(text in ".{0,300}") {
            let _ = crate::Spec::from_slice(text.as_bytes());
        }
    }
}
