//! The program to execute: where it may be, and what environment it gets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CString;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::Options;
use crate::error::{Error, Result};
use crate::spec::Process;
use crate::sys::descriptor::{Resolve, openat, openat2};

/// The environment, with the `HOME` that shells expect where there is none.
pub(super) fn environment(process: &Process, root: &Path, options: &Options) -> Vec<String> {
    let mut env = distinct(&process.env);
    if options.listen_fds > 0 {
        // `sd_listen_fds(3)`: the container's init is process 1.
        env.retain(|e| !e.starts_with("LISTEN_FDS=") && !e.starts_with("LISTEN_PID="));
        env.push(format!("LISTEN_FDS={}", options.listen_fds));
        env.push("LISTEN_PID=1".to_owned());
    }
    if !env.iter().any(|e| e.starts_with("HOME=")) {
        let home = home_of(process.user.uid, root).unwrap_or_else(|| "/".to_owned());
        env.push(format!("HOME={home}"));
    }
    env
}

/// Each name once, where it came first, with its last value: programs differ in
/// which of two they take.
fn distinct(env: &[String]) -> Vec<String> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut distinct: Vec<String> = Vec::with_capacity(env.len() + 3);
    for entry in env {
        let name = entry.split('=').next().unwrap_or_default();
        match places.entry(name) {
            Entry::Occupied(place) => distinct[*place.get()].clone_from(entry),
            Entry::Vacant(place) => {
                place.insert(distinct.len());
                distinct.push(entry.clone());
            }
        }
    }
    distinct
}

/// The home directory that the container's own `/etc/passwd` gives `uid`.
fn home_of(uid: u32, root: &Path) -> Option<String> {
    let root = c_string("root.path", root.as_os_str().as_encoded_bytes()).ok()?;
    let root = openat(libc::AT_FDCWD, &root, libc::O_PATH | libc::O_DIRECTORY, 0).ok()?;
    // Not to hang on a fifo that an image put there, and not to read for ever.
    let flags = libc::O_RDONLY | libc::O_NONBLOCK;
    let file = openat2(root.as_raw_fd(), c"etc/passwd", flags, 0, Resolve::InRoot).ok()?;
    let mut text = Vec::new();
    std::fs::File::from(file.into_owned())
        .take(1 << 20)
        .read_to_end(&mut text)
        .ok()?;
    parse_home(uid, &String::from_utf8_lossy(&text))
}

fn parse_home(uid: u32, passwd: &str) -> Option<String> {
    passwd.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        (*fields.get(2)? == uid.to_string()).then(|| fields.get(5).map(|&home| home.to_owned()))?
    })
}

/// Where `program` may be: itself with a slash in it, else below each
/// directory of `PATH`.
pub(super) fn search_path(program: &str, env: &[String]) -> Result<Vec<CString>> {
    if program.contains('/') {
        return Ok(vec![c_string("process.args", program.as_bytes())?]);
    }
    let path = env.iter().rev().find_map(|e| e.strip_prefix("PATH="));
    path.unwrap_or("/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .split(':')
        .map(|dir| {
            let dir = if dir.is_empty() { "." } else { dir };
            c_string("process.env", format!("{dir}/{program}").as_bytes())
        })
        .collect()
}

pub(super) fn c_strings(field: &str, list: &[String]) -> Result<Vec<CString>> {
    list.iter().map(|s| c_string(field, s.as_bytes())).collect()
}

pub(super) fn c_string(field: &str, bytes: &[u8]) -> Result<CString> {
    CString::new(bytes).map_err(|_| Error::Invalid {
        field: field.to_owned(),
        reason: "it contains a zero byte".to_owned(),
        remedy: "remove it".to_owned(),
    })
}

/// What an image and its author say of the program, for the fuzzer.
#[cfg(fuzzing)]
pub(crate) fn fuzz(text: &str) {
    assert!(parse_home(0, text).is_none_or(|home| !home.contains([':', '\n'])));
    let env: Vec<String> = text.lines().map(str::to_owned).collect();
    let each = distinct(&env);
    assert_eq!(distinct(&each), each);
    if let Ok(places) = search_path("x", &each) {
        assert!(!places.is_empty() && places.iter().all(|place| place.as_bytes().ends_with(b"/x")));
    }
}
