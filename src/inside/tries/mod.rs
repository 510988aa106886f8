//! The attempts themselves, one system call each.
//!
//! They are made in this process, in the order asked for, and nothing else is
//! done. Where a call succeeds that took a file or a mount, that is given back
//! at once.

mod files;
mod identity;
mod processes;
mod python;
mod reach;
mod system;

use std::io;

use nix::errno::Errno;

use super::answer::{Answer, Outcome, Said};
use super::attempt::{Attempt, Request};

/// What was called, and what was said.
type Tried = (String, Said);

/// Makes every attempt of `request`.
pub(super) fn make(request: &Request) -> Answer {
    let python = python::Asked::default();
    let outcomes = request.attempts.iter().map(|&attempt| {
        let (call, said) = one(attempt, request, &python);
        Outcome {
            attempt,
            call,
            said,
        }
    });
    Answer::new(outcomes)
}

fn one(attempt: Attempt, request: &Request, python: &python::Asked) -> Tried {
    let traces = &request.traces;
    match attempt {
        Attempt::BootId => identity::boot_id(),
        Attempt::KernelRelease => identity::kernel_release(),
        Attempt::NsUser
        | Attempt::NsPid
        | Attempt::NsMnt
        | Attempt::NsUts
        | Attempt::NsIpc
        | Attempt::NsNet
        | Attempt::NsCgroup
        | Attempt::NsTime => identity::namespace(attempt),
        Attempt::FirstProcess => identity::first_process(),
        Attempt::Memory => identity::memory(),
        Attempt::CountProcesses => processes::count(),
        Attempt::SeeProcess => processes::see(&traces.name),
        Attempt::SignalProcess => processes::signal(&traces.name),
        Attempt::UidMap => identity::uid_map(),
        Attempt::BecomeUser => processes::become_user(traces.other_user),
        Attempt::ReadFile => files::read(&traces.file),
        Attempt::OpenForWriting => files::open_for_writing(&traces.file),
        Attempt::MakeMount => files::make_mount(),
        Attempt::WriteRoot => files::write_root(),
        Attempt::Connect => reach::connect(traces.port),
        Attempt::Interfaces => reach::interfaces(),
        Attempt::Bind => reach::bind(traces.port),
        Attempt::OpenQueue => reach::open_queue(&traces.queue()),
        Attempt::HostName => system::host_name(),
        Attempt::SetHostName => system::set_host_name(),
        Attempt::Cgroup => system::cgroup(),
        Attempt::OpenLimit => system::open_limit(),
        Attempt::SetClock => system::set_clock(),
        Attempt::LoadModule => system::load_module(),
        Attempt::CountDevices => system::count_devices(),
        Attempt::OpenKernelLog => system::open_kernel_log(),
        Attempt::OpenDisk => system::open_disk(),
        Attempt::MakeDevice => system::make_device(&request.nodes),
        Attempt::PackageDirectory
        | Attempt::WritePackages
        | Attempt::InterpreterFile
        | Attempt::WriteInterpreter
        | Attempt::StandardLibrary
        | Attempt::WriteStandardLibrary
        | Attempt::CLibrary
        | Attempt::WriteCLibrary => python.answer(attempt, request.python.as_deref()),
    }
}

/// A call and its result in one.
fn tried<E: Into<Refusal>>(call: impl Into<String>, result: Result<String, E>) -> Tried {
    let said = match result {
        Ok(learnt) => Said::Yes(learnt),
        Err(error) => Said::No(error.into().0),
    };
    (call.into(), said)
}

/// The name of an error, as `errno(3)` has it.
struct Refusal(String);

impl From<Errno> for Refusal {
    fn from(errno: Errno) -> Self {
        Self(format!("{errno:?}"))
    }
}

impl From<isolab_oci::sys::Errno> for Refusal {
    fn from(errno: isolab_oci::sys::Errno) -> Self {
        Errno::from_raw(errno.code()).into()
    }
}

impl From<io::Error> for Refusal {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(number) => Errno::from_raw(number).into(),
            None => Self(error.to_string()),
        }
    }
}

impl From<&str> for Refusal {
    fn from(why: &str) -> Self {
        Self(why.to_owned())
    }
}
