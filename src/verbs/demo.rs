//! `isolab demo`: a lesson on a projector.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::demo::library::{self, Recordings, SCRIPTS};
use crate::demo::screen::Screen;
use crate::demo::stage::Stage;
use crate::demo::unattended::Tempo;
use crate::demo::{clock, player, rehearse, script::Script, unattended};
use crate::report::text::shown;
use crate::{hint, places, stderr, stdout};

/// What `demo` is asked to do.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Keys: space next, p pause, b back, s skip, r recording, n notes, q quit, ? help"
)]
pub struct Args {
    /// A script of ours (see --list), or a file
    #[arg(default_value = "ten")]
    script: String,
    /// Name the scripts that are part of this program
    #[arg(long, conflicts_with_all = ["script", "check", "rehearse", "record"])]
    list: bool,
    /// Read a script and say what is wrong with it
    #[arg(long, value_name = "FILE", conflicts_with_all = ["script", "rehearse", "record"])]
    check: Option<String>,
    /// Run every command beforehand, time and record it, and say which will be recorded
    #[arg(long, conflicts_with_all = ["record", "recorded", "unattended", "notes"])]
    rehearse: bool,
    /// Run every command and write its recording (asciicast v2) into DIR
    #[arg(long, value_name = "DIR", conflicts_with_all = ["recorded", "unattended", "notes"])]
    record: Option<PathBuf>,
    /// Run nothing: show every command from its recording
    #[arg(long)]
    recorded: bool,
    /// Run through without keys, as plain text (so it does without a terminal anyway)
    #[arg(long)]
    unattended: bool,
    /// Unattended: N times as fast as planned
    #[arg(long, value_name = "N", default_value_t = 1.0, value_parser = times, conflicts_with = "fast")]
    speed: f64,
    /// Unattended: wait for nothing but the commands that run
    #[arg(long)]
    fast: bool,
    /// Begin at this beat
    #[arg(long, value_name = "BEAT", default_value_t = 1)]
    from: usize,
    /// Print the speaker's notes, each with its time
    #[arg(long, conflicts_with = "unattended")]
    notes: bool,
    /// Print a list, a check or what a rehearsal found out as JSON
    #[arg(long, conflicts_with = "notes")]
    json: bool,
}

fn times(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(factor) if (0.1..=1000.0).contains(&factor) => Ok(factor),
        _ => Err("a number from 0.1 to 1000".to_owned()),
    }
}

/// Does it. `isolab` is the command line that scripts are written for.
///
/// # Errors
/// If the script cannot be accepted or the terminal cannot be set up.
pub fn run(args: &Args, isolab: &clap::Command) -> Result<ExitCode> {
    if args.list {
        return describe(SCRIPTS.iter().map(|(name, _)| *name), args.json, isolab);
    }
    if let Some(file) = &args.check {
        return describe(std::iter::once(file.as_str()), args.json, isolab);
    }
    if args.json && args.record.is_none() && !args.rehearse {
        return Err(hint::with(
            "cannot show a demo as JSON",
            "--json goes with --list, --check, --rehearse and --record",
        ));
    }
    let script = library::script(&args.script, isolab)?;
    if args.notes {
        stdout::print(notes(&script))?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(dir) = &args.record {
        return record(args, &script, dir);
    }
    if args.rehearse {
        return rehearsal(args, &script);
    }
    let count = script.beats.len();
    if !(1..=count).contains(&args.from) {
        let message = format!("cannot begin at beat {}: there are {count}", args.from);
        return Err(hint::with(message, format!("--from is from 1 to {count}")));
    }
    let stage = Stage::new(
        &script,
        Recordings::new(library::rehearsed()),
        args.recorded,
    );
    let first = args.from - 1;
    let status = if args.unattended || args.fast || !Screen::is_there() {
        let tempo = if args.fast {
            Tempo::Fast
        } else {
            Tempo::Times(args.speed)
        };
        unattended::run(&stage, first, tempo)?
    } else {
        player::play(&stage, first)?
    };
    Ok(ExitCode::from(status))
}

/// Reads each of the scripts called `names`, and says what it is.
fn describe<'a>(
    names: impl Iterator<Item = &'a str>,
    as_json: bool,
    isolab: &clap::Command,
) -> Result<ExitCode> {
    let mut text = String::new();
    let mut entries = Vec::new();
    for name in names {
        let script = library::script(name, isolab)?;
        let planned = clock::minutes(script.planned());
        let (beats, steps) = (script.beats.len(), script.steps().count());
        let (name, title) = (shown(name), &script.title);
        text += &format!("{name}: {title} ({planned} minutes, {beats} beats, {steps} commands)\n");
        let planned_s = script.planned().as_secs();
        entries.push(json!({
            "script": name, "title": title, "planned_s": planned_s, "beats": beats, "commands": steps,
        }));
    }
    stdout::print(if as_json {
        format!("{:#}\n", json!(entries))
    } else {
        text
    })?;
    Ok(ExitCode::SUCCESS)
}

fn notes(script: &Script) -> String {
    let mut text = format!("{}\n", script.title);
    for (index, beat) in script.beats.iter().enumerate() {
        let at = clock::minutes(script.planned_before(index));
        text.push_str(&format!("\n{at:>6}  {}. {}\n", index + 1, beat.heading));
        if let Some(step) = &beat.step {
            text.push_str(&format!("        $ {}\n", step.typed()));
        }
        for line in beat.notes.iter().flat_map(|notes| notes.lines()) {
            text.push_str(&format!("        {line}\n"));
        }
    }
    text
}

/// Into the user's data, where the show looks for recordings.
fn rehearsal(args: &Args, script: &Script) -> Result<ExitCode> {
    let dir = places::make_data()?.join("demo");
    places::make_private(&dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let stage = Stage::new(script, Recordings::new(Some(dir.clone())), false);
    let rehearsal = rehearse::rehearse(&stage, &dir, &|step| stderr::tell(step))?;
    report(args, &rehearsal)?;
    if rehearsal.lacks() {
        return Err(hint::with(
            "a step neither runs here nor has a recording",
            "rehearse on a machine where it runs, and take its recording along (docs/DEMO.md)",
        ));
    }
    Ok(ExitCode::from(if rehearsal.interrupted { 130 } else { 0 }))
}

/// Into a directory of the user's choice; each step must run.
fn record(args: &Args, script: &Script, dir: &Path) -> Result<ExitCode> {
    std::fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
    let stage = Stage::new(script, Recordings::default(), false);
    let rehearsal = rehearse::rehearse(&stage, dir, &|step| stderr::tell(step))?;
    report(args, &rehearsal)?;
    if rehearsal.interrupted {
        return Ok(ExitCode::from(130));
    }
    if let Some(step) = rehearsal.steps.iter().find(|step| step.will_be != "live") {
        bail!(
            "cannot record beat {}: `{}` did not run",
            step.beat,
            step.command
        );
    }
    Ok(ExitCode::SUCCESS)
}

fn report(args: &Args, rehearsal: &rehearse::Rehearsal) -> Result<()> {
    stdout::print(if args.json {
        format!("{:#}\n", json!(rehearsal))
    } else {
        rehearsal.text()
    })
}
