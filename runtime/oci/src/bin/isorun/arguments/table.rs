//! Every command of `isorun`: what it takes, and what it does in a line.

use super::options::{self, GLOBAL};
use super::{Key, Opt, Tail, Verb};

/// A command of which only the name, the options and a line of help differ.
const fn verb(
    verb: Verb,
    name: &'static str,
    usage: &'static str,
    count: (usize, usize),
    options: &'static [&'static [Opt]],
    about: &'static str,
) -> Entry {
    Entry {
        verb,
        name,
        usage,
        count,
        tail: Tail::None,
        options,
        about,
        hidden: false,
    }
}

/// A command and what may follow it.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) verb: Verb,
    pub(crate) name: &'static str,
    /// Its positional arguments, as the help shows them.
    pub(crate) usage: &'static str,
    /// How many there may be, at least and at most.
    pub(crate) count: (usize, usize),
    pub(crate) tail: Tail,
    /// Its own options, in groups that it shares with others.
    pub(crate) options: &'static [&'static [Opt]],
    pub(crate) about: &'static str,
    /// Left out of the list of commands.
    pub(crate) hidden: bool,
}

const ANY: usize = usize::MAX;

/// All commands, in the order in which the help lists them.
pub(crate) const VERBS: &[Entry] = &[
    verb(
        Verb::Create,
        "create",
        "ID",
        (1, 1),
        &[options::MAKE],
        "Creates a container from a bundle; `start` runs its program.",
    ),
    verb(
        Verb::Start,
        "start",
        "ID",
        (1, 1),
        &[options::START],
        "Runs the program of a created container.",
    ),
    verb(
        Verb::Run,
        "run",
        "ID",
        (1, 1),
        &[options::MAKE, options::RUN],
        "Creates and starts a container, waits for its end and deletes it.",
    ),
    Entry {
        tail: Tail::Command,
        ..verb(
            Verb::Exec,
            "exec",
            "ID COMMAND [ARGUMENTS] | --process FILE ID",
            (1, ANY),
            &[options::EXEC],
            "Runs one more process in a running container.",
        )
    },
    verb(
        Verb::Kill,
        "kill",
        "ID [SIGNAL]",
        (1, 2),
        &[options::KILL],
        "Sends a signal, by name or number, to a container's first process.",
    ),
    verb(
        Verb::Delete,
        "delete",
        "ID",
        (1, 1),
        &[options::DELETE],
        "Removes what is left of a stopped container.",
    ),
    verb(
        Verb::State,
        "state",
        "ID",
        (1, 1),
        &[],
        "Prints the state of a container as JSON.",
    ),
    verb(
        Verb::List,
        "list",
        "",
        (0, 0),
        &[options::LIST],
        "Lists the containers below --root.",
    ),
    Entry {
        tail: Tail::PsOptions,
        ..verb(
            Verb::Ps,
            "ps",
            "ID [OPTIONS OF ps(1)]",
            (1, ANY),
            &[options::PS],
            "Lists the processes of a container.",
        )
    },
    verb(
        Verb::Pause,
        "pause",
        "ID",
        (1, 1),
        &[],
        "Freezes every process of a container.",
    ),
    verb(
        Verb::Resume,
        "resume",
        "ID",
        (1, 1),
        &[],
        "Lets a paused container go on.",
    ),
    verb(
        Verb::Update,
        "update",
        "ID",
        (1, 1),
        &[options::UPDATE],
        "Changes the limits of a running container.",
    ),
    verb(
        Verb::Events,
        "events",
        "ID",
        (1, 1),
        &[options::EVENTS],
        "Prints statistics and out-of-memory events, a JSON object a line.",
    ),
    verb(
        Verb::Spec,
        "spec",
        "",
        (0, 0),
        &[options::SPEC],
        "Writes a config.json to start from.",
    ),
    verb(
        Verb::Features,
        "features",
        "",
        (0, 0),
        &[],
        "Prints what this runtime can do, as JSON.",
    ),
    verb(
        Verb::Completion,
        "completion",
        "bash|zsh|fish",
        (1, 1),
        &[],
        "Prints a shell's completion script.",
    ),
    verb(
        Verb::Man,
        "man",
        "[COMMAND]",
        (0, 1),
        &[],
        "Prints a manual page, for man(1).",
    ),
    verb(
        Verb::Help,
        "help",
        "[COMMAND]",
        (0, 1),
        &[],
        "Prints how to use a command.",
    ),
    Entry {
        hidden: true,
        ..verb(
            Verb::Version,
            "version",
            "",
            (0, 0),
            &[],
            "Prints the versions.",
        )
    },
    Entry {
        tail: Tail::Anything,
        hidden: true,
        ..verb(
            Verb::Checkpoint,
            "checkpoint",
            "",
            (0, ANY),
            &[],
            "Is not supported.",
        )
    },
    Entry {
        tail: Tail::Anything,
        hidden: true,
        ..verb(
            Verb::Checkpoint,
            "restore",
            "",
            (0, ANY),
            &[],
            "Is not supported.",
        )
    },
];

impl Entry {
    /// Its own options.
    pub(crate) fn own(&self) -> impl Iterator<Item = &'static Opt> {
        self.options.iter().flat_map(|group| group.iter())
    }

    /// Its own option or a global one called `long`.
    pub(super) fn long(&self, long: &str) -> Option<&'static Opt> {
        self.own().chain(GLOBAL).find(|o| o.long == long)
    }

    /// Its own option or a global one called `short`.
    pub(super) fn short(&self, short: char) -> Option<&'static Opt> {
        self.own().chain(GLOBAL).find(|o| o.short == Some(short))
    }

    /// Whether an option belongs to it or to all.
    pub(super) fn knows(&self, key: Key) -> bool {
        self.own().chain(GLOBAL).any(|o| o.key == key)
    }
}

/// The command called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    VERBS.iter().find(|v| v.name == name)
}

/// An option that some command has; for one that comes before the command.
pub(super) fn anywhere(matches: impl Fn(&Opt) -> bool) -> Option<&'static Opt> {
    let of_verbs = VERBS.iter().flat_map(Entry::own);
    GLOBAL.iter().chain(of_verbs).find(|o| matches(o))
}
