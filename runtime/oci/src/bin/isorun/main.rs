//! `isorun`: an OCI runtime's command line over the library.
//!
//! The arguments are read by hand: the start of a container is measured in
//! hundreds of microseconds, of which an argument parser would be a good part.
#![forbid(unsafe_code)]

mod arguments;
mod run;

use std::process::ExitCode;

use arguments::Command;
use isolab_oci::Spec;

fn main() -> ExitCode {
    let outcome = refuse_inside_a_container()
        .and_then(|()| arguments::parse(std::env::args_os().skip(1)))
        .and_then(carry_out);
    outcome.unwrap_or_else(|failure| {
        eprintln!("error: {}", failure.message);
        if let Some(hint) = failure.hint {
            eprintln!(" hint: {hint}");
        }
        ExitCode::from(1)
    })
}

/// What the user is told when a command fails.
#[derive(Debug)]
struct Failure {
    message: String,
    hint: Option<String>,
}

impl Failure {
    fn new(message: impl Into<String>, hint: &str) -> Self {
        Self {
            message: message.into(),
            hint: Some(hint.to_owned()),
        }
    }
}

impl From<isolab_oci::Error> for Failure {
    fn from(error: isolab_oci::Error) -> Self {
        Self {
            message: with_causes(&error),
            hint: error.hint(),
        }
    }
}

/// An error and what led to it, on one line.
fn with_causes(error: &isolab_oci::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// Ends at once where a container's image made us its program.
fn refuse_inside_a_container() -> Result<(), Failure> {
    if isolab_oci::process::is_at_its_own_path() {
        return Ok(());
    }
    Err(Failure::new(
        "cannot run: this isorun is not the file at its own path",
        "it was executed through /proc/self/exe from inside a container, or replaced just now",
    ))
}

fn carry_out(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Run(options) => run::run(&options),
        Command::Spec { bundle, rootless } => write_spec(&bundle, rootless),
        Command::Features => {
            print!("{}", features());
            Ok(ExitCode::SUCCESS)
        }
        Command::Version => {
            println!("isorun version {}", env!("CARGO_PKG_VERSION"));
            println!(
                "commit: {}",
                option_env!("ISOLAB_COMMIT").unwrap_or("unknown")
            );
            println!("spec: {}", Spec::example().oci_version);
            Ok(ExitCode::SUCCESS)
        }
        Command::Help => {
            print!("{}", arguments::HELP);
            Ok(ExitCode::SUCCESS)
        }
    }
}

fn write_spec(bundle: &std::path::Path, rootless: bool) -> Result<ExitCode, Failure> {
    use std::io::Write as _;
    let spec = if rootless {
        let (uid, gid) = isolab_oci::sys::process::effective_ids();
        Spec::example_rootless(uid, gid)
    } else {
        Spec::example()
    };
    let path = bundle.join("config.json");
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::AlreadyExists => Failure::new(
            format!("cannot write {}: it exists", path.display()),
            "remove it first, or name another directory with --bundle",
        ),
        _ => Failure {
            message: format!("cannot write {}: {error}", path.display()),
            hint: None,
        },
    };
    // `create_new`: two commands at once cannot overwrite each other either.
    let mut file = std::fs::File::create_new(&path).map_err(failed)?;
    let mut text = serde_json::to_string_pretty(&spec).unwrap_or_default();
    text.push('\n');
    file.write_all(text.as_bytes()).map_err(failed)?;
    Ok(ExitCode::SUCCESS)
}

/// What this runtime can do (`features.md` of the specification).
fn features() -> String {
    let value = serde_json::json!({
        "ociVersionMin": "1.0.0",
        "ociVersionMax": "1.2.0",
        "hooks": [],
        "linux": {
            "namespaces": ["cgroup", "ipc", "mount", "network", "pid", "time", "user", "uts"],
            "cgroup": { "v1": true, "v2": true, "systemd": false, "systemdUser": false },
            "seccomp": {
                "enabled": true,
                "archs": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_X32", "SCMP_ARCH_X86", "SCMP_ARCH_X86_64"],
            },
            "apparmor": { "enabled": false },
            "selinux": { "enabled": false },
            "intelRdt": { "enabled": false },
        },
    });
    format!("{value:#}\n")
}
