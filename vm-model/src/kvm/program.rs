//! What the guest executes.

use std::arch::global_asm;

// Its two numbers stand in registers when it begins: `r8d`, how often it is to leave the guest,
// and `rdi`, how often it is to count without leaving it.
global_asm!(
    ".pushsection .rodata.isolab_hello, \"a\"",
    ".globl isolab_hello_begin",
    ".globl isolab_hello_end",
    "isolab_hello_begin:",
    "   lea rsi, [rip + 4f]",
    "   mov ecx, 6",
    "1: lodsb", // the next letter
    "   out 0xe9, al",
    "   dec ecx",
    "   jnz 1b",
    "2: out 0x80, al", // nothing but an exit
    "   dec r8d",
    "   jnz 2b",
    "   out 0xf4, al", // the clock of the loop starts
    "3: dec rdi",
    "   jnz 3b",
    "   hlt",
    "4: .ascii \"hello\\n\"",
    "isolab_hello_end:",
    ".popsection",
);

/// Where a letter goes.
pub(super) const LETTERS: u16 = 0xe9;
/// Where nothing goes.
pub(super) const NOTHING: u16 = 0x80;
/// Where the beginning of the loop is told.
pub(super) const LOOP: u16 = 0xf4;
/// How many instructions one round of the loop has.
pub(super) const LOOP_INSTRUCTIONS: u64 = 2;

/// The program's bytes.
pub(super) fn bytes() -> &'static [u8] {
    unsafe extern "C" {
        static isolab_hello_begin: u8;
        static isolab_hello_end: u8;
    }
    let (begin, end) = (&raw const isolab_hello_begin, &raw const isolab_hello_end);
    // SAFETY: the assembler put everything from the one to the other into one section of constant
    // data, which lives as long as the program.
    unsafe { std::slice::from_raw_parts(begin, end.addr() - begin.addr()) }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_program_ends_with_its_letters() {
        let bytes = super::bytes();
        assert!(bytes.ends_with(b"\xf4hello\n"), "{bytes:x?}");
        assert!(bytes.len() < 64, "{} bytes", bytes.len());
    }
}
