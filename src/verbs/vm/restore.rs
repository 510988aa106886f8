//! `isolab vm restore`: guests of a saved one, the time to the first word of each, and what each
//! takes of memory while all are there.

use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use vm_model::guest::{Accel, Word};
use vm_model::saved::{Begun, Ready, Restored, Snapshot};

use super::snapshot::{manner, place};
use crate::footprint::{self, Shares};
use crate::interrupt::Interrupt;
use crate::observation::Unit;
use crate::report::quantity::human;
use crate::verbs::table::table;
use crate::{guard, hint, stdout};

/// How long a restored guest may stay silent.
const WATCHDOG: Duration = Duration::from_secs(45);

/// What `vm restore` is asked to do.
#[derive(Debug, PartialEq, Args)]
pub struct RestoreArgs {
    /// Name of the snapshot
    name: String,
    /// How many guests to make of it, all at once
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    count: u32,
    /// Print the times and the memory as JSON
    #[arg(long)]
    json: bool,
}

impl RestoreArgs {
    /// One guest of the snapshot `name`, told in a table.
    pub(super) fn of(name: String) -> Self {
        Self {
            name,
            count: 1,
            json: false,
        }
    }
}

/// A guest that said its word.
struct Heard {
    guest: Restored,
    seen: Seen,
}

/// What was seen of a guest.
struct Seen {
    word: Word,
    /// From the spawn until it ran.
    running: Duration,
    /// From the spawn to its first word after it was told to go on.
    first_word: Duration,
    /// What it takes; nothing for one that has ended.
    memory: Option<Shares>,
}

pub(super) fn run(args: &RestoreArgs) -> Result<ExitCode> {
    let snapshot = Snapshot::open(&place(&args.name)?)?;
    // All are started by this thread: what asked to die with its parent dies with the thread
    // that started it.
    let launcher = guard::quick_words()?;
    // To read all of a memory takes longer than a start, and is none of it.
    let (early, known) = match snapshot.is_as_written() {
        true => (None, None),
        false => (Some(Interrupt::listen()?), Some(snapshot.ready()?)),
    };
    let begun = (0..args.count)
        .map(|_| snapshot.begin(&launcher))
        .collect::<vm_model::Result<Vec<_>>>()?;
    // From here on QEMU starts, and there is time. A signal that came before ends this process as
    // any program, and QEMU with it.
    let interrupt = early.map_or_else(Interrupt::listen, Ok)?;
    if !args.json {
        // What draws is brought into memory now, and not when the guest has ended.
        std::hint::black_box(drawn(&snapshot, &[&Seen::example()]));
    }
    let ready = known.map_or_else(|| snapshot.ready(), Ok)?;
    let heard = hear_all(begun, &ready, &interrupt);
    if let Some(code) = interrupt.exit_status() {
        bail!(hint::interrupted("interrupted", code));
    }
    let mut heard = heard?;
    for one in heard.iter_mut().filter(|one| one.seen.word == Word::Said) {
        let pid = i32::try_from(one.guest.pid()).context("a process id is positive")?;
        // Of one whose program has ended since, there is none.
        one.seen.memory = footprint::shares(pid).ok();
    }
    // They are taken apart while their table is drawn, and are gone when this ends.
    heard.iter_mut().for_each(|one| one.guest.begin_to_kill());
    let seen: Vec<_> = heard.iter().map(|one| &one.seen).collect();
    stdout::print(if args.json {
        format!("{:#}\n", told(&snapshot, &seen))
    } else {
        drawn(&snapshot, &seen)
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Gives each QEMU its guest, and waits for the first word of each.
fn hear_all(begun: Vec<Begun>, ready: &Ready<'_>, interrupt: &Interrupt) -> Result<Vec<Heard>> {
    let restore = |one: Begun| one.restore(ready);
    let mut guests = begun
        .into_iter()
        .map(restore)
        .collect::<vm_model::Result<Vec<_>>>()?;
    if guests.len() == 1 {
        return guests
            .drain(..)
            .map(|guest| hear(guest, interrupt))
            .collect();
    }
    thread::scope(|scope| {
        let hear_one = |guest| scope.spawn(|| hear(guest, interrupt));
        let threads: Vec<_> = guests.drain(..).map(hear_one).collect();
        let heard = threads.into_iter().map(thread::ScopedJoinHandle::join);
        heard
            .map(|joined| joined.unwrap_or_else(|_| bail!("a thread of ours panicked")))
            .collect()
    })
}

fn hear(mut guest: Restored, interrupt: &Interrupt) -> Result<Heard> {
    let running = guest.wait_running_unless(WATCHDOG, &|| interrupt.raised())?;
    guest.go_on()?;
    let (word, first_word) = guest.wait_word_unless(WATCHDOG, &|| interrupt.raised())?;
    let seen = Seen {
        word,
        running,
        first_word,
        memory: None,
    };
    Ok(Heard { guest, seen })
}

impl Seen {
    /// One with something in each column.
    fn example() -> Self {
        Self {
            word: Word::Ended(Some(0)),
            running: Duration::from_millis(1),
            first_word: Duration::from_millis(1),
            memory: Some(Shares { own: 1, shared: 1 }),
        }
    }
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// How a guest answered.
fn answer(word: Word) -> String {
    match word {
        Word::Said => "said a word".to_owned(),
        Word::Ended(None) => "powered off".to_owned(),
        Word::Ended(Some(code)) => format!("ended, status {code}"),
    }
}

fn told(snapshot: &Snapshot, seen: &[&Seen]) -> Value {
    let each = seen.iter().map(|one| {
        let bytes = |of: fn(&Shares) -> u64| one.memory.as_ref().map(of);
        json!({
            "running_ms": milliseconds(one.running), "first_word_ms": milliseconds(one.first_word),
            "answer": answer(one.word),
            "own_bytes": bytes(|memory| memory.own), "shared_bytes": bytes(|memory| memory.shared),
        })
    });
    json!({
        "schema": "isolab.vm.restore/1", "name": snapshot.name(),
        "emulated": snapshot.manifest().hardware.accel == Accel::Tcg,
        "guests": Value::from_iter(each),
    })
}

fn drawn(snapshot: &Snapshot, seen: &[&Seen]) -> String {
    let rows = seen.iter().enumerate().map(|(index, one)| {
        let bytes = |of: fn(&Shares) -> u64| {
            let bytes = one.memory.as_ref().map(of);
            bytes.map_or_else(String::new, |bytes| human(bytes as f64, Unit::Bytes))
        };
        vec![
            (index + 1).to_string(),
            answer(one.word),
            format!("{:.1}", milliseconds(one.running)),
            format!("{:.1}", milliseconds(one.first_word)),
            bytes(|memory| memory.own),
            bytes(|memory| memory.shared),
        ]
    });
    let rows: Vec<_> = rows.collect();
    let header = [
        "guest",
        "answer",
        "runs, ms",
        "first word, ms",
        "own memory",
        "shared",
    ];
    let manner = manner(snapshot.manifest().hardware.accel);
    format!(
        "{}- from the start of QEMU; {manner}; memory: proportional set size, what is its own and \
         its part of what it shares\n",
        table(&header, &rows, Some(2))
    )
}
