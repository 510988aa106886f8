//! The screens on which somebody talks: the title, a beat's text, the question to
//! the room, the end.

use std::time::Instant;

use super::setting::{Canvas, figure, heading, paragraph, prompt};
use crate::demo::clock::minutes;
use crate::demo::font::Size;
use crate::demo::ink::{Ink, Line};
use crate::demo::show::Show;

pub(super) fn title(show: &Show<'_>, canvas: Canvas) -> Vec<Line> {
    let mut rows = vec![Line::new(), Line::new()];
    rows.extend(heading(&show.script.title, canvas, 3));
    rows.push(Line::new());
    let (count, steps) = (show.script.beats.len(), show.script.steps().count());
    let planned = minutes(show.script.planned());
    let text = format!("{count} beats, {steps} commands, {planned} minutes");
    rows.extend(paragraph(&text, canvas, Ink::default()));
    rows
}

pub(super) fn end(show: &Show<'_>, canvas: Canvas, now: Instant) -> Vec<Line> {
    let mut rows = vec![Line::new(), Line::new()];
    rows.extend(heading("The end", canvas, 1));
    rows.push(Line::new());
    let (elapsed, planned) = (minutes(show.elapsed(now)), minutes(show.script.planned()));
    rows.extend(paragraph(
        &format!("{elapsed} of {planned} minutes"),
        canvas,
        Ink::default(),
    ));
    rows
}

pub(super) fn telling(show: &Show<'_>, canvas: Canvas, room: usize) -> Vec<Line> {
    let beat = show.beat();
    let text = paragraph(&beat.text, canvas, Ink::STRONG);
    let command = beat.step.as_ref().map(|step| format!("$ {}", step.typed()));
    let command = command.map_or_else(Vec::new, |typed| prompt(&typed, canvas));
    let beside = text.len() + command.len() + 3;
    // Two lines of large letters, one, or none, as the text leaves room.
    let most = room.saturating_sub(beside) / 4;
    let mut rows = vec![Line::new()];
    rows.extend(match most {
        0 => paragraph(&beat.heading, canvas, Ink::STRONG),
        most => heading(&beat.heading, canvas, most.min(2)),
    });
    rows.push(Line::new());
    rows.extend(text);
    if !command.is_empty() {
        rows.push(Line::new());
        rows.extend(command);
    }
    rows
}

pub(super) fn asking(show: &Show<'_>, canvas: Canvas) -> Vec<Line> {
    let mut rows = vec![Line::new()];
    let Some(asked) = show.prediction() else {
        return rows;
    };
    rows.extend(heading(
        &asked.question,
        canvas,
        canvas.rows.saturating_sub(7) / 4,
    ));
    rows.push(Line::new());
    let typed = format!("{}_", show.typed);
    // Beside bars, gaps and the answers, is there room for large digits?
    if canvas.rows >= rows.len() + 8 {
        rows.extend(figure(&typed, Size::Large, canvas));
    } else {
        rows.extend(paragraph(&format!("Answer: {typed}"), canvas, Ink::STRONG));
    }
    rows.push(Line::new());
    if !show.answers.is_empty() {
        let answers: Vec<String> = show.answers.iter().map(ToString::to_string).collect();
        let text = format!("The room says: {} {}", answers.join(", "), asked.unit);
        rows.extend(paragraph(&text, canvas, Ink::STRONG));
    }
    rows
}
