//! Predictions at a terminal: asked, kept whatever happens, measured, revealed.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::support::{CTRL_C, CTRL_D, Terminal};

fn notebook(home: &Path) -> Vec<Value> {
    let file = home.join(".local/share/isolab/predictions.jsonl");
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = |line: &str| {
        let mut line: Value = serde_json::from_str(line).unwrap();
        line["prediction"].take()
    };
    text.lines().map(line).collect()
}

fn assert_fits(shown: &str, width: usize) {
    for line in shown.lines() {
        // What was typed is echoed behind its prompt.
        assert!(
            line.trim_end().len() <= width || line.contains(": "),
            "{line:?}"
        );
    }
}

/// The whole way in 40 columns, without colour, and without UTF-8.
#[test]
fn predict_compare_and_reveal_go_through_on_a_small_terminal() {
    let home = tempfile::tempdir().unwrap();
    let plain = [("LC_ALL", "C"), ("NO_COLOR", "1")];
    let start = |arguments: &[&str]| Terminal::with_environment(40, home.path(), arguments, &plain);

    let mut terminal = start(&["predict", "startup", "--workload", "true"]);
    terminal.wait_for("1/2");
    terminal.wait_for("time, with its unit:");
    terminal.answer("5,2 ms");
    terminal.wait_for("write a point");
    terminal.answer("5.2 ms");
    terminal.wait_for("thousandths of a second");
    terminal.wait_for("percent:");
    terminal.answer("seventy");
    terminal.wait_for("no whole number");
    terminal.answer("70 %");
    terminal.wait_for("why, in a line:");
    terminal.answer("namespaces cost little");
    terminal.wait_for("2/2");
    terminal.answer("");
    let (status, shown) = terminal.end();
    assert!(status.success() && shown.is_ascii(), "{shown}");
    assert_fits(&shown, 40);
    let made = notebook(home.path());
    assert_eq!(made.len(), 1);
    assert_eq!(made[0]["value"], 0.0052);
    assert_eq!(made[0]["confidence"], 70);
    assert_eq!(made[0]["reason"], "namespaces cost little");

    // What was answered is not asked again; the rest is skipped.
    let comparison =
        "compare --predict --quick --runs 3 --workload true --subjects container -o r.json";
    let mut terminal = start(&comparison.split(' ').collect::<Vec<_>>());
    for _ in 0..3 {
        terminal.wait_for("size, with its unit:");
        terminal.answer("");
    }
    terminal.wait_for("Predicted, and measured");
    let (status, shown) = terminal.end();
    assert!(status.success(), "{shown}");
    assert!(!shown.contains("time, with its unit"), "{shown}");

    let mut terminal = start(&["reveal"]);
    terminal.wait_for("Start-up, added");
    terminal.wait_for("container");
    terminal.wait_for("5.20 ms");
    let (status, shown) = terminal.end();
    assert!(
        status.success() && shown.is_ascii() && !shown.contains('\u{1b}'),
        "{shown}"
    );
    assert_fits(&shown, 40);

    let report = fs::read_to_string(home.path().join("r.json")).unwrap();
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(report["predictions"].as_array().unwrap().len(), 1);
    assert_eq!(report["predictions"][0]["id"], made[0]["id"]);
}

#[test]
fn ctrl_c_and_ctrl_d_anywhere_keep_what_was_entered() {
    // After how many answers it ends, and what of the first question is kept.
    for (answers, kept) in [(0, 0), (1, 1), (2, 1), (3, 1)] {
        for (key, code) in [(CTRL_C, 130), (CTRL_D, 0)] {
            let home = tempfile::tempdir().unwrap();
            let mut terminal = Terminal::isolab(80, home.path(), &["predict", "memory"]);
            let prompts = [
                "size, with its unit:",
                "percent:",
                "why, in a line:",
                "size, with its unit:",
            ];
            for (prompt, answer) in prompts.iter().zip(["30 MB", "60", "a guess"]).take(answers) {
                terminal.wait_for(prompt);
                terminal.answer(answer);
            }
            terminal.wait_for(prompts[answers]);
            terminal.press(key);
            let (status, shown) = terminal.end();
            assert_eq!(status.code(), Some(code), "{shown}");
            let made = notebook(home.path());
            assert_eq!(made.len(), kept, "after {answers} answers: {shown}");
            if kept > 0 {
                assert_eq!(made[0]["value"], 30e6);
                assert_eq!(made[0].get("confidence").is_some(), answers > 1);
                assert_eq!(made[0].get("reason").is_some(), answers > 2);
            }
        }
    }
}

