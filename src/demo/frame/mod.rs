//! A screenful: what stands in which row, as a function of the state alone.
//!
//! The last row of a room reads what is large and what is few. So the heading is
//! drawn in large letters while somebody talks, and gives way to the output
//! while a command runs; a value that a room has predicted is drawn largest.

mod bars;
mod running;
mod setting;
mod telling;

use std::time::Instant;

use self::bars::{footer, help, status};
use self::running::running;
pub use self::setting::Canvas;
use self::telling::{asking, end, telling, title};
use super::ink::{Cell, Ink, Line, folded, line};
use super::performance::Performance;
use super::show::{Phase, Show};
use crate::report::text::wrapped;

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::demo::cast::tests::example;
    use crate::demo::ink::Palette;
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
