//! Who runs against whom, and what became of it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use isolab::interrupt::Interrupt;
use isolab::statistics::{Bootstrap, Summary, ratio_by_rounds};

use crate::crowd::Crowd;
use crate::equal::Inspection;
use crate::trial;

/// In what state a trial is begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum State {
    /// Right behind another trial of the same contestant.
    Hot,
    /// After a pause of 150 ms.
    Cold,
}

impl State {
    pub(crate) const ALL: [Self; 2] = [Self::Hot, Self::Cold];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Hot => "hot",
            Self::Cold => "cold",
        }
    }
}

/// What makes one trial different from the next.
pub(crate) struct Turn {
    /// A name that nothing else uses, such as a container's id.
    pub(crate) id: String,
    /// A directory that does not exist yet, and is removed afterwards.
    pub(crate) dir: PathBuf,
}

/// What a contestant is in its race.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// What is ours: the numerator of every ratio.
    Ours,
    /// Somebody else's.
    Peer,
    /// What ours is held against, though nobody's product.
    Limit,
    /// What no contestant can go below; no ratio.
    Floor,
}

/// What is timed.
type Commands = Box<dyn Fn(&Turn) -> Vec<Command>>;

/// What is done beside the clock.
pub(crate) type Work = Box<dyn Fn(&Turn) -> Result<()>>;

/// One program that does the race's work.
pub(crate) struct Contestant {
    pub(crate) name: &'static str,
    pub(crate) role: Role,
    /// What its `--version` says.
    pub(crate) version: String,
    /// The commands of one trial; its time is their sum.
    pub(crate) commands: Commands,
    /// What its commands end with, where not with success.
    pub(crate) status: i32,
    /// How long a command may take, where it may hang.
    pub(crate) at_most: Option<Duration>,
    /// The file that its commands read, where they read any.
    pub(crate) input: Option<PathBuf>,
    /// What must be there before a turn's trials, and its end.
    pub(crate) around_turn: Option<(Work, Work)>,
    /// What must be there before each trial, and its end.
    pub(crate) around_trial: Option<(Work, Work)>,
    /// Something to know about what it is timed doing.
    pub(crate) note: Option<&'static str>,
    /// Whether it is to be timed; if not, it may still say what is equal.
    pub(crate) wanted: bool,
    /// Why it cannot run here.
    pub(crate) absent: Option<String>,
    /// What it leaves undone that the reference does.
    pub(crate) lacks: Vec<String>,
    /// Seconds of each trial, in the order taken.
    pub(crate) samples: BTreeMap<State, Vec<f64>>,
    /// What a trial leaves on disk.
    pub(crate) left: Option<Left>,
    /// The largest resident set of a trial's processes, in bytes, where the race asks for it.
    pub(crate) peak_bytes: Option<u64>,
    /// How many bytes more a registry has after a trial, where one is sent something.
    pub(crate) received: Option<Rc<Cell<Option<u64>>>>,
}

/// What a trial leaves on disk, in bytes of allocated blocks.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    /// All of it, hard links counted once.
    pub(crate) allocated: u64,
    /// Of it what nothing else holds, too: no store, and no other environment.
    pub(crate) exclusive: u64,
}

impl Contestant {
    pub(crate) fn new(
        name: &'static str,
        role: Role,
        version: String,
        command: impl Fn(&Turn) -> Command + 'static,
    ) -> Self {
        Self::of_several(name, role, version, move |turn| vec![command(turn)])
    }

    /// One whose trial is several commands, one after the other.
    pub(crate) fn of_several(
        name: &'static str,
        role: Role,
        version: String,
        commands: impl Fn(&Turn) -> Vec<Command> + 'static,
    ) -> Self {
        Self {
            name,
            role,
            version,
            commands: Box::new(commands),
            status: 0,
            at_most: None,
            input: None,
            around_turn: None,
            around_trial: None,
            note: None,
            wanted: true,
            absent: None,
            lacks: Vec::new(),
            samples: BTreeMap::new(),
            left: None,
            peak_bytes: None,
            received: None,
        }
    }

    /// The same, with something to know about it.
    pub(crate) fn noting(mut self, note: &'static str) -> Self {
        self.note = Some(note);
        self
    }

    /// The same, with work before and after each turn.
    pub(crate) fn around_turn(
        mut self,
        before: impl Fn(&Turn) -> Result<()> + 'static,
        after: impl Fn(&Turn) -> Result<()> + 'static,
    ) -> Self {
        self.around_turn = Some((Box::new(before), Box::new(after)));
        self
    }

