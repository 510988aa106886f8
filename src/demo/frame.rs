//! A screenful: what stands in which row, as a function of the state alone.
//!
//! The last row of a room reads what is large and what is few. So the heading is
//! drawn in large letters while somebody talks, and gives way to the output
//! while a command runs; a value that a room has predicted is drawn largest.

use std::time::Instant;

use super::clock::minutes;
use super::font::{Size, block};
use super::ink::{Cell, Ink, Line, Palette, folded, line, width};
use super::performance::{Performance, Source};
use super::reveal::{verdict, with_unit};
use super::script::Prediction;
use super::show::{Phase, Show};
use crate::report::text::wrapped;

/// The text of a beat is not set wider than this: long lines are hard to follow.
const MEASURE: usize = 72;
/// The column at which everything but bars and output begins.
const INDENT: usize = 2;

/// The columns and rows of a screen, and what it can show.
#[derive(Clone, Copy, Debug)]
pub struct Canvas {
    /// Columns.
    pub columns: usize,
    /// Rows.
    pub rows: usize,
    /// What it can show.
    pub palette: Palette,
}

impl Canvas {
    /// Whether rows are dear.
    fn is_low(self) -> bool {
        self.rows < 18
    }
}

/// The rows of the screen.
#[must_use]
pub fn compose(
    show: &Show<'_>,
    performance: Option<&Performance<'_>>,
    canvas: Canvas,
    now: Instant,
) -> Vec<Line> {
    let mut rows = vec![status(show, canvas, now)];
    let mut foot = footer(show, performance, canvas);
    if let Some(notes) = show.beat().notes.as_ref().filter(|_| show.notes) {
        let notes = format!("Notes: {}", notes.replace('\n', " "));
        let lines = wrapped(&notes, canvas.columns.max(8), 0);
        let most = canvas.rows / 3;
        foot.splice(
            0..0,
            lines
                .iter()
                .take(most)
                .map(|text| line(text, Ink::default())),
        );
    }
    let room = canvas.rows.saturating_sub(1 + foot.len());
    let mut body = if show.help {
        help()
    } else {
        match (show.phase, performance) {
            (Phase::Title, _) => title(show, canvas),
            (Phase::End, _) => end(show, canvas, now),
            (Phase::Asking, _) => asking(show, canvas),
            (Phase::Running, Some(performance)) => running(show, performance, canvas, room, now),
            _ => telling(show, canvas, room),
        }
    };
    body.resize(room, Line::new());
    rows.extend(body);
    rows.extend(foot);
    rows.truncate(canvas.rows);
    rows.into_iter()
        .map(|row| cut(&row, canvas.columns))
        .collect()
}

