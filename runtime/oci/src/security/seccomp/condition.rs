//! Conditions on arguments, 64 bits compared 32 at a time.
//!
//! Classic BPF has 32-bit registers, an argument has 64 bits: each comparison
//! looks at the high half first and at the low half where that decides nothing.

use crate::spec::{Arg, Comparison};
use crate::sys::seccomp::Instruction;

/// Load a word of `struct seccomp_data`.
pub(super) const LOAD: u16 = 0x20; // BPF_LD | BPF_W | BPF_ABS
/// Jump where the accumulator equals the operand.
pub(super) const JUMP_EQUAL: u16 = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
/// Jump where it is greater.
pub(super) const JUMP_GREATER: u16 = 0x25; // BPF_JMP | BPF_JGT | BPF_K
/// Jump where it is greater or equal.
pub(super) const JUMP_GREATER_EQUAL: u16 = 0x35; // BPF_JMP | BPF_JGE | BPF_K
/// Jump always.
pub(super) const JUMP: u16 = 0x05; // BPF_JMP | BPF_JA
/// Bitwise and.
pub(super) const AND: u16 = 0x54; // BPF_ALU | BPF_AND | BPF_K
/// Answer.
pub(super) const RETURN: u16 = 0x06; // BPF_RET | BPF_K

/// Where a comparison goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
enum To {
    Next,
    True,
    False,
}

/// Code that falls through where all of `args` hold, and otherwise jumps to
/// just behind `tail` further instructions.
pub(super) fn all_hold(args: &[Arg], tail: usize) -> Vec<Instruction> {
    // Back to front, so that the distance to the end is known.
    args.iter().rev().fold(Vec::new(), |behind, arg| {
        let mut code = holds(arg, behind.len() + tail);
        code.extend(behind);
        code
    })
}

/// One condition, with `behind` instructions between it and the false exit.
fn holds(arg: &Arg, behind: usize) -> Vec<Instruction> {
    let low_at = 16 + 8 * arg.index;
    let halves = |v: u64| ((v >> 32) as u32, v as u32);
    let (high, low) = halves(if arg.op == Comparison::MaskedEqual {
        arg.value_two
    } else {
        arg.value
    });
    let (mask_high, mask_low) = halves(arg.value);
    let masked = arg.op == Comparison::MaskedEqual;

    let mut steps: Vec<(Instruction, To, To)> = Vec::new();
    let plain = |code, operand| {
        (
            Instruction {
                code,
                jump_true: 0,
                jump_false: 0,
                operand,
            },
            To::Next,
            To::Next,
        )
    };
    let jump = |code, operand, yes, no| {
        (
            Instruction {
                code,
                jump_true: 0,
                jump_false: 0,
                operand,
            },
            yes,
            no,
        )
    };
    steps.push(plain(LOAD, low_at + 4));
    if masked {
        steps.push(plain(AND, mask_high));
    }
    use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, MaskedEqual, NotEqual};
    match arg.op {
        Equal | MaskedEqual => steps.push(jump(JUMP_EQUAL, high, To::Next, To::False)),
        NotEqual => steps.push(jump(JUMP_EQUAL, high, To::Next, To::True)),
        Greater | GreaterEqual => {
            steps.push(jump(JUMP_GREATER, high, To::True, To::Next));
            steps.push(jump(JUMP_EQUAL, high, To::Next, To::False));
        }
        Less | LessEqual => {
            steps.push(jump(JUMP_GREATER, high, To::False, To::Next));
            steps.push(jump(JUMP_EQUAL, high, To::Next, To::True));
        }
    }
    steps.push(plain(LOAD, low_at));
    if masked {
        steps.push(plain(AND, mask_low));
    }
    steps.push(match arg.op {
        Equal | MaskedEqual => jump(JUMP_EQUAL, low, To::True, To::False),
        NotEqual => jump(JUMP_EQUAL, low, To::False, To::True),
        Greater => jump(JUMP_GREATER, low, To::True, To::False),
        GreaterEqual => jump(JUMP_GREATER_EQUAL, low, To::True, To::False),
        Less => jump(JUMP_GREATER_EQUAL, low, To::False, To::True),
        LessEqual => jump(JUMP_GREATER, low, To::False, To::True),
    });
    let length = steps.len();
    let resolve = |(index, (instruction, yes, no)): (usize, (Instruction, To, To))| {
        let after = length - 1 - index;
        // At most 6 conditions of 7 instructions: the distance fits a byte.
        let distance = |to| match to {
            To::Next => 0,
            To::True => after as u8,
            To::False => (after + behind) as u8,
        };
        Instruction {
            jump_true: distance(yes),
            jump_false: distance(no),
            ..instruction
        }
    };
    steps.into_iter().enumerate().map(resolve).collect()
}
