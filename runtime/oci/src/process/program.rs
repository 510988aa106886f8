//! The program to execute: where it may be, and what environment it gets.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::ffi::CString;
use std::io::Read as _;
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::Options;
use crate::error::{Result, c_string};
use crate::spec::Process;
use crate::sys::descriptor::{Resolve, openat, openat2};
use crate::sys::file::stat_at;

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
    let place = openat2(
        root.as_raw_fd(),
        c"etc/passwd",
        libc::O_PATH,
        0,
        Resolve::InRoot,
    );
    let place = place.ok()?;
    // To open a device that an image or a container put there may do something
    // on the host, where no control group forbids it.
    if !stat_at(place.as_raw_fd(), c"").ok()?.is_file() {
        return None;
    }
    let file = std::fs::File::open(format!("/proc/self/fd/{}", place.as_raw_fd())).ok()?;
    let mut text = Vec::new();
    // Not to read for ever.
    file.take(1 << 20).read_to_end(&mut text).ok()?;
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

#[cfg(test)]
mod tests {
    use std::ffi::CString;
    use std::fs::{self, File};
    use std::io::Write as _;
    use std::os::unix::fs::{OpenOptionsExt as _, symlink};

    use super::home_of;

    const LINE: &str = "root:x:0:0:root:/home/of/root:/bin/sh\n";

    #[test]
    fn the_home_directory_is_read_from_a_regular_file_and_from_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let etc = root.path().join("etc");
        fs::create_dir(&etc).unwrap();
        assert_eq!(home_of(0, root.path()), None);
        fs::write(etc.join("users"), LINE).unwrap();
        symlink("/etc/users", etc.join("passwd")).unwrap();
        assert_eq!(home_of(0, root.path()).as_deref(), Some("/home/of/root"));
        assert_eq!(home_of(7, root.path()), None);
        fs::remove_file(etc.join("users")).unwrap();
        // A fifo that is opened gives what was written to it.
        let fifo = etc.join("users");
        let name = CString::new(fifo.to_str().unwrap()).unwrap();
        let mode = libc::S_IFIFO | 0o600;
        crate::sys::file::mknodat(libc::AT_FDCWD, &name, mode, 0).unwrap();
        let mut options = File::options();
        let reader = options.read(true).custom_flags(libc::O_NONBLOCK);
        let _reader = reader.open(&fifo).unwrap();
        let mut writer = File::options().write(true).open(&fifo).unwrap();
        writer.write_all(LINE.as_bytes()).unwrap();
        drop(writer);
        assert_eq!(home_of(0, root.path()), None);
    }
}