#[test]
fn a_comparison_that_is_stopped_while_asking_measures_nothing() {
    let home = tempfile::tempdir().unwrap();
    let arguments = ["compare", "--predict", "--quick", "-o", "r.json"];
    let mut terminal = Terminal::isolab(80, home.path(), &arguments);
    terminal.wait_for("time, with its unit:");
    terminal.answer("2 ms");
    terminal.wait_for("percent:");
    terminal.press(CTRL_C);
    let (status, shown) = terminal.end();
    assert_eq!(status.code(), Some(130));
    assert!(shown.contains("nothing was measured"), "{shown}");
    assert_eq!(notebook(home.path()).len(), 1);
    assert!(!home.path().join("r.json").exists());
    assert!(!home.path().join(".local/share/isolab/reports").exists());
}

#[test]
fn arrow_keys_in_a_reason_are_refused_and_never_stored() {
    let home = tempfile::tempdir().unwrap();
    let mut terminal = Terminal::isolab(80, home.path(), &["predict", "memory/vm/python"]);
    terminal.wait_for("unit:");
    terminal.answer("100 MB");
    terminal.wait_for("percent:");
    terminal.answer("50");
    terminal.wait_for("line:");
    terminal.answer("up\u{1b}[A");
    terminal.wait_for("no text");
    terminal.answer("a kernel of its own");
    let (status, _) = terminal.end();
    assert!(status.success());
    assert_eq!(notebook(home.path())[0]["reason"], "a kernel of its own");
}

