//! One start from beginning to end, with a look at it while it holds.

use std::time::{Duration, Instant};

use anyhow::Result;
use isolab::interrupt::Interrupt;
use isolab::isolation::{Provisioned, Running};

use crate::lab::Cell;

/// No start and no end may take longer.
const DEADLINE: Duration = Duration::from_secs(60);

/// Starts what stands ready in `cell`, made before the first start, and ends it
/// again. `look` is given the running subject and how long it took to be ready.
pub(crate) fn once<'a>(
    standing: &mut Option<Box<dyn Provisioned + 'a>>,
    cell: &mut Cell<'a>,
    interrupt: &Interrupt,
    look: impl FnOnce(&dyn Running, Duration) -> Result<f64>,
) -> Result<f64> {
    let standing = match standing {
        Some(standing) => standing,
        None => standing.insert(cell.provision()?),
    };
    let began = Instant::now();
    let mut running = standing.start()?;
    let ready = running.wait_ready(DEADLINE, interrupt)?;
    let seen = look(running.as_ref(), ready.duration_since(began))?;
    running.release()?;
    running.wait_gone(DEADLINE, interrupt)?;
    Ok(seen)
}
