//! A Dockerfile, as BuildKit reads it: text in, instructions out.
//!
//! Reading has three floors. Lines become one line an instruction, with what its
//! heredocs hold; a line becomes an [`Instruction`], checked as far as it can be
//! while its variables are unknown; instructions become [`Stage`]s. Everything that
//! is wrong is told at once, each with its line and, where there is one, a remedy.
//!
//! Nothing is built here, and no file is opened. A builder goes on with [`Globals`]
//! and [`Scope`], which know what a variable is worth where, with [`Graph`], which
//! knows what stages need of each other, and with [`ignore`]. [`Checks`] tell what a
//! file says and probably does not mean.
//!
//! ```
//! use isolab_engine::dockerfile;
//!
//! let file = dockerfile::parse(b"FROM debian\nRUN [\"true\"]\n").unwrap();
//! assert_eq!(file.stages[0].base.as_str(), "debian");
//! let problems = dockerfile::parse(b"FORM debian\n").unwrap_err();
//! assert_eq!(problems.iter().next().unwrap().line, 1);
//! ```

mod check;
mod copy;
mod directive;
mod expand;
mod flags;
mod glob;
mod graph;
mod healthcheck;
mod heredoc;
pub mod ignore;
mod instruction;
mod logical;
mod mount;
#[cfg(test)]
mod observed;
mod pattern;
mod port;
mod print;
mod problem;
mod read;
mod run;
mod scope;
mod stage;
mod template;
mod words;

pub use check::Checks;
pub use copy::{Add, Copy, Inline, Source, Sources};
pub use directive::{Directives, Escape};
pub use expand::ExpansionError;
pub(crate) use glob::Glob;
pub use graph::{Graph, Origin, TargetError};
pub use healthcheck::{Check, Healthcheck};
pub use instruction::{Argument, Command, Instruction, Pair, Trigger};
pub use logical::LONGEST;
pub use mount::{Mount, MountOptions, Owner, Sharing};
pub use port::{Ports, Protocol};
pub use problem::{Problem, Problems, Warning};
pub use run::{Network, Run, RunCommand, Security};
pub use scope::{Given, Globals, Scope};
pub use stage::{Dockerfile, GlobalArgument, Stage, Step, parse};
pub use template::{Lookup, Template};

/// Whether one name, with no slash in it, is what a wildcard of `COPY` means.
/// A pattern that is none means nothing.
pub(crate) fn means(pattern: &str, name: &str) -> bool {
    Glob::parse(pattern).is_ok_and(|glob| glob.matches_or_contains(name))
}
