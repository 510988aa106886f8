//! A low-level OCI container runtime for Linux: library and the `isorun` command.
//!
//! It knows bundles, namespaces, control groups and mounts; it knows no images,
//! which are the business of the engine above it.
//!
//! A [`Bundle`] is a directory with a root file system and a [`Spec`], which
//! is its `config.json` or is made in memory. A [`Container`] is made of it,
//! either for this process alone,
//!
//! ```
//! use isolab_oci::{Bundle, Container, Options, Spec, Stdio};
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! # let busybox = ["/bin/busybox", "/usr/bin/busybox"];
//! # let Some(busybox) = busybox.iter().find(|path| std::path::Path::new(path).exists()) else {
//! #     println!("not tried: there is no busybox here");
//! #     return Ok(());
//! # };
//! # std::fs::create_dir_all(directory.join("rootfs/bin"))?;
//! # std::fs::copy(busybox, directory.join("rootfs/bin/sh"))?;
//! # let mut spec = match isolab_oci::sys::process::effective_ids() {
//! #     (0, _) => Spec::example(),
//! #     (uid, gid) => Spec::example_rootless(uid, gid),
//! # };
//!
//! // `spec` is Spec::example(), or Spec::example_rootless(uid, gid) for an
//! // ordinary user, and `directory` has a shell at rootfs/bin/sh.
//! if let Some(process) = &mut spec.process {
//!     process.terminal = false;
//!     process.args = ["sh", "-c", "exit $$"].map(str::to_owned).to_vec();
//! }
//! let bundle = Bundle::new(directory, spec)?;
//! # let probe = Container::run(&bundle, "probe", Stdio::inherit(), &Options::default());
//! # if let Err(why) = probe {
//! #     println!("not tried: {why}");
//! #     return Ok(());
//! # }
//! let mut running = Container::run(&bundle, "demo", Stdio::inherit(), &Options::default())?;
//! assert_eq!(running.wait()?.code, Some(1)); // it was process 1 inside
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! or below a [`StateRoot`], where every command finds it by its id:
//!
//! ```
//! use isolab_oci::{Begin, Bundle, Container, Error, Options, Spec, StateRoot, Status, Stdio};
//! # let directory = tempfile::tempdir()?;
//! # let directory = directory.path();
//! # let busybox = ["/bin/busybox", "/usr/bin/busybox"];
//! # let Some(busybox) = busybox.iter().find(|path| std::path::Path::new(path).exists()) else {
//! #     println!("not tried: there is no busybox here");
//! #     return Ok(());
//! # };
//! # std::fs::create_dir_all(directory.join("rootfs/bin"))?;
//! # std::fs::copy(busybox, directory.join("rootfs/bin/sleep"))?;
//! # let mut spec = match isolab_oci::sys::process::effective_ids() {
//! #     (0, _) => Spec::example(),
//! #     (uid, gid) => Spec::example_rootless(uid, gid),
//! # };
//! # if let Some(process) = &mut spec.process {
//! #     process.terminal = false;
//! #     process.args = ["sleep", "60"].map(str::to_owned).to_vec();
//! # }
//! # let bundle = Bundle::new(directory, spec)?;
//! # let probe = Container::run(&bundle, "probe", Stdio::inherit(), &Options::default());
//! # if let Err(why) = probe {
//! #     println!("not tried: {why}");
//! #     return Ok(());
//! # }
//!
//! let root = StateRoot::new(directory.join("state"));
//! let (mut container, mut running) = Container::create(
//!     &root,
//!     "demo",
//!     &bundle,
//!     Begin::Later,
//!     Stdio::inherit(),
//!     &Options::default(),
//! )?;
//! assert_eq!(container.status(), Status::Created);
//! assert_eq!(Container::load(&root, "demo")?.pid(), Some(running.pid()));
//!
//! container.start()?;
//! container.kill(libc::SIGKILL, false)?;
//! running.wait()?;
//! container.delete(false)?;
//! assert!(matches!(Container::load(&root, "demo"), Err(Error::NotFound { .. })));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What a spec asks for is checked before anything is made, and an error names
//! the field, its value and the remedy:
//!
//! ```
//! use isolab_oci::{Bundle, Container, Options, Spec, Stdio};
//!
//! let mut spec = Spec::example();
//! if let Some(process) = &mut spec.process {
//!     process.cwd = "tmp".into();
//! }
//! let bundle = Bundle::new("/tmp".as_ref(), spec)?;
//! let refused = Container::run(&bundle, "demo", Stdio::inherit(), &Options::default());
//! let error = refused.unwrap_err();
//! assert!(error.to_string().contains("process.cwd"));
//! assert!(error.hint().is_some());
//! # Ok::<(), isolab_oci::Error>(())
//! ```
//!
//! The crate's `examples/` are whole programs. What can be done to a container
//! is in [`Container`], what can go wrong in [`Error`].
//!
//! Floors, from the ground, each importing only those below it: [`mod@error`],
//! [`sys`], `procfs`; [`spec`], [`namespace`], `id_map`, [`cgroup`], [`security`],
//! `rootfs`; [`process`]; [`container`]; the binary.
#![deny(unsafe_code)]

pub mod cgroup;
pub mod container;
pub mod error;
pub mod features;
#[cfg(fuzzing)]
pub mod fuzz;
mod id_map;
pub mod namespace;
pub mod process;
mod procfs;
mod rootfs;
pub mod security;
pub mod spec;
#[allow(unsafe_code)]
pub mod sys;

pub use container::{Begin, Bundle, Container, State, StateRoot, Status};
pub use error::{Error, Result};
pub use features::features;
pub use process::{Apart, Cgroup, ExitStatus, Options, Program, Running, Session, Stdio};
pub use rootfs::{Overlay, known_mount_options};
pub use spec::Spec;
