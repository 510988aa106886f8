//! The remedy that an error carries, wherever in its chain it stands.

use crate::interrupt::Interrupt;
use crate::stderr;

/// An error of the lab itself, with its remedy apart from it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Hinted {
    message: String,
    hint: String,
    code: u8,
}

/// An error with which the command ends with a code of its own.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Coded {
    message: String,
    code: u8,
}

/// An error that says `message`, of something that a signal ended: `code` is 128 and its
/// number.
#[must_use]
pub fn interrupted(message: impl Into<String>, code: u8) -> anyhow::Error {
    coded(message, code)
}

/// The error of a command that a signal ends before it had done anything, if one came.
#[must_use]
pub fn of_signal(interrupt: &Interrupt) -> Option<anyhow::Error> {
    let status = interrupt.exit_status()?;
    Some(interrupted("interrupted", status))
}

/// An error that says `message`, with which the command ends with `code`.
#[must_use]
pub fn coded(message: impl Into<String>, code: u8) -> anyhow::Error {
    let message = message.into();
    Coded { message, code }.into()
}

/// An error that says `message`, and `hint` where the remedy belongs.
#[must_use]
pub fn with(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    hinted(message.into(), hint.into(), 1)
}

/// The same of words that mean nothing together, or nothing possible: the command ends as where
/// clap refuses them.
#[must_use]
pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> anyhow::Error {
    hinted(message.into(), hint.into(), 2)
}

fn hinted(message: String, hint: String, code: u8) -> anyhow::Error {
    Hinted {
        message,
        hint,
        code,
    }
    .into()
}

/// What the user can do about `error`, if any of its causes knows.
#[must_use]
pub fn of(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| {
        if let Some(cause) = cause.downcast_ref::<venv_sim::Error>() {
            cause.hint().map(str::to_owned)
        } else if let Some(cause) = cause.downcast_ref::<vm_model::Error>() {
            cause.hint()
        } else if let Some(cause) = cause.downcast_ref::<isolab_oci::Error>() {
            cause.hint()
        } else if let Some(cause) = cause.downcast_ref::<isolab_engine::Error>() {
            cause.hint().map(str::to_owned)
        } else if let Some(cause) = cause.downcast_ref::<Hinted>() {
            Some(cause.hint.clone())
        } else {
            cause.downcast_ref::<crate::report::Error>()?.hint()
        }
    })
}

/// Tells `error` on standard error, and what can be done about it.
pub fn tell(error: &anyhow::Error) {
    stderr::tell(format_args!("error: {error:#}"));
    if let Some(hint) = of(error) {
        stderr::tell(format_args!(" hint: {hint}"));
    }
}

/// What a command exits with that ends with `error`: a program's own code where that
/// is why, else 1.
#[must_use]
pub fn code(error: &anyhow::Error) -> u8 {
    let of_cause = |cause: &(dyn std::error::Error + 'static)| {
        if let Some(coded) = cause.downcast_ref::<Coded>() {
            return Some(coded.code.into());
        }
        if let Some(hinted) = cause.downcast_ref::<Hinted>() {
            return Some(hinted.code.into());
        }
        match cause.downcast_ref() {
            Some(isolab_engine::Error::Step { code, .. }) => *code,
            _ => None,
        }
    };
    let code = error.chain().find_map(of_cause);
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// What a command exits with that was to run a program and had no place for it, as docker does:
/// few programs end so.
pub const NOTHING_RAN: u8 = 125;

/// Tells `error`, for which a program was not run, and what to exit with: [`NOTHING_RAN`] where
/// the error has no [code] of its own.
pub fn tell_nothing_ran(error: &anyhow::Error) -> u8 {
    tell(error);
    match code(error) {
        1 => NOTHING_RAN,
        code => code,
    }
}
