//! The screen of a command: what it says, where that comes from, and what it
//! answers.

use std::time::Instant;

use super::bars::banner_rows;
use super::setting::{Canvas, INDENT, figure, indented, paragraph, prompt};
use crate::demo::font::Size;
use crate::demo::ink::{Ink, Line, folded, line};
use crate::demo::performance::{Performance, Source};
use crate::demo::reveal::{verdict, with_unit};
use crate::demo::script::Prediction;
use crate::demo::show::Show;
use crate::report::text::wrapped;

/// The command's output, under what it is and where it comes from.
pub(super) fn running(
    show: &Show<'_>,
    performance: &Performance<'_>,
    canvas: Canvas,
    room: usize,
    now: Instant,
) -> Vec<Line> {
    // Where rows are dear they go to the banner and to what the command says.
    let mut rows = if canvas.is_low() {
        origin(performance, canvas, now)
    } else {
        let mut rows = prompt(&format!("$ {}", performance.step().typed()), canvas);
        rows.extend(origin(performance, canvas, now));
        rows.push(Line::new());
        rows
    };
    if let Some(asked) = show.prediction() {
        rows.extend(predicted(show, asked, performance, canvas, now));
    }
    if performance.value().is_some() {
        // What it said on its way to the value is of no more interest.
        return rows;
    }
    let columns = canvas.columns.max(8);
    let lines = performance.transcript().lines();
    let mut output: Vec<Line> = lines
        .iter()
        .flat_map(|line| folded(line, columns))
        .collect();
    while output
        .last()
        .is_some_and(|line| line.iter().all(|cell| cell.c == ' '))
    {
        output.pop();
    }
    let left = room.saturating_sub(rows.len());
    rows.extend(window(&output, left, performance.is_over(), show.scroll));
    rows
}

/// Of a command that is done, its output from where it was scrolled to; of one
/// that runs, its last lines.
fn window(output: &[Line], room: usize, over: bool, scroll: usize) -> Vec<Line> {
    if output.len() <= room || room == 0 {
        return output.iter().take(room).cloned().collect();
    }
    // One row tells that there is more.
    let most = output.len() - (room - 1);
    let first = if over { scroll.min(most) } else { most };
    let mut rows: Vec<Line> = output[first..].iter().take(room - 1).cloned().collect();
    let below = most - first;
    let more = match (first, below) {
        (0, below) => format!("   ↓ {below} more lines: down"),
        (above, 0) => format!("   ↑ {above} lines above"),
        (above, below) => format!("   ↑ {above} lines above, ↓ {below} below"),
    };
    rows.push(line(&more, Ink::STRONG));
    rows
}

/// Whether what is seen is live, and for how long; or the banner.
fn origin(performance: &Performance<'_>, canvas: Canvas, now: Instant) -> Vec<Line> {
    let seconds = performance.elapsed(now).as_secs_f64();
    let bound = performance.step().bound.as_secs();
    match performance.source() {
        Source::Live if performance.is_over() => {
            vec![indented(
                &format!("measured here, in {seconds:.1} s"),
                Ink::default(),
            )]
        }
        Source::Live => vec![indented(
            &format!("running here: {seconds:.0} s, at most {bound} s"),
            Ink::default(),
        )],
        Source::Recorded { banner, why } => {
            let mut rows = banner_rows(banner, canvas);
            let why = wrapped(
                &format!("because {why}"),
                canvas.columns.max(12) - INDENT,
                0,
            );
            let most = if canvas.is_low() { 1 } else { 2 };
            let why = why.iter().take(most);
            rows.extend(why.map(|text| indented(text, Ink::default())));
            rows
        }
        Source::Absent { why } => {
            let mut rows = banner_rows("NOT SHOWN: there is no recording", canvas);
            rows.extend(paragraph(why, canvas, Ink::default()));
            rows
        }
    }
}

/// The question, then the wait, then the value beside the answers.
fn predicted(
    show: &Show<'_>,
    asked: &Prediction,
    performance: &Performance<'_>,
    canvas: Canvas,
    now: Instant,
) -> Vec<Line> {
    let mut rows = paragraph(&asked.question, canvas, Ink::STRONG);
    rows.push(Line::new());
    let Some(value) = performance.value() else {
        if performance.is_live() {
            // No number, or the room takes the seconds for the answer.
            let dots = 1 + performance.elapsed(now).as_secs() as usize % 3;
            rows.extend(figure(&".".repeat(dots), Size::Huge, canvas));
            rows.push(Line::new());
        }
        return rows;
    };
    // Many answers need the room that the largest digits would take.
    let few = show.answers.len() <= 3;
    let largest = if few { Size::Huge } else { Size::Large };
    rows.extend(figure(&with_unit(value, &asked.unit), largest, canvas));
    rows.push(Line::new());
    let mut answers = show.answers.clone();
    answers.sort_by(f64::total_cmp);
    let judged = answers
        .iter()
        .map(|answer| (format!("{answer} {}", asked.unit), verdict(*answer, value)));
    if few {
        rows.extend(
            judged.map(|(answer, verdict)| {
                indented(&format!("{answer:>12}   {verdict}"), Ink::STRONG)
            }),
        );
    } else {
        let all: Vec<String> = judged
            .map(|(answer, verdict)| format!("{answer}: {verdict}"))
            .collect();
        rows.extend(paragraph(&all.join("; "), canvas, Ink::STRONG));
    }
    rows
}
