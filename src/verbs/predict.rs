//! `isolab predict`: what do you expect? Asked before it is measured.

use std::process::ExitCode;

use anyhow::{Result, anyhow};
use clap::Args;
use serde_json::json;

use crate::interrupt::Interrupt;
use crate::interview::{self, Interview};
use crate::notebook::predictions::{append, path};
use crate::notebook::reports;
use crate::observation::{Subject, Workload};
use crate::prediction::{Experiment, Prediction, Question, amount};
use crate::report::{Report, Settings};
use crate::terminal::{self, Dialogue, tell};
use crate::{hint, stdout};

/// What `predict` is asked to ask.
#[derive(Debug, Args)]
#[command(
    after_help = "Experiments: startup, disk, memory. One question: startup/vm/python.\n\
    Then `isolab compare` measures, and `isolab reveal` sets the two beside each other."
)]
pub struct PredictArgs {
    /// Which experiment, or which one question of it [default: all]
    experiment: Option<String>,
    /// What to predict for
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    #[arg(default_values = ["process", "venv", "container", "vm"])]
    subjects: Vec<Subject>,
    /// What runs in each
    #[arg(long, value_name = "NAME", value_enum, default_value = "python")]
    workload: Workload,
    /// Answer one question without being asked, such as 5ms or 30MB
    #[arg(long, value_name = "AMOUNT", requires_all = ["confidence", "reason"])]
    value: Option<String>,
    /// How sure its order of magnitude is, in percent
    #[arg(long, value_name = "PERCENT", value_parser = interview::percent, requires = "value")]
    confidence: Option<u8>,
    /// Why, in a line
    #[arg(long, value_name = "TEXT", value_parser = interview::line, requires = "value")]
    reason: Option<String>,
    /// Show the questions and ask none
    #[arg(long, conflicts_with = "value")]
    list: bool,
    /// Print what was predicted as JSON
    #[arg(long)]
    json: bool,
}

/// Does it.
///
/// # Errors
/// If there is no such question, nobody can be asked, or an answer cannot be
/// written down.
pub fn run(args: &PredictArgs) -> Result<ExitCode> {
    let questions = questions(args)?;
    if args.list {
        return list(&questions, args.json);
    }
    if let Some(value) = &args.value {
        let made = from_flags(args, &questions, value)?;
        return told(&[made], args.json, ExitCode::SUCCESS);
    }
    if !terminal::can_ask() {
        return Err(cannot_ask());
    }
    let interrupt = Interrupt::listen()?;
    let held = interview::hold(&questions, &mut Dialogue::new(&interrupt))?;
    tell("");
    let status = interrupt.exit_status();
    let status = status.map_or(ExitCode::SUCCESS, ExitCode::from);
    told(&held.made, args.json, status)
}

/// Asks for what `settings` will measure and nobody has predicted since the last
/// report. What was predicted since then is taken as it is.
///
/// # Errors
/// If nobody can be asked, or an answer cannot be written down.
pub fn before(settings: &Settings, interrupt: &Interrupt) -> Result<Interview> {
    let of = |experiment| Question::of(experiment, &settings.subjects, &settings.workloads);
    let questions: Vec<Question> = Experiment::ALL.into_iter().flat_map(of).collect();
    let standing = standing(&questions)?;
    let is_open = |question: &&Question| !standing.iter().any(|made| made.question == **question);
    let open: Vec<Question> = questions.iter().filter(is_open).copied().collect();
    if open.is_empty() {
        let (made, stopped) = (standing, false);
        return Ok(Interview { made, stopped });
    }
    if !terminal::can_ask() {
        return Err(cannot_ask());
    }
    let mut interview = interview::hold(&open, &mut Dialogue::new(interrupt))?;
    interview.made.extend(standing);
    interview.made.sort_by_key(|made| made.question);
    Ok(interview)
}

/// The newest prediction for each of `questions` that no kept report has answered
/// yet.
fn standing(questions: &[Question]) -> Result<Vec<Prediction>> {
    let notebook = super::reveal::read_notebook()?;
    let (kept, _) = reports::all();
    let answered = |made: &Prediction| kept.iter().any(|report| answers(report, made));
    let newest = |question: &Question| {
        let mut newest_first = notebook.made.iter().rev();
        let own = newest_first.find(|made| made.question == *question);
        own.filter(|made| !answered(made)).cloned()
    };
    Ok(questions.iter().filter_map(newest).collect())
}

/// Whether `report` carries `made`, or measured it in a run that began later. Of
/// two in the same second nobody knows which was first.
fn answers(report: &Report, made: &Prediction) -> bool {
    if report
        .predictions
        .iter()
        .any(|carried| carried.id == made.id)
    {
        return true;
    }
    let question = made.question;
    let (metric, state) = (question.metric(), question.state());
    let ran = report.ran(question.subject, question.workload, metric, state);
    ran.is_some() && made.was_made_by(&report.created) && made.made != report.created
}

/// What to say where there is nobody to ask.
fn cannot_ask() -> anyhow::Error {
    hint::with(
        "cannot ask for predictions: this is no terminal",
        "a script answers one at a time: `isolab predict startup/vm/python --value 2s --confidence 70 --reason '...'`",
    )
}

fn questions(args: &PredictArgs) -> Result<Vec<Question>> {
    let of = |experiment| Question::of(experiment, &args.subjects, &[args.workload]);
    let Some(name) = &args.experiment else {
        return Ok(Experiment::ALL.into_iter().flat_map(of).collect());
    };
    if let Ok(question) = name.parse() {
        return Ok(vec![question]);
    }
    let experiment = Experiment::ALL
        .into_iter()
        .find(|known| known.name() == name);
    let found = experiment.map(of).unwrap_or_default();
    if found.is_empty() {
        let remedy = "`isolab predict --list` names them all";
        let name = crate::report::text::shown(name);
        return Err(hint::with(format!("there is no question `{name}`"), remedy));
    }
    Ok(found)
}

fn from_flags(args: &PredictArgs, questions: &[Question], value: &str) -> Result<Prediction> {
    let [question] = questions else {
        return Err(hint::with(
            "--value answers one question, and these are several",
            "name one, such as startup/vm/python; `isolab predict --list` names them all",
        ));
    };
    let value = amount::parse(value, question.unit())
        .map_err(|why| anyhow!("cannot take the value: {why}"))?;
    let prediction = Prediction::now(*question, value, args.confidence, args.reason.clone());
    append(&prediction)?;
    Ok(prediction)
}

fn list(questions: &[Question], json: bool) -> Result<ExitCode> {
    stdout::print(if json {
        let all: Vec<_> = questions
            .iter()
            .map(|q| json!({ "question": q, "unit": q.unit(), "words": q.words() }))
            .collect();
        format!("{:#}\n", json!(all))
    } else {
        let one = |q: &Question| {
            let lines = crate::report::text::wrapped(&q.words(), 76, 0);
            format!("{q}\n    {}\n", lines.join("\n    "))
        };
        questions.iter().map(one).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

fn told(made: &[Prediction], json: bool, status: ExitCode) -> Result<ExitCode> {
    let place = path().unwrap_or_default();
    let count = match made.len() {
        1 => "1 prediction is".to_owned(),
        n => format!("{n} predictions are"),
    };
    tell(&format!("{count} kept in {}", place.display()));
    tell(match made {
        [] => "nothing was changed",
        _ => "`isolab compare` measures, then `isolab reveal` shows how far off they are",
    });
    if json {
        stdout::print(format!("{:#}\n", json!(made)))?;
    }
    Ok(status)
}
