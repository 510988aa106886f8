//! Instructions that change a configuration and nothing else, for an image that is not
//! built: `import --change`.

use super::state::State;
use crate::dockerfile::{Given, Globals, Instruction, parse};
use crate::error::{Error, Result};
use crate::image::{Config, Platform, Run};

/// The configuration that `changes`, an instruction each, make of an empty one.
///
/// # Errors
/// [`Error::Dockerfile`] for what is no instruction, and [`Error::Step`] for one that
/// needs a build.
pub fn configured(changes: &[String]) -> Result<Run> {
    let file = "--change".to_owned();
    let text = format!("FROM scratch\n{}\n", changes.join("\n"));
    let wrong = |problems| Error::Dockerfile {
        file: file.clone(),
        problems,
    };
    let parsed = parse(text.as_bytes()).map_err(wrong)?;
    let globals = Globals::new(&parsed, &Given::nothing());
    let globals = globals.map_err(|problem| wrong(problem.into()))?;
    let config = Config::empty(Platform::host());
    let mut state = State::new(&globals, config, Vec::new(), parsed.directives.escape);
    let stages = parsed.stages.iter().enumerate();
    for (index, step) in
        stages.flat_map(|(index, stage)| stage.steps.iter().map(move |step| (index, step)))
    {
        let changed = match &step.instruction {
            Instruction::Arg(_) | Instruction::Shell(_) | Instruction::Maintainer(_) => Ok(false),
            _ if index > 0 => Ok(false),
            instruction => state.configure(instruction),
        };
        let refused = |reason: String| Error::Step {
            file: file.clone(),
            // The first line is not the user's.
            line: step.line() - 1,
            text: step.original.clone(),
            reason,
            code: None,
            output: Vec::new(),
        };
        match changed {
            Ok(true) => {}
            Ok(false) => {
                return Err(refused(
                    "it takes CMD, ENTRYPOINT, ENV, EXPOSE, HEALTHCHECK, LABEL, ONBUILD, \
                     STOPSIGNAL, USER, VOLUME and WORKDIR"
                        .to_owned(),
                ));
            }
            Err(fault) => return Err(refused(fault.reason)),
        }
    }
    Ok(state.config.config)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn changed(changes: &[&str]) -> Result<Run> {
        let changes: Vec<String> = changes.iter().map(|text| (*text).to_owned()).collect();
        configured(&changes)
    }

    #[test]
    fn instructions_change_a_configuration_and_nothing_else() {
        let run = changed(&["ENV A=1 B=$A", "CMD [\"x\"]", "WORKDIR /w", "EXPOSE 80"]).unwrap();
        assert_eq!(run.env, ["A=1", "B="]);
        assert_eq!(
            (run.cmd, &*run.working_dir),
            (Some(vec!["x".to_owned()]), "/w")
        );
        assert!(run.exposed_ports.contains_key("80/tcp"));
        for (wrong, line) in [
            (&["CMD x", "RUN y"][..], ":2: "),
            (&["COPY a b"], ":1: "),
            (&["FROM x", "CMD y"], ":2: "),
        ] {
            let error = changed(wrong).unwrap_err().to_string();
            assert!(
                error.contains(line) && error.contains("it takes CMD"),
                "{error}"
            );
        }
        let error = changed(&["CDM x"]).unwrap_err().to_string();
        assert!(error.contains("CDM"), "{error}");
    }
}
