//! Code that is met for the first time: four thousand small functions, each executed once.
//!
//! A translator has to translate all of it before any runs, which takes hundreds of times what
//! running it does. A program that starts is above all such code.

use std::hint::black_box;

type State = [u64; 16];
type Piece = fn(&mut State, u64) -> u64;

/// A load, some arithmetic, a store and a return: of each `N` another. Compiled code branches after
/// as few bytes, and a translator's work is by such stretches as much as by bytes.
#[inline(never)]
fn piece<const N: usize>(state: &mut State, value: u64) -> u64 {
    let mixed = (state[N % 13] ^ (N as u64 * 0x9e37)).wrapping_add(value);
    state[N % 11] = mixed;
    mixed
}

macro_rules! eight {
    ($n:expr) => {
        [
            piece::<{ $n }>, piece::<{ $n + 1 }>, piece::<{ $n + 2 }>, piece::<{ $n + 3 }>,
            piece::<{ $n + 4 }>, piece::<{ $n + 5 }>, piece::<{ $n + 6 }>, piece::<{ $n + 7 }>,
        ]
    };
}

macro_rules! eights {
    ($n:expr) => {
        [
            eight!($n), eight!($n + 8), eight!($n + 16), eight!($n + 24),
            eight!($n + 32), eight!($n + 40), eight!($n + 48), eight!($n + 56),
        ]
    };
}

macro_rules! many {
    ($n:expr) => {
        [
            eights!($n), eights!($n + 64), eights!($n + 128), eights!($n + 192),
            eights!($n + 256), eights!($n + 320), eights!($n + 384), eights!($n + 448),
        ]
    };
}

static PIECES: [[[[Piece; 8]; 8]; 8]; 8] =
    [many!(0), many!(512), many!(1024), many!(1536), many!(2048), many!(2560), many!(3072), many!(3584)];

fn all() -> &'static [Piece] {
    PIECES.as_flattened().as_flattened().as_flattened()
}

/// Executes all of them, one after the other.
pub fn run() -> u64 {
    let mut state = [3; 16];
    all().iter().fold(1, |value, piece| piece(black_box(&mut state), value))
}

/// Reads all of their code, so that the kernel has brought it before it is executed, and says how
/// many bytes it is: the compiler lays them out one behind the other.
pub fn touch() -> usize {
    let places = all().iter().map(|piece| *piece as usize);
    let (first, last) = (places.clone().min().unwrap_or(0), places.max().unwrap_or(0));
    for place in (first..last).step_by(4096) {
        // SAFETY: between two functions of this program lies its code, which can be read.
        black_box(unsafe { (place as *const u8).read_volatile() });
    }
    last - first
}
