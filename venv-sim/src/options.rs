//! What an environment is asked to be.

use std::time::Duration;

use crate::cache::Cache;
use crate::occupancy::PATIENCE;

/// How an environment is to be made. The default is what `python -m venv --without-pip` makes.
#[derive(Debug, Clone)]
// Each is a flag of `python -m venv`, of which any may be given with any.
#[allow(clippy::struct_excessive_bools)]
pub struct Options {
    /// The name shown when it is active; else that of its directory.
    pub prompt: Option<String>,
    /// Whether it also sees the packages of the base interpreter.
    pub system_site_packages: bool,
    /// Whether an environment that is already there is replaced. Nothing else ever is.
    pub clear: bool,
    /// Whether the environment that is there is kept with its packages, and only changed to
    /// the given interpreter. It goes before `clear`. What is not asked for stays as it is: the
    /// prompt, the system's packages, whether it is a copy, whether it is relocatable.
    pub upgrade: bool,
    /// Whether the interpreter is copied, not linked to.
    pub copies: bool,
    /// Whether it may be moved: programs that are installed into it shall find it by where they
    /// lie. Activation does so in every environment.
    pub relocatable: bool,
    /// Whether it gets pip, and for Python before 3.12 setuptools: the wheels that the interpreter
    /// brings for this. An environment that is upgraded keeps what it has.
    pub seed: bool,
    /// Where files that all environments share are kept; [`Cache::none`] for an environment that
    /// shares nothing.
    pub cache: Cache,
    /// How long another process that is changing the environment which is there is waited for.
    pub patience: Duration,
    /// Told once, in a sentence, when that is.
    pub say: fn(&str),
}

impl Default for Options {
    fn default() -> Self {
        Self {
            prompt: None,
            system_site_packages: false,
            clear: false,
            upgrade: false,
            copies: false,
            relocatable: false,
            seed: false,
            cache: Cache::of_user(),
            patience: PATIENCE,
            say: |_| {},
        }
    }
}
