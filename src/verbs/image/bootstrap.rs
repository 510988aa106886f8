//! `isolab image bootstrap`: base images of what this machine has.

use std::process::ExitCode;

use anyhow::Result;
use isolab_engine::bootstrap::{self, Debian};
use isolab_engine::image::{Descriptor, Reference};
use isolab_engine::store::{Origin, Provenance, Store};

use super::{by_me, image_of, size, store};
use crate::stderr;
use crate::stdout;

/// What `image bootstrap` is asked to make.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "The same packages give the same image, bit for bit; SOURCE_DATE_EPOCH dates it."
)]
pub struct Args {
    /// Which
    #[arg(value_enum)]
    base: Base,
    /// Its name [default: busybox, debian:SUITE or python:3]
    #[arg(short, long, value_name = "NAME")]
    tag: Option<Reference>,
    /// The release of Debian [default: this machine's]
    #[arg(long)]
    suite: Option<String>,
    /// One more package of Debian; may be given again
    #[arg(long, value_name = "PACKAGE")]
    include: Vec<String>,
    /// Where packages come from [default: as on this machine]
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
    /// Show what mmdebstrap says
    #[arg(short, long)]
    verbose: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Base {
    /// One static program that is three hundred commands
    Busybox,
    /// Debian's essential packages, and apt
    Debian,
    /// The same, and Python
    Python,
}

/// Does it.
///
/// # Errors
/// If the machine lacks what it takes; the error says what to install.
pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let store = store()?;
    let suite = args.suite.as_deref();
    let (default, made) = match args.base {
        Base::Busybox => ("busybox".to_owned(), bootstrap::busybox(&store)?),
        Base::Debian => {
            let name = suite.map_or("debian".to_owned(), |suite| format!("debian:{suite}"));
            let asked = Debian {
                command: vec!["bash".to_owned()],
                ..Debian::default()
            };
            (name, debian(args, &store, asked)?)
        }
        Base::Python => ("python:3".to_owned(), debian(args, &store, python())?),
    };
    let tag = match &args.tag {
        Some(tag) => tag.clone(),
        None => default.parse()?,
    };
    let provenance = Provenance {
        from: Some("the packages of this machine".to_owned()),
        ..by_me(Provenance::now(Origin::Bootstrapped))
    };
    let version = store.tag(&tag, &made, &provenance)?;
    let image = image_of(&store, &version)?;
    let packed = size(image.packed_bytes());
    stdout::print(format!(
        "{tag} is {} ({packed} packed)\n",
        version.descriptor.digest
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Python as images have it: `python` is its name, and pip installs into it, since
/// nobody else's packages live there.
fn python() -> Debian {
    let packages = [
        "python3",
        "python3-pip",
        "python-is-python3",
        "ca-certificates",
    ];
    Debian {
        packages: packages.map(str::to_owned).to_vec(),
        without: vec!["usr/lib/python3*/EXTERNALLY-MANAGED".to_owned()],
        command: vec!["python3".to_owned()],
        ..Debian::default()
    }
}

fn debian(args: &Args, store: &Store, mut asked: Debian) -> Result<Descriptor> {
    asked.suite.clone_from(&args.suite);
    asked.mirror.clone_from(&args.mirror);
    asked.packages.extend(args.include.iter().cloned());
    stderr::tell("installing packages into a new root file system: this takes a minute");
    let mut said = |line: &str| {
        if args.verbose {
            stderr::tell(line);
        }
    };
    Ok(bootstrap::debian(store, &asked, &mut said)?)
}
