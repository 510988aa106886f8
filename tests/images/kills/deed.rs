//! What is done to the stores: one verb, with words that chance chose.

use super::lot::Lot;

/// A verb on its way to be killed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Deed {
    /// What it is, so that its usual duration is known.
    pub(crate) kind: &'static str,
    pub(crate) words: Vec<String>,
}

/// How often each is done, and what it is.
type Draw = (u32, &'static str, fn(&mut Lot, &str) -> String);

/// What a user does. `@` is the registry; names and numbers are few, so that the
/// verbs meet.
const OF_A_USER: &[Draw] = &[
    (16, "build", |lot, _| {
        let (file, tag) = (of(lot, &["layers", "stages", "scratch"]), app(lot));
        let (n, m) = (lot.below(8), lot.below(6));
        format!("build -q -f context/{file} -t {tag} --build-arg N={n} --build-arg M={m} context")
    }),
    (5, "build anew", |lot, _| {
        let (tag, n) = (app(lot), lot.below(8));
        format!("build -q --no-cache -f context/layers -t {tag} --build-arg N={n} context")
    }),
    (12, "pull", |lot, at| format!("pull {at}/{}", there(lot))),
    (12, "push", |lot, at| format!("push {at}/{}", there(lot))),
    (8, "tag", |lot, _| format!("tag {} {}", app(lot), app(lot))),
    (10, "name", |lot, at| {
        format!("tag {} {at}/{}", app(lot), app(lot))
    }),
    (4, "rmi", |lot, _| format!("rmi -f {}", app(lot))),
    (4, "rmi", |lot, at| format!("rmi -f {at}/{}", there(lot))),
    (4, "rollback", |lot, _| {
        format!("image rollback {}", app(lot))
    }),
    (6, "prune", |_, _| "system prune".to_owned()),
    (2, "prune all", |_, _| {
        "system prune --versions --build-cache".to_owned()
    }),
    (5, "save", |lot, _| {
        format!("save -o saved-{}.tar {}", lot.below(3), app(lot))
    }),
    (6, "load", |_, _| "load -q -i kept.tar".to_owned()),
    (8, "run", |lot, _| format!("run --pull never {}", app(lot))),
    (2, "bootstrap", |_, _| "image bootstrap busybox".to_owned()),
];

/// What is done on the machine of the registry while that is down.
const OF_A_REGISTRY: &[Draw] = &[
    (3, "prune", |_, _| "system prune".to_owned()),
    (1, "prune all", |_, _| {
        "system prune --versions --build-cache".to_owned()
    }),
    (1, "tag", |lot, _| format!("tag {} {}", app(lot), app(lot))),
    (1, "rmi", |lot, _| format!("rmi -f {}", app(lot))),
];

impl Deed {
    pub(crate) fn of_a_user(lot: &mut Lot, registry: &str) -> Self {
        Self::draw(OF_A_USER, lot, registry)
    }

    pub(crate) fn of_a_registry(lot: &mut Lot) -> Self {
        Self::draw(OF_A_REGISTRY, lot, "")
    }

    fn draw(all: &[Draw], lot: &mut Lot, registry: &str) -> Self {
        let mut ticket = lot.below(all.iter().map(|draw| draw.0).sum());
        let drawn = all.iter().find(|draw| {
            let is_it = ticket < draw.0;
            ticket = ticket.saturating_sub(draw.0);
            is_it
        });
        let (_, kind, words) = drawn.unwrap_or(&all[0]);
        let words = words(lot, registry);
        Self {
            kind,
            words: words.split(' ').map(str::to_owned).collect(),
        }
    }
}

fn of(lot: &mut Lot, all: &[&'static str]) -> &'static str {
    lot.some(all, 1)[0]
}

fn app(lot: &mut Lot) -> &'static str {
    of(lot, &["app:1", "app:2", "app:3", "team/app:1"])
}

/// What a registry may have: its base is pulled again by builds where it is gone.
fn there(lot: &mut Lot) -> &'static str {
    match lot.one_in(6) {
        true => "base:1",
        false => app(lot),
    }
}
