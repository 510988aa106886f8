//! A shell in the state of a program that failed: its files, its mounts, its
//! variables and its user.

use super::Event;
use super::mount::Ready;
use super::stage::Stages;
use crate::error::Error;
use crate::room;
use crate::run::{self, Container, Root, Settings};
use crate::store::Place;

/// Where a program failed.
#[derive(Debug)]
pub(super) struct Broken {
    /// As the program ran.
    pub(super) container: Container,
    /// What takes the text of a shell form there.
    pub(super) shell: String,
    /// What has to be there as long.
    pub(super) ready: Ready,
    pub(super) _place: Place,
}

impl Broken {
    /// Runs a shell there until it ends. What it ends with changes nothing; that it
    /// cannot be had is told.
    pub(super) fn show(self, stages: &Stages<'_>, why: &str) {
        let tell = stages.attending.tell;
        let program = &self.shell;
        tell(Event::Shell { program, why });
        if let Err(error) = self.run(stages) {
            let text = format!("there is no shell to be had: {}", error.in_one_line());
            tell(Event::Note { text: &text });
        }
    }

    fn run(&self, stages: &Stages<'_>) -> crate::Result<()> {
        let mut container = self.container.clone();
        if let Root::Layers(overlay) = &container.root {
            // An overlay that was volatile is not mounted again as it is.
            room::remove(stages.room, &overlay.work)?;
        }
        container.settings = Settings {
            args: vec![self.shell.clone()],
            terminal: true,
            ..container.settings
        };
        let laid = self.ready.lay_secrets();
        laid.map_err(|fault| Error::Program {
            program: "the shell",
            reason: fault.reason,
        })?;
        let ran = run::run(&container, stages.room).map(drop);
        self.ready.hide_secrets();
        ran
    }
}
