//! Compiles the trampoline, a static program without any library, with `rustc`
//! alone: it is part of the runtime's own file, and its size is paid at each start.
//! And has the runtime's program entered by `src/sys/quick_start.rs`, where it can be.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

const SOURCE: &str = "src/sys/trampoline/program.rs";

fn main() {
    println!("cargo::rerun-if-changed={SOURCE}");
    enter_quickly();
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
