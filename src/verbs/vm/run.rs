//! `isolab vm run`: a guest that runs a program, and where its start-up went.

use std::ffi::OsString;
use std::io::{self, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::{Args, ValueEnum};
use vm_model::guest::Machine;
use vm_model::guest::power;

use super::of_image::{self, ImageArgs};
use super::prepare;
use super::told::{self, Told};
use crate::guests::directory::Held;
use crate::guests::life::{self, Company, End, Lived, TIMED_OUT};
use crate::guests::process::Process;
use crate::guests::record::{Record, Status};
use crate::guests::terminal::{Joined, Output};
use crate::guests::wanted::MONITOR;
use crate::guests::{Wanted, keeper};
use crate::interrupt::Interrupt;
use crate::{hint, stderr, stdout};

/// What `vm run` is asked to run.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Exits as its program does: 128 and the signal where one ended it, 127 where \
    the program is missing, 126 where it cannot be executed, 125 where there was no guest, 124 \
    where its time was over, 2 where the command line is wrong. At a terminal every key is the guest's once its program runs; ^] ends it."
)]
pub struct RunArgs {
    /// Its memory: a number of MiB, or with K, M or G [default: 256M, more for large programs]
    #[arg(short, long, value_name = "SIZE", value_parser = prepare::mebibytes)]
    pub(super) memory: Option<u32>,
    /// Its processors
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) cpus: u32,
    /// What hardware it sees; auto is the small machine for uncompressed kernels where that is
    /// sooner, and else q35
    #[arg(long, value_enum, default_value_t = MachineChoice::Auto)]
    pub(super) machine: MachineChoice,
    /// What executes it; auto is KVM where it is shown to run this kernel
    #[arg(long, value_enum, default_value_t = AccelChoice::Auto)]
    pub(super) accel: AccelChoice,
    /// Its kernel [default: as `isolab vm kernel` finds it]
    #[arg(long, value_name = "PATH")]
    pub(super) kernel: Option<PathBuf>,
    /// Boot this archive with its own init, and show its console
    #[arg(long, value_name = "PATH", conflicts_with_all = ["program", "file", "env"])]
    pub(super) initrd: Option<PathBuf>,
    /// A further option for its kernel
    #[arg(long, value_name = "OPTION", allow_hyphen_values = true)]
    pub(super) append: Vec<String>,
    /// Do not wait for it: print its name once its program runs
    #[arg(short, long, conflicts_with_all = ["phases", "json"])]
    pub(super) detach: bool,
    /// Its name
    #[arg(long, value_name = "NAME")]
    pub(super) name: Option<String>,
    /// Forget a detached one when it ends, log and all; others are always forgotten
    #[arg(long)]
    pub(super) rm: bool,
    /// Set a variable; without a value, to what it is here
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(super) env: Vec<String>,
    /// Put a file or directory of this machine into it
    #[arg(long, value_name = "SOURCE:DESTINATION")]
    pub(super) file: Vec<String>,
    /// Show where its time went, devices apart, on standard error
    #[arg(long)]
    pub(super) phases: bool,
    /// End it after this time: 30s, 5m
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(super) timeout: Option<Duration>,
    /// Print what became of it as JSON; what its program says goes to standard error
    #[arg(long)]
    pub(super) json: bool,
    #[command(flatten)]
    pub(super) of_image: ImageArgs,
    /// A program of this machine or an image, and its arguments; without one, a guest that only
    /// boots
    #[arg(trailing_var_arg = true, value_name = "PROGRAM")]
    pub(super) program: Vec<OsString>,
}

impl RunArgs {
    /// Whether it is to run a program that somebody wants to hear.
    pub(super) fn has_program(&self) -> bool {
        !self.program.is_empty() || self.of_image.image.is_some()
    }
}

/// What hardware is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum MachineChoice {
    /// What suits the kernel
    Auto,
    /// A PC
    Q35,
    /// QEMU's small machine
    Microvm,
}

impl MachineChoice {
    /// The machine that was asked for, else `usual`.
    pub(super) fn or(self, usual: Machine) -> Machine {
        match self {
            Self::Auto => usual,
            Self::Q35 => Machine::Q35,
            Self::Microvm => Machine::MicroVm,
        }
    }
}

/// What is asked to execute it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum AccelChoice {
    /// KVM where it works
    Auto,
    /// The processor
    Kvm,
    /// QEMU's emulator
    Tcg,
}

pub(super) fn run(args: &RunArgs) -> Result<ExitCode> {
    let code = carry_out(args).unwrap_or_else(|error| hint::tell_nothing_ran(&error));
    Ok(code.into())
}

