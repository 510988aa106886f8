//! The command line as engines use it: the same lines typed at isorun, runc and
//! crun, so that a test that asks too much fails at the peers.
//!
//! A test that cannot run here is reported as ignored, with the reason in its
//! name; none passes silently.

#[path = "../support/busybox.rs"]
mod busybox;
#[path = "../support/crun.rs"]
mod crun;
mod errors;
#[path = "../support/eventually.rs"]
mod eventually;
#[path = "../support/example.rs"]
mod example;
mod exec;
mod flags;
mod lifecycle;
mod output;
mod readme;
mod runtime;
mod states;
mod terminal;

use libtest_mimic::{Arguments, Trial};

use runtime::Runtime;

/// A test: its name as a claim, whom it holds for, what it does.
type Claim = (&'static str, &'static [&'static str], fn(&Runtime));

/// All three do it this way.
const ALL: &[&str] = &["isorun", "runc", "crun"];
/// crun does it otherwise, or not at all.
const NOT_CRUN: &[&str] = &["isorun", "runc"];
/// runc does it otherwise, or not at all.
const NOT_RUNC: &[&str] = &["isorun", "crun"];
/// Ours alone.
const OURS: &[&str] = &["isorun"];

/// Claims about what holds a container together from outside.
const NEED_GROUPS: &[&str] = &[
    "a_paused_container_stands_still_until_resumed",
    "what_is_paused_can_be_deleted_by_force",
    "exec_detach_returns_at_once_and_writes_the_pid",
    "a_paused_container_takes_a_process_only_by_force",
    "exec_joins_a_control_group_below_the_containers",
    "exec_in_a_paused_container_goes_on_with_it",
    "every_limit_can_be_updated",
    "what_the_file_of_update_says_no_option_changes",
    "an_update_of_nothing_succeeds",
    "events_stats_is_one_json_object_a_line",
    "events_tell_of_a_kill_for_lack_of_memory",
    "update_takes_options_a_file_and_the_standard_input",
    "kill_all_reaches_every_process",
];

/// Claims about other users than the container's root.
const NEED_IDS: &[&str] = &[
    "exec_takes_user_group_environment_and_directory",
    "exec_takes_a_process_from_a_file",
    "exec_adds_groups",
];

fn main() {
    let claims = [
        lifecycle::CLAIMS,
        states::CLAIMS,
        exec::CLAIMS,
        flags::CLAIMS,
        output::CLAIMS,
        errors::CLAIMS,
        readme::CLAIMS,
        terminal::CLAIMS,
    ];
    let mut trials = Vec::new();
    for name in ALL {
        let runtime = Runtime::find(name);
        let found = runtime.as_ref().ok();
        let no_groups = found.and_then(Runtime::lacks_groups);
        let no_ids = found.and_then(Runtime::lacks_ids);
        for &(claim, holds_for, test) in claims.into_iter().flatten() {
            if !holds_for.contains(name) {
                continue;
            }
            let title = format!("{name}::{claim}");
            let lacks =
                |list: &[&str], why: &Option<String>| why.clone().filter(|_| list.contains(&claim));
            let lacks = lacks(NEED_GROUPS, &no_groups).or_else(|| lacks(NEED_IDS, &no_ids));
            let able = match lacks {
                Some(why) => Err(why),
                None => runtime.clone(),
            };
            trials.push(match able {
                Ok(runtime) => Trial::test(title, move || {
                    test(&runtime);
                    Ok(())
                }),
                Err(why) => Trial::test(format!("{title} (not here: {why})"), || Ok(()))
                    .with_ignored_flag(true),
            });
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit();
}
