//! What a system call filter does, seen from inside; what runc and crun do with the same,
//! they are asked.

use isolab_oci::spec::{Action, Arg, Comparison, Rule, Seccomp};
use isolab_oci::{Begin, Bundle, Container, Error, Spec, StateRoot, Stdio};

use crate::Claim;
use crate::security::judged;
use crate::support::{Place, containers, linux, name, options, process};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "each_action_of_a_filter_does_what_it_says",
        containers,
        actions,
    ),
    (
        "rules_that_meet_answer_as_with_the_peers",
        containers,
        precedence,
    ),
    (
        "a_32_bit_program_is_killed_unless_the_policy_knows_its_architecture",
        containers,
        architecture,
    ),
    (
        "a_filter_need_allow_no_more_than_the_program_calls",
        containers,
        strict,
    ),
    (
        "a_filter_may_refuse_execveat_with_any_errno",
        containers,
        execveat,
    ),
    (
        "nobody_traces_a_process_that_has_its_filter_still_to_come",
        containers,
        untraceable,
    ),
];

fn rule(name: &str, action: Action, errno_ret: Option<u32>, args: Vec<Arg>) -> Rule {
    Rule {
        names: vec![name.to_owned()],
        action,
        errno_ret,
        args,
    }
}

/// A policy that allows what no rule names.
fn policy(syscalls: Vec<Rule>) -> Seccomp {
    Seccomp {
        default_action: Action::Allow,
        architectures: vec![
            "SCMP_ARCH_X86_64".to_owned(),
            "SCMP_ARCH_AARCH64".to_owned(),
        ],
        syscalls,
        ..Seccomp::default()
    }
}

fn actions() {
    let place = Place::new();
    let check = |action, errno_ret, expected: &str| {
        // The shell's own words for a signal differ from build to build.
        let mut spec = place.spec("exec 2>/dev/null; mkdir /proc/x; echo $?; uname");
        let calls = ["mkdir", "mkdirat"].map(|name| rule(name, action, errno_ret, vec![]));
        linux(&mut spec).seccomp = Some(policy(calls.to_vec()));
        judged(&place, &spec, &format!("{expected}\nLinux\n"));
    };
    check(Action::Allow, None, "1");
    check(Action::Log, None, "1");
    check(Action::Errno, Some(0), "0"); // not done, and said to be
    check(Action::Errno, None, "1");
    check(Action::Kill, None, "159");
    check(Action::KillProcess, None, "159");
    check(Action::Trap, None, "159"); // SIGSYS, which nobody catches
    check(Action::Trace, Some(1), "1"); // nobody traces: ENOSYS
}

fn precedence() {
    let place = Place::new();
    let mode = |op, value| Arg {
        index: 2,
        value,
        value_two: value,
        op,
    };
    let meets = |first: Option<Arg>, second: Option<Arg>, expected: &str| {
        // busybox makes it with a mode of 0777.
        let mut spec = place.spec("mkdir /tmp/x 2>&1");
        let rules = [(42, first), (43, second)].map(|(errno, arg)| {
            let mut rule = rule("mkdir", Action::Errno, Some(errno), Vec::new());
            rule.args = arg.into_iter().map(|arg| Arg { index: 1, ..arg }).collect();
            rule
        });
        linux(&mut spec).seccomp = Some(policy(rules.to_vec()));
        let expected = format!("mkdir: can't create directory '/tmp/x': {expected}\n");
        judged(&place, &spec, &expected);
    };
    let (first, second) = ("No message of desired type", "Identifier removed");
    meets(None, None, first);
    meets(Some(mode(Comparison::Equal, 0o777)), None, second);
    meets(
        Some(mode(Comparison::GreaterEqual, 1)),
        Some(mode(Comparison::Equal, 0o777)),
        second,
    );
    meets(
        Some(mode(Comparison::GreaterEqual, 1)),
        Some(mode(Comparison::GreaterEqual, 2)),
        second,
    );
    meets(
        Some(mode(Comparison::MaskedEqual, 0o700)),
        Some(mode(Comparison::Equal, 0o777)),
        first,
    );
}

/// `exit(7)` of 32-bit x86 (`int 0x80`), as the smallest ELF file that runs.
fn exit_7() -> Vec<u8> {
    // elf(5): the header, one segment, and the code behind both; registers are zero.
    let header = [
        0x7f, b'E', b'L', b'F', 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 3, 0, 1, 0, 0, 0, 0x54,
        0x80, 4, 8, 52, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 52, 0, 32, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    ];
    let segment = [
        1, 0, 0, 0, 0, 0, 0, 0, 0, 0x80, 4, 8, 0, 0x80, 4, 8, 90, 0, 0, 0, 90, 0, 0, 0, 5, 0, 0, 0,
        0, 0x10, 0, 0,
    ];
    let code = [0xb0, 1, 0xb3, 7, 0xcd, 0x80]; // mov al, 1; mov bl, 7; int 0x80
    [&header[..], &segment[..], &code[..]].concat()
}

/// `exit(7)` of 64-bit x86, and nothing else.
fn exit_7_long() -> Vec<u8> {
    // mov eax, 60; mov edi, 7; syscall
    long_program(&[0xb8, 60, 0, 0, 0, 0xbf, 7, 0, 0, 0, 0x0f, 0x05])
}

/// A static program of 64-bit x86.
pub(crate) fn long_program(code: &[u8]) -> Vec<u8> {
    let header = [
        0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 62, 0, 1, 0, 0, 0, 0x78,
        0, 0x40, 0, 0, 0, 0, 0, 64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 64, 0,
        56, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    ];
    let segment = [
        1, 0, 0, 0, 5, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x40, 0, 0, 0, 0, 0, 0, 0, 0x40, 0,
        0, 0, 0, 0,
    ];
    let size = (120 + code.len() as u64).to_le_bytes();
    let alignment = 0x1000u64.to_le_bytes();
    [&header[..], &segment, &size, &size, &alignment, code].concat()
}

