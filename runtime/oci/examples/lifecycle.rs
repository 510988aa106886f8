//! A container that every command with the same state root knows, from its
//! creation to its end, with one more process in it.
//!
//! `cargo run -p isolab-oci --example lifecycle`

mod common;

use isolab_oci::{Begin, Cgroup, Container, Options, StateRoot, Status, Stdio};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir()?;
    let script = "trap 'exit 0' TERM; while :; do sleep 0.1; done";
    let bundle = common::bundle(directory.path(), script)?;
    let root = StateRoot::new(directory.path().join("state"));
    let options = Options {
        cgroup: Cgroup::Named,
        ..Options::default()
    };

    // Everything is made and checked; the program waits.
    let id = "example-lifecycle";
    let (_, running) =
        Container::create(&root, id, &bundle, Begin::Later, Stdio::inherit(), &options)?;
    running.detach();

    // From here on it could be another process that goes on.
    let mut container = Container::load(&root, id)?;
    assert_eq!(container.status(), Status::Created);
    container.start()?;
    println!("{}", serde_json::to_string_pretty(&container.state()?)?);

    let mut process = container.spec()?.process.unwrap_or_default();
    process.args = ["sh", "-c", "echo \"beside it I am process $$\""]
        .map(str::to_owned)
        .to_vec();
    let mut beside = container.exec(&process, Stdio::inherit(), &Options::default())?;
    println!("it exited with {}", beside.wait()?.shell_code());
    println!("what runs: {:?}", container.processes());

    container.delete(true)?;
    println!("left: {:?}", Container::list(&root)?.len());
    Ok(())
}
