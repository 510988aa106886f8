//! Docker and Podman beside ours, for claims that are about Docker.

use std::path::Path;

use anyhow::Result;

use crate::claims::findings::Findings;
pub(super) use crate::engines::{Engine, NAMES, said};

/// Runs the same in every engine found, and notes each that cannot.
pub(super) fn each(
    root: &Path,
    findings: &mut Findings,
    mut ask: impl FnMut(&str, &Engine, &mut Findings) -> Result<()>,
) {
    for name in NAMES {
        let asked = Engine::find(name, root).and_then(|engine| ask(name, &engine, findings));
        if let Err(error) = asked {
            findings.lack(name, &error);
        }
    }
}
