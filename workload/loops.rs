//! The loops of `speed`: each is of one kind of work, and is the same on the host and in a guest.

use std::ffi::c_int;
use std::fs::{self, File};
use std::hint::black_box;
use std::io::Read;

/// Places in the chain: a mebibyte, more than a first-level cache.
const PLACES: usize = 1 << 18;
/// Operations in the interpreter's program.
const LENGTH: usize = 4096;
/// Pages that are mapped at a time, of 4096 bytes.
const PAGES: usize = 32;
const PAGE: usize = 4096;

/// Marsaglia's xorshift, with a branch that nobody foresees.
pub fn arithmetic(rounds: u64) -> u64 {
    let (mut state, mut odd) = (0x2545_f491_4f6c_dd1d_u64, 0);
    for _ in 0..rounds {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        if state & 1 == 1 {
            odd += state >> 60;
        }
    }
    state ^ odd
}

/// Each place names the next: one circle through all of them, by Sattolo's shuffle.
pub fn chain() -> Vec<u32> {
    let mut next: Vec<u32> = (0..PLACES as u32).collect();
    let mut random = random(1);
    for at in (1..PLACES).rev() {
        next.swap(at, random() % at);
    }
    next
}

/// Numbers without a pattern, always the same.
fn random(mut state: u64) -> impl FnMut() -> usize {
    move || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 33) as usize
    }
}

/// Goes from place to place, with a call through a pointer at each.
pub fn follow(chain: &[u32], steps: usize) -> u64 {
    const WORK: [fn(u64, u64) -> u64; 4] = [
        |sum, at| sum.wrapping_add(at),
        |sum, at| sum ^ at,
        |sum, at| sum.rotate_left(3) ^ at,
        |sum, at| sum.wrapping_mul(at | 1),
    ];
    let (mut at, mut sum) = (0usize, 0u64);
    for _ in 0..steps {
        at = chain[at] as usize;
        sum = black_box(WORK[at & 3])(sum, at as u64);
    }
    sum
}

/// A machine of a stack and an accumulator, as interpreters are.
struct Machine {
    top: usize,
    stack: [u64; 64],
    value: u64,
}

/// Each takes a byte of the program with it.
const OPERATIONS: [fn(&mut Machine, u64); 16] = [
    |m, with| m.value = m.value.wrapping_add(with),
    |m, with| m.value ^= with,
    |m, _| {
        m.top = (m.top + 1) & 63;
        m.stack[m.top] = m.value;
    },
    |m, _| {
        m.value = m.stack[m.top];
        m.top = m.top.wrapping_sub(1) & 63;
    },
    |m, with| m.value = m.value.rotate_left(with as u32 & 31),
    |m, with| m.stack[with as usize & 63] = m.value,
    |m, with| m.value = m.stack[with as usize & 63],
    |m, with| m.value = m.value.wrapping_mul(with | 1),
    |m, with| {
        if m.value & 1 == 0 {
            m.value = m.value.wrapping_add(with);
        }
    },
    |m, with| m.value = m.value.wrapping_sub(with),
    |m, with| m.value |= with,
    |m, with| m.value &= !with,
    |m, _| m.value = !m.value,
    |m, with| m.value >>= with & 7,
    |m, with| m.value = m.value.max(with),
    |m, with| m.stack[m.top] = m.stack[m.top].wrapping_add(with),
];

/// A program for the interpreter: operations in no order that could be foreseen.
pub fn program() -> Vec<u8> {
    let mut random = random(7);
    (0..LENGTH).map(|_| random() as u8).collect()
}

/// Executes so many operations: each is a jump to where a table says.
pub fn interpret(program: &[u8], operations: u64) -> u64 {
    let mut machine = Machine { top: 0, stack: [0; 64], value: 1 };
    let mut at = 0;
    for _ in 0..operations {
        let byte = program[at];
        black_box(OPERATIONS[usize::from(byte & 15)])(&mut machine, u64::from(byte));
        at = (at + 1) % LENGTH;
    }
    machine.value
}

/// Asks the kernel for files that are there and for one that is not.
pub fn files(rounds: u64) -> u64 {
    let mut sum = 0;
    let mut read = [0; PAGE];
    for _ in 0..rounds {
        if let Ok(mut file) = File::open("/proc/self/exe") {
            sum += file.metadata().map_or(0, |found| found.len());
            sum += file.read(&mut read).unwrap_or(0) as u64;
            sum += file.read(&mut read).unwrap_or(0) as u64;
        }
        sum += u64::from(fs::metadata("/not/there").is_ok());
    }
    sum
}

/// Has the kernel give memory, touches its pages for the first time, and gives it back.
pub fn pages(rounds: u64) -> u64 {
    (0..rounds).map(|_| touch_new_memory()).sum()
}

unsafe extern "C" {
    fn mmap(at: *mut u8, length: usize, access: c_int, flags: c_int, file: c_int, from: i64) -> *mut u8;
    fn munmap(at: *mut u8, length: usize) -> c_int;
}

fn touch_new_memory() -> u64 {
    const READ_AND_WRITE: c_int = 3;
    const PRIVATE_AND_ANONYMOUS: c_int = 0x22;
    let length = PAGES * PAGE;
    // SAFETY: new memory, where the kernel likes it.
    let memory = unsafe { mmap(std::ptr::null_mut(), length, READ_AND_WRITE, PRIVATE_AND_ANONYMOUS, -1, 0) };
    if memory as isize == -1 {
        return 0;
    }
    for page in 0..PAGES {
        // SAFETY: `page` lies within what was mapped.
        unsafe { memory.add(page * PAGE).write_volatile(1) };
    }
    // SAFETY: what was mapped above, which nothing refers to any more.
    unsafe { munmap(memory, length) as u64 }
}
