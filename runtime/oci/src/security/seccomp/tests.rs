//! The compiler against an interpreter: a filter must answer as its policy says.

mod interpreter;
mod precedence;
mod reference;

use super::architecture::NATIVE;
use super::*;
use crate::spec::{Arg, Comparison, Rule};
use interpreter::{is_accepted, run};

const ALLOW: u32 = 0x7fff_0000;
const ERRNO: u32 = 0x0005_0000;
const NO_SUCH_CALL: u32 = ERRNO | 38;
const X86: u32 = 0x4000_0003;

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
fn a_finder_finds_what_a_search_finds_in_any_order() {
    let names: Vec<&str> = table::TABLE.iter().map(|row| row.0).collect();
    let shuffled = (0..names.len()).map(|n| names[n * 211 % names.len()]);
    let backward = names.iter().rev().copied();
    let unknown = ["", "zzz", "no_such_call", "read", "read", "_llseek"];
    let mut finder = table::finder();
    let all = names.iter().copied().chain(shuffled).chain(backward);
    for name in all.chain(unknown) {
        let found = finder.find(name).map(|row| row.0);
        assert_eq!(found, table::find(name).map(|row| row.0), "{name}");
    }
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
        ("mseal", libc::SYS_mseal),
    ];
    for (name, nr) in numbers {
        let row = table::find(name).unwrap();
        assert_eq!(NATIVE.number(row), Some(number(nr)), "{name}");
    }
    assert_eq!(table::find("file_setattr").unwrap().1, Some(469));
    assert_eq!(table::find("cacheflush").unwrap().4, Some(0xf0002));
    assert_eq!(table::on_x32(59), 520); // execve
    assert_eq!(table::on_x32(0), 0); // read
    let mut carriers = table::carriers();
    assert_eq!(carriers.find("socket"), Some(&("socket", "socketcall", 1)));
    assert_eq!(carriers.find("shmget"), Some(&("shmget", "ipc", 23)));
    assert_eq!(carriers.find("read"), None);
}

