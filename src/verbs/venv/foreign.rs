//! Flags that fingers know from other installers: accepted where they say what is so anyway,
//! refused by name where what they ask for is not done here.

use anyhow::Result;
use clap::Args;

use crate::hint;

/// They are not in the help, which tells what there is.
#[derive(Debug, Args)]
pub(super) struct Foreign {
    #[arg(short, long, hide = true, value_name = "PATH")]
    editable: Vec<String>,
    #[arg(short, long, hide = true, value_name = "DIR")]
    target: Option<String>,
    #[arg(long, hide = true, value_name = "DIR")]
    prefix: Option<String>,
    #[arg(long, hide = true)]
    user: bool,
    #[arg(long, hide = true, value_name = "NAME")]
    no_binary: Vec<String>,
    /// Wheels are all that is installed.
    #[arg(long, hide = true, value_name = "NAME")]
    only_binary: Vec<String>,
    #[arg(long, hide = true)]
    prefer_binary: bool,
    #[arg(long, hide = true)]
    no_build: bool,
    #[arg(long, hide = true)]
    no_input: bool,
    #[arg(long, hide = true)]
    disable_pip_version_check: bool,
}

impl Foreign {
    /// Whether something is asked for that is not done here.
    pub(super) fn check(&self) -> Result<()> {
        let building = "only wheels are installed here: build one (`python -m build --wheel`), and \
            name that wheel";
        let elsewhere = "`isolab venv create DIR` makes an environment, and `--env DIR` names it; its \
            packages lie in one directory of it, which `isolab venv which` tells";
        // Its value may hold a password, and is not repeated.
        let refused = [
            (
                (!self.editable.is_empty()).then_some("--editable"),
                "an editable installation is built from sources, and nothing is built here",
                building,
            ),
            (
                self.no_binary
                    .iter()
                    .any(|name| name != ":none:")
                    .then_some("--no-binary"),
                "without its wheels a project would have to be built",
                building,
            ),
            (
                self.target.as_ref().map(|_| "--target"),
                "packages are installed into environments, and not into a directory of their own",
                elsewhere,
            ),
            (
                self.prefix.as_ref().map(|_| "--prefix"),
                "packages are installed into environments, and not below a prefix",
                elsewhere,
            ),
            (
                self.user.then_some("--user"),
                "packages are installed into environments, and not for all programs of a user",
                "leave it out; `isolab venv create` makes an environment, if there is none",
            ),
        ];
        match refused.into_iter().find(|(given, ..)| given.is_some()) {
            Some((Some(given), why, remedy)) => {
                Err(hint::with(format!("cannot take `{given}`: {why}"), remedy))
            }
            _ => Ok(()),
        }
    }
}
