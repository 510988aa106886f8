//! A hundred guests, one after the other, as whoever runs this: none hangs unreported, and nothing
//! is left.

use std::time::Instant;

use serde_json::Value;

use crate::Tested;
use crate::place::{Place, missing, said};

pub(crate) fn a_hundred_in_a_row_leave_nothing_and_hide_no_hang() -> Tested {
    if let Some(why) = missing() {
        return Err(why.into());
    }
    let count = std::env::var("ISOLAB_GUESTS")
        .ok()
        .and_then(|count| count.parse().ok());
    let count: u32 = count.unwrap_or(100);
    let place = Place::new();
    let begun = Instant::now();
    let mut hangs = 0;
    let mut times = Vec::new();
    for number in 0..count {
        let output = place.run(&["--json"]);
        assert!(output.status.success(), "guest {number}: {}", said(&output));
        let told: Value = serde_json::from_slice(&output.stdout)?;
        assert_eq!(told["code"], 0, "guest {number}: {told:#}");
        let hung = told["hangs"].as_array().ok_or("hangs are not told")?;
        for hang in hung {
            eprintln!("guest {number}: a hang: {hang}");
        }
        hangs += hung.len();
        times.push(told["total_ns"].as_u64().ok_or("no time")? as f64 / 1e6);
        place.is_clean();
    }
    times.sort_by(f64::total_cmp);
    let (first, last) = (times.first().ok_or("none")?, times.last().ok_or("none")?);
    let middle = times[times.len() / 2];
    eprintln!(
        "{count} guests in {:.0} s, {hangs} hangs; {middle:.0} ms each ({first:.0} to {last:.0})",
        begun.elapsed().as_secs_f64()
    );
    Ok(())
}
