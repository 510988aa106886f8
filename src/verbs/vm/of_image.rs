//! `isolab vm run --image`: the guest of an image, in the words that docker has for containers.

use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use isolab_engine::run::Settings;
use vm_model::guest::{Forward, Network};
use vm_model::kernel::Kernel;

use super::disk::{OfImage, of_image};
use super::prepare::has_terminal;
use super::run::{MachineChoice, RunArgs};
use crate::guest_disk::asked::{self, Bring};
use crate::guest_disk::start::{self, Start};
use crate::guests::root;
use crate::hint;
use crate::verbs::image::run::Asked;
use crate::verbs::image::{existing_store, store};

/// What is asked of a guest that is an image's.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct ImageArgs {
    /// Run a program of this image, on a copy-on-write clone of its disk; not needed where no
    /// program of this machine is called as the image is
    #[arg(long, value_name = "IMAGE", conflicts_with = "initrd")]
    pub(super) image: Option<String>,
    /// Pass a port of this machine's loopback, or of ADDRESS, on to it
    #[arg(short, long, value_name = "[ADDRESS:]HOST:GUEST[/udp]")]
    publish: Vec<Forward>,
    /// Its network; ports that are passed on need none
    #[arg(long, value_enum, default_value_t = Net::None)]
    network: Net,
    /// Where its program runs
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Who its program is: USER[:GROUP], by name or number
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// What is run, in place of the image's entry point
    #[arg(long, value_name = "PROGRAM")]
    entrypoint: Option<String>,
    /// Its name in itself
    #[arg(long, value_name = "NAME")]
    hostname: Option<String>,
}

/// What a guest reaches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Net {
    /// Nobody
    #[default]
    None,
    /// Whoever this user reaches, through QEMU
    User,
}

impl ImageArgs {
    fn network(&self) -> Option<Network> {
        let outside = self.network == Net::User;
        (outside || !self.publish.is_empty()).then(|| Network {
            outside,
            forwards: self.publish.clone(),
        })
    }

    /// The word that only an image's guest takes, if one was typed.
    fn own_word(&self) -> Option<&'static str> {
        let words = [
            (!self.publish.is_empty(), "--publish"),
            (self.network != Net::None, "--network"),
            (self.workdir.is_some(), "--workdir"),
            (self.user.is_some(), "--user"),
            (self.entrypoint.is_some(), "--entrypoint"),
            (self.hostname.is_some(), "--hostname"),
        ];
        words
            .into_iter()
            .find_map(|(typed, word)| typed.then_some(word))
    }
}

/// `args`, in which an image that was named as if it were a program is an image.
///
/// # Errors
/// If the store of images cannot be opened.
pub(super) fn named(args: &RunArgs) -> Result<RunArgs> {
    let mut args = args.clone();
    if args.of_image.image.is_some() || args.initrd.is_some() {
        return Ok(args);
    }
    let Some(first) = args.program.first().and_then(|word| word.to_str()) else {
        return Ok(args);
    };
    let is_program = root::resolve(first.as_ref()).is_ok();
    let is_image = || -> Result<bool> {
        Ok(existing_store()?.is_some_and(|store| store.resolve(first).is_ok()))
    };
    if !is_program && is_image()? {
        args.of_image.image = Some(first.to_owned());
        args.program.remove(0);
    }
    Ok(args)
}

/// What is to be started, where it is an image's; its disk is made where it is not there.
///
/// # Errors
/// If there is no such image or no disk can be made of it, or a word is only for images' guests.
pub(super) fn start(args: &RunArgs) -> Result<Option<Start>> {
    let asked = &args.of_image;
    let Some(name) = &asked.image else {
        return match asked.own_word() {
            None => Ok(None),
            Some(word) => Err(hint::with(
                format!("cannot use {word}: it is for the guest of an image"),
                "name one: --image IMAGE; `isolab images` lists what is here",
            )),
        };
    };
    if args.machine == MachineChoice::Microvm {
        bail!("cannot give microvm a disk of ours: its kernel modules are for PCI");
    }
    let files = args
        .file
        .iter()
        .map(|text| Bring::parse(text))
        .collect::<Result<Vec<_>>>()?;
    let mut command = Vec::new();
    for word in &args.program {
        match word.to_str() {
            Some(word) => command.push(word.to_owned()),
            None => bail!("cannot tell the guest {}: it is not UTF-8", word.display()),
        }
    }
    let store = store()?;
    let OfImage { image, disk } = of_image(&store, name, None, "isolab vm run --image")?;
    let asked_of = Asked {
        entrypoint: asked.entrypoint.as_deref(),
        command: &command,
        env: &args.env,
        workdir: asked.workdir.as_deref(),
        user: asked.user.as_deref(),
        hostname: asked.hostname.as_deref(),
    };
    let settings = Settings {
        terminal: has_terminal(args),
        ..asked_of.settings(&image, name, "isolab vm run --image")?
    };
    let network = asked.network();
    Ok(Some(Start {
        wanted: asked::wanted(&settings, Some(&disk.label), &files, network.is_some())?,
        disk: disk.path.clone(),
        bytes: disk.label.facts.bytes,
        files,
        network,
        memory_mib: start::MEMORY_MIB,
    }))
}

/// A kernel with the modules of a disk: the one that was named, or one that can be had.
///
/// # Errors
/// If the named one lacks them, or none can be had.
pub(super) fn kernel(args: &RunArgs, found: Kernel) -> Result<Kernel> {
    match &args.kernel {
        Some(_) => Ok(found),
        None => start::kernel_with_modules(found),
    }
}
