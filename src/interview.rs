//! Asking for predictions, one question at a time.
//!
//! Each answer is written down before the next question, so Ctrl-C or Ctrl-D
//! loses nothing: of a question that was half answered, the value stays. Nothing
//! is shown of what others measured or the user once said: a first number pulls
//! every later guess towards it.
//!
//! Source: Tversky and Kahneman, "Judgment under Uncertainty", Science, 1974.

use anyhow::Result;

use crate::notebook::predictions::{self, append};
use crate::prediction::{LONGEST_REASON, Prediction, Question, amount};
use crate::report::quantity::human;
use crate::report::text::acts;
use crate::terminal::{Answer, Dialogue, tell};

/// What came of an interview.
#[derive(Debug, Default)]
pub struct Interview {
    /// What was answered and written down.
    pub made: Vec<Prediction>,
    /// Whether it ended before the last question.
    pub stopped: bool,
}

/// A question's end.
enum Told<T> {
    This(T),
    /// Enter alone.
    Skipped,
    Stopped,
}

/// Asks `questions` of whoever sits at the terminal.
///
/// # Errors
/// If answers cannot be written down, before any is asked for; or the terminal
/// cannot be read.
pub fn hold(questions: &[Question], dialogue: &mut Dialogue<'_>) -> Result<Interview> {
    // Before the first question: an answer that cannot be kept is lost.
    predictions::check()?;
    let mut interview = Interview::default();
    let introduction = "Before anything is measured: what do you expect? \
        Enter alone skips a question, Ctrl-D ends; what you answered is kept.";
    tell(introduction);
    for (number, question) in (1..).zip(questions) {
        dialogue.say("\n");
        let words = format!("{number}/{}  {}", questions.len(), question.words());
        tell(&words);
        let stopped = answer(*question, dialogue, &mut interview.made)?;
        if stopped {
            dialogue.say("\n");
            interview.stopped = true;
            break;
        }
    }
    Ok(interview)
}

/// Asks one question and writes the answer down; whether it was the last.
fn answer(
    question: Question,
    dialogue: &mut Dialogue<'_>,
    made: &mut Vec<Prediction>,
) -> Result<bool> {
    let value = match value(question, dialogue)? {
        Told::This(value) => value,
        Told::Skipped => return Ok(false),
        Told::Stopped => return Ok(true),
    };
    let confidence = confidence(dialogue)?;
    let (confidence, reason) = match confidence {
        Told::This(percent) => (Some(percent), reason(dialogue)?),
        Told::Skipped => (None, reason(dialogue)?),
        Told::Stopped => (None, Told::Stopped),
    };
    let stopped = matches!(reason, Told::Stopped);
    let reason = match reason {
        Told::This(reason) => Some(reason),
        Told::Skipped | Told::Stopped => None,
    };
    let prediction = Prediction::now(question, value, confidence, reason);
    append(&prediction)?;
    made.push(prediction);
    Ok(stopped)
}

fn value(question: Question, dialogue: &mut Dialogue<'_>) -> Result<Told<f64>> {
    let unit = question.unit();
    let prompt = match unit {
        crate::observation::Unit::Seconds => "  time, with its unit: ",
        crate::observation::Unit::Bytes => "  size, with its unit: ",
    };
    let told = repeated(dialogue, prompt, |text| amount::parse(text, unit))?;
    if let Told::This(value) = told {
        let order = amount::order_of_magnitude(value, unit);
        tell(&format!("  so {}: {order}", human(value, unit)));
    }
    Ok(told)
}

fn confidence(dialogue: &mut Dialogue<'_>) -> Result<Told<u8>> {
    tell("  How sure are you, from 0 to 100 %, that this is less than a factor of 3 off?");
    repeated(dialogue, "  percent: ", percent)
}

fn reason(dialogue: &mut Dialogue<'_>) -> Result<Told<String>> {
    repeated(dialogue, "  why, in a line: ", line)
}

/// A confidence as people type it: `70`, `70%`, `70 %`.
///
/// # Errors
/// What to write instead.
pub fn percent(text: &str) -> Result<u8, String> {
    let number = text.trim().trim_end_matches('%').trim_end();
    let percent = number.parse::<u8>().ok().filter(|percent| *percent <= 100);
    percent.ok_or_else(|| "that is no whole number from 0 to 100: write 70 for 70 %".to_owned())
}

/// A reason: a line of text that does nothing to a terminal.
///
/// # Errors
/// What to write instead.
pub fn line(text: &str) -> Result<String, String> {
    let text = text.trim();
    if text.contains(acts) {
        return Err("it holds keys that are no text: type it again".to_owned());
    }
    if text.is_empty() {
        return Err("a reason has words; a guess is a reason too: say so".to_owned());
    }
    if text.chars().count() > LONGEST_REASON {
        return Err(format!(
            "that is more than {LONGEST_REASON} characters: make it shorter"
        ));
    }
    Ok(text.to_owned())
}

/// Asks until the answer is one, or there will be none.
fn repeated<T>(
    dialogue: &mut Dialogue<'_>,
    prompt: &str,
    parse: impl Fn(&str) -> Result<T, String>,
) -> Result<Told<T>> {
    loop {
        let text = match dialogue.ask(prompt)? {
            Answer::Line(text) if text.is_empty() => return Ok(Told::Skipped),
            Answer::Line(text) => text,
            Answer::End | Answer::Interrupted => return Ok(Told::Stopped),
        };
        match parse(&text) {
            Ok(answer) => return Ok(Told::This(answer)),
            Err(why) => tell(&format!("  {why}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_confidence_is_a_whole_number_of_percent() {
        for text in ["70", "70%", " 70 % "] {
            assert_eq!(percent(text), Ok(70));
        }
        for text in ["", "101", "-1", "0.7", "seventy", "70,5", "7e1", "%"] {
            assert!(percent(text).is_err(), "{text}");
        }
        assert_eq!((percent("0"), percent("100")), (Ok(0), Ok(100)));
    }

    #[test]
    fn a_reason_is_text_and_no_arrow_keys() {
        assert_eq!(line(" it boots "), Ok("it boots".to_owned()));
        for text in ["", "  ", "up\u{1b}[A", &"x".repeat(301)] {
            assert!(line(text).is_err(), "{text:?}");
        }
    }
}
