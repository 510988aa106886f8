//! The bars: where the demo is and what the keys do, and the banner over a
//! recording.

use std::time::Instant;

use super::setting::Canvas;
use crate::demo::clock::minutes;
use crate::demo::ink::{Ink, Line, line, width};
use crate::demo::performance::Performance;
use crate::demo::show::{Phase, Show};
use crate::report::text::wrapped;

/// A bar: `left` and `right` at its ends, as far as there is room.
fn bar(left: &str, right: &str, columns: usize, ink: Ink) -> Line {
    let (left, right) = (
        line(&format!(" {left}"), ink),
        line(&format!("{right} "), ink),
    );
    let gap = columns.saturating_sub(width(&left) + width(&right));
    let mut bar = left;
    if gap > 0 {
        bar.extend(line(&" ".repeat(gap), ink));
        bar.extend(right);
    }
    let short = columns.saturating_sub(width(&bar));
    bar.extend(line(&" ".repeat(short), ink));
    bar
}

/// Beat, time and pace.
pub(super) fn status(show: &Show<'_>, canvas: Canvas, now: Instant) -> Line {
    let count = show.script.beats.len();
    let planned = minutes(show.script.planned());
    let place = match show.phase {
        Phase::Title => format!("{count} beats"),
        Phase::End => "the end".to_owned(),
        _ => format!("beat {} of {count}", show.at + 1),
    };
    let elapsed = minutes(show.elapsed(now));
    let pace = match show.phase {
        Phase::Title => "ready".to_owned(),
        _ if show.clock.is_stopped() => "PAUSED".to_owned(),
        _ => show.pace(now).words(),
    };
    let time = format!("{elapsed} of {planned} · {pace}");
    let long = format!("{place} · {}", show.script.title);
    let room = |left: &str| left.chars().count() + time.chars().count() + 4 <= canvas.columns;
    if room(&long) {
        bar(&long, &time, canvas.columns, Ink::BAR)
    } else if room(&place) {
        bar(&place, &time, canvas.columns, Ink::BAR)
    } else {
        let short = format!("{}/{count} {elapsed}/{planned} {pace}", show.at + 1);
        bar(&short, "", canvas.columns, Ink::BAR)
    }
}

/// What the keys do now.
pub(super) fn footer(
    show: &Show<'_>,
    performance: Option<&Performance<'_>>,
    canvas: Canvas,
) -> Vec<Line> {
    if show.leaving {
        let text = "q again leaves the demo; any other key goes on";
        let lines = wrapped(text, canvas.columns.max(8) - 2, 0);
        return lines
            .iter()
            .map(|text| bar(text, "", canvas.columns, Ink::BANNER))
            .collect();
    }
    let step = show.beat().step.as_ref();
    let next = match (show.phase, performance) {
        _ if show.help => "any key: back to the demo",
        (Phase::Title, _) => "space starts the clock",
        (Phase::End, _) => "q leaves, b goes back",
        (Phase::Asking, _) => "digits, enter; space runs it",
        (Phase::Running, Some(p)) if p.is_live() => "s skips, r shows the recording",
        (Phase::Running, Some(p)) if !p.is_over() => "space shows the rest at once",
        (Phase::Telling, _) if step.is_some_and(|step| step.prediction.is_some()) => "space asks",
        (Phase::Telling, _) if step.is_some() => "space runs it",
        _ => "space goes on",
    };
    vec![bar(next, "? keys", canvas.columns, Ink::BAR)]
}

pub(super) fn help() -> Vec<Line> {
    let keys = [
        ("space, enter", "go on: text, question, command, next beat"),
        ("b", "back: to the beat's beginning, then the one before"),
        ("s", "skip to the next beat, whatever runs"),
        ("p", "stop the clock, or let it go on"),
        ("r", "show the recording of this beat's command"),
        ("up, down", "scroll the output (also k, j)"),
        ("n", "show the speaker's notes, or hide them"),
        ("q", "leave (twice)"),
        ("? or h", "these keys"),
        ("", ""),
        ("", "A remote control's page keys work too."),
    ];
    let mut rows = vec![Line::new()];
    for (key, does) in keys {
        let mut row = line(&format!("  {key:<14}"), Ink::STRONG);
        row.extend(line(does, Ink::default()));
        rows.push(row);
    }
    rows
}

pub(super) fn banner_rows(text: &str, canvas: Canvas) -> Vec<Line> {
    let lines = wrapped(text, canvas.columns.max(12) - 2, 0);
    lines
        .iter()
        .map(|text| bar(text, "", canvas.columns, Ink::BANNER))
        .collect()
}
