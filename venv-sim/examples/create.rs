//! Makes one environment, for timing a whole process: `create DIR [PYTHON]`.

use std::error::Error as _;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut arguments = std::env::args_os().skip(1);
    let Some(dir) = arguments.next() else {
        eprintln!("usage: create DIR [PYTHON]");
        return ExitCode::from(2);
    };
    let request = arguments
        .next()
        .map(|request| request.to_string_lossy().into_owned());
    let made = venv_sim::discover(request.as_deref())
        .and_then(|python| venv_sim::create(dir.as_ref(), &python, &venv_sim::Options::default()));
    match made {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            eprint!("error: {error}");
            if let Some(cause) = error.source() {
                eprint!(": {cause}");
            }
            eprintln!();
            if let Some(hint) = error.hint() {
                eprintln!(" hint: {hint}");
            }
            ExitCode::FAILURE
        }
    }
}
