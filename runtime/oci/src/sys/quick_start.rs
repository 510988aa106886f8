//! A program's very first instructions, without glibc's look at the processor.
//!
//! Before `main`, a static glibc asks the processor some seventy times what it
//! is (`cpuid`), to choose the fastest of its string functions. On a bare
//! machine that takes microseconds. In a virtual machine each of these
//! instructions traps to the hypervisor, for one to seven microseconds: up to
//! half a millisecond of each start, for a program that has little to copy.
//!
//! So `isorun` is entered here. What glibc's `__libc_start_main` does in a
//! static program (`csu/libc-start.c`) is done in its order, by the functions
//! that it calls, but for that one; what it would have chosen by then are the
//! functions that every x86-64 can run.
//!
//! These functions are glibc's own affair, and the next version may have
//! others. Hence only the [`KNOWN`] ones are begun this way. With any other one
//! goes by `_start`, as if this were not here.
#![expect(
    clippy::multiple_unsafe_ops_per_block,
    reason = "there is no safe step in here: a block is a step, and has one reason"
)]

use std::ffi::{c_char, c_int};

/// The versions whose start is known to be this one: all of the tests pass
/// with them.
const KNOWN: [&[u8; 5]; 1] = [b"2.36\0"];

// Weak: a glibc that lacks one of them is none of the known.
std::arch::global_asm!(
    ".section .text.isorun_start, \"ax\", @progbits",
    ".globl isorun_start",
    ".type isorun_start, @function",
    "isorun_start:",
    // What the kernel left: the arguments at the stack's top (psABI, "Initial
    // Stack and Register State").
    "mov rbx, rsp",
    "mov r12, rdx",
    "mov rdi, rsp",
    "xor ebp, ebp",
    "and rsp, -16",
    "call {begin}",
    // It comes back only from a glibc that it does not know.
    "mov rsp, rbx",
    "mov rdx, r12",
    "jmp _start",
    ".size isorun_start, . - isorun_start",
    ".weak gnu_get_libc_version, __environ, __libc_stack_end",
    ".weak _dl_aux_init, __libc_setup_tls, __libc_early_init",
    ".weak __libc_init_first",
    ".weak __rela_iplt_start, __rela_iplt_end",
    ".weak __x86_shared_non_temporal_threshold",
    ".weak __x86_rep_movsb_threshold, __x86_rep_stosb_threshold",
    ".previous",
    begin = sym begin,
);

type Words = *const *const c_char;
type Initializer = unsafe extern "C" fn(c_int, Words, Words);

unsafe extern "C" {
    fn main(count: c_int, words: Words, env: Words) -> c_int;
    fn exit(status: c_int) -> !;
    fn gnu_get_libc_version() -> *const u8;

    static mut __environ: Words;
    static mut __libc_stack_end: *const usize;
    fn _dl_aux_init(auxv: *const Auxiliary);
    fn __libc_setup_tls();
    fn __libc_early_init(initial: bool);
    fn __libc_init_first(count: c_int, words: Words, env: Words);

    // Where the linker put them.
    static __rela_iplt_start: Relocation;
    static __rela_iplt_end: Relocation;
    static __init_array_start: Initializer;
    static __init_array_end: Initializer;

    static mut __x86_shared_non_temporal_threshold: usize;
    static mut __x86_rep_movsb_threshold: usize;
    static mut __x86_rep_stosb_threshold: usize;
}

/// `Elf64_Rela` of the kind `R_X86_64_IRELATIVE`: a place for the address of a
/// function, and who says which.
#[repr(C)]
struct Relocation {
    place: *mut usize,
    kind: usize,
    choose: extern "C" fn() -> usize,
}

/// `Elf64_auxv_t`: what the kernel tells a program, `getauxval(3)`.
#[repr(C)]
struct Auxiliary {
    kind: usize,
    value: *const usize,
}