    /// The same, with work before and after each trial.
    pub(crate) fn around_trial(
        mut self,
        before: impl Fn(&Turn) -> Result<()> + 'static,
        after: impl Fn(&Turn) -> Result<()> + 'static,
    ) -> Self {
        self.around_trial = Some((Box::new(before), Box::new(after)));
        self
    }

    pub(crate) fn allocated(&self) -> Option<u64> {
        self.left.map(|left| left.allocated)
    }

    pub(crate) fn exclusive(&self) -> Option<u64> {
        self.left.map(|left| left.exclusive)
    }

    /// The samples of a state, resampled; `None` if there are none.
    pub(crate) fn bootstrap(&self, state: State) -> Option<Bootstrap> {
        Bootstrap::of(self.samples.get(&state)?)
    }
}

/// What the ratio to a peer is to be at most.
pub(crate) struct Target {
    pub(crate) peer: &'static str,
    pub(crate) state: State,
    pub(crate) at_most: f64,
}

/// Contestants that do the same work.
pub(crate) struct Race {
    pub(crate) name: &'static str,
    /// What is timed, from where to where.
    pub(crate) about: &'static str,
    pub(crate) contestants: Vec<Contestant>,
    pub(crate) targets: Vec<Target>,
    /// How it is shown that they do the same work, where that needs showing.
    pub(crate) inspection: Option<Inspection>,
    /// What holds for the race as a whole.
    pub(crate) notes: Vec<String>,
    /// Whether the memory of each is found out before anything is timed.
    pub(crate) weighs: bool,
    /// The trials of a turn.
    pub(crate) turn: &'static [State],
    /// Where trials may make their directories.
    pub(crate) scratch: PathBuf,
    /// Containers that run already, from its begin to its end.
    pub(crate) crowd: Option<Crowd>,
}

impl Race {
    /// The same race, among others' containers.
    pub(crate) fn beside(mut self, crowd: Crowd) -> Self {
        self.crowd = Some(crowd);
        self
    }

    /// Does `work` while the crowd is there.
    pub(crate) fn amid<T>(&mut self, work: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if let Some(crowd) = &self.crowd {
            crowd.raise(&trial::next_turn(&self.scratch).id)?;
        }
        let done = work(self);
        // Also of a race that failed: nothing may stay.
        if let Some(crowd) = &self.crowd {
            crowd.end()?;
        }
        done
    }

    /// Has only those peers timed that `filter` names.
    pub(crate) fn keep_only(&mut self, filter: &str) {
        let all = self.name.contains(filter);
        for contestant in &mut self.contestants {
            contestant.wanted =
                all || contestant.role != Role::Peer || contestant.name.contains(filter);
        }
    }

    /// Lets go of what was held for its trials, such as daemons.
    pub(crate) fn let_go(&mut self) {
        for contestant in &mut self.contestants {
            contestant.commands = Box::new(|_| Vec::new());
            contestant.around_turn = None;
            contestant.around_trial = None;
        }
    }

    pub(crate) fn has_peers(&self) -> bool {
        let mut wanted = self.contestants.iter().filter(|c| c.wanted);
        wanted.any(|c| c.role == Role::Peer)
    }

    /// Finds out by doing who can run here, then what each leaves undone.
    pub(crate) fn probe(&mut self, interrupt: &Interrupt) {
        for contestant in &mut self.contestants {
            if interrupt.raised() {
                return;
            }
            if contestant.absent.is_none() {
                let tried = trial::warm_up(contestant, self.weighs, &self.scratch);
                contestant.absent = tried.err().map(|error| format!("{error:#}"));
            }
        }
        if let Some(inspection) = &mut self.inspection {
            inspection.compare(&mut self.contestants);
        }
    }

    /// Ours over `peer`'s, where both did the same work.
    pub(crate) fn ratio(&self, peer: &Contestant, state: State) -> Option<Summary> {
        let ours = self.contestants.iter().find(|c| c.role == Role::Ours)?;
        if matches!(peer.role, Role::Ours | Role::Floor)
            || !ours.lacks.is_empty()
            || !peer.lacks.is_empty()
        {
            return None;
        }
        let each = self.turn.iter().filter(|of| **of == state).count();
        ratio_by_rounds(ours.samples.get(&state)?, peer.samples.get(&state)?, each)
    }

    pub(crate) fn target(&self, peer: &Contestant, state: State) -> Option<&Target> {
        let mut targets = self.targets.iter();
        targets.find(|target| target.peer == peer.name && target.state == state)
    }
}
