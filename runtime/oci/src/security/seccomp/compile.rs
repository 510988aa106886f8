//! From rules to ranges, and from ranges to a tree of comparisons.

use std::collections::BTreeMap;

use super::condition::{JUMP, JUMP_EQUAL, JUMP_GREATER_EQUAL, LOAD, RETURN, all_hold};
use super::table::{Row, TABLE};
use super::{invalid, unsupported};
use crate::error::Result;
use crate::spec::{Action, Arg, Rule, Seccomp};
use crate::sys::seccomp::Instruction;

const MOST_INSTRUCTIONS: usize = 4096; // BPF_MAXINSNS
const NUMBER_AT: u32 = 0; // offset of `nr` in struct seccomp_data
const ARCHITECTURE_AT: u32 = 4; // offset of `arch`
/// Calls of the x32 ABI carry x86_64's architecture and this bit.
const X32_BIT: u32 = 0x4000_0000;

/// An architecture as a filter sees it: the kernel's number for it, and its
/// column of the table.
struct Architecture {
    audit: u32,
    column: fn(&Row) -> Option<u32>,
}

const X86_64: Architecture = Architecture {
    audit: 0xC000_003E,
    column: |row| row.1,
};
const X86: Architecture = Architecture {
    audit: 0x4000_0003,
    column: |row| row.2,
};
const AARCH64: Architecture = Architecture {
    audit: 0xC000_00B7,
    column: |row| row.3,
};
const NATIVE: Architecture = if cfg!(target_arch = "aarch64") {
    AARCH64
} else {
    X86_64
};

/// What happens at one number: conditions in order, then the answer without.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Outcome {
    conditional: Vec<(Vec<Arg>, u32)>,
    otherwise: u32,
}

/// Compiles the policy.
pub(super) fn compile(seccomp: &Seccomp) -> Result<Vec<Instruction>> {
    let default = answer(seccomp.default_action, seccomp.default_errno_ret)?;
    let mut architectures = vec![NATIVE];
    let mut x32 = false;
    for name in &seccomp.architectures {
        match name.as_str() {
            "SCMP_ARCH_NATIVE" | "SCMP_ARCH_X86_64" | "SCMP_ARCH_AARCH64" => {}
            "SCMP_ARCH_X86" if cfg!(target_arch = "x86_64") => architectures.push(X86),
            "SCMP_ARCH_X32" => x32 = cfg!(target_arch = "x86_64"),
            // Another machine's: its calls cannot reach this kernel.
            other if other.starts_with("SCMP_ARCH_") => {}
            other => return Err(unsupported(&format!("the architecture `{other}`"))),
        }
    }
    architectures.dedup_by_key(|a| a.audit);

    let mut program = vec![plain(LOAD, ARCHITECTURE_AT)];
    for architecture in &architectures {
        let outcomes = outcomes(&seccomp.syscalls, architecture, default, x32)?;
        let mut code = vec![plain(LOAD, NUMBER_AT)];
        code.extend(tree(&ranges(&outcomes, default)));
        program.extend(skip_unless(architecture.audit, code));
    }
    // A call of an architecture that nobody asked for.
    program.push(plain(RETURN, KILL_PROCESS));
    if program.len() > MOST_INSTRUCTIONS {
        return Err(invalid(
            format!("the policy needs {} BPF instructions", program.len()),
            "the kernel takes 4096: merge rules, or name fewer conditions",
        ));
    }
    Ok(program)
}

const KILL_PROCESS: u32 = 0x8000_0000;

/// The 32-bit answer of a filter (`seccomp(2)`, "Return values").
fn answer(action: Action, errno: Option<u32>) -> Result<u32> {
    let data = errno.unwrap_or(libc::EPERM.cast_unsigned());
    let checked = |action: u32, most: u32| {
        if data > most {
            return Err(invalid(
                format!("errnoRet {data} is out of range"),
                "0 to 4095",
            ));
        }
        Ok(action | data)
    };
    match action {
        Action::Kill => Ok(0),
        Action::KillProcess => Ok(KILL_PROCESS),
        Action::Trap => Ok(0x0003_0000),
        Action::Errno => checked(0x0005_0000, 4095),
        Action::Trace => checked(0x7ff0_0000, 0xffff),
        Action::Log => Ok(0x7ffc_0000),
        Action::Allow => Ok(0x7fff_0000),
        Action::Notify => Err(unsupported("a listener (SCMP_ACT_NOTIFY)")),
    }
}