fn strict() {
    use std::os::unix::fs::PermissionsExt as _;
    if !cfg!(target_arch = "x86_64") {
        return; // the program is one of x86
    }
    let place = Place::new();
    let program = place.root().join("bin/exit7");
    std::fs::write(&program, exit_7_long()).unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    let mut spec = place.spec("");
    process(&mut spec).args = vec!["/bin/exit7".to_owned()];
    for default_action in [Action::Errno, Action::KillProcess] {
        let calls = ["execve", "exit"].map(|name| rule(name, Action::Allow, None, vec![]));
        linux(&mut spec).seccomp = Some(Seccomp {
            default_action,
            ..policy(calls.to_vec())
        });
        assert_eq!(place.run(&spec).1.code, Some(7));
        // Without `exit` the program itself is what the filter stops.
        let calls = vec![rule("execve", Action::Allow, None, vec![])];
        linux(&mut spec).seccomp = Some(Seccomp {
            default_action: Action::KillProcess,
            default_errno_ret: None,
            ..policy([calls, vec![rule("exit", Action::KillProcess, None, vec![])]].concat())
        });
        assert_eq!(place.run(&spec).1.signal, Some(libc::SIGSYS));
    }
}

/// Without no_new_privs the filter is there before the runtime's last calls.
fn execveat() {
    let place = Place::new();
    let refused = |script: &str, errno: i32| {
        let mut spec = place.spec(script);
        process(&mut spec).no_new_privileges = false;
        let rule = rule(
            "execveat",
            Action::Errno,
            Some(errno.cast_unsigned()),
            vec![],
        );
        linux(&mut spec).seccomp = Some(policy(vec![rule]));
        spec
    };
    let fails = |spec: &Spec| match place.try_start(spec, &options()) {
        Err(Error::Exec { source, .. }) => source.raw_os_error().unwrap(),
        other => panic!("{other:?}"),
    };
    for errno in [
        0,
        1,
        libc::ENOENT,
        libc::E2BIG,
        libc::EACCES,
        libc::ENOSYS,
        200,
    ] {
        assert_eq!(place.run(&refused("echo run", errno)).0, "run\n", "{errno}");
        // What is true of either call is told, whatever the filter says.
        let mut spec = refused("", errno);
        process(&mut spec).args = vec!["sh".to_owned(), "x".repeat(200_000)];
        assert_eq!(fails(&spec), libc::E2BIG, "{errno}");
    }
    // There is no other way to the file.
    let mut spec = refused("echo run", 200);
    spec.mounts.clear();
    assert_eq!(fails(&spec), 200);
}

/// Whoever can open the waiting program's memory can have it make calls that
/// the filter forbids to everything else in the container.
fn untraceable() {
    let place = Place::new();
    let mut spec = place.spec("exec sleep 100");
    let process = process(&mut spec);
    process.no_new_privileges = true;
    let capabilities = process.capabilities.as_mut().unwrap();
    // As engines give them: with these root reads what is unreadable.
    let reading = ["CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH"].map(str::to_owned);
    for set in [
        &mut capabilities.bounding,
        &mut capabilities.permitted,
        &mut capabilities.effective,
    ] {
        set.extend(reading.clone());
    }
    let mut joining = process.clone();
    let script = "grep -q 'Seccomp:.2' /proc/self/status || exit 9
        exec 2>/dev/null; readlink /proc/1/exe >/dev/null && : 3<>/proc/1/mem";
    joining.args = ["sh", "-c", script].map(str::to_owned).to_vec();
    linux(&mut spec).seccomp = Some(policy(vec![rule("mkdir", Action::Errno, None, vec![])]));
    let bundle = Bundle::new(place.path(), spec).unwrap();
    let states = StateRoot::new(place.path().join("states"));
    let (stdio, options) = (Stdio::inherit(), options());
    let made = Container::create(&states, &name(), &bundle, Begin::Later, stdio, &options);
    let (mut container, running) = made.unwrap();
    let traced = |container: &Container| {
        let mut joined = container.exec(&joining, stdio, &options).unwrap();
        joined.wait().unwrap().code.unwrap()
    };
    assert_eq!(traced(&container), 1);
    container.start().unwrap();
    // It is the attempt that was refused, not what it is made of.
    assert_eq!(traced(&container), 0);
    drop(running);
    container.delete(true).unwrap();
}

fn architecture() {
    use std::os::unix::fs::PermissionsExt as _;
    if !cfg!(target_arch = "x86_64") {
        return; // the program is one of 32-bit x86
    }
    let place = Place::new();
    let program = place.root().join("bin/exit7");
    std::fs::write(&program, exit_7()).unwrap();
    let executable = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(&program, executable).unwrap();
    let mut spec = place.spec("exec 2>/dev/null; exit7; echo $?");
    linux(&mut spec).seccomp = None;
    let (text, _) = place.run(&spec);
    if text != "7\n" {
        return; // this kernel runs no 32-bit programs
    }
    linux(&mut spec).seccomp = Some(policy(vec![rule("mkdir", Action::Kill, None, vec![])]));
    judged(&place, &spec, "159\n");
    let seccomp = linux(&mut spec).seccomp.as_mut().unwrap();
    seccomp.architectures.push("SCMP_ARCH_X86".to_owned());
    // A policy for one machine only: the peers refuse the other's name.
    seccomp.architectures.retain(|name| name.contains("X86"));
    judged(&place, &spec, "7\n");
}
