//! `isolab model` as it is used: questions, a calibration, and a validation of it.
//!
//! What boots guests is ignored, with the reason, where QEMU or a kernel is missing.

mod asking;
mod calibrating;
mod support;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

type Tested = Result<(), Failed>;

fn main() -> ExitCode {
    libtest_mimic::run(&Arguments::from_args(), trials()).exit_code()
}

fn trials() -> Vec<Trial> {
    let no_guests = support::no_guests();
    let guests = |name: &str, test: fn() -> Tested| match &no_guests {
        // Half a minute.
        None => Trial::test(name, test).with_ignored_flag(true),
        Some(why) => {
            let why = why.clone();
            Trial::test(format!("{name} (needs {why})"), move || Err(why.into()))
                .with_ignored_flag(true)
        }
    };
    vec![
        Trial::test(
            "an_answer_has_an_interval_its_sources_and_says_that_it_is_modelled",
            asking::an_answer,
        ),
        Trial::test(
            "the_tutorials_question_is_answered_in_words",
            asking::in_words,
        ),
        Trial::test("a_sweep_is_a_table_and_curves", asking::a_sweep),
        Trial::test(
            "what_cannot_be_asked_is_refused_with_a_remedy",
            asking::refused,
        ),
        Trial::test(
            "an_option_that_bears_on_no_answer_is_refused",
            asking::meaningless,
        ),
        Trial::test(
            "images_and_balloons_count_for_how_many_fit",
            asking::counted,
        ),
        Trial::test(
            "what_nothing_can_have_is_refused_as_wrong_usage",
            asking::impossible,
        ),
        Trial::test(
            "a_calibration_that_cannot_be_used_is_refused_with_a_remedy",
            asking::bad_calibrations,
        ),
        Trial::test(
            "an_older_calibration_answers_what_it_knows_and_says_what_it_does_not",
            asking::older_calibrations,
        ),
        Trial::test("a_parameter_that_is_missing_is_named", asking::missing),
        Trial::test(
            "without_a_calibration_there_is_nothing_to_validate",
            asking::nothing_to_validate,
        ),
        guests(
            "a_calibration_takes_half_a_minute_fits_its_schema_and_is_what_is_asked_from_then_on",
            calibrating::calibrated,
        ),
    ]
}
