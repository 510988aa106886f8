//! A system call policy comes from whoever made the bundle; what it compiles to
//! is a program that the kernel must take, or the container does not start.
#![no_main]

use isolab_oci::security::seccomp::Filter;
use isolab_oci::spec::Seccomp;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let Ok(policy) = serde_json::from_slice::<Seccomp>(bytes) else {
        return;
    };
    let Ok(filter) = Filter::compile(&policy) else {
        return;
    };
    let program = filter.program();
    assert!((1..=4096).contains(&program.len()));
    for (at, instruction) in program.iter().enumerate() {
        let inside = |jump: usize| at + 1 + jump < program.len();
        let taken = match instruction.code {
            0x20 => instruction.operand % 4 == 0 && instruction.operand < 64,
            0x54 | 0x06 => true,
            0x05 => inside(instruction.operand as usize),
            0x15 | 0x25 | 0x35 => {
                inside(instruction.jump_true.into()) && inside(instruction.jump_false.into())
            }
            _ => false,
        };
        assert!(taken, "{instruction:?} at {at} of {}", program.len());
    }
    assert_eq!(program.last().map(|last| last.code), Some(0x06));
});