/// Begins the program, and ends it; returns where it does not know how.
///
/// # Safety
/// The first function of the process, given the stack as the kernel made it.
unsafe extern "C" fn begin(stack: *const usize) {
    if !is_known() {
        return;
    }
    // Until the functions are chosen, nothing may be called that copies.
    // SAFETY: the stack holds the number of arguments; they and a null follow,
    // then the environment and a null, then the auxiliary vector.
    let (count, words) = unsafe { (*stack.cast::<c_int>(), stack.add(1)) };
    // SAFETY: as above.
    let env = unsafe { after_null(words) };
    // SAFETY: as above.
    let auxv = unsafe { after_null(env) }.cast();
    // SAFETY: nobody else runs; glibc's own code would set and call the same.
    unsafe {
        __environ = env.cast();
        __libc_stack_end = stack;
        _dl_aux_init(auxv);
        choose_functions();
        __libc_setup_tls();
        set_guards(auxv);
        __libc_early_init(true);
        __libc_init_first(count, words.cast(), env.cast());
        initialize(count, words.cast(), env.cast());
        exit(main(count, words.cast(), env.cast()));
    }
}

/// Whether the glibc that is linked in is a known one.
fn is_known() -> bool {
    // SAFETY: returns a constant string.
    let version = unsafe { gnu_get_libc_version() };
    let mut known = 0;
    while known < KNOWN.len() {
        let mut index = 0;
        // SAFETY: up to and including its final zero, and not beyond: where it
        // is shorter than the known one, that zero differs. Volatile, lest it
        // become a call of `memcmp`.
        while index < 5 && unsafe { version.add(index).read_volatile() } == KNOWN[known][index] {
            index += 1;
        }
        if index == 5 {
            return true;
        }
        known += 1;
    }
    false
}

/// What follows the next null of a vector.
///
/// # Safety
/// There is one, and it and all before it can be read.
unsafe fn after_null(mut vector: *const usize) -> *const usize {
    // SAFETY: by the contract.
    while unsafe { vector.read_volatile() } != 0 {
        // SAFETY: not beyond the null.
        vector = unsafe { vector.add(1) };
    }
    // SAFETY: one beyond the null, at most the end of what can be read.
    unsafe { vector.add(1) }
}

/// Has each indirect function chosen (`ifunc`), of a processor that is not known.
///
/// # Safety
/// As for [`begin`]; once.
unsafe fn choose_functions() {
    let mut next = &raw const __rela_iplt_start;
    while next != &raw const __rela_iplt_end {
        // SAFETY: the linker's table, whose places lie in writable memory, and
        // whose functions only look at glibc's knowledge of the processor.
        unsafe {
            *(*next).place = ((*next).choose)();
            next = next.add(1);
        }
    }
    // One of them has copied these from that knowledge, which is empty: here is
    // what they are where nothing is known of the caches.
    // SAFETY: nobody else runs.
    unsafe {
        __x86_shared_non_temporal_threshold = 0xc_0000;
        __x86_rep_movsb_threshold = 2048;
        __x86_rep_stosb_threshold = 2048;
    }
}

/// Sets what functions find on their stack if nobody has written over its
/// bounds, and what glibc disguises pointers with (`tcbhead_t`), from the
/// sixteen bytes of `AT_RANDOM`.
///
/// # Safety
/// The thread's block exists, and `auxv` is the kernel's.
unsafe fn set_guards(mut auxv: *const Auxiliary) {
    // SAFETY: every kernel gives it, before the vector's end.
    while unsafe { (*auxv).kind } != libc::AT_RANDOM as usize {
        // SAFETY: as above.
        auxv = unsafe { auxv.add(1) };
    }
    // SAFETY: it points to sixteen bytes.
    let (stack, pointer) = unsafe { ((*auxv).value.read(), (*auxv).value.add(1).read()) };
    // SAFETY: two words of the thread's block, of which nothing has been used.
    unsafe {
        std::arch::asm!(
            "mov fs:[0x28], {stack}",
            "mov fs:[0x30], {pointer}",
            // A zero byte stops what writes over a string's end.
            stack = in(reg) stack & !0xff,
            pointer = in(reg) pointer,
        );
    }
}

/// Calls what wants to be called before `main`; of Rust, who keeps the arguments.
///
/// # Safety
/// As for [`begin`]; once, after everything else.
unsafe fn initialize(count: c_int, words: Words, env: Words) {
    let mut next = &raw const __init_array_start;
    while next != &raw const __init_array_end {
        // SAFETY: the linker's table of such functions.
        unsafe {
            (*next)(count, words, env);
            next = next.add(1);
        }
    }
}
