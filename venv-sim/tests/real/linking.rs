//! How files get from one file system to the same or another: clones, links and copies, each
//! where the kernel can.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use libtest_mimic::{Failed, Trial};
use venv_sim::install::{Changed, InstallOptions, LinkMode};
use venv_sim::{Cache, Environment, Error, Interpreter, Options, Search, Store, create};

use crate::machine::{any_python, expect, options, output, program, scratch, trial};
use crate::wheels::{Draft, put, put_one};

/// Names the directory for [`put_in`], in a child of this program, which has a mask of its own.
pub(crate) const CHILD: &str = "VENV_SIM_TEST_PUTS_IN";

/// Where a file system in memory is, on most machines.
const MEMORY: &str = "/dev/shm";

pub(crate) fn trials() -> Vec<Trial> {
    let missing = || any_python().err();
    vec![
        trial(
            "where_blocks_can_be_shared_files_are_cloned",
            missing().or_else(|| Sharing::mount().err()),
            cloned,
        ),
        trial(
            "where_blocks_cannot_be_shared_a_clone_is_refused_with_its_remedy",
            missing().or_else(|| no_memory().err()),
            refused,
        ),
        trial(
            "what_the_umask_hides_is_hidden_and_then_nothing_is_linked",
            missing(),
            masks,
        ),
        trial(
            "to_another_file_system_files_are_copied_or_linked_by_name",
            missing().or_else(|| no_memory().err()),
            across,
        ),
    ]
}

/// A small file system that shares blocks, as long as this lives.
struct Sharing {
    at: PathBuf,
    /// What it is made of, and where it is mounted.
    _scratch: tempfile::TempDir,
}

impl Sharing {
    fn mount() -> Result<Self, String> {
        let mkfs = program("mkfs.xfs").or(Some("/usr/sbin/mkfs.xfs".into()));
        let mkfs = mkfs.filter(|mkfs| mkfs.is_file());
        let mkfs = mkfs.ok_or("there is no mkfs.xfs here to make a file system with")?;
        let scratch = scratch();
        let (image, at) = (scratch.path().join("image"), scratch.path().join("mounted"));
        let text = |error: std::io::Error| error.to_string();
        fs::create_dir(&at).map_err(text)?;
        // It has holes and takes what is written to it.
        let made = fs::File::create(&image).and_then(|image| image.set_len(320 << 20));
        made.map_err(text)?;
        let runs = |command: &mut Command| {
            let quiet = command.stdout(Stdio::null()).stderr(Stdio::null());
            quiet.status().is_ok_and(|status| status.success())
        };
        if !runs(
            Command::new(mkfs)
                .args(["-q", "-m", "reflink=1"])
                .arg(&image),
        ) {
            return Err("mkfs.xfs makes no file system that shares blocks".to_owned());
        }
        let mut mount = Command::new("mount");
        if !runs(mount.args(["-o", "loop"]).arg(&image).arg(&at)) {
            return Err("no file can be mounted here as a file system".to_owned());
        }
        Ok(Self {
            at,
            _scratch: scratch,
        })
    }
}

impl Drop for Sharing {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.at).status();
    }
}

/// Whether there is another file system than that of the tests to write to.
fn no_memory() -> Result<(), String> {
    let text = |error: std::io::Error| format!("{MEMORY}: {error}");
    let directory = tempfile::tempdir_in(MEMORY).map_err(text)?;
    let device = |path: &Path| fs::metadata(path).map(|found| found.dev()).map_err(text);
    match device(directory.path())? == device(scratch().path())? {
        true => Err(format!("{MEMORY} is on the same file system as the rest")),
        false => Ok(()),
    }
}

/// Text that no file system packs.
fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let next = |_| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        state.to_be_bytes()[0]
    };
    (0..bytes).map(next).collect()
}

struct Ground {
    python: Interpreter,
    made: Environment,
    store: Store,
    stored: venv_sim::Stored,
}

impl Ground {
    /// An environment in one directory, and a store in another.
    fn new(environments: &Path, stores: &Path) -> Result<Self, Failed> {
        let python = any_python()?;
        let made = create(&environments.join("env"), &python, &options())?;
        let store = Store::of(&Cache::at(stores.join("cache")))?;
        let stored = Draft::new("shared", "1.0")
            .file("shared/__init__.py", "VALUE = 1\n")
            .file("shared/large.bin", noise(8 << 20))
            .stored(&store, stores)?;
        Ok(Self {
            python,
            made,
            store,
            stored,
        })
    }

    fn put(&self, link_mode: LinkMode) -> venv_sim::Result<Changed> {
        let options = InstallOptions {
            link_mode,
            ..InstallOptions::default()
        };
        put(
            &self.made,
            &self.python,
            &self.store,
            &[&self.stored],
            &options,
        )
    }

    fn imports(&self) -> Result<(), Failed> {
        let mut command = Command::new(&self.made.python);
        output(command.args(["-B", "-c", "import shared"])).map(drop)
    }

    fn is_refused(&self, link_mode: LinkMode) -> Result<(), Failed> {
        let refused = self.put(link_mode);
        let tells = |error: &Error| {
            error
                .hint()
                .is_some_and(|hint| hint.contains("--link-mode copy"))
        };
        match &refused {
            Err(error @ Error::Io { .. }) if tells(error) => {}
            other => return Err(format!("{link_mode:?}: {other:?}").into()),
        }
        let left = self.made.site_packages.join("shared").exists();
        expect("left", &left, &false)
    }
}

