//! The kernel's side: an interpreter for the few instructions that the compiler
//! emits, and the check that the kernel makes of a program.

use crate::sys::seccomp::Instruction;

/// What `program` answers for one call (`struct seccomp_data`).
pub(super) fn run(program: &[Instruction], nr: u32, arch: u32, args: [u64; 6]) -> u32 {
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

/// Whether the kernel would take it: known instructions, aligned loads within
/// the data, jumps forward and within, a return at the end (`bpf_check_classic`
/// and `seccomp_check_filter`).
pub(super) fn is_accepted(program: &[Instruction]) -> bool {
    let inside = |at: usize, jump: usize| at + 1 + jump < program.len();
    let good = |(at, i): (usize, &Instruction)| match i.code {
        0x20 => i.operand.is_multiple_of(4) && i.operand < 64,
        0x54 | 0x06 => true,
        0x05 => inside(at, i.operand as usize),
        0x15 | 0x25 | 0x35 => inside(at, i.jump_true.into()) && inside(at, i.jump_false.into()),
        _ => false,
    };
    (1..=4096).contains(&program.len())
        && program.iter().enumerate().all(good)
        && program.last().is_some_and(|last| last.code == 0x06)
}
