//! Compiles the workload, a static program without any library, with `rustc`
//! alone: it must not depend on what the rest of the build links.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=workload");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let program = out.join("true");
    // The linker that comes with Rust needs nothing else; some distributions'
    // Rust lacks it, and there the C linker does.
    let with_lld: &[&str] = &[
        "-Clinker-flavor=ld.lld",
        "-Clinker=rust-lld",
        "-Clink-args=-nostdlib --build-id=none",
    ];
    let with_cc: &[&str] = &["-Clink-args=-nostdlib -nostartfiles -static -Wl,--build-id=none"];
    let failures: Vec<String> = [with_lld, with_cc]
        .iter()
        .map_while(|linker| compile(&program, linker).err())
        .collect();
    if failures.len() == 2 {
        panic!(
            "cannot build the workload: {}",
            failures.join("\nand with the C linker: ")
        );
    }
    let size = fs::metadata(&program)
        .expect("the workload was just built")
        .len();
    assert!(
        size < 4096,
        "the workload has grown to {size} bytes: a page is its limit"
    );
}

fn compile(program: &Path, linker: &[&str]) -> Result<(), String> {
    let rustc = env::var_os("RUSTC").expect("cargo sets RUSTC");
    let target = env::var("TARGET").expect("cargo sets TARGET");
    let output = Command::new(rustc)
        .args([
            "--edition=2024",
            "--crate-name=workload",
            "--target",
            &target,
        ])
        .args([
            "-Copt-level=s",
            "-Cpanic=abort",
            "-Cstrip=symbols",
            "-Crelocation-model=static",
        ])
        .args(linker)
        .arg("-o")
        .arg(program)
        .arg("workload/program.rs")
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
