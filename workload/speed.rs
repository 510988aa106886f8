//! How fast a processor is: two loops, timed by their own clock, on the host and in a guest.
//!
//! One computes in registers, the other follows a chain through memory and calls through pointers:
//! a translator makes the second slower by far more than the first, and what a program is made of
//! lies between. It writes the ready byte and then both times, in nanoseconds.

use std::hint::black_box;
use std::io::Write;
use std::time::Instant;

/// Rounds of the loop in registers.
const ARITHMETIC: u64 = 24_000_000;
/// Steps along the chain.
const STEPS: usize = 4_000_000;
/// Places in the chain: a mebibyte, more than a first-level cache.
const PLACES: usize = 1 << 18;

fn main() {
    let arithmetic = timed(|| arithmetic(black_box(ARITHMETIC)));
    let chain = chain();
    let memory = timed(|| follow(black_box(&chain), black_box(STEPS)));
    let _ = writeln!(std::io::stdout(), "R{arithmetic} {memory}");
}

fn timed(work: impl FnOnce() -> u64) -> u128 {
    let (begun, ran) = (Instant::now(), on_processor());
    black_box(work());
    let wall = begun.elapsed().as_nanos();
    match (ran, on_processor()) {
        (Some(before), Some(after)) if after > before => after - before,
        _ => wall,
    }
}

/// How long this program was on a processor: others may take it away meanwhile. The kernel brings
/// it up to date when the program gives way. Source: `Documentation/scheduler/sched-stats.rst`.
fn on_processor() -> Option<u128> {
    std::thread::yield_now();
    let text = std::fs::read_to_string("/proc/self/schedstat").ok()?;
    text.split(' ').next()?.parse().ok()
}

/// Marsaglia's xorshift, with a branch that nobody foresees.
fn arithmetic(rounds: u64) -> u64 {
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
fn chain() -> Vec<u32> {
    let mut next: Vec<u32> = (0..PLACES as u32).collect();
    let mut state = 1u64;
    for at in (1..PLACES).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        next.swap(at, (state >> 33) as usize % at);
    }
    next
}

fn follow(chain: &[u32], steps: usize) -> u64 {
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
