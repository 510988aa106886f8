//! From ranges of numbers to a tree of comparisons.

use super::architecture::Named;
use super::condition::{JUMP, JUMP_EQUAL, JUMP_GREATER_EQUAL, LOAD, RETURN, all_hold};
use super::rules::{Outcome, Rules};
use super::{KILL_PROCESS, refused};
use crate::error::Result;
use crate::spec::Seccomp;
use crate::sys::seccomp::Instruction;

const MOST_INSTRUCTIONS: usize = 4096; // BPF_MAXINSNS
const NUMBER_AT: u32 = 0; // offset of `nr` in struct seccomp_data
const ARCHITECTURE_AT: u32 = 4; // offset of `arch`

/// Compiles the policy. The program is written back to front, since every jump
/// of BPF leads forward: when one is written, its distance is known.
///
/// Second, whether it forbids to execute any program.
pub(super) fn compile(seccomp: &Seccomp) -> Result<(Vec<Instruction>, bool)> {
    let named = Named::parse(&seccomp.architectures)?;
    let rules = Rules::new(seccomp)?;
    let mut backward = Vec::with_capacity(2048);
    // A call of an architecture that nobody asked for.
    backward.push(plain(RETURN, KILL_PROCESS));
    for &architecture in named.architectures.iter().rev() {
        let behind = backward.len();
        tree(&rules.ranges(&named, architecture)?, &mut backward);
        backward.push(plain(LOAD, NUMBER_AT));
        skip_unless(architecture.audit(), behind, &mut backward);
    }
    backward.push(plain(LOAD, ARCHITECTURE_AT));
    if backward.len() > MOST_INSTRUCTIONS {
        return Err(refused(
            "syscalls",
            &format!("the policy needs {} BPF instructions", backward.len()),
            "the kernel takes 4096: merge rules, or name fewer conditions",
        ));
    }
    backward.reverse();
    Ok((backward, rules.forbid("execve")?))
}

/// A balanced tree: about log2(n) comparisons lead to the range of a number.
fn tree(ranges: &[(u32, Outcome)], backward: &mut Vec<Instruction>) {
    match ranges {
        [] => {}
        [(_, outcome)] => leaf(outcome, backward),
        _ => {
            let (left, right) = ranges.split_at(ranges.len() / 2);
            tree(right, backward);
            let behind = backward.len();
            tree(left, backward);
            let (boundary, length) = (right[0].0, backward.len() - behind);
            match u8::try_from(length) {
                Ok(distance) => {
                    backward.push(branch(JUMP_GREATER_EQUAL, boundary, distance, 0));
                }
                Err(_) => {
                    backward.push(plain(JUMP, length as u32));
                    backward.push(branch(JUMP_GREATER_EQUAL, boundary, 0, 1));
                }
            }
        }
    }
}

fn leaf(outcome: &Outcome, backward: &mut Vec<Instruction>) {
    backward.push(plain(RETURN, outcome.otherwise));
    for (args, answer) in outcome.conditional.iter().rev() {
        backward.push(plain(RETURN, *answer));
        backward.extend(all_hold(args, 1).into_iter().rev());
    }
}

/// Runs what stands in front of the last `behind` instructions where the
/// accumulator holds `value`, else goes on with those.
fn skip_unless(value: u32, behind: usize, backward: &mut Vec<Instruction>) {
    // The code overwrites the accumulator, but it also always answers.
    let length = backward.len() - behind;
    match u8::try_from(length) {
        Ok(distance) => backward.push(branch(JUMP_EQUAL, value, 0, distance)),
        Err(_) => {
            backward.push(plain(JUMP, length as u32));
            backward.push(branch(JUMP_EQUAL, value, 1, 0));
        }
    }
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
