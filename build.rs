//! Compiles the workload, the kernel's floor and the guard, static programs without any
//! library, with `rustc` alone: they must not depend on what the rest of the build
//! links. And four with the C library: one that does nothing and one that only
//! makes an environment, to compare with, one that times its own loops, and the init
//! of guests with a disk.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=workload");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    let size = build("workload/program.rs", &out.join("true"));
    assert!(
        size < 4096,
        "the workload has grown to {size} bytes: a page is its limit"
    );
    build("workload/floor.rs", &out.join("floor"));
    build("workload/guard.rs", &out.join("guard"));
    let with_libc = &["-Ctarget-feature=+crt-static"];
    for name in ["empty", "environment", "speed", "disk"] {
        let source = format!("workload/{name}.rs");
        compile(&source, &out.join(name), with_libc)
            .unwrap_or_else(|said| panic!("cannot build {source}: {said}"));
    }
}

/// Builds a program of one source; its size in bytes.
fn build(source: &str, program: &Path) -> u64 {
    // The linker that comes with Rust needs nothing else; some distributions'
    // Rust lacks it, and there the C linker does.
    // Nothing unwinds in them, and the tables for it are as large as the rest.
    const NO_TABLES: &str = "-Cforce-unwind-tables=no";
    let with_lld: &[&str] = &[
        NO_TABLES,
        "-Clinker-flavor=ld.lld",
        "-Clinker=rust-lld",
        "-Clink-args=-nostdlib --build-id=none",
    ];
    let with_cc: &[&str] = &[
        NO_TABLES,
        "-Clink-args=-nostdlib -nostartfiles -static -Wl,--build-id=none",
    ];
    let failures: Vec<String> = [with_lld, with_cc]
        .iter()
        .map_while(|linker| compile(source, program, linker).err())
        .collect();
    if failures.len() == 2 {
        panic!(
            "cannot build {source}: {}",
            failures.join("\nand with the C linker: ")
        );
    }
    fs::metadata(program)
        .expect("the program was just built")
        .len()
}

fn compile(source: &str, program: &Path, linker: &[&str]) -> Result<(), String> {
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
        .arg(source)
        .output()
        .map_err(|error| format!("cannot run rustc: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}
