//! What is refused before QEMU is started, each with its reason.

use std::fs;

use crate::place::{Place, said};
use crate::{Named, Tested};

pub(crate) fn trials() -> Vec<Named> {
    vec![
        ("a_kernel_that_is_none_is_refused", kernels),
        ("memory_that_cannot_be_had_is_refused", memory),
        ("a_program_that_is_not_there_is_refused", programs),
        ("a_name_that_is_none_is_refused", names),
        ("an_archive_that_is_not_there_is_refused", archives),
    ]
}

/// Fails unless `isolab vm run` with these words ends with `code`, says `part`, and leaves nothing.
fn check(place: &Place, words: &[&str], code: i32, part: &str) {
    let output = place.run(words);
    assert_eq!(
        output.status.code(),
        Some(code),
        "{words:?}: {}",
        said(&output)
    );
    assert!(said(&output).contains(part), "{words:?}: {}", said(&output));
    place.is_clean();
}

fn kernels() -> Tested {
    let place = Place::new();
    let file = |name: &str, bytes: &[u8]| {
        let path = place.path().join(name);
        fs::write(&path, bytes).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let script = file("script", b"#!/bin/sh\n");
    check(&place, &["--kernel", &script], 125, "no x86 boot header");
    let mut arm = vec![0; 4096];
    arm[56..60].copy_from_slice(b"ARM\x64");
    check(
        &place,
        &["--kernel", &file("arm", &arm)],
        125,
        "a kernel for arm64",
    );
    let mut elf = vec![0; 4096];
    elf[..4].copy_from_slice(b"\x7fELF");
    elf[18] = 243;
    check(
        &place,
        &["--kernel", &file("riscv", &elf)],
        125,
        "a kernel for riscv",
    );
    // Which would be waited for.
    let pipe = place.path().join("pipe");
    nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU)?;
    let pipe = pipe.to_str().ok_or("no UTF-8")?;
    check(&place, &["--kernel", pipe], 125, "no regular file");
    check(&place, &["--initrd", pipe], 125, "no regular file");
    check(&place, &["--kernel", "/nonexistent"], 125, "No such file");
    check(&place, &["--kernel", "/"], 125, "cannot read /");
    Ok(())
}

fn memory() -> Tested {
    let place = Place::new();
    check(&place, &["-m", "9999999T"], 2, "no machine has that much");
    check(&place, &["-m", "1T"], 125, "are free");
    check(&place, &["-m", "1"], 125, "64M or more");
    check(&place, &["-m", "much"], 2, "512M or 2G");
    Ok(())
}

fn programs() -> Tested {
    let place = Place::new();
    check(&place, &["/nonexistent"], 127, "No such file");
    check(&place, &["no-such-program"], 127, "no such program");
    check(&place, &["/etc"], 126, "no file that may be executed");
    check(
        &place,
        &["--file", "nowhere", "sh"],
        125,
        "--file SOURCE:/DESTINATION",
    );
    check(
        &place,
        &["--file", "/nonexistent:/x", "sh"],
        125,
        "No such file",
    );
    Ok(())
}

fn names() -> Tested {
    let place = Place::new();
    for name in ["../x", "a b", "-", &"x".repeat(50)] {
        check(
            &place,
            &[&format!("--name={name}")],
            125,
            "cannot call a guest",
        );
    }
    Ok(())
}

fn archives() -> Tested {
    let place = Place::new();
    check(
        &place,
        &["--initrd", "/nonexistent"],
        125,
        "cannot read /nonexistent",
    );
    check(&place, &["--initrd", "/x", "sh"], 2, "cannot be used with");
    Ok(())
}
