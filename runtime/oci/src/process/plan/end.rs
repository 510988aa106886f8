//! How a plan ends: by the execution of a program, or of the trampoline.

use std::ffi::CString;
use std::os::fd::{AsRawFd as _, OwnedFd, RawFd};

use super::super::Options;
use super::super::program::{c_strings, search_path};
use crate::error::{Error, Result};
use crate::security::seccomp::Filter;
use crate::sys::process::StringArray;
use crate::sys::{self, Descriptor, descriptor, trampoline};

/// How the plan ends.
#[derive(Debug)]
pub(crate) enum End {
    /// By executing the program: a process of our own, on the host.
    Program {
        places: Vec<CString>,
        args: StringArray,
        env: StringArray,
    },
    /// By executing the trampoline, which will execute the container's program.
    Trampoline {
        file: Descriptor,
        /// Another name of `file`, where `execveat(2)` is forbidden.
        path: CString,
        /// The places where the program may be, for `Step::FindProgram`.
        places: Vec<CString>,
        args: StringArray,
        env: StringArray,
        report: Report,
        /// Whether it installs the filter, which stands in `file`.
        installs: bool,
    },
}

/// Where the trampoline tells that the execution failed.
#[derive(Debug)]
pub(crate) enum Report {
    /// To us, now: both ends of a pipe.
    Now {
        reader: Descriptor,
        writer: Descriptor,
        /// What it waits on until we have done something to it: both ends of a pipe.
        hold: Option<(Descriptor, Descriptor)>,
    },
    /// To whoever starts the container.
    Later(Latch),
}

/// What a created container waits on, and tells its start by.
#[derive(Debug)]
pub(crate) struct Latch {
    /// It goes on when a byte comes from here.
    pub(crate) start: OwnedFd,
    /// It writes an errno here, or closes it by executing.
    pub(crate) started: OwnedFd,
}

/// How many arguments of its own the trampoline has, its name among them.
const HEAD: usize = 5;

impl End {
    /// The trampoline, with the program and all that it needs.
    pub(super) fn trampoline(
        program: &str,
        args: &[String],
        env: &[String],
        latch: Option<Latch>,
        holds: bool,
        filter: Option<&Filter>,
        options: &Options,
    ) -> Result<Self> {
        let failed = |errno: sys::Errno| Error::Setup {
            step: "prepare the container's init (memfd_create)".to_owned(),
            source: errno.into(),
            remedy: (errno.code() == libc::EACCES)
                .then(|| "set the kernel parameter vm.memfd_noexec to 0 or 1".to_owned()),
        };
        // Out of the way of what is handed on to the container.
        let first = options.first_free_descriptor();
        let above = |fd: RawFd| descriptor::dup_from(fd, first);
        let filter = filter.map(|filter| (filter.program(), filter.flags()));
        let mut file = trampoline::sealed(filter).map_err(failed)?;
        let mut number_of_filter = "-".to_owned();
        if filter.is_some() {
            file = above(file.as_raw_fd()).map_err(failed)?;
            number_of_filter = file.as_raw_fd().to_string();
        }
        let (report, start) = match latch {
            Some(Latch { start, started }) => {
                let latch = Latch {
                    start: above(start.as_raw_fd()).map_err(failed)?.into_owned(),
                    started: above(started.as_raw_fd()).map_err(failed)?.into_owned(),
                };
                let start = latch.start.as_raw_fd().to_string();
                (Report::Later(latch), start)
            }
            None => {
                let pipe = || descriptor::pipe().map_err(failed);
                let (reader, writer) = pipe()?;
                let writer = above(writer.as_raw_fd()).map_err(failed)?;
                let hold = if holds {
                    let (reader, writer) = pipe()?;
                    Some((above(reader.as_raw_fd()).map_err(failed)?, writer))
                } else {
                    None
                };
                let start = match &hold {
                    Some((reader, _)) => reader.as_raw_fd().to_string(),
                    None => "-".to_owned(),
                };
                let report = Report::Now {
                    reader,
                    writer,
                    hold,
                };
                (report, start)
            }
        };
        let number = match &report {
            Report::Now { writer, .. } => writer.as_raw_fd(),
            Report::Later(latch) => latch.started.as_raw_fd(),
        };
        let places = search_path(program, env)?;
        let head = [
            "isorun-init",
            &start,
            &number.to_string(),
            &number_of_filter,
            &places.len().to_string(),
        ]
        .map(|text| CString::new(text).unwrap_or_default());
        let all = head
            .into_iter()
            .chain(places.iter().cloned())
            .chain(c_strings("process.args", args)?);
        let path = format!("/proc/self/fd/{}", file.as_raw_fd());
        Ok(Self::Trampoline {
            path: CString::new(path).unwrap_or_default(),
            file,
            args: StringArray::new(all.collect()),
            env: StringArray::new(c_strings("process.env", env)?),
            places,
            report,
            installs: filter.is_some(),
        })
    }

    /// The places where the program may be.
    pub(crate) fn places(&self) -> &[CString] {
        match self {
            Self::Program { places, .. } | Self::Trampoline { places, .. } => places,
        }
    }

    /// The program as it was named.
    pub(crate) fn program(&self) -> String {
        let (args, skip) = match self {
            Self::Program { args, .. } => (args, 0),
            Self::Trampoline { args, places, .. } => (args, HEAD + places.len()),
        };
        let name = args.strings().get(skip);
        name.map_or_else(String::new, |name| name.to_string_lossy().into_owned())
    }
}
