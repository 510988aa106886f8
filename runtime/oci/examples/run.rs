//! A container for this process alone: started, waited for, gone.
//!
//! `cargo run -p isolab-oci --example run`

mod common;

use isolab_oci::{Container, Options, Stdio};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let script = "echo \"I am process $$ on $(cat /proc/sys/kernel/hostname)\"; exit 7";
    let bundle = common::bundle(directory.path(), script)?;
    // Dropping `running` would end it: nothing outlives its starter by accident.
    let mut running = Container::run(
        &bundle,
        "example-run",
        Stdio::inherit(),
        &Options::default(),
    )?;
    for warning in running.warnings() {
        eprintln!("warning: {warning}");
    }
    println!("outside it is process {}", running.pid());
    println!("it exited with {}", running.wait()?.shell_code());
    Ok(())
}