/// `row` without what would be beyond the edge.
fn cut(row: &[Cell], columns: usize) -> Line {
    folded(row, columns).swap_remove(0)
}

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
fn status(show: &Show<'_>, canvas: Canvas, now: Instant) -> Line {
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
fn footer(show: &Show<'_>, performance: Option<&Performance<'_>>, canvas: Canvas) -> Vec<Line> {
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

fn help() -> Vec<Line> {
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

/// `text` in large letters if there is room for them, else as it is.
fn heading(text: &str, canvas: Canvas, most: usize) -> Vec<Line> {
    let columns = canvas.columns.saturating_sub(2 * INDENT);
    let large = canvas
        .palette
        .unicode
        .then(|| block(text, Size::Large, columns, most))
        .flatten();
    match large {
        Some(rows) => rows.iter().map(|row| indented(row, Ink::STRONG)).collect(),
        None => paragraph(text, canvas, Ink::STRONG),
    }
}

/// A value as large as it can be drawn, up to `largest`.
fn figure(text: &str, largest: Size, canvas: Canvas) -> Vec<Line> {
    let columns = canvas.columns.saturating_sub(2 * INDENT);
    let sizes = [Size::Huge, Size::Large]
        .into_iter()
        .filter(|_| canvas.palette.unicode);
    let roomy = |size: &Size| *size == Size::Large || (largest == Size::Huge && !canvas.is_low());
    let large = sizes
        .filter(roomy)
        .find_map(|size| block(text, size, columns, 1));
    match large {
        Some(rows) => rows.iter().map(|row| indented(row, Ink::STRONG)).collect(),
        None => paragraph(text, canvas, Ink::STRONG),
    }
}

fn indented(text: &str, ink: Ink) -> Line {
    line(&format!("{}{text}", " ".repeat(INDENT)), ink)
}

/// `text` filled to the measure, its paragraphs apart.
fn paragraph(text: &str, canvas: Canvas, ink: Ink) -> Vec<Line> {
    let measure = canvas.columns.saturating_sub(2 * INDENT).clamp(8, MEASURE);
    let mut rows = Vec::new();
    for (index, paragraph) in text.split("\n\n").enumerate() {
        if index > 0 {
            rows.push(Line::new());
        }
        let filled = paragraph.replace('\n', " ");
        rows.extend(
            wrapped(&filled, measure, 0)
                .iter()
                .map(|text| indented(text, ink)),
        );
    }
    rows
}

fn title(show: &Show<'_>, canvas: Canvas) -> Vec<Line> {
    let mut rows = vec![Line::new(), Line::new()];
    rows.extend(heading(&show.script.title, canvas, 3));
    rows.push(Line::new());
    let (count, steps) = (show.script.beats.len(), show.script.steps().count());
    let planned = minutes(show.script.planned());
    let text = format!("{count} beats, {steps} commands, {planned} minutes");
    rows.extend(paragraph(&text, canvas, Ink::default()));
    rows
}

fn end(show: &Show<'_>, canvas: Canvas, now: Instant) -> Vec<Line> {
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

fn telling(show: &Show<'_>, canvas: Canvas, room: usize) -> Vec<Line> {
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

fn prompt(typed: &str, canvas: Canvas) -> Vec<Line> {
    let measure = canvas.columns.saturating_sub(2 * INDENT).max(8);
    let lines = wrapped(typed, measure, 2);
    lines
        .iter()
        .map(|text| indented(text, Ink::default()))
        .collect()
}

fn asking(show: &Show<'_>, canvas: Canvas) -> Vec<Line> {
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

/// The command's output, under what it is and where it comes from.
fn running(
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

fn banner_rows(text: &str, canvas: Canvas) -> Vec<Line> {
    let lines = wrapped(text, canvas.columns.max(12) - 2, 0);
    lines
        .iter()
        .map(|text| bar(text, "", canvas.columns, Ink::BANNER))
        .collect()
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
            let waited = format!("{} s", performance.elapsed(now).as_secs());
            rows.extend(figure(&waited, Size::Huge, canvas));
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::demo::cast::tests::example;
    use crate::demo::keys::Key;
    use crate::demo::script::{Script, parse};
    use crate::demo::show::Doing;
    use crate::report::text::{acts, columns as wide};

    const SCRIPT: &str = r#"title = "A demo of some length"
[[beat]]
heading = "Words"
text = "One.\n\nTwo."
seconds = 60
notes = "Remember."
[[beat]]
heading = "A guess"
seconds = 60
command = ["compare", "--json"]
bound = 9
[beat.predict]
question = "How long?"
pointer = "/a"
unit = "ms"
"#;

    fn script() -> Script {
        let json = clap::Arg::new("json")
            .long("json")
            .action(clap::ArgAction::SetTrue);
        let isolab =
            clap::Command::new("isolab").subcommand(clap::Command::new("compare").arg(json));
        parse(SCRIPT.as_bytes(), &isolab).unwrap()
    }

    fn canvas(columns: usize, rows: usize) -> Canvas {
        let palette = Palette {
            colours: true,
            unicode: true,
        };
        Canvas {
            columns,
            rows,
            palette,
        }
    }

    /// The screen after `keys`, as text; its command is shown from a recording.
    fn after(keys: &[Key], canvas: Canvas) -> Vec<String> {
        let script = script();
        let now = Instant::now();
        let mut show = Show::new(&script, 0, now);
        for key in keys {
            show.press(*key, Doing::Over, now);
        }
        let step = show.beat().step.as_ref();
        let cast = example(&["compare", "--json"], &[(1, "{\"a\": 4.5}")]);
        let performance = step.filter(|_| show.phase == Phase::Running).map(|step| {
            let mut shown = Performance::recorded(step, Some(cast), "it failed here", now);
            shown.hurry();
            shown
        });
        let rows = compose(&show, performance.as_ref(), canvas, now);
        rows.iter().map(|row| canvas.palette.plain(row)).collect()
    }

    #[track_caller]
    fn shows(keys: &[Key], columns: usize, rows: usize, all: &[&str]) {
        let screen = after(keys, canvas(columns, rows)).join("\n");
        for part in all {
            assert!(screen.contains(part), "no `{part}` in:\n{screen}");
        }
    }

    const ANSWERED: [Key; 6] = [
        Key::Next,
        Key::Next,
        Key::Next,
        Key::Digit('9'),
        Key::Enter,
        Key::Next,
    ];

    #[test]
    fn a_beat_has_its_place_its_text_and_its_keys() {
        shows(
            &[Key::Next],
            80,
            24,
            &[
                "beat 1 of 2",
                "0:00 of 2:00 · on time",
                "One.",
                "space goes on",
            ],
        );
        shows(&[Key::Next, Key::Notes], 80, 24, &["Notes: Remember."]);
        shows(
            &[Key::Next, Key::Next],
            80,
            24,
            &["$ isolab compare --json", "space asks"],
        );
        shows(&[Key::Quit], 80, 24, &["q again leaves"]);
    }

    #[test]
    fn headings_are_large_where_there_is_room_and_plain_elsewhere() {
        let large = after(&[Key::Next], canvas(80, 24)).join("\n");
        assert!(large.contains('█') && !large.contains("Words"));
        let mut plain = canvas(80, 24);
        plain.palette.unicode = false;
        let plain = after(&[Key::Next], plain).join("\n");
        assert!(plain.is_ascii() && plain.contains("Words"), "{plain}");
    }

    #[test]
    fn a_recording_says_so_on_every_screen() {
        for (columns, rows) in [(120, 40), (80, 24), (40, 24), (40, 12)] {
            shows(
                &ANSWERED,
                columns,
                rows,
                &["RECORDED on A CPU", "because it failed here"],
            );
        }
        shows(&ANSWERED, 80, 24, &["9 ms   2.00 times too high"]);
        let mut many = ANSWERED[..3].to_vec();
        for digit in ['1', '2', '3', '4', '5', '6', '7', '8', '9'] {
            many.extend([Key::Digit(digit), Key::Enter]);
        }
        many.push(Key::Next);
        shows(
            &many,
            80,
            20,
            &["1 ms: 4.50 times too low", "9 ms: 2.00 times too high"],
        );
    }

    proptest! {
        #[test]
        fn a_screen_of_any_size_is_filled_and_never_exceeded(
            columns in 1..130usize, rows in 1..50usize, pressed in 0..8usize, help: bool,
        ) {
            let mut keys = ANSWERED[..pressed.min(6)].to_vec();
            keys.extend(help.then_some(Key::Help));
            let screen = after(&keys, canvas(columns, rows));
            prop_assert_eq!(screen.len(), rows);
            for row in screen {
                prop_assert!(wide(&row) <= columns, "{}", row);
                prop_assert!(!row.chars().any(acts));
            }
        }
    }
}