fn carry_out(args: &RunArgs) -> Result<u8> {
    let args = &of_image::named(args)?;
    let interrupt = Interrupt::listen()?;
    let held = Held::take(args.name.as_deref())?;
    let wanted = match prepare::wanted(args, &held, &interrupt) {
        Ok(wanted) => wanted,
        Err(error) => {
            held.remove();
            return Err(hint::of_signal(&interrupt).unwrap_or(error));
        }
    };
    // What was made ready in vain takes a while, with an image's disk a minute.
    if let Some(interrupted) = hint::of_signal(&interrupt) {
        held.remove();
        return Err(interrupted);
    }
    if args.detach {
        let ended = keeper::start(held, &wanted, &interrupt)?;
        stdout::print(format!("{}\n", wanted.name))?;
        return Ok(ended.unwrap_or(0));
    }
    let lived = attended(args, &held, &wanted, &interrupt);
    held.remove();
    let lived = lived?;
    let code = code_of(&lived, &wanted);
    let told = Told::of(&wanted, &lived, code);
    if args.json {
        stdout::print(told.json()?)?;
    } else if !args.has_program() && args.initrd.is_none() {
        stdout::print(told.text(told::Style::of_stdout()))?;
    } else if args.phases {
        stderr::write(told.text(told::Style::of_stderr()));
    } else if !lived.hangs.is_empty() {
        stderr::tell(told.hangs());
    }
    Ok(code)
}

/// Stays with the guest until it is over.
fn attended(args: &RunArgs, held: &Held, wanted: &Wanted, interrupt: &Interrupt) -> Result<Lived> {
    let guest = wanted.guest(held.path())?;
    let output = match () {
        () if wanted.speaks && !args.has_program() => Output::Nowhere,
        () if args.json => Output::Stderr,
        () => Output::Stdout,
    };
    let record = keeper::new_record(wanted.clone())?;
    let mut company = Attended {
        joined: Joined::new(output, prepare::has_terminal(args)),
        held,
        record,
        console_is_output: !wanted.speaks && !args.json,
        unheard: false,
    };
    let lived = life::live(wanted, &guest, held.path(), &mut company, interrupt);
    company.joined.leave();
    company.tell_wait(false);
    lived
}

/// What the command ends with; what nobody else says is told here.
fn code_of(lived: &Lived, wanted: &Wanted) -> u8 {
    match lived.end {
        End::Program { code, errno: None } => code,
        End::Program {
            code,
            errno: Some(errno),
        } => {
            let error = io::Error::from_raw_os_error(errno);
            let program = wanted.command.first().map_or("", String::as_str);
            stderr::tell(format_args!(
                "error: cannot execute {program} in the guest: {error}"
            ));
            code
        }
        End::TimedOut => {
            stderr::tell("error: the guest's time was over: it was ended");
            TIMED_OUT
        }
        End::Interrupted(code) => code,
        // As a program that writes to a pipe which nobody reads.
        End::Unheard => 141,
        End::ByHand => 130,
    }
}

/// This command as a guest's company, which leaves a record for others.
struct Attended<'a> {
    joined: Joined,
    held: &'a Held,
    record: Record,
    console_is_output: bool,
    /// Nobody reads that output any more.
    unheard: bool,
}

impl Attended<'_> {
    /// Tells whoever sits there that a guest boots, which takes seconds under an emulator.
    fn tell_wait(&self, waits: bool) {
        let is_silent = self.record.wanted.command.is_empty() && !self.console_is_output;
        if is_silent && io::stderr().is_terminal() {
            stderr::write(match waits {
                true => "\rbooting a guest ...",
                false => "\r\x1b[K",
            });
        }
    }
}

impl Company for Attended<'_> {
    fn started(&mut self, guest: &vm_model::guest::RunningGuest, hangs: &[String]) -> Result<()> {
        self.tell_wait(true);
        self.record.vmm = Process::of(guest.pid().cast_signed());
        self.record.hangs = u32::try_from(hangs.len()).unwrap_or(u32::MAX);
        self.held.write(&self.record)
    }

    fn hung(&mut self, hang: &str) {
        self.joined.hung(hang);
    }

    fn begun(&mut self, guest: &mut vm_model::guest::RunningGuest) -> Result<()> {
        self.record.status = Status::Running;
        self.held.write(&self.record)?;
        // Another's init has the serial port for what it likes.
        match self.record.wanted.speaks {
            true => self.joined.begun(guest),
            false => Ok(()),
        }
    }

    fn said(&mut self, bytes: &[u8]) -> Result<bool> {
        self.joined.said(bytes)
    }

    fn shown(&mut self, bytes: &[u8]) {
        if self.console_is_output {
            // Another's init says nothing else by which one would notice.
            let mut out = io::stdout().lock();
            self.unheard |= out.write_all(bytes).and_then(|()| out.flush()).is_err();
        } else {
            self.joined.shown(bytes);
        }
    }

    fn interrupt(&mut self) -> bool {
        self.joined.interrupt()
    }

    fn power_button(&mut self) -> bool {
        power::press(&self.held.path().join(MONITOR)).is_ok()
    }

    fn is_unheard(&self) -> bool {
        self.unheard
    }

    fn wants_end(&self) -> bool {
        self.joined.wants_end()
    }
}
