//! Every verb in every state, in order and at random, against a model of a
//! container's life.

use std::collections::BTreeMap;

use isolab_oci::sys::process::effective_ids;

use crate::runtime::{Place, Runtime};
use crate::{Claim, NOT_CRUN};

pub(crate) const CLAIMS: &[Claim] = &[
    (
        "each_verb_is_answered_in_each_state_as_the_table_says",
        NOT_CRUN,
        table,
    ),
    (
        "any_sequence_of_verbs_leads_where_the_table_says",
        NOT_CRUN,
        walks,
    ),
    (
        "what_is_left_of_a_container_whose_init_is_gone_can_be_seen_and_deleted",
        NOT_CRUN,
        gone,
    ),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Absent,
    Created,
    Running,
    /// Paused before its start, and after.
    CreatedPaused,
    Paused,
    Stopped,
}

use State::{Absent, Created, CreatedPaused, Paused, Running, Stopped};

const STATES: [State; 6] = [Absent, Created, Running, CreatedPaused, Paused, Stopped];

impl State {
    /// As `state` calls it.
    fn name(self) -> Option<&'static str> {
        Some(match self {
            Absent => return None,
            Created => "created",
            Running => "running",
            CreatedPaused | Paused => "paused",
            Stopped => "stopped",
        })
    }

    /// The verbs that lead from nothing to here.
    fn way(self) -> &'static [usize] {
        match self {
            Absent => &[],
            Created => &[CREATE],
            Running => &[CREATE, START],
            CreatedPaused => &[CREATE, PAUSE],
            Paused => &[CREATE, START, PAUSE],
            Stopped => &[CREATE, START, KILL],
        }
    }
}

const CREATE: usize = 0;
const START: usize = 1;
const KILL: usize = 2;
const PAUSE: usize = 3;

const VERBS: [&[&str]; 13] = [
    &["create", "ID"],
    &["start", "ID"],
    &["kill", "ID", "KILL"],
    &["pause", "ID"],
    &["resume", "ID"],
    &["kill", "ID", "0"],
    &["exec", "ID", "true"],
    &["delete", "ID"],
    &["delete", "--force", "ID"],
    &["state", "ID"],
    &["ps", "ID"],
    &["update", "--pids-limit", "50", "ID"],
    &["exec", "ID", "/bin/fly"],
];

/// What a verb does in a state: the state after it, or the exit status and the
/// words of its refusal.
type Answer = Result<State, (i32, &'static str)>;

fn answer(runtime: &Runtime, state: State, verb: usize) -> Answer {
    let refused = |words| Err((1, words));
    match (VERBS[verb][0], state) {
        ("create", Absent) => Ok(Created),
        ("create", _) => refused("already exists"),
        ("delete", Absent) if VERBS[verb].contains(&"--force") => Ok(Absent),
        ("exec", Absent) => Err((255, "does not exist")),
        (_, Absent) => refused("does not exist"),
        ("start", Created) => Ok(Running),
        ("start", Running) => refused("cannot start an already running container"),
        ("start", Stopped) => refused("cannot start a container that has stopped"),
        ("start", _) => refused("cannot start a container in the paused state"),
        ("pause", Created) => Ok(CreatedPaused),
        ("pause", Running) => Ok(Paused),
        ("resume", CreatedPaused) => Ok(Created),
        ("resume", Paused) => Ok(Running),
        ("resume", _) => refused("container not paused"),
        ("exec", CreatedPaused | Paused) => Err((255, "cannot exec in a paused container")),
        ("exec", Stopped) => Err((255, "cannot exec in a stopped container")),
        ("exec", _) if VERBS[verb].contains(&"/bin/fly") => Err((255, "no such file or directory")),
        ("exec", _) => Ok(state),
        ("delete", _) if VERBS[verb].contains(&"--force") => Ok(Absent),
        ("delete", Stopped) => Ok(Absent),
        // The specification has it refused; runc deletes it.
        ("delete", Created) if runtime.name == "runc" => Ok(Absent),
        ("delete", _) => refused("that is not stopped: "),
        ("state" | "ps", _) => Ok(state),
        (_, Stopped) => refused("container not running"),
        ("kill", CreatedPaused | Paused) => Ok(state),
        ("kill", _) if verb == KILL => Ok(Stopped),
        ("kill" | "update", _) => Ok(state),
        ("pause", _) => refused("container not running"),
        (verb, state) => unreachable!("{verb} in {state:?}"),
    }
}

/// Types a verb, and sees that the answer and the state are the table's.
fn step(place: &Place<'_>, runtime: &Runtime, state: State, verb: usize) -> State {
    let arguments = VERBS[verb];
    let next = match answer(runtime, state, verb) {
        Ok(next) => {
            if arguments[0] == "create" {
                place.create();
            } else {
                place.ok(arguments);
            }
            next
        }
        Err((status, words)) => {
            let said = place.fails(status, arguments);
            assert!(said.contains(words), "{arguments:?} in {state:?}: {said}");
            state
        }
    };
    match next.name() {
        Some(name) => place.becomes(name),
        None => drop(place.fails(1, &["state", "ID"])),
    }
    next
}

/// Whether the table speaks of it.
fn is_possible(state: State, verb: usize) -> bool {
    match VERBS[verb][0] {
        // What stands still dies at once or when it is resumed, by the kernel.
        "kill" if verb == KILL => !matches!(state, Paused | CreatedPaused),
        // Without a control group, which an ordinary user may not have.
        "pause" | "update" => effective_ids().0 == 0,
        _ => true,
    }
}

/// A container in `state`.
fn reach(runtime: &Runtime, state: State) -> Place<'_> {
    let place = Place::new(runtime);
    let way = state.way().iter();
    let reached = way.fold(Absent, |from, &verb| step(&place, runtime, from, verb));
    assert_eq!(reached, state);
    place
}

