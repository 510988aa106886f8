//! The class for a spreadsheet: a line for each machine and row.
//!
//! A spreadsheet runs what begins like a formula, and a report's words are
//! whoever's wrote it. So text that begins so gets an apostrophe in front, which
//! spreadsheets take for 'this is text'; numbers are ours and stay numbers.
//!
//! Sources: RFC 4180; OWASP, "CSV Injection".

use super::{Class, Guess, Machine, Row};

const COLUMNS: [&str; 22] = [
    "machine",
    "os",
    "cpu",
    "cpus",
    "memory_bytes",
    "virtualization",
    "isolab",
    "workload",
    "metric",
    "state",
    "subject",
    "evidence",
    "unit",
    "n",
    "value",
    "low",
    "high",
    "predicted",
    "measured_for_prediction",
    "confidence_percent",
    "log10_error",
    "reason",
];

/// The class as RFC 4180 text.
#[must_use]
pub fn csv(class: &Class) -> String {
    let mut out = line(COLUMNS.iter().map(|name| (*name).to_owned()));
    for machine in &class.machines {
        for row in &machine.rows {
            out += &row_line(machine, row);
        }
        // What was predicted and has no row of its own: it was not measured.
        for guess in &machine.predictions {
            if !machine.rows.iter().any(|row| answers(row, guess)) {
                out += &guess_line(machine, guess);
            }
        }
    }
    out
}

fn row_line(machine: &Machine, row: &Row) -> String {
    let guess = machine.predictions.iter().find(|guess| answers(row, guess));
    let [low, high] = row
        .range
        .map_or([String::new(), String::new()], |(low, high)| {
            [low.to_string(), high.to_string()]
        });
    let own = [
        row.workload.to_string(),
        row.metric.to_string(),
        row.state.map(|state| state.to_string()).unwrap_or_default(),
        row.subject.to_string(),
        row.evidence.to_owned(),
        unit(row.unit),
        row.n.map(|n| n.to_string()).unwrap_or_default(),
        row.value.to_string(),
        low,
        high,
    ];
    line(about(machine).into_iter().chain(own).chain(guessed(guess)))
}

fn guess_line(machine: &Machine, guess: &Guess) -> String {
    let question = guess.question;
    let own = [
        question.workload.to_string(),
        question.metric().to_string(),
        question
            .state()
            .map(|state| state.to_string())
            .unwrap_or_default(),
        question.subject.to_string(),
        "none".to_owned(),
        unit(guess.unit),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
    ];
    line(
        about(machine)
            .into_iter()
            .chain(own)
            .chain(guessed(Some(guess))),
    )
}

/// Whether `guess` is about what `row` holds; a model answers nothing.
fn answers(row: &Row, guess: &Guess) -> bool {
    let q = guess.question;
    (row.workload, row.metric, row.state, row.subject)
        == (q.workload, q.metric(), q.state(), q.subject)
        && row.evidence != "modelled"
}

fn about(machine: &Machine) -> [String; 7] {
    [
        text(machine.label()),
        text(&machine.os),
        text(&machine.cpu),
        machine.cpus.to_string(),
        machine.memory_bytes.to_string(),
        text(&machine.virtualization),
        text(&machine.isolab),
    ]
}

fn guessed(guess: Option<&Guess>) -> [String; 5] {
    let Some(guess) = guess else {
        return Default::default();
    };
    let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
    [
        guess.predicted.to_string(),
        number(guess.measured),
        guess
            .confidence
            .map(|percent| percent.to_string())
            .unwrap_or_default(),
        number(guess.score.map(|score| score.log10_error)),
        text(guess.reason.as_deref().unwrap_or_default()),
    ]
}

fn unit(unit: crate::observation::Unit) -> String {
    match unit {
        crate::observation::Unit::Seconds => "seconds".to_owned(),
        crate::observation::Unit::Bytes => "bytes".to_owned(),
    }
}

/// Words from elsewhere: never a formula.
fn text(words: &str) -> String {
    let words = crate::report::text::shown(words);
    // Spreadsheets skip spaces ahead of the sign; some know it in full width.
    let formula = words
        .trim_start()
        .starts_with(['=', '+', '-', '@', '＝', '＋', '－', '＠', '|', '%']);
    if formula {
        format!("'{words}")
    } else {
        words.into_owned()
    }
}

fn line(cells: impl IntoIterator<Item = String>) -> String {
    let quoted = |cell: String| {
        if cell.contains([',', '"', '\n', '\r', ';', '\'']) {
            format!("\"{}\"", cell.replace('"', "\"\""))
        } else {
            cell
        }
    };
    let cells: Vec<String> = cells.into_iter().map(quoted).collect();
    cells.join(",") + "\r\n"
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_begins_like_a_formula_is_text() {
        for formula in [
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            " =cmd|' /C calc'!A0",
            "\t=1",
            "＝1",
        ] {
            assert!(text(formula).starts_with('\''), "{formula}");
        }
        assert_eq!(text("AMD EPYC 7-core = fast"), "AMD EPYC 7-core = fast");
    }

    #[test]
    fn a_cell_cannot_leave_its_cell() {
        let cells = ["a,b", "say \"x\"", "plain"].map(str::to_owned);
        assert_eq!(line(cells), "\"a,b\",\"say \"\"x\"\"\",plain\r\n");
        assert_eq!(text("a\r\n=1"), "a  =1");
    }

    proptest! {
        #[test]
        fn no_words_become_a_formula_or_a_second_line(words in any::<String>()) {
            let cell = text(&words);
            prop_assert!(!cell.trim_start().starts_with(['=', '+', '-', '@']));
            prop_assert_eq!(line([cell]).matches('\n').count(), 1);
        }
    }
}
