//! What the README has its readers type, typed as it stands.

use std::process::Command;

use isolab_oci::sys::process::effective_ids;

use crate::runtime::{Place, Runtime, text};
use crate::{Claim, OURS};

pub(crate) const CLAIMS: &[Claim] = &[("the_readmes_first_minute_works", OURS, first_minute)];

fn first_minute(runtime: &Runtime) {
    let readme = include_str!("../../../../README.md");
    let section = readme.split("## The container runtime by itself").nth(1);
    let block = section.and_then(|section| section.split("```sh\n").nth(1));
    let block = block.and_then(|block| block.split("```").next()).unwrap();
    let mut script = block.to_owned();
    if effective_ids().0 != 0 {
        let spec = "isorun spec";
        assert!(script.contains(spec), "{script}");
        script = script.replace(spec, "isorun spec --rootless");
    }
    let place = Place::new(runtime);
    let command = place.command();
    let directory = std::path::Path::new(command.get_program()).parent();
    let path = std::env::var("PATH").unwrap_or_default();
    let output = Command::new("sh")
        .args(["-ec", &script])
        .current_dir(place.path())
        .env("PATH", format!("{}:{path}", directory.unwrap().display()))
        .env("XDG_RUNTIME_DIR", place.path())
        .output()
        .unwrap();
    let said = text(&output.stdout);
    assert!(said.contains("I am process 1"), "{output:?}");
    assert!(said.contains("/bin"), "{output:?}");
}
