//! How fast a processor is: loops, timed by their own clock, on the host and in a guest.
//!
//! A translator makes some kinds of work slower by far more than others, and what a program is made
//! of lies between: computing in registers, following a chain through memory, an interpreter's
//! jumps, what the kernel does for a program, and code that is met for the first time.
//!
//! It writes the ready byte and then, for each piece of work, a line: `T`, its time in nanoseconds,
//! and for code that is met for the first time how many bytes that is. With an argument it waits
//! for a line of its standard input before each, so that somebody can look at it from outside.

use std::hint::black_box;
use std::io::{BufRead, Write};
use std::time::Instant;

mod fresh;
mod loops;

/// Rounds of the loop in registers.
const ARITHMETIC: u64 = 16_000_000;
/// Steps along the chain.
const STEPS: usize = 1_500_000;
/// Operations that the interpreter executes.
const OPERATIONS: u64 = 3_000_000;
/// How often files are asked for.
const FILES: u64 = 2000;
/// How often memory is.
const MAPPINGS: u64 = 250;

fn main() {
    let asked = std::env::args().len() > 1;
    let chain = loops::chain();
    let program = loops::program();
    say("R");
    let wait = || {
        let mut line = String::new();
        if asked {
            let _ = std::io::stdin().lock().read_line(&mut line);
        }
    };
    let tell = |work: &dyn Fn() -> u64| {
        wait();
        let nanoseconds = timed(work);
        say(&format!("T{nanoseconds}\n"));
    };
    // What is met for the first time here is not to count below.
    tell(&|| loops::interpret(&program, 1000) ^ loops::follow(&chain, 1000) ^ loops::files(5) ^ loops::pages(5));
    tell(&|| loops::arithmetic(black_box(ARITHMETIC)));
    tell(&|| loops::follow(black_box(&chain), black_box(STEPS)));
    tell(&|| loops::interpret(black_box(&program), black_box(OPERATIONS)));
    tell(&|| loops::files(black_box(FILES)));
    tell(&|| loops::pages(black_box(MAPPINGS)));
    let bytes = fresh::touch();
    wait();
    let first = timed(&fresh::run);
    say(&format!("T{first} {bytes}\n"));
    tell(&fresh::run);
}

fn say(text: &str) {
    let mut out = std::io::stdout();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}

fn timed(work: &dyn Fn() -> u64) -> u128 {
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
