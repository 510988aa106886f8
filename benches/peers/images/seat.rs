//! A keeper for the length of a trial, or of a race.

use std::cell::{Ref, RefCell};
use std::path::Path;
use std::process::Command;
use std::rc::Rc;

use anyhow::{Context, Result};

use super::keeper::{Keeper, Place, Who};
use crate::contestant::{Contestant, Role, Turn};
use crate::find_program;
use crate::runtimes::first_line;

/// Where a contestant's keeper is while it is there.
#[derive(Clone)]
pub(super) struct Seat {
    pub(super) who: Who,
    place: Rc<Place>,
    keeper: Rc<RefCell<Option<Keeper>>>,
}

impl Seat {
    pub(super) fn new(who: Who, place: &Rc<Place>) -> Self {
        Self {
            who,
            place: Rc::clone(place),
            keeper: Rc::default(),
        }
    }

    /// Puts one there that has nothing yet, and keeps images where `turn` may write.
    pub(super) fn begin(&self, turn: &Turn) -> Result<()> {
        let keeper = Keeper::new(self.who, &self.place, &turn.dir)?;
        self.keeper.replace(Some(keeper));
        Ok(())
    }

    /// Puts one there that stays for all trials, if there is none; `fill` gives it what
    /// it needs.
    pub(super) fn stay(
        &self,
        state: &Path,
        fill: impl FnOnce(&Keeper) -> Result<()>,
    ) -> Result<()> {
        if self.keeper.borrow().is_none() {
            let keeper = Keeper::new(self.who, &self.place, state)?;
            fill(&keeper)?;
            self.keeper.replace(Some(keeper));
        }
        Ok(())
    }

    /// Takes it away, with its daemon.
    pub(super) fn end(&self) {
        self.keeper.replace(None);
    }

    /// The keeper.
    pub(super) fn keeper(&self) -> Result<Ref<'_, Keeper>> {
        let keeper = Ref::filter_map(self.keeper.borrow(), Option::as_ref);
        keeper.ok().context("nobody keeps images here")
    }

    /// A contestant of that name whose trial is one command of the keeper's.
    pub(super) fn contestant(
        &self,
        name: &'static str,
        command: impl Fn(&Keeper, &Turn) -> Command + 'static,
    ) -> Contestant {
        let role = match self.who {
            Who::Isolab => Role::Ours,
            Who::Podman | Who::Docker => Role::Peer,
        };
        // Who does docker's work is its daemon.
        let program = match self.who {
            Who::Docker => find_program("dockerd"),
            Who::Isolab | Who::Podman => self.who.program(),
        };
        let version = program.map_or_else(String::new, |program| first_line(&program));
        let seat = self.clone();
        let made = Contestant::new(name, role, version, move |turn| match seat.keeper() {
            Ok(keeper) => command(&keeper, turn),
            // The work before the trial has failed, and says so.
            Err(_) => Command::new("false"),
        });
        match self.who {
            Who::Docker => made.noting("its memory is the client's alone: a daemon does the work"),
            _ => made,
        }
    }
}
