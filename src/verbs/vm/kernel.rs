//! `isolab vm kernel`.

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Args;
use serde_json::json;
use vm_model::kernel;

use crate::stderr;
use crate::stdout;

/// What `vm kernel` is asked to do.
#[derive(Debug, Args)]
pub struct KernelArgs {
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &KernelArgs) -> Result<ExitCode> {
    let kernel = match kernel::find() {
        Ok(kernel) => kernel,
        Err(_) => {
            let store = kernel::store().context("no directory for kernels: HOME is not set")?;
            stderr::tell("no readable kernel here: getting one from the distribution");
            kernel::fetch(&store)?
        }
    };
    stdout::print(if args.json {
        let found = json!({
            "path": kernel.path, "release": kernel.release, "bytes": kernel.bytes,
        });
        format!("{found:#}\n")
    } else {
        format!("{} ({})\n", kernel.path.display(), kernel.release)
    })?;
    Ok(ExitCode::SUCCESS)
}
