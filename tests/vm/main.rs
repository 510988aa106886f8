//! `isolab vm run`, `ps`, `stop` and `logs`, with real guests: each test probes for QEMU and a kernel
//! by use, and says why it is ignored.

mod detached;
mod guard;
mod hundred;
mod place;
mod refusing;
mod running;

use libtest_mimic::{Arguments, Failed, Trial};

type Tested = Result<(), Failed>;

/// A test and what it claims.
type Named = (&'static str, fn() -> Tested);

fn main() {
    let arguments = Arguments::from_args();
    let missing = place::missing();
    let mut trials = Vec::new();
    let guests = [running::trials(), detached::trials()].concat();
    for (name, test) in guests {
        trials.push(trial(name, missing.as_deref(), test));
    }
    let missing = missing.or_else(|| place::no("python3"));
    for (name, test) in running::of_python() {
        trials.push(trial(name, missing.as_deref(), test));
    }
    for (name, test) in [refusing::trials(), guard::trials()].concat() {
        trials.push(Trial::test(name, test));
    }
    let hundred = hundred::a_hundred_in_a_row_leave_nothing_and_hide_no_hang;
    // Minutes: only when it is asked for by name, with --ignored.
    let asked = "a_hundred_in_a_row_leave_nothing_and_hide_no_hang";
    trials.push(Trial::test(asked, hundred).with_ignored_flag(true));
    libtest_mimic::run(&arguments, trials).exit();
}

/// A test that is run, or ignored where something is missing; with CI=true that is a failure.
fn trial(name: &str, missing: Option<&str>, test: fn() -> Tested) -> Trial {
    match missing {
        None => Trial::test(name, test),
        Some(why) if std::env::var("CI").as_deref() == Ok("true") => {
            let why = why.to_owned();
            Trial::test(name, move || Err(format!("missing: {why}").into()))
        }
        Some(why) => Trial::test(format!("{name} (ignored: {why})"), test).with_ignored_flag(true),
    }
}