fn isolab(home: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_isolab"))
        .args(arguments)
        .current_dir(home)
        .env("HOME", home)
        .env_remove("XDG_CACHE_HOME")
        .env_remove("XDG_DATA_HOME")
        .stdin(std::process::Stdio::null())
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (
        output.status.success(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn without_a_terminal_flags_answer_or_nothing_happens() {
    let home = tempfile::tempdir().unwrap();
    let run = |line: &str| isolab(home.path(), &line.split(' ').collect::<Vec<_>>());
    for refused in ["predict", "compare --predict"] {
        let (done, out, message) = run(refused);
        assert!(!done && out.is_empty(), "{message}");
        assert!(
            message.contains("no terminal") && message.contains("--value"),
            "{message}"
        );
    }
    let (done, _, message) = run("predict startup --value 5ms --confidence 70 --reason x");
    assert!(!done && message.contains("one question"), "{message}");
    let (done, _, message) =
        run("predict startup/vm/python --value 5MB --confidence 70 --reason x");
    assert!(!done && message.contains("asks for a time"), "{message}");
    assert!(notebook(home.path()).is_empty());
    let (done, out, _) =
        run("predict startup/vm/python --value 2s --confidence 70 --reason x --json");
    let made: Value = serde_json::from_str(&out).unwrap();
    assert!(done && made[0]["value"] == 2.0);
    let (done, _, message) = run("reveal");
    assert!(!done && message.contains("compare"), "{message}");
}

/// All that a script may do: predict, measure with what was predicted, reveal.
#[test]
fn a_script_predicts_measures_and_reveals() {
    let home = tempfile::tempdir().unwrap();
    let run = |line: &str| isolab(home.path(), &line.split(' ').collect::<Vec<_>>());
    for question in [
        "startup/container/true",
        "disk/container/true",
        "memory/process/true",
        "memory/container/true",
    ] {
        let value = if question.starts_with("startup") {
            "1h"
        } else {
            "1 B"
        };
        let question = [
            "predict",
            question,
            "--value",
            value,
            "--confidence",
            "100",
            "--reason",
            "x",
        ];
        assert!(isolab(home.path(), &question).0);
    }
    let (done, _, message) =
        run("compare --predict --quick --runs 3 --workload true --subjects container --json");
    assert!(done, "{message}");
    let file = home.path().join(".local/share/isolab/predictions.jsonl");
    let mut torn = fs::read(&file).unwrap();
    torn.extend_from_slice(b"{\"schema\":\"isolab.pred");
    fs::write(&file, &torn).unwrap();
    let (done, out, message) = run("reveal --json");
    assert!(done && message.contains("line 5"), "{message}");
    let revealed: Value = serde_json::from_str(&out).unwrap();
    let outcomes = revealed["outcomes"].as_array().unwrap();
    assert_eq!(outcomes.len(), 4);
    let startup = &outcomes[0]["seen"];
    assert_eq!(startup["kind"], "measured");
    // No container takes an hour to start.
    assert_eq!(startup["score"]["direction"], "too-high");
    assert!(startup["score"]["log10_error"].as_f64().unwrap() > 3.0);
    assert_eq!(startup["score"]["brier"], 1.0);
    assert_eq!(revealed["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(fs::read(&file).unwrap(), torn, "what is torn is kept");
}

/// Whoever predicts, and then runs something else in between.
#[test]
fn a_run_that_answers_nothing_uses_no_prediction_up() {
    let home = tempfile::tempdir().unwrap();
    let run = |line: &str| isolab(home.path(), &line.split(' ').collect::<Vec<_>>());
    let pause = || std::thread::sleep(std::time::Duration::from_millis(1_100));
    assert!(run("predict startup/container/true --value 1ms --confidence 9 --reason x").0);
    assert!(run("predict disk/container/true --value 1MB --confidence 9 --reason x").0);
    assert!(run("predict memory/process/true --value 1MB --confidence 9 --reason x").0);
    assert!(run("predict memory/container/true --value 1MB --confidence 9 --reason x").0);
    pause();
    let measure = "compare --quick --runs 2 --workload true --subjects";
    assert!(run(&format!("{measure} process --no-predict")).0);
    // Only the process's memory is answered, and has to be asked for again.
    let (done, _, message) = run(&format!("{measure} container --predict"));
    assert!(!done && message.contains("no terminal"), "{message}");
    assert!(run("predict memory/process/true --value 1MB --confidence 9 --reason x").0);
    assert!(run(&format!("{measure} container --predict")).0);
    assert!(run("compare --quick --runs 2 --workload python --subjects process").0);
    let (done, out, _) = run("reveal --json");
    let revealed: Value = serde_json::from_str(&out).unwrap();
    assert!(
        done && revealed["outcomes"].as_array().unwrap().len() == 4,
        "{out}"
    );
    // Another time the predictions are used up.
    assert!(!run(&format!("{measure} container --predict")).0);
}

/// An answer that has nowhere to go would be lost, with the thought behind it.
#[test]
fn nobody_is_asked_where_no_answer_can_be_kept() {
    let home = tempfile::tempdir().unwrap();
    fs::write(home.path().join(".local"), "no directory").unwrap();
    let compare = ["compare", "--quick", "--predict", "--workload", "true"];
    // What is read first fails first.
    for (arguments, says) in [(&["predict"][..], "cannot keep"), (&compare, "cannot read")] {
        let mut terminal = Terminal::isolab(80, home.path(), arguments);
        let (status, shown) = terminal.wait_for_the_end();
        assert!(!status.success() && shown.contains(says), "{shown}");
        assert!(!shown.contains("what do you expect"), "{shown}");
    }
}
