//! The smallest guest, on whatever `/dev/kvm` this machine has.

use std::env;
use std::fs::OpenOptions;
use std::process::Command;
use std::time::{Duration, Instant};

use vm_model::kvm::{Asked, BOUND, Grade, Hello, grade};

use super::{Tested, doctor, finding, json};

/// Whether the device opens: without, there is no guest to ask.
pub(crate) fn opens() -> bool {
    let mut options = OpenOptions::new();
    options.read(true).write(true).open("/dev/kvm").is_ok()
}

/// What `isolab` does in a process of its own.
fn probe() -> Command {
    let mut probe = Command::new(env::current_exe().expect("our own path"));
    probe.args(["__probe", "kvm-hello"]);
    probe
}

pub(crate) fn says_hello_and_its_exits_are_counted() -> Tested {
    let output = probe().output()?;
    let hello: Result<Hello, String> = serde_json::from_slice(&output.stdout)?;
    let hello = hello?;
    let exits = Asked::default().exits;
    assert_eq!(hello.said, "hello\n");
    // A letter each, those for nothing, and the one that starts the loop's clock.
    assert_eq!(hello.exits.port, 6 + u64::from(exits) + 1);
    assert_eq!(hello.exits.halt, 1);
    let parts = hello.created + hello.first_letter + hello.per_exit * exits;
    assert!(parts < hello.whole, "{hello:?}");
    assert!(hello.instructions_per_second > 0.0, "{hello:?}");
    Ok(())
}

pub(crate) fn the_doctor_believes_what_was_executed() -> Tested {
    let graded = grade(&mut probe())?;
    let found = json(&doctor(&["vm", "--json"]).output()?)?;
    let verdict = finding(&found, "kvm")["verdict"].clone();
    if verdict == "works" {
        assert!(matches!(graded, Grade::Usable { .. }), "{graded}");
    }
    Ok(())
}

pub(crate) fn one_that_hangs_is_killed_in_time() -> Tested {
    let begun = Instant::now();
    let graded = grade(Command::new("sleep").arg("60"))?;
    let took = begun.elapsed();
    assert_eq!(graded, Grade::TimesOut);
    assert!(
        took >= BOUND && took < BOUND + Duration::from_secs(2),
        "{took:?}"
    );
    Ok(())
}
