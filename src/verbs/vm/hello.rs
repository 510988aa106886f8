//! `isolab vm hello`: the floor of hardware virtualization.

use std::fmt::Write as _;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};
use clap::Args;
use vm_model::kvm::{Grade, Hello};

use crate::{doctor, hint, stdout};

/// What `vm hello` is asked to do.
#[derive(Debug, Args)]
pub struct HelloArgs {
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &HelloArgs) -> Result<ExitCode> {
    let grade = doctor::kvm_grade()?;
    if args.json {
        let text = serde_json::to_string_pretty(&grade)?;
        stdout::print(format!("{text}\n"))?;
        return Ok(match grade.hello() {
            Some(_) => ExitCode::SUCCESS,
            None => ExitCode::FAILURE,
        });
    }
    match &grade {
        Grade::Usable { hello } => stdout::print(told(hello, &grade))?,
        Grade::Interpreted { hello } => {
            let warning = "so these times are no measure of virtualization";
            stdout::print(format!("{}{warning}\n", told(hello, &grade)))?;
        }
        _ => {
            let next = "`isolab doctor vm` says what would help; guests are emulated meanwhile";
            bail!(hint::with(format!("cannot run a guest: {grade}"), next));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// What it said, did and took.
fn told(hello: &Hello, grade: &Grade) -> String {
    let mut text = hello.said.clone();
    let micros = |time: Duration| format!("{:.1} µs", time.as_secs_f64() * 1e6);
    let speed = format!("{:.1} M/s", hello.instructions_per_second / 1e6);
    let exits = format!("{} by port, {} by halt", hello.exits.port, hello.exits.halt);
    let lines = [
        ("machine made", micros(hello.created)),
        ("its first letter", micros(hello.first_letter)),
        ("an exit and back", micros(hello.per_exit)),
        ("instructions", speed),
        ("exits", exits),
        ("all of it", micros(hello.whole)),
    ];
    text.push('\n');
    for (name, value) in lines {
        let _ = writeln!(text, "{name:<18} {value}");
    }
    let _ = writeln!(text, "\n{grade}");
    text
}
