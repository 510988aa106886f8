//! What the tests stand on: a kernel, QEMU, and the workspace's own init.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use libtest_mimic::{Failed, Trial};
use tempfile::TempDir;
use vm_model::guest::Guest;
use vm_model::initramfs::Archive;
use vm_model::kernel::{self, Kernel};
use vm_model::qemu::{self, Qemu, Version};

/// A place that outlives the test run, for what is dear to make.
fn kept() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}

/// QEMU and an unpacked kernel, or why there is none; looked for once.
pub(crate) fn real() -> Result<(Qemu, Kernel), String> {
    static FOUND: OnceLock<Result<(Qemu, Kernel), String>> = OnceLock::new();
    let look = || {
        let qemu = qemu::find()?;
        let kernel = kernel::find().or_else(|_| kernel::fetch(&kept().join("kernels")))?;
        Ok((qemu, kernel.unpacked(&kept().join("unpacked"))?))
    };
    FOUND
        .get_or_init(|| {
            look().map_err(|error: vm_model::Error| match error.source() {
                Some(cause) => format!("{error}: {cause}"),
                None => error.to_string(),
            })
        })
        .clone()
}

/// The init, compiled once.
pub(crate) fn init() -> &'static [u8] {
    static INIT: OnceLock<Vec<u8>> = OnceLock::new();
    INIT.get_or_init(compile_init)
}

/// Compiles the init as the workspace's build script does it.
fn compile_init() -> Vec<u8> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../workload/program.rs");
    let program = kept().join(format!("init-{}", std::process::id()));
    let lld = [
        "-Clinker-flavor=ld.lld",
        "-Clinker=rust-lld",
        "-Clink-args=-nostdlib",
    ];
    let cc = ["-Clink-args=-nostdlib -nostartfiles -static"];
    let built = [&lld[..], &cc[..]].iter().any(|linker| {
        Command::new("rustc")
            .args(["--edition=2024", "-Copt-level=s", "-Cpanic=abort"])
            .args([
                "-Crelocation-model=static",
                "--target=x86_64-unknown-linux-gnu",
            ])
            .args(*linker)
            .arg("-o")
            .arg(&program)
            .arg(&source)
            .output()
            .is_ok_and(|output| output.status.success())
    });
    assert!(built, "the init does not compile");
    let bytes = std::fs::read(&program).unwrap();
    std::fs::remove_file(&program).unwrap();
    bytes
}

/// The kernel as it was found, before it was unpacked.
pub(crate) fn packed_kernel() -> Option<Kernel> {
    kernel::find()
        .or_else(|_| kernel::fetch(&kept().join("kernels")))
        .ok()
}

/// A guest of the init as `/init` and as `/true`, with a directory that goes with it.
pub(crate) fn real_guest(args: &[&str]) -> (TempDir, Guest) {
    let (_, kernel) = real().unwrap();
    real_guest_of(kernel, args)
}

/// The same of another kernel.
pub(crate) fn real_guest_of(kernel: Kernel, args: &[&str]) -> (TempDir, Guest) {
    let (qemu, _) = real().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut archive = Archive::guest(init()).unwrap();
    archive.add_file("true", 0o755, init()).unwrap();
    archive.write_file(&dir.path().join("initrd")).unwrap();
    let guest = Guest::new(
        qemu,
        kernel,
        dir.path().join("initrd"),
        dir.path().join("console"),
    )
    .args(args.iter().copied());
    (dir, guest)
}

/// A guest whose QEMU is the shell script `body`, run in the test's own directory with the names of
/// its pipes in `$console` and `$port`.
pub(crate) fn scripted_guest(body: &str) -> (TempDir, Guest) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("initrd"), b"").unwrap();
    let name = "a script".to_owned();
    let version = Version { major: 7, minor: 2 };
    let qemu = Qemu {
        path: "qemu-arguments".into(),
        version,
        name,
        qboot: false,
    };
    let path = dir.path().join("initrd");
    let kernel = Kernel {
        path: path.clone(),
        release: "0".to_owned(),
        bytes: 0,
    };
    let dir_path = dir.path().display();
    let script =
        format!("cd {dir_path}; port=$(echo console.*.port); console=${{port%.port}}; {body}");
    let guest = Guest::new(qemu, kernel, path, dir.path().join("console")).launcher([
        "/bin/sh",
        "-c",
        script.as_str(),
    ]);
    (dir, guest)
}

/// A test that is run, or reported as ignored where something is missing.
pub(crate) fn trial(
    name: &str,
    missing: Option<String>,
    test: impl FnOnce() -> Result<(), Failed> + Send + 'static,
) -> Trial {
    match missing {
        None => Trial::test(name, test),
        Some(why) => Trial::test(format!("{name} (ignored: {why})"), test).with_ignored_flag(true),
    }
}