fn table(runtime: &Runtime) {
    for state in STATES {
        if !state.way().iter().all(|&verb| is_possible(Created, verb)) {
            continue;
        }
        // One container does as long as it stays in the state.
        let mut reached = None;
        for verb in 0..VERBS.len() {
            if !is_possible(state, verb) {
                continue;
            }
            let place = reached.take().unwrap_or_else(|| reach(runtime, state));
            if step(&place, runtime, state, verb) == state {
                reached = Some(place);
            }
        }
    }
}

/// Numbers that are the same in each run, so that a failure comes again.
fn random(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
    (*seed >> 33) as usize
}

fn walks(runtime: &Runtime) {
    let walks = if runtime.name == "isorun" { 12 } else { 2 };
    let mut seen = BTreeMap::new();
    for seed in 1..=walks {
        let place = Place::new(runtime);
        let (mut state, mut random_state) = (Absent, seed);
        let mut path = Vec::new();
        for _ in 0..25 {
            let verb = match random(&mut random_state) % (2 * VERBS.len()) {
                // Most verbs lead nowhere from there.
                even if state == Absent && even % 2 == 0 => CREATE,
                number => number % VERBS.len(),
            };
            if !is_possible(state, verb) {
                continue;
            }
            path.push(VERBS[verb][0]);
            println!("walk {seed}: {path:?} in {state:?}");
            state = step(&place, runtime, state, verb);
            *seen.entry(format!("{state:?}")).or_insert(0) += 1;
        }
        place.ok(&["delete", "--force", "ID"]);
        assert_eq!(left(&place), 0);
    }
    let all = runtime.name == "isorun" && effective_ids().0 == 0;
    assert!(!all || seen.len() == STATES.len(), "{seen:?}");
}

/// How many containers the runtime knows of.
fn left(place: &Place<'_>) -> usize {
    std::fs::read_dir(place.path().join("state")).map_or(0, Iterator::count)
}

/// The init is killed by somebody else, at each point of its life.
fn gone(runtime: &Runtime) {
    for verbs in [&[CREATE][..], &[CREATE, START], &[CREATE, START, PAUSE]] {
        if !verbs.iter().all(|&verb| is_possible(Created, verb)) {
            continue;
        }
        let place = Place::new(runtime);
        let state = verbs
            .iter()
            .fold(Absent, |from, &verb| step(&place, runtime, from, verb));
        let pid = place.state()["pid"].as_i64().unwrap();
        isolab_oci::sys::process::kill(i32::try_from(pid).unwrap(), libc::SIGKILL).unwrap();
        if state == Paused {
            place.ok(&["resume", "ID"]);
        }
        place.becomes("stopped");
        assert_eq!(place.state()["pid"], 0);
        for (verb, words) in VERBS.iter().enumerate() {
            if words[0] != "delete" && is_possible(Stopped, verb) {
                step(&place, runtime, Stopped, verb);
            }
        }
        place.ok(&["delete", "ID"]);
        assert_eq!(left(&place), 0);
    }
}
