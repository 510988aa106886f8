//! Many starts, one after the other and at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use crate::Claim;
use crate::lab::Lab;

pub(crate) const CLAIMS: &[Claim] = &[
    ("ten_thousand_starts_in_a_row_leave_nothing", in_a_row),
    ("fifty_lives_at_once_leave_nothing", at_once),
];

fn in_a_row() -> Result<(), String> {
    let lab = Lab::new("row", &["/bin/true"])?;
    for number in 0..10_000 {
        // Ids are taken again: each must be free once its container is gone.
        let id = format!("{}-{}", lab.prefix, number % 7);
        lab.succeed(&["run"], &id)?;
    }
    clean(&lab)
}

/// Fifty at a time make, start, enter, kill and delete a container, ten times each.
fn at_once() -> Result<(), String> {
    let lab = Lab::new("once", &["/bin/sleep", "1000"])?;
    let lives = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let lives: Vec<_> = (0..50)
            .map(|thread| {
                let (lab, lives) = (&lab, &lives);
                scope.spawn(move || {
                    for _ in 0..10 {
                        live(lab, &format!("{}-{thread}", lab.prefix))?;
                        lives.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        let mut ended = lives.into_iter().map(std::thread::ScopedJoinHandle::join);
        ended.try_for_each(|ended| ended.unwrap_or_else(|_| Err("a thread panicked".to_owned())))
    })?;
    assert_eq!(lives.into_inner(), 500);
    clean(&lab)
}

fn live(lab: &Lab, id: &str) -> Result<(), String> {
    lab.succeed(&["create"], id)?;
    lab.succeed(&["start"], id)?;
    let words = lab.words(&["exec"], id).into_iter();
    let words: Vec<String> = words.chain(["/bin/true".to_owned()]).collect();
    let entered = crate::lab::run(&words);
    if !entered.status.success() {
        return Err(format!("exec: {entered:?}"));
    }
    lab.succeed(&["delete", "--force"], id)
}

fn clean(lab: &Lab) -> Result<(), String> {
    match lab.left() {
        left if left.is_empty() => Ok(()),
        left => Err(format!("left behind: {left:#?}")),
    }
}
