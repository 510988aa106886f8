//! What was found, as text of 80 columns.

use std::fmt::Write;

use isolab::observation::Unit;
use isolab::report::quantity::{digits, human};
use isolab::report::text::wrapped;
use isolab::statistics::{Range, Summary};

use crate::contestant::{Contestant, Race, Role, State, Target};

/// How many of the things that a contestant lacks are named.
const NAMED: usize = 6;

/// Who runs, who does not and why, and who does less than others.
pub(crate) fn findings(race: &Race) -> String {
    let mut out = String::new();
    wrap(&mut out, &format!("{}: {}", race.name, race.about));
    for note in &race.notes {
        line(&mut out, note);
    }
    if let Some(inspection) = &race.inspection
        && let Some((name, facts)) = inspection.reference
    {
        line(
            &mut out,
            &format!(
                "the same bundle makes the same container: {facts} facts about {name}'s (namespaces, \
                     mounts, masked paths, capabilities, no_new_privs, seccomp, control groups, \
                     devices, loopback), all true of that of {}",
                list(&inspection.equal)
            ),
        );
    }
    for contestant in race.contestants.iter().filter(|c| c.wanted) {
        let name = contestant.name;
        if let Some(why) = &contestant.absent {
            line(&mut out, &format!("{name} does not run here: {why}"));
        }
        if let Some(note) = contestant.note {
            line(&mut out, &format!("{name}: {note}"));
        }
        if !contestant.lacks.is_empty() {
            let more = contestant.lacks.len().saturating_sub(NAMED);
            let mut named = contestant.lacks[..contestant.lacks.len() - more].join("; ");
            if more > 0 {
                let _ = write!(named, "; and {more} more");
            }
            line(
                &mut out,
                &format!("{name} does less, so it gets no ratio: {named}"),
            );
        }
    }
    out.push('\n');
    out
}

fn list(names: &[&str]) -> String {
    match names {
        [] => "nobody else".to_owned(),
        names => names.join(", "),
    }
}

/// An entry of a list, wrapped.
fn line(out: &mut String, entry: &str) {
    wrap(out, &format!("- {entry}"));
}

fn wrap(out: &mut String, text: &str) {
    for line in wrapped(text, 80, 2) {
        out.push_str(&line);
        out.push('\n');
    }
}

/// Bytes that may be known of a contestant.
type Figure = fn(&Contestant) -> Option<u64>;

/// Medians and ratios, one state after the other.
pub(crate) fn render(race: &Race) -> String {
    let ours = race.contestants.iter().find(|c| c.role == Role::Ours);
    let ours = ours.map_or("ours", |c| c.name);
    let mut out = String::new();
    for state in State::ALL {
        if race
            .contestants
            .iter()
            .all(|c| !c.samples.contains_key(&state))
        {
            continue;
        }
        let heading = match state {
            State::Hot => "hot, back to back",
            State::Cold => "cold, after 150 ms",
        };
        let _ = writeln!(
            out,
            "{heading:<26} {:>8} {:>15}  {:>6} {:>13}  target",
            "ms", "95 %", "ratio", "95 %"
        );
        for contestant in &race.contestants {
            if let Some(row) = row(race, contestant, state) {
                out.push_str(row.trim_end());
                out.push('\n');
            }
        }
        out.push('\n');
    }
    let figures = [
        ("allocated on disk by each", Contestant::allocated as Figure),
        ("of it shared with nothing else", Contestant::exclusive),
        ("most memory at once (RSS)", |c| c.peak_bytes),
        ("new in the registry after each", |c| {
            c.received.as_ref().and_then(|bytes| bytes.get())
        }),
    ];
    for (what, of) in figures {
        let known = race.contestants.iter().filter_map(|c| {
            let bytes = of(c)?;
            Some(format!("{} {}", c.name, human(bytes as f64, Unit::Bytes)))
        });
        let known: Vec<String> = known.collect();
        if !known.is_empty() {
            line(&mut out, &format!("{what}: {}", known.join(", ")));
        }
    }
    line(
        &mut out,
        &format!(
            "ratio: {ours}'s median over the peer's in the rounds that both ended, its interval by \
             whole rounds; of fewer than ten samples a range is from the least to the greatest, of \
             fewer rounds a ratio has no interval"
        ),
    );
    out.push('\n');
    out
}

fn row(race: &Race, contestant: &Contestant, state: State) -> Option<String> {
    let summary = contestant.bootstrap(state)?.summary();
    let ratio = race.ratio(contestant, state);
    let (low, high) = summary.range.ends();
    let name = format!("  {} {}", contestant.name, contestant.version);
    let mut row = format!(
        "{name:<26} {:>8} {:>15}",
        digits(summary.median * 1e3),
        format!("{} - {}", digits(low * 1e3), digits(high * 1e3))
    );
    if let Some(ratio) = ratio {
        // Of fewer than ten rounds nothing better than the point can be said.
        let interval = match ratio.range {
            Range::Interval { low, high } => format!("{} - {}", digits(low), digits(high)),
            Range::Extremes { .. } => String::new(),
        };
        let _ = write!(row, "  {:>6} {interval:>13}  ", digits(ratio.median));
        if let Some(target) = race.target(contestant, state) {
            row.push_str(&verdict(target, &ratio));
        }
    }
    Some(row)
}

/// Reached or missed only if the whole interval says so.
fn verdict(target: &Target, ratio: &Summary) -> String {
    let word = match ratio.range {
        Range::Interval { high, .. } if high <= target.at_most => "reached",
        Range::Interval { low, .. } if low > target.at_most => "missed",
        _ => "open",
    };
    format!("{:.2} {word}", target.at_most)
}
