//! The `isolab` command.
fn main() {}