/// What each number that a rule names leads to.
fn outcomes(
    rules: &[Rule],
    architecture: &Architecture,
    default: u32,
    x32: bool,
) -> Result<BTreeMap<u32, Outcome>> {
    let mut all: BTreeMap<u32, Outcome> = BTreeMap::new();
    for rule in rules {
        let answer = answer(rule.action, rule.errno_ret)?;
        if answer == default {
            continue;
        }
        if let Some(arg) = rule.args.iter().find(|a| a.index > 5) {
            return Err(invalid(
                format!("args.index {} is out of range", arg.index),
                "0 to 5",
            ));
        }
        if rule.args.len() > 6 && !repeats(&rule.args) {
            return Err(invalid(
                "a rule has more than six conditions".to_owned(),
                "split it",
            ));
        }
        for name in &rule.names {
            let Ok(row) = TABLE.binary_search_by_key(&name.as_str(), |row| row.0) else {
                continue;
            };
            let Some(number) = (architecture.column)(&TABLE[row]) else {
                continue;
            };
            let twin = (x32 && architecture.audit == X86_64.audit).then_some(number | X32_BIT);
            for number in [number].into_iter().chain(twin) {
                let outcome = all.entry(number).or_insert(Outcome {
                    conditional: Vec::new(),
                    otherwise: default,
                });
                if rule.args.is_empty() {
                    outcome.otherwise = answer;
                } else if repeats(&rule.args) {
                    // As runc reads it: conditions on one argument are alternatives.
                    let each = rule.args.iter().map(|arg| (vec![arg.clone()], answer));
                    outcome.conditional.extend(each);
                } else {
                    outcome.conditional.push((rule.args.clone(), answer));
                }
            }
        }
    }
    Ok(all)
}

fn repeats(args: &[Arg]) -> bool {
    args.iter()
        .enumerate()
        .any(|(i, a)| args[..i].iter().any(|b| b.index == a.index))
}

/// Half-open ranges that cover every number, each with its outcome.
fn ranges(outcomes: &BTreeMap<u32, Outcome>, default: u32) -> Vec<(u32, Outcome)> {
    let nothing = Outcome {
        conditional: Vec::new(),
        otherwise: default,
    };
    let mut all: Vec<(u32, Outcome)> = vec![(0, nothing.clone())];
    let mut add = |from: u32, outcome: &Outcome| match all.last_mut() {
        Some((_, last)) if last == outcome => {}
        Some((start, last)) if *start == from => *last = outcome.clone(),
        _ => all.push((from, outcome.clone())),
    };
    for (&number, outcome) in outcomes {
        add(number, outcome);
        if !outcomes.contains_key(&(number + 1)) {
            add(number + 1, &nothing);
        }
    }
    all
}

/// A balanced tree: about log2(n) comparisons lead to the range of a number.
fn tree(ranges: &[(u32, Outcome)]) -> Vec<Instruction> {
    match ranges {
        [] => Vec::new(),
        [(_, outcome)] => leaf(outcome),
        _ => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            let (boundary, left, right) = (right[0].0, tree(left), tree(right));
            let mut code = Vec::with_capacity(left.len() + right.len() + 2);
            match u8::try_from(left.len()) {
                Ok(distance) => code.push(branch(JUMP_GREATER_EQUAL, boundary, distance, 0)),
                Err(_) => {
                    code.push(branch(JUMP_GREATER_EQUAL, boundary, 0, 1));
                    code.push(plain(JUMP, left.len() as u32));
                }
            }
            code.extend(left);
            code.extend(right);
            code
        }
    }
}

fn leaf(outcome: &Outcome) -> Vec<Instruction> {
    let mut code = Vec::new();
    for (args, answer) in &outcome.conditional {
        code.extend(all_hold(args, 1));
        code.push(plain(RETURN, *answer));
    }
    code.push(plain(RETURN, outcome.otherwise));
    code
}

/// Runs `code` where the accumulator holds `value`, else goes on behind it.
fn skip_unless(value: u32, code: Vec<Instruction>) -> Vec<Instruction> {
    // `code` overwrites the accumulator, but it also always answers.
    let mut all = match u8::try_from(code.len()) {
        Ok(distance) => vec![branch(JUMP_EQUAL, value, 0, distance)],
        Err(_) => vec![
            branch(JUMP_EQUAL, value, 1, 0),
            plain(JUMP, code.len() as u32),
        ],
    };
    all.extend(code);
    all
}

fn plain(code: u16, operand: u32) -> Instruction {
    Instruction {
        code,
        jump_true: 0,
        jump_false: 0,
        operand,
    }
}

fn branch(code: u16, operand: u32, jump_true: u8, jump_false: u8) -> Instruction {
    Instruction {
        code,
        jump_true,
        jump_false,
        operand,
    }
}
