//! `RUN --mount`: what a program finds while it runs, and the layer does not have.

mod cache;
mod ready;

use std::path::PathBuf;

use super::fault::Fault;
use super::source::{Selected, Source};
use super::stage::Stages;
use super::state::State;
use crate::dockerfile::ignore::Ignore;
use crate::dockerfile::{self, Mount, Owner, Sharing};
pub(super) use ready::Ready;

/// Where a secret lies unless said otherwise.
const SECRETS: &str = "/run/secrets";
/// Where agents do, each with its number.
const AGENTS: &str = "/run/buildkit/ssh_agent";

/// What a program finds around it beyond its image.
#[derive(Debug, Default)]
pub(super) struct Around {
    mounted: Vec<Mounted>,
    variables: Vec<Variable>,
}

/// A mount whose files are known.
#[derive(Debug)]
struct Mounted {
    target: PathBuf,
    what: What,
}

/// A variable that must not be in the image, nor in a key.
#[derive(Debug)]
struct Variable {
    name: String,
    /// What its value is known by.
    of: String,
    value: String,
}

#[derive(Debug)]
enum What {
    /// Files of a tree, by what they hold.
    Files { files: Files, writable: bool },
    /// A directory that stays.
    Cache {
        id: String,
        read_only: bool,
        owner: Owner,
        sharing: Sharing,
        /// What it holds at first.
        from: Option<Files>,
    },
    /// Memory, at most so many bytes.
    Memory(Option<u64>),
    /// Something that must not be in the image, nor in a key.
    Secret {
        id: String,
        value: Vec<u8>,
        owner: Owner,
    },
    /// The socket of an agent.
    Agent { id: String, socket: PathBuf },
}

#[derive(Debug)]
struct Files {
    source: Source,
    selected: Selected,
    digest: String,
    /// Whether somebody may change them meanwhile; nobody changes a layer.
    may_change: bool,
}

impl Around {
    /// What a step depends on of it, each a text.
    pub(super) fn keys(&self) -> impl Iterator<Item = String> {
        let mounted = self.mounted.iter().map(Mounted::key);
        let variables = self.variables.iter();
        mounted.chain(variables.map(|one| format!("variable {} of {}", one.name, one.of)))
    }
}

impl Mounted {
    fn key(&self) -> String {
        let what = match &self.what {
            What::Files { files, writable } => format!("files {} {writable}", files.digest),
            // What a cache holds must not matter, nor a secret's value.
            What::Cache {
                id,
                read_only,
                owner,
                from,
                ..
            } => {
                let from = from.as_ref().map(|files| &files.digest);
                format!("cache {id} {read_only} {owner:?} {from:?}")
            }
            What::Memory(size) => format!("memory {size:?}"),
            What::Secret { id, owner, .. } => format!("secret {id} {owner:?}"),
            What::Agent { id, .. } => format!("agent {id}"),
        };
        format!("{what} at {}", self.target.display())
    }
}

impl Stages<'_> {
    /// What is around a `RUN`: its variables replaced, and its files found.
    pub(super) fn around(
        &self,
        state: &State<'_>,
        asked: &dockerfile::Run,
    ) -> Result<Around, Fault> {
        let mut around = Around::default();
        for options in &asked.mounts {
            let mount = options.resolve(&|name| state.scope.lookup(name), state.escape())?;
            self.find(state, mount, &mut around)?;
        }
        Ok(around)
    }

    fn find(&self, state: &State<'_>, mount: Mount, around: &mut Around) -> Result<(), Fault> {
        let (target, what) = match mount {
            Mount::Bind {
                target,
                source,
                from,
                writable,
            } => {
                let files = self.files(from.as_deref(), &source)?;
                (target, What::Files { files, writable })
            }
            Mount::Cache {
                target,
                id,
                sharing,
                read_only,
                from,
                source,
                owner,
            } => {
                let from = from.map(|from| self.files(Some(&from), &source));
                let what = What::Cache {
                    id,
                    read_only,
                    owner,
                    sharing,
                    from: from.transpose()?,
                };
                (target, what)
            }
            Mount::Tmpfs { target, size } => (target, What::Memory(size)),
            Mount::Secret {
                id,
                target,
                variable,
                required,
                owner,
            } => {
                let Some(value) = self.request.secrets.get(&id).cloned() else {
                    return missing(required, || {
                        format!("secret `{id}`: give it with --secret id={id},src=FILE")
                    });
                };
                let is_variable = variable.is_some();
                if let Some(name) = variable {
                    let text = String::from_utf8(value.clone());
                    let text = text.ok().filter(|text| !text.contains('\0'));
                    around.variables.push(Variable {
                        value: text.ok_or_else(|| {
                            let why = "it is no text, and no variable can hold it";
                            Fault::new(format!("secret `{id}` for `{name}`: {why}"))
                        })?,
                        name,
                        of: format!("secret {id}"),
                    });
                }
                let target = match target {
                    Some(target) => target,
                    None if is_variable => return Ok(()),
                    None => format!("{SECRETS}/{id}"),
                };
                (target, What::Secret { id, value, owner })
            }
            Mount::Ssh {
                id,
                target,
                required,
                owner,
            } => {
                if owner != Owner::default() {
                    return Err(Fault::new(
                        "mode, uid and gid of --mount=type=ssh cannot be given: the socket is the \
                         agent's own, and root's inside",
                    ));
                }
                let Some(socket) = self.request.agents.get(&id).cloned() else {
                    return missing(required, || {
                        format!("the agent `{id}`: give it with --ssh {id}")
                    });
                };
                let number = around.agents();
                let target = target.unwrap_or_else(|| format!("{AGENTS}.{number}"));
                if number == 0 {
                    around.variables.push(Variable {
                        name: "SSH_AUTH_SOCK".to_owned(),
                        of: format!("agent {id}"),
                        value: state.within(&target).to_string_lossy().into_owned(),
                    });
                }
                (target, What::Agent { id, socket })
            }
        };
        let target = state.within(&target);
        around.mounted.push(Mounted { target, what });
        Ok(())
    }

    fn files(&self, from: Option<&str>, path: &str) -> Result<Files, Fault> {
        let source = self.source(from)?;
        // Of several trees laid over each other one could lead out of another.
        let one = source.one(path)?;
        let digest = digest(&source, &one)?;
        Ok(Files {
            source,
            selected: one,
            digest,
            may_change: from.is_none(),
        })
    }
}

fn digest(source: &Source, selected: &Selected) -> Result<String, Fault> {
    let selected = std::slice::from_ref(selected);
    Ok(source.digest(selected, &Ignore::default())?.to_string())
}

impl Around {
    fn agents(&self) -> usize {
        let is_one = |mounted: &&Mounted| matches!(mounted.what, What::Agent { .. });
        self.mounted.iter().filter(is_one).count()
    }
}

/// What is not given and is not required is not there; the program says so then.
fn missing(required: bool, what: impl FnOnce() -> String) -> Result<(), Fault> {
    match required {
        true => Err(Fault::new(format!("it needs {}", what()))),
        false => Ok(()),
    }
}
