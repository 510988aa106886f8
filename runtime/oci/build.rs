//! Compiles the trampoline, a static program without any library, with `rustc`
//! alone: it is part of the runtime's own file, and its size is paid at each start.
//! And has the runtime's program entered by `src/sys/quick_start.rs`, where it can be,
//! and know the commit that it is built from.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const SOURCE: &str = "src/sys/trampoline/program.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    enter_quickly();
    name_the_commit();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let program = out.join("trampoline");
    // The linker that comes with Rust needs nothing else; some distributions'
    // Rust lacks it, and there the C linker does.
    let with_lld: &[&str] = &[
        "-Clinker-flavor=ld.lld",
        "-Clinker=rust-lld",
        // One segment: two would be a page apart, and the file mostly a hole.
        "-Clink-args=-nostdlib --build-id=none --no-rosegment",
    ];
    let with_cc: &[&str] =
        &["-Clink-args=-nostdlib -nostartfiles -static -Wl,--build-id=none -Wl,-z,noseparate-code"];
    let failures: Vec<String> = [with_lld, with_cc]
        .iter()
        .map_while(|linker| compile(&program, linker).err())
        .collect();
    assert!(
        failures.len() < 2,
        "cannot build the trampoline: {}",
        failures.join("\nand with the C linker: ")
    );
    let size = fs::metadata(&program)
        .expect("the trampoline was just built")
        .len();
    assert!(
        size < 4096,
        "the trampoline has grown to {size} bytes: a page is its limit"
    );
}

/// Where the program holds glibc itself, at an address that is known beforehand.
fn enter_quickly() {
    let is = |name: &str, value| env::var(name).is_ok_and(|found| found == value);
    let features = env::var("CARGO_CFG_TARGET_FEATURE").unwrap_or_default();
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    if is("CARGO_CFG_TARGET_ARCH", "x86_64")
        && is("CARGO_CFG_TARGET_ENV", "gnu")
        && features.split(',').any(|feature| feature == "crt-static")
        && flags.contains("relocation-model=static")
    {
        println!("cargo::rustc-link-arg-bin=isorun=-Wl,--entry=isorun_start");
    }
}

/// The commit that a release is built from, for `isorun --version`. A build for
/// development says `unknown`: it would be built anew with each commit.
fn name_the_commit() {
    println!("cargo::rerun-if-env-changed=ISOLAB_COMMIT");
    let given = env::var_os("ISOLAB_COMMIT").is_some();
    if given || env::var("PROFILE").as_deref() != Ok("release") {
        return;
    }
    // Of this workspace alone: a copy in somebody's tree is not of his commit.
    if let Some(commit) = commit(Path::new("../../.git")) {
        println!("cargo::rustc-env=ISOLAB_COMMIT={commit}");
    }
}

/// Reads it as git does (`gitrepository-layout(5)`), and has what it is read from
/// watched. A file that does not exist must not be: cargo takes it for changed,
/// each time.
fn commit(git: &Path) -> Option<String> {
    // In a worktree it is a file that names the directory, which names the
    // repository's own.
    let own = match fs::read_to_string(git) {
        Ok(text) => git
            .parent()?
            .join(text.strip_prefix("gitdir: ")?.trim_end()),
        Err(_) => git.to_owned(),
    };
    let shared = match fs::read_to_string(own.join("commondir")) {
        Ok(text) => own.join(text.trim_end()),
        Err(_) => own.clone(),
    };
    let head = read(&own.join("HEAD"))?;
    // A hash itself, where no branch is checked out.
    let Some(branch) = head.strip_prefix("ref: ") else {
        return hash(&head);
    };
    if let Some(commit) = read(&shared.join(branch)) {
        return hash(&commit);
    }
    // The next commit puts the branch into a file of its own.
    watch(shared.join(branch).ancestors().find(|path| path.is_dir())?);
    let packed = read(&shared.join("packed-refs"))?;
    packed
        .lines()
        .find_map(|line| hash(line.strip_suffix(branch)?))
}

/// A file's text without its last line's end; `None` where there is none.
fn read(path: &Path) -> Option<String> {
    let text = fs::read_to_string(path).ok()?;
    watch(path);
    Some(text.trim_end().to_owned())
}

fn watch(path: &Path) {
    println!("cargo::rerun-if-changed={}", path.display());
}

fn hash(text: &str) -> Option<String> {
    let text = text.trim_end();
    let is_hash = text.len() >= 40 && text.bytes().all(|b| b.is_ascii_hexdigit());
    is_hash.then(|| text.to_owned())
}

fn compile(program: &Path, linker: &[&str]) -> Result<(), String> {
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let output = Command::new(rustc)
        .args(["--edition=2024", "--crate-name=trampoline", "--target"])
        .arg(target)
        .args(["-Copt-level=s", "-Cpanic=abort", "-Cstrip=symbols"])
        .arg("-Crelocation-model=static")
        .args(linker)
        .arg("-o")
        .arg(program)
        .arg(SOURCE)
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
