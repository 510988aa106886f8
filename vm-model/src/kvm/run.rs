//! The run itself: the clock, and every exit answered.

use std::io;
use std::time::{Duration, Instant};

use kvm_ioctls::{Kvm, VcpuExit};

use super::hello::{Asked, Exits, Hello};
use super::machine::Machine;
use super::program;

pub(super) fn hello(asked: Asked) -> io::Result<Hello> {
    let (exits, rounds) = (asked.exits.max(1), asked.rounds.max(1));
    let begun = Instant::now();
    let kvm = Kvm::new()?;
    let mut machine = Machine::new(&kvm, exits, rounds)?;
    let created = begun.elapsed();
    let run = run(&mut machine)?;
    drop((machine, kvm));
    let whole = begun.elapsed();
    let instructions = (rounds * program::LOOP_INSTRUCTIONS) as f64;
    Ok(Hello {
        said: String::from_utf8_lossy(&run.said).into_owned(),
        exits: run.exits,
        created,
        first_letter: run.first_letter,
        // Between the first of them and the clock of the loop lie as many as were asked for.
        per_exit: run.exiting / exits,
        instructions_per_second: instructions / run.looping.as_secs_f64(),
        whole,
    })
}

/// What was seen from outside.
struct Run {
    said: Vec<u8>,
    exits: Exits,
    first_letter: Duration,
    exiting: Duration,
    looping: Duration,
}

fn run(machine: &mut Machine) -> io::Result<Run> {
    let begun = Instant::now();
    let mut said = Vec::new();
    let mut exits = Exits::default();
    let (mut first_letter, mut exiting, mut looping) = (None, None, None);
    loop {
        let exit = machine.processor.run()?;
        let now = Instant::now();
        match exit {
            VcpuExit::IoOut(port, data) => {
                exits.port += 1;
                match port {
                    program::LETTERS => {
                        first_letter.get_or_insert(now);
                        said.extend_from_slice(data);
                    }
                    program::NOTHING => drop(exiting.get_or_insert(now)),
                    program::LOOP => looping = Some(now),
                    port => return Err(unexpected(format!("it wrote to port {port:#x}"))),
                }
            }
            VcpuExit::Hlt => {
                exits.halt += 1;
                let (Some(first), Some(exiting), Some(looping)) = (first_letter, exiting, looping)
                else {
                    return Err(unexpected("it halted before its end".to_owned()));
                };
                return Ok(Run {
                    said,
                    exits,
                    first_letter: first - begun,
                    exiting: looping - exiting,
                    looping: now - looping,
                });
            }
            other => return Err(unexpected(format!("it was left by {other:?}"))),
        }
    }
}

fn unexpected(reason: String) -> io::Error {
    io::Error::other(reason)
}
