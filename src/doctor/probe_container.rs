//! The last word on containers: a filter that is installed and a container
//! that is run, by the very runtime that `compare` measures.

use std::fs::{self, File};
use std::io;
use std::os::fd::AsFd as _;
use std::os::unix::fs::PermissionsExt as _;

use isolab_engine::spec::{Settings, default_spec};
use isolab_oci::security::seccomp::Filter;
use isolab_oci::spec::{Action, Rule, Seccomp};
use isolab_oci::{Bundle, Cgroup, Container, Error, Options, Stdio, sys};
use nix::errno::Errno;
use nix::sys::prctl;

use super::facts::with_causes;
use super::probe::{At as _, Probed, Stop};
use super::stage::Step;
use crate::program::TRUE;
use crate::scratch::Scratch;

/// Installs a filter under which making a directory fails as nothing else
/// would, and makes one.
pub(super) fn seccomp() -> Probed {
    prctl::set_no_new_privs().at(Step::NoNewPrivileges, "prctl(PR_SET_NO_NEW_PRIVS)")?;
    let filter = Filter::compile(&Seccomp {
        default_action: Action::Allow,
        syscalls: vec![Rule {
            names: vec!["mkdir".to_owned(), "mkdirat".to_owned()],
            action: Action::Errno,
            errno_ret: u32::try_from(Errno::EXDEV as i32).ok(),
            args: Vec::new(),
        }],
        ..Seccomp::default()
    });
    let filter = filter.map_err(|error| Stop::without_errno(Step::Filter, with_causes(&error)))?;
    sys::seccomp::install(filter.program(), 0)
        .map_err(io::Error::from)
        .at(Step::Filter, "seccomp(SECCOMP_SET_MODE_FILTER)")?;
    match fs::create_dir("/").map_err(|error| error.raw_os_error()) {
        Err(Some(errno)) if errno == Errno::EXDEV as i32 => {
            Ok("a filter works, and no_new_privs".to_owned())
        }
        _ => Err(Stop::without_errno(
            Step::Filter,
            "the filter has no effect",
        )),
    }
}

/// Runs the static program in a container as the engine makes it for everybody,
/// in a cgroup where one is to be had.
pub(super) fn container() -> Probed {
    let failed = |error: &Error| {
        let hint = error.hint().unwrap_or_default();
        Stop::without_errno(
            Step::RunContainer,
            format!("{}\n{hint}", with_causes(error)),
        )
    };
    let scratch = Scratch::new()
        .map_err(|error| Stop::without_errno(Step::RunContainer, format!("{error:#}")))?;
    let program = scratch.path().join("rootfs/true");
    let place = || program.display().to_string();
    fs::create_dir(scratch.path().join("rootfs")).at(Step::RunContainer, place())?;
    fs::write(&program, TRUE).at(Step::RunContainer, place())?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))
        .at(Step::RunContainer, place())?;
    let null = File::options()
        .read(true)
        .write(true)
        .open("/dev/null")
        .at(Step::RunContainer, "/dev/null")?;
    let stdio = Stdio {
        stdin: null.as_fd(),
        stdout: null.as_fd(),
        stderr: null.as_fd(),
    };
    let options = Options {
        die_with_parent: true,
        cgroup: Cgroup::Owned,
        ..Options::default()
    };
    let spec = default_spec(&Settings::new("rootfs", ["/true", "exit"]));
    let bundle = Bundle::new(scratch.path(), spec).map_err(|e| failed(&e))?;
    let mut running = Container::run(&bundle, "doctor", stdio, &options).map_err(|e| failed(&e))?;
    let status = running.wait().map_err(|e| failed(&e))?;
    if !status.success() {
        let said = format!("its program ended with status {}", status.shell_code());
        return Err(Stop::without_errno(Step::RunContainer, said));
    }
    Ok("ran a program to its end".to_owned())
}
