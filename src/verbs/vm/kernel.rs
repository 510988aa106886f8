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
    /// Get one from the distribution, with its modules, whatever is here
    #[arg(long)]
    fetch: bool,
    /// Print what was found as JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &KernelArgs) -> Result<ExitCode> {
    let kernel = match kernel::find() {
        Ok(kernel) if !args.fetch => kernel,
        _ => {
            let store = kernel::store().context("no directory for kernels: HOME is not set")?;
            stderr::tell(if args.fetch {
                "getting a kernel from the distribution"
            } else {
                "no readable kernel here: getting one from the distribution"
            });
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
