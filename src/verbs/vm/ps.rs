//! `isolab vm ps`: which guests there are.

use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Result;
use clap::Args;
use serde_json::json;

use crate::guests::directory::{self, Seen};
use crate::guests::record::Status;
use crate::stdout;
use crate::verbs::table::table;

/// What `vm ps` is asked to list.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Those that have ended, too
    #[arg(short, long)]
    all: bool,
    /// Print only the names
    #[arg(short, long)]
    quiet: bool,
    /// Print JSON
    #[arg(long, conflicts_with = "quiet")]
    json: bool,
}

pub(super) fn run(args: &PsArgs) -> Result<ExitCode> {
    let mut guests = directory::all()?;
    guests.retain(|seen| args.all || seen.is_kept);
    stdout::print(if args.json {
        let all: Vec<_> = guests.iter().map(entry).collect();
        format!(
            "{:#}\n",
            json!({ "schema": "isolab.guests/1", "guests": all })
        )
    } else if args.quiet {
        guests
            .iter()
            .map(|seen| format!("{}\n", seen.record.wanted.name))
            .collect()
    } else {
        let rows: Vec<_> = guests.iter().map(row).collect();
        let header = [
            "NAME", "STATUS", "PROGRAM", "MACHINE", "ACCEL", "MEMORY", "PID", "AGE",
        ];
        table(&header, &rows, Some(5))
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Its QEMU, while it runs.
fn pid(seen: &Seen) -> Option<i32> {
    let vmm = seen.record.vmm.filter(|vmm| seen.is_kept && vmm.lives());
    vmm.map(|vmm| vmm.pid)
}

fn age(seen: &Seen) -> Duration {
    let since = UNIX_EPOCH + Duration::from_secs(seen.record.since);
    SystemTime::now().duration_since(since).unwrap_or_default()
}

fn status(seen: &Seen) -> String {
    let hangs = match seen.record.hangs {
        0 => String::new(),
        1 => " (1 hang)".to_owned(),
        hangs => format!(" ({hangs} hangs)"),
    };
    match &seen.record.status {
        Status::Booting => format!("booting{hangs}"),
        Status::Running => format!("running{hangs}"),
        Status::Ended { code, .. } => format!("ended ({code})"),
    }
}

fn row(seen: &Seen) -> Vec<String> {
    let wanted = &seen.record.wanted;
    vec![
        wanted.name.clone(),
        status(seen),
        wanted.command.join(" ").chars().take(30).collect(),
        wanted.machine.name().to_owned(),
        wanted.accel.accel.to_string(),
        format!("{}M", wanted.memory_mib),
        pid(seen).map_or_else(String::new, |pid| pid.to_string()),
        humantime::format_duration(Duration::from_secs(age(seen).as_secs())).to_string(),
    ]
}

fn entry(seen: &Seen) -> serde_json::Value {
    let wanted = &seen.record.wanted;
    let mut entry = json!({
        "name": wanted.name,
        "command": wanted.command,
        "machine": wanted.machine,
        "accelerator": wanted.accel.accel,
        "memory_mib": wanted.memory_mib,
        "cpus": wanted.cpus,
        "kernel": wanted.release,
        "pid": pid(seen),
        "keeper": seen.is_kept.then_some(seen.record.keeper.pid),
        "hangs": seen.record.hangs,
        "age_s": age(seen).as_secs(),
        "qmp": seen.is_kept.then(|| seen.path.join("qmp")),
    });
    let status = serde_json::to_value(&seen.record.status).unwrap_or_default();
    if let (Some(entry), Some(status)) = (entry.as_object_mut(), status.as_object()) {
        entry.extend(status.clone());
    }
    entry
}
