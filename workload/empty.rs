//! Nothing, started as any static program of the C library is: what the start of
//! a program costs before it has done anything.

fn main() {}