#[test]
fn the_tables_are_sorted_for_their_binary_searches() {
    assert!(table::TABLE.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(table::X32.windows(2).all(|pair| pair[0].0 < pair[1].0));
    assert!(table::CARRIED.windows(2).all(|pair| pair[0].0 < pair[1].0));
}

#[test]
fn another_architecture_is_killed_unless_it_was_asked_for() {
    let filter = Filter::compile(&policy(vec![allow(&["read"], vec![])])).unwrap();
    assert_eq!(run(filter.program(), 3, X86, [0; 6]), 0x8000_0000);
    let mut seccomp = policy(vec![allow(&["read"], vec![])]);
    seccomp.architectures = vec!["SCMP_ARCH_X86".to_owned()];
    let filter = Filter::compile(&seccomp).unwrap();
    if cfg!(target_arch = "x86_64") {
        assert_eq!(run(filter.program(), 3, X86, [0; 6]), ALLOW);
        assert_eq!(run(filter.program(), 0, X86, [0; 6]), ERRNO | 1);
    }
}

#[test]
fn every_architecture_of_the_specification_may_be_named_and_no_other() {
    let names = "X86 X86_64 X32 ARM AARCH64 MIPS MIPS64 MIPS64N32 MIPSEL MIPSEL64 MIPSEL64N32 PPC \
        PPC64 PPC64LE S390 S390X PARISC PARISC64 RISCV64 LOONGARCH64 NATIVE";
    let mut seccomp = policy(vec![allow(&["read"], vec![])]);
    seccomp.architectures = names
        .split_whitespace()
        .map(|n| format!("SCMP_ARCH_{n}"))
        .collect();
    assert!(is_accepted(Filter::compile(&seccomp).unwrap().program()));
    for bad in ["SCMP_ARCH_FLY", "X86_64", "SCMP_ARCH_", ""] {
        seccomp.architectures = vec![bad.to_owned()];
        let error = Filter::compile(&seccomp).unwrap_err().to_string();
        assert!(error.contains("linux.seccomp.architectures[0]"), "{error}");
    }
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_call_in_its_x32_form_does_not_slip_past_a_list_of_what_is_forbidden() {
    let mut seccomp = policy(vec![Rule {
        names: vec!["mount".to_owned(), "execve".to_owned()],
        action: Action::Errno,
        errno_ret: None,
        args: vec![],
    }]);
    seccomp.default_action = Action::Allow;
    const BIT: u32 = 0x4000_0000;
    let answers = |seccomp: &Seccomp, numbers: [u32; 4]| {
        let filter = Filter::compile(seccomp).unwrap();
        numbers.map(|nr| run(filter.program(), nr, NATIVE.audit(), [0; 6]))
    };
    let kill = 0;
    // mount, execve, execve of x32, read; and what a tracer skipped.
    let x32 = [BIT | 165, BIT | 59, BIT | 520, BIT];
    assert_eq!(answers(&seccomp, x32), [kill; 4]);
    assert_eq!(
        answers(&seccomp, [165, 59, 520, u32::MAX]),
        [ERRNO | 1, ERRNO | 1, ALLOW, ALLOW]
    );
    seccomp.architectures = vec!["SCMP_ARCH_X32".to_owned()];
    assert_eq!(answers(&seccomp, x32), [ERRNO | 1, ALLOW, ERRNO | 1, ALLOW]);
}

#[cfg(target_arch = "x86_64")]
#[test]
fn a_rule_for_a_socket_holds_for_the_call_that_carries_it_on_32_bit_x86() {
    let mut seccomp = policy(vec![Rule {
        names: vec!["socket".to_owned(), "shmget".to_owned()],
        action: Action::Errno,
        errno_ret: Some(7),
        args: vec![arg(0, Comparison::Equal, 40, 0)],
    }]);
    seccomp.default_action = Action::Allow;
    seccomp.architectures = vec!["SCMP_ARCH_X86".to_owned()];
    let filter = Filter::compile(&seccomp).unwrap();
    let call = |nr, first| run(filter.program(), nr, X86, [first, 0, 0, 0, 0, 0]);
    assert_eq!(call(359, 40), ERRNO | 7);
    assert_eq!(call(359, 1), ALLOW);
    // Behind the pointer a filter cannot look, so the whole call is refused.
    assert_eq!(call(102, 1), ERRNO | 7);
    assert_eq!(call(102, 2), ALLOW);
    assert_eq!(call(117, 23), ERRNO | 7);
    assert_eq!(call(117, 1), ALLOW);
    // And what is allowed under conditions only is not allowed through it.
    seccomp.syscalls[0].action = Action::Allow;
    seccomp.syscalls[0].errno_ret = None;
    seccomp.default_action = Action::Errno;
    let filter = Filter::compile(&seccomp).unwrap();
    assert_eq!(
        run(filter.program(), 102, X86, [1, 0, 0, 0, 0, 0]),
        ERRNO | 1
    );
}

#[test]
fn a_call_younger_than_the_policy_does_not_exist_rather_than_being_forbidden() {
    let answer = |seccomp: &Seccomp, name| {
        let filter = Filter::compile(seccomp).unwrap();
        let number = NATIVE.number(table::find(name).unwrap()).unwrap();
        run(filter.program(), number, NATIVE.audit(), [0; 6])
    };
    let mut seccomp = policy(vec![allow(&["openat2"], vec![])]);
    assert_eq!(answer(&seccomp, "read"), ERRNO | 1);
    assert_eq!(answer(&seccomp, "mseal"), NO_SUCH_CALL);
    seccomp.default_action = Action::KillProcess;
    assert_eq!(answer(&seccomp, "mseal"), NO_SUCH_CALL);
    seccomp.default_action = Action::Log;
    assert_eq!(answer(&seccomp, "mseal"), 0x7ffc_0000);
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
            run(
                filter.program(),
                number(libc::SYS_mmap),
                NATIVE.audit(),
                args
            ),
            expected
        );
    };
    check([(1 << 40) + 1, 0x12ab, 0, 0, 0, 0], ALLOW);
    check([1 << 40, 0x12ab, 0, 0, 0, 0], ERRNO | 1);
    check([(1 << 40) + 1, 0x13ab, 0, 0, 0, 0], ERRNO | 1);
    check([0, 0, 0, 0, 0, 7], ALLOW);
}

