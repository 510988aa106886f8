//! Resolutions over projects in memory.

mod choice;
mod explanation;
mod search;
mod shelf;
mod vectors;

use shelf::{Ask, Shelf};

/// `name version` of each pick, in order.
fn picked(ask: &Ask, shelf: &Shelf) -> Vec<String> {
    let resolution = ask.of(shelf).unwrap_or_else(|error| panic!("{error}"));
    let line = |pick: &super::Pick| format!("{} {}", pick.name, pick.version);
    resolution.picks.iter().map(line).collect()
}

#[track_caller]
fn check(wanted: &str, table: &str, expected: &[&str]) {
    assert_eq!(picked(&Ask::new(wanted), &Shelf::new(table)), expected);
}
