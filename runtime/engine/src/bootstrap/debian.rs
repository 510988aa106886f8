//! Debian from its own packages, by `mmdebstrap`, which needs no root.

use std::io::{self, BufReader, Read};
use std::process::{Command, Stdio};

use super::{About, of_layer, source_date_epoch};
use crate::error::{Error, Result};
use crate::image::{Descriptor, Run};
use crate::store::Store;

/// What to make.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debian {
    /// The release, such as `bookworm`; the machine's own where `None`.
    pub suite: Option<String>,
    /// Packages beside the essential ones.
    pub packages: Vec<String>,
    /// Where packages come from: a mirror, or a line of `sources.list`; the
    /// machine's own sources where `None`.
    pub mirror: Option<String>,
    /// Files and directories that are taken away again, relative to the root.
    pub without: Vec<String>,
    /// What the image runs.
    pub command: Vec<String>,
}

/// What differs from one making to the next, or is the maker's machine's.
const UNWANTED: [&str; 6] = [
    "etc/hostname",
    "etc/resolv.conf",
    "var/cache/ldconfig/aux-cache",
    "var/lib/dbus/machine-id",
    "var/log/*.log",
    "var/log/apt",
];

/// Makes it. What `mmdebstrap` says goes to `said`, a line at a time.
///
/// # Errors
/// [`Error::NotFound`] where there is no `mmdebstrap`, or no release is known;
/// [`Error::Program`] where it fails, with the last that it said.
pub fn debian(store: &Store, asked: &Debian, said: &mut dyn FnMut(&str)) -> Result<Descriptor> {
    let suite = match &asked.suite {
        Some(suite) => suite.clone(),
        None => own_suite()?,
    };
    let epoch = source_date_epoch();
    let mut command = mmdebstrap(&suite, asked, epoch);
    let mut child = command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Error::NotFound {
            what: "mmdebstrap: install it (Debian, Ubuntu: `apt install mmdebstrap uidmap`)"
                .to_owned(),
        },
        _ => Error::read("mmdebstrap".as_ref())(error),
    })?;
    let mut layer = store.new_layer()?;
    let (Some(mut archive), Some(words)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Error::read("mmdebstrap".as_ref())(
            io::ErrorKind::BrokenPipe.into(),
        ));
    };
    let (copied, last) = std::thread::scope(|scope| {
        let copying = scope.spawn(move || io::copy(&mut archive, &mut layer).map(|_| layer));
        let last = listen(words, said);
        (copying.join(), last)
    });
    let status = child.wait().map_err(Error::read("mmdebstrap".as_ref()))?;
    if !status.success() {
        return Err(Error::Program {
            program: "mmdebstrap",
            reason: format!("it ended with {status}: {last}"),
        });
    }
    let copied = copied.unwrap_or_else(|_| Err(io::Error::other("the copying thread panicked")));
    let (layer, diff_id) = copied.map_err(Error::write(store.root()))?.finish()?;
    let with = match asked.packages.is_empty() {
        true => String::new(),
        false => format!(" with {}", asked.packages.join(", ")),
    };
    let about = About {
        run: Run {
            env: vec![
                "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned(),
            ],
            cmd: Some(asked.command.clone()),
            ..Run::default()
        },
        created_by: format!("isolab image bootstrap debian: {suite}{with}"),
        epoch,
    };
    of_layer(store, layer, diff_id, &about)
}

fn mmdebstrap(suite: &str, asked: &Debian, epoch: u64) -> Command {
    let mut command = Command::new("mmdebstrap");
    let is_root = isolab_oci::sys::process::effective_ids().0 == 0;
    let mode = if is_root { "root" } else { "unshare" };
    command.args([
        &format!("--mode={mode}"),
        "--variant=minbase",
        "--format=tar",
    ]);
    // What no container reads, and what differs from run to run.
    for unread in ["man", "info", "doc", "lintian"] {
        command.arg(format!("--dpkgopt=path-exclude=/usr/share/{unread}/*"));
    }
    command.arg("--dpkgopt=path-exclude=/usr/share/locale/*");
    // The shell of a hook gets the root as its first argument.
    let mut remove = String::from("--customize-hook=cd \"$1\" && rm -rf");
    for path in UNWANTED
        .iter()
        .copied()
        .chain(asked.without.iter().map(String::as_str))
    {
        remove += &format!(" ./{path}");
    }
    command.arg(remove);
    command.arg("--customize-hook=: >\"$1/etc/machine-id\"");
    if !asked.packages.is_empty() {
        command.arg(format!("--include={}", asked.packages.join(",")));
    }
    command.args([suite, "-"]);
    command.args(&asked.mirror);
    command.env("SOURCE_DATE_EPOCH", epoch.to_string());
    command.stdin(Stdio::null());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Hands on each line, and gives the last that says something is wrong, or the
/// last.
fn listen(words: impl Read, said: &mut dyn FnMut(&str)) -> String {
    let mut last = String::new();
    let mut error = String::new();
    for line in io::BufRead::lines(BufReader::new(words)).map_while(std::result::Result::ok) {
        let line: String = line.chars().take(500).collect();
        if line.starts_with("E:") {
            error.clone_from(&line);
        }
        said(&line);
        last = line;
    }
    if error.is_empty() { last } else { error }
}

/// The release of this machine, where it is Debian.
fn own_suite() -> Result<String> {
    let text = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let field = |name: &str| {
        let mut lines = text.lines();
        let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix('='))?;
        Some(value.trim_matches('"').to_owned())
    };
    match (field("ID").as_deref(), field("VERSION_CODENAME")) {
        (Some("debian"), Some(suite)) => Ok(suite),
        _ => Err(Error::NotFound {
            what: "a release of Debian on this machine: name one, such as --suite bookworm, and \
                   where its packages are with --mirror URL"
                .to_owned(),
        }),
    }
}