/// Changes a good policy, and expects an error about `field` with a remedy.
#[test]
fn a_policy_under_which_nothing_can_be_executed_is_refused() {
    let check = |default_action, rules: Vec<Rule>, expected| {
        let policy = Seccomp {
            default_action,
            ..policy(rules)
        };
        let filter = Filter::compile(&policy).unwrap();
        assert_eq!(filter.allow_execution().is_ok(), expected, "{policy:?}");
    };
    let rule = |action| Rule {
        action,
        ..allow(&["execve"], vec![])
    };
    check(Action::Allow, vec![], true);
    for refusal in [
        Action::Kill,
        Action::KillProcess,
        Action::Errno,
        Action::Trap,
    ] {
        check(refusal, vec![], false);
        check(refusal, vec![allow(&["execveat", "exit"], vec![])], false);
        check(refusal, vec![allow(&["execve"], vec![])], true);
        check(Action::Allow, vec![rule(refusal)], false);
        // The program may be one that gets through.
        let some = vec![arg(2, Comparison::NotEqual, 0, 0)];
        check(refusal, vec![allow(&["execve"], some)], true);
    }
    check(Action::Errno, vec![rule(Action::Log)], true);
}

fn refused_at(field: &str, change: impl FnOnce(&mut Seccomp)) {
    let mut seccomp = policy(vec![allow(
        &["read"],
        vec![arg(0, Comparison::Equal, 0, 0)],
    )]);
    assert!(Filter::compile(&seccomp).is_ok());
    change(&mut seccomp);
    let error = Filter::compile(&seccomp).unwrap_err();
    assert!(
        error
            .to_string()
            .contains(&format!("linux.seccomp.{field}: ")),
        "{error}"
    );
    assert!(error.hint().is_some());
}

#[test]
fn what_the_kernel_or_the_specification_refuses_is_refused_by_its_field() {
    refused_at("syscalls[0].args[0].index", |s| {
        s.syscalls[0].args[0].index = 6;
    });
    refused_at("syscalls[0].names", |s| s.syscalls[0].names.clear());
    refused_at("syscalls[0].errnoRet", |s| {
        s.syscalls[0].errno_ret = Some(1);
    });
    refused_at("defaultErrnoRet", |s| s.default_errno_ret = Some(4096));
    refused_at("defaultErrnoRet", |s| {
        s.default_action = Action::Trace;
        s.default_errno_ret = Some(65536);
    });
    refused_at("defaultErrnoRet", |s| {
        s.default_action = Action::Kill;
        s.default_errno_ret = Some(1);
    });
    refused_at("flags[1]", |s| {
        s.flags = vec!["SECCOMP_FILTER_FLAG_LOG".to_owned(), "FLY".to_owned()];
    });
    refused_at("listenerPath", |s| s.syscalls[0].action = Action::Notify);
    refused_at("listenerPath", |s| {
        s.default_action = Action::Notify;
        s.listener_path = Some("relative".into());
    });
    refused_at("listenerMetadata", |s| {
        s.listener_metadata = Some("x".to_owned());
    });
    refused_at("syscalls", |s| {
        let each = |value| allow(&["read"], vec![arg(1, Comparison::Equal, value, 0)]);
        s.syscalls = (0..1000).map(each).collect();
    });
}

#[test]
fn flags_reach_the_kernel_where_it_takes_them() {
    let mut seccomp = policy(vec![]);
    let flags = |seccomp: &Seccomp| Filter::compile(seccomp).unwrap().flags;
    let names = ["TSYNC", "LOG", "SPEC_ALLOW", "WAIT_KILLABLE_RECV"];
    seccomp.flags = names.map(|n| format!("SECCOMP_FILTER_FLAG_{n}")).to_vec();
    assert_eq!(flags(&seccomp), 2 | 4);
    // Ignored where nothing is for a listener to answer.
    seccomp.listener_path = Some("/run/agent".into());
    assert_eq!(flags(&seccomp), 2 | 4);
    seccomp.default_action = Action::Notify;
    assert_eq!(flags(&seccomp), 2 | 4 | 8 | 32);
    assert!(Filter::compile(&seccomp).unwrap().listens());
}
