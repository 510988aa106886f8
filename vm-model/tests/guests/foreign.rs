//! An archive of ours, read by a program that we did not write.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use vm_model::initramfs::Archive;

use crate::setting::trial;

/// busybox and GNU cpio take the same options; either will do.
const READERS: [&[&str]; 2] = [&["cpio"], &["busybox", "cpio"]];

pub(crate) fn trials() -> Vec<Trial> {
    let installed = |reader: &&&[&str]| {
        Command::new(reader[0])
            .args(&reader[1..])
            .arg("--help")
            .output()
            .is_ok()
    };
    let reader = READERS.iter().find(installed).copied();
    let missing = reader
        .is_none()
        .then(|| "neither cpio nor busybox is installed".to_owned());
    let test = move || a_foreign_reader_makes_the_same_tree(reader.unwrap_or_default());
    vec![trial("a_foreign_reader_makes_the_same_tree", missing, test)]
}

fn a_foreign_reader_makes_the_same_tree(reader: &[&str]) -> Result<(), Failed> {
    let original = tempfile::tempdir()?;
    let root = original.path();
    fs::create_dir_all(root.join("lib/deep"))?;
    fs::write(root.join("program"), b"#!code")?;
    fs::set_permissions(root.join("program"), fs::Permissions::from_mode(0o755))?;
    fs::hard_link(root.join("program"), root.join("lib/deep/same"))?;
    symlink("/nowhere", root.join("lib/dangling"))?;
    let mut archive = Archive::new();
    archive.add_tree(root, "")?;

    let copy = extracted(reader, &archive)?;
    let (program, same) = (
        copy.path().join("program"),
        copy.path().join("lib/deep/same"),
    );
    assert_eq!(fs::read(&program)?, b"#!code");
    let (program, same) = (fs::metadata(program)?, fs::metadata(same)?);
    assert_eq!(program.ino(), same.ino(), "two names of one file");
    assert_eq!(program.permissions().mode() & 0o7777, 0o755);
    assert_eq!(
        fs::read_link(copy.path().join("lib/dangling"))?,
        Path::new("/nowhere")
    );
    Ok(())
}

/// What a foreign program extracts.
fn extracted(reader: &[&str], archive: &Archive) -> Result<tempfile::TempDir, Failed> {
    let dir = tempfile::tempdir()?;
    let mut child = Command::new(reader[0])
        .args(&reader[1..])
        .arg("-id")
        .current_dir(dir.path())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    child
        .stdin
        .take()
        .ok_or("no pipe")?
        .write_all(&archive.to_bytes()?)?;
    let output = child.wait_with_output()?;
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(dir)
}