/// How many bytes are free where `path` lies.
fn free(path: &Path) -> Result<u64, Failed> {
    output(Command::new("sync").arg("-f").arg(path))?;
    let found = rustix::fs::statvfs(path)?;
    Ok(found.f_bfree * found.f_frsize)
}

fn cloned() -> Result<(), Failed> {
    let sharing = Sharing::mount()?;
    let ground = Ground::new(&sharing.at, &sharing.at)?;
    let large = ground.made.site_packages.join("shared/large.bin");
    let module = ground.made.site_packages.join("shared/__init__.py");
    for asked in [LinkMode::Auto, LinkMode::Clone] {
        let before = free(&sharing.at)?;
        let changed = ground.put(asked)?;
        expect("mode", &changed.link_mode, &Some(LinkMode::Clone))?;
        let taken = before.saturating_sub(free(&sharing.at)?);
        let length = fs::metadata(&large)?.len();
        // Two files, and the blocks of one.
        expect("length", &length, &(8 << 20))?;
        if taken > length / 4 {
            return Err(format!("{asked:?}: {taken} bytes were taken").into());
        }
        let of_store = fs::metadata(ground.stored.tree().join("shared/large.bin"))?;
        let here = fs::metadata(&large)?;
        expect("a file of its own", &(here.ino() == of_store.ino()), &false)?;
        expect("dated", &here.mtime(), &of_store.mtime())?;
        ground.imports()?;
        // An edit is nobody else's.
        fs::write(&module, "VALUE = 2\n")?;
        expect("mended", &ground.store.verify(true)?.len(), &0)?;
    }
    Ok(())
}

fn refused() -> Result<(), Failed> {
    let (scratch, memory) = (scratch(), tempfile::tempdir_in(MEMORY)?);
    // Within a file system that cannot, and from one to another.
    Ground::new(memory.path(), memory.path())?.is_refused(LinkMode::Clone)?;
    Ground::new(&memory.path().join("across"), scratch.path())?.is_refused(LinkMode::Clone)
}

fn across() -> Result<(), Failed> {
    let (scratch, memory) = (scratch(), tempfile::tempdir_in(MEMORY)?);
    let ground = Ground::new(memory.path(), scratch.path())?;
    ground.is_refused(LinkMode::HardLink)?;
    for (asked, done) in [
        (LinkMode::Auto, LinkMode::Copy),
        (LinkMode::Copy, LinkMode::Copy),
        (LinkMode::Symlink, LinkMode::Symlink),
    ] {
        let changed = ground.put(asked)?;
        expect("mode", &changed.link_mode, &Some(done))?;
        let package = ground.made.site_packages.join("shared");
        let is_link = asked == LinkMode::Symlink;
        expect("is a link", &package.is_symlink(), &is_link)?;
        ground.imports()?;
    }
    Ok(())
}

/// Installs a wheel into a new environment in `dir`, and prints how.
pub(crate) fn put_in(dir: &Path) -> ExitCode {
    let put = || -> venv_sim::Result<_> {
        let cache = Cache::at(dir.join("cache"));
        let python = Search::of_process().cache(cache.clone()).discover(None)?;
        let asked = Options {
            cache: cache.clone(),
            ..Options::default()
        };
        let made = create(&dir.join("env"), &python, &asked)?;
        let store = Store::of(&cache)?;
        let stored = Draft::new("masked", "1.0")
            .file("masked/__init__.py", "")
            .script("masked = masked:main")
            .stored(&store, dir)?;
        put_one(&made, &python, &store, &stored)
    };
    match put() {
        Ok(changed) => {
            println!("{:?}", changed.link_mode);
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}: {:?}", std::error::Error::source(&error));
            ExitCode::FAILURE
        }
    }
}

fn masks() -> Result<(), Failed> {
    // Of a stored file, of a text of ours, of a script, of a directory.
    for (mask, links, modes) in [
        ("022", true, [0o644, 0o644, 0o755, 0o755]),
        ("002", true, [0o644, 0o664, 0o775, 0o775]),
        ("027", false, [0o640, 0o640, 0o750, 0o750]),
        ("077", false, [0o600, 0o600, 0o700, 0o700]),
    ] {
        let scratch = scratch();
        let mut child = Command::new("sh");
        child.args(["-c", "umask \"$1\"; exec \"$0\""]);
        child.arg(std::env::current_exe()?).arg(mask);
        let said = output(child.env(CHILD, scratch.path()))?;
        let expected = match links {
            true => "Some(HardLink)",
            false => "Some(Copy)",
        };
        // Where blocks can be shared, neither is needed.
        let is_cloned = said.trim_end() == "Some(Clone)";
        if !is_cloned {
            expect(mask, &said.trim_end(), &expected)?;
        }
        let made = Environment::open(&scratch.path().join("env"))?;
        let (site, bin) = (&made.site_packages, made.dir.join("bin"));
        let places = [
            site.join("masked/__init__.py"),
            site.join("masked-1.0.dist-info/INSTALLER"),
            bin.join("masked"),
            site.join("masked"),
        ];
        for (number, (place, mode)) in places.iter().zip(modes).enumerate() {
            if number == 0 && is_cloned {
                continue;
            }
            let found = fs::metadata(place)?.permissions().mode() & 0o7777;
            let what = format!("{mask}: {}", place.display());
            expect(&what, &format!("{found:o}"), &format!("{mode:o}"))?;
        }
    }
    Ok(())
}
