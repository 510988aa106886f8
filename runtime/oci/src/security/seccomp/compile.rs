//! From ranges of numbers to a tree of comparisons.

use super::architecture::Named;
use super::condition::{JUMP, JUMP_EQUAL, JUMP_GREATER_EQUAL, LOAD, RETURN, all_hold};
use super::rules::{Outcome, ranges};
use super::{KILL_PROCESS, refused};
use crate::error::Result;
use crate::spec::Seccomp;
use crate::sys::seccomp::Instruction;

const MOST_INSTRUCTIONS: usize = 4096; // BPF_MAXINSNS
const NUMBER_AT: u32 = 0; // offset of `nr` in struct seccomp_data
const ARCHITECTURE_AT: u32 = 4; // offset of `arch`

/// Compiles the policy.
pub(super) fn compile(seccomp: &Seccomp) -> Result<Vec<Instruction>> {
    let named = Named::parse(&seccomp.architectures)?;
    let mut program = vec![plain(LOAD, ARCHITECTURE_AT)];
    for &architecture in &named.architectures {
        let mut code = vec![plain(LOAD, NUMBER_AT)];
        code.extend(tree(&ranges(seccomp, &named, architecture)?));
        program.extend(skip_unless(architecture.audit(), code));
    }
    // A call of an architecture that nobody asked for.
    program.push(plain(RETURN, KILL_PROCESS));
    if program.len() > MOST_INSTRUCTIONS {
        return Err(refused(
            "syscalls",
            &format!("the policy needs {} BPF instructions", program.len()),
            "the kernel takes 4096: merge rules, or name fewer conditions",
        ));
    }
    Ok(program)
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
