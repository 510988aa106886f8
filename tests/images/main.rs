//! Images as a user types the verbs, and with the field's own programs on the other
//! side of each file.
//!
//! What is not here (podman, skopeo, umoci, a static busybox) is reported as
//! ignored, with the reason, never as passed.

mod adding;
mod building;
mod clients;
mod full;
mod kills;
mod library;
mod nodes;
mod peers;
mod place;
mod rooms;
mod secrets;
mod shared;
mod stalls;
mod steps;
mod trees;
mod verbs;

use std::process::ExitCode;

fn main() -> ExitCode {
    let arguments = libtest_mimic::Arguments::from_args();
    let mut trials = verbs::trials();
    trials.extend(building::trials());
    trials.extend(clients::trials());
    trials.extend(rooms::trials());
    trials.extend(stalls::trials());
    trials.extend(secrets::trials());
    trials.extend(full::trials());
    trials.extend(nodes::trials());
    trials.extend(kills::trials());
    trials.extend(steps::trials());
    trials.extend(adding::trials());
    trials.extend(trees::trials());
    trials.extend(library::trials());
    trials.extend(peers::trials());
    let ended = libtest_mimic::run(&arguments, trials);
    shared::remove();
    ended.exit_code()
}
