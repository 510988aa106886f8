//! AppArmor: the profile that the kernel puts on the process at its next exec.
//!
//! The request goes through a file of procfs. A container, or an image, could
//! have put something else in its place (CVE-2019-16884: a volume over /proc),
//! and the write would go there, and the process on without its profile. So it
//! goes through a descriptor of the runtime's own /proc, which is checked to be
//! procfs, and no symlink or mount on the way is followed.

use std::ffi::CStr;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::path::Path;

use crate::error::{Error, Result};
use crate::sys::descriptor::{Resolve, openat, openat2, write};
use crate::sys::{self, Errno, file};

/// A profile, ready to be asked for.
#[derive(Debug)]
pub(crate) struct Profile {
    name: String,
    request: Vec<u8>,
    proc: OwnedFd,
    /// Where the request goes, below the directory of the process.
    attribute: &'static CStr,
}

impl Profile {
    pub(crate) fn prepare(name: &str) -> Result<Self> {
        let invalid = |reason: String, remedy: &str| Error::Invalid {
            field: "process.apparmorProfile".to_owned(),
            reason,
            remedy: remedy.to_owned(),
        };
        if name.contains(['\0', '\n']) {
            let reason = format!("`{}` is no name of a profile", name.escape_debug());
            return Err(invalid(reason, "write it on one line"));
        }
        if !is_enabled() {
            let reason = format!(
                "the profile `{}` is asked for, and apparmor is not enabled on this host",
                name.escape_debug()
            );
            let remedy =
                "remove it, or boot with the kernel parameters apparmor=1 security=apparmor";
            return Err(invalid(reason, remedy));
        }
        let own = c"attr/apparmor/exec";
        let attribute = if Path::new("/proc/self/attr/apparmor/exec").exists() {
            own
        } else {
            c"attr/exec" // before Linux 5.8 the modules shared one
        };
        Ok(Self {
            name: name.to_owned(),
            request: format!("exec {name}").into_bytes(),
            proc: open_procfs(c"/proc")?,
            attribute,
        })
    }

    /// Asks for it. Runs in the child.
    pub(crate) fn request(&self) -> sys::Result<()> {
        let mut path = [0u8; 64];
        // The link names this process as the runtime's own /proc counts.
        let digits = file::read_link_at(self.proc.as_raw_fd(), c"self", &mut path[..20])?;
        path[digits] = b'/';
        let attribute = self.attribute.to_bytes();
        let end = digits + 1 + attribute.len();
        path[digits + 1..end].copy_from_slice(attribute);
        let path = CStr::from_bytes_until_nul(&path).map_err(|_| Errno(libc::EINVAL))?;
        let proc = self.proc.as_raw_fd();
        let file = openat2(proc, path, libc::O_WRONLY, 0, Resolve::SameMount)?;
        if file::file_system_magic(file.as_raw_fd())? != file::PROCFS {
            return Err(Errno(libc::EXDEV));
        }
        write(file.as_raw_fd(), &self.request).map(drop)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }
}

/// Whether the kernel has AppArmor and was told to use it.
fn is_enabled() -> bool {
    let enabled = std::fs::read("/sys/module/apparmor/parameters/enabled");
    enabled.is_ok_and(|text| text.first() == Some(&b'Y'))
}

/// The runtime's own /proc, and nothing that was mounted over it.
fn open_procfs(path: &CStr) -> Result<OwnedFd> {
    let failed = |errno: Errno| Error::Setup {
        step: format!("open procfs at {}", path.to_string_lossy()),
        source: errno.into(),
        remedy: Some("mount procfs there".to_owned()),
    };
    let flags = libc::O_PATH | libc::O_DIRECTORY | libc::O_NOFOLLOW;
    let proc = openat(libc::AT_FDCWD, path, flags, 0).map_err(failed)?;
    match file::is_procfs_root(proc.as_raw_fd()).map_err(failed)? {
        true => Ok(proc.into_owned()),
        false => Err(failed(Errno(libc::EXDEV))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_profile_that_this_host_cannot_put_on_is_refused_with_a_remedy() {
        if is_enabled() {
            return; // then it is asked for; a test with a container's program sees it
        }
        let error = Profile::prepare("docker-default").unwrap_err();
        assert!(
            error.to_string().contains("apparmor is not enabled"),
            "{error}"
        );
        assert!(error.hint().is_some());
    }

    #[test]
    fn a_name_of_two_lines_could_ask_for_more_than_a_profile() {
        let error = Profile::prepare("a\nexec b").unwrap_err().to_string();
        assert!(error.contains("no name of a profile"), "{error}");
    }

    #[test]
    fn the_request_goes_to_this_very_process() {
        // Any file of the process shows where the path leads.
        let profile = Profile {
            name: String::new(),
            request: b"0".to_vec(),
            proc: open_procfs(c"/proc").unwrap(),
            attribute: c"oom_score_adj",
        };
        let read = || std::fs::read_to_string("/proc/self/oom_score_adj").unwrap();
        if read().trim() == "0" {
            profile.request().unwrap();
        }
        let elsewhere = Profile {
            attribute: c"cwd/x",
            ..profile
        };
        assert_eq!(elsewhere.request(), Err(Errno(libc::ELOOP)));
    }

    /// CVE-2019-16884, CVE-2019-19921: what stands in for procfs takes the
    /// request, and the process goes on without its profile.
    #[test]
    fn a_request_never_goes_to_what_stands_in_for_procfs() {
        use std::os::unix::fs::symlink;
        let fake = tempfile::tempdir().unwrap();
        let attributes = fake.path().join("7/attr");
        std::fs::create_dir_all(&attributes).unwrap();
        symlink("7", fake.path().join("self")).unwrap();
        let exec = attributes.join("exec");
        std::fs::write(&exec, "").unwrap();
        let path = std::ffi::CString::new(fake.path().to_str().unwrap()).unwrap();
        let error = open_procfs(&path).unwrap_err().to_string();
        assert!(error.contains("procfs"), "{error}");
        // A part of procfs is not its root.
        assert!(open_procfs(c"/proc/sys").is_err());
        let flags = libc::O_PATH | libc::O_DIRECTORY;
        let profile = Profile {
            name: String::new(),
            request: b"exec unconfined".to_vec(),
            proc: openat(libc::AT_FDCWD, &path, flags, 0)
                .unwrap()
                .into_owned(),
            attribute: c"attr/exec",
        };
        assert_eq!(profile.request(), Err(Errno(libc::EXDEV)));
        assert_eq!(std::fs::read(&exec).unwrap(), b"");
        // Nor through a link to another file, which may be one of procfs.
        symlink("attr", fake.path().join("7/link")).unwrap();
        let profile = Profile {
            attribute: c"link/exec",
            ..profile
        };
        assert_eq!(profile.request(), Err(Errno(libc::ELOOP)));
    }
}
