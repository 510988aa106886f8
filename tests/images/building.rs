//! Images built from Dockerfiles, and containers of them.

use std::fs;
use std::path::Path;
use std::process::Command;

use libtest_mimic::{Failed, Trial};

use crate::place::{Home, no, no_busybox, said, trial};
use crate::shared::{once, with_busybox};

pub(crate) fn trials() -> Vec<Trial> {
    let base = || no_busybox().or_else(no_containers);
    vec![
        trial("hello-world runs without anything", no_containers(), hello),
        trial("a container ends as its program does", base(), ends),
        trial("what is built runs", base(), builds),
        trial(
            "a step is taken once, and again where it depends on what changed",
            base(),
            caches,
        ),
        trial(
            "a build under SOURCE_DATE_EPOCH gives the same image twice",
            base(),
            reproduces,
        ),
        trial(
            "a step of a build reads nothing and says no result",
            base(),
            steps_are_alone,
        ),
        trial(
            "a build that fails tells its line and leaves nothing",
            base(),
            fails,
        ),
        trial("secrets and mounts are seen and not kept", base(), mounts),
        trial(
            "a build knows the commit of its context, whatever git is told to look at",
            no("git"),
            revisions,
        ),
        trial(
            "what docker would ignore is ignored, and explained",
            base(),
            ignores,
        ),
    ]
}

/// Why no container can be run here, if so.
pub(crate) fn no_containers() -> Option<String> {
    once("a container", || {
        let home = Home::new();
        let tried = home.says(&["run", "hello-world"]);
        tried.err().map(|error| format!("no container: {error:?}"))
    })
}

pub(crate) fn write(home: &Home, files: &[(&str, &str)]) -> Result<(), Failed> {
    for (path, content) in files {
        let path = home.path().join("context").join(path);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/")))?;
        fs::write(path, content)?;
    }
    Ok(())
}

pub(crate) fn unfinished(home: &Home) -> Result<usize, Failed> {
    Ok(fs::read_dir(home.store().join("ingest"))?.count())
}

fn revisions() -> Result<(), Failed> {
    let home = Home::new();
    write(
        &home,
        &[("Dockerfile", "FROM scratch\nCOPY Dockerfile /\n")],
    )?;
    let script = "for place in context other; do mkdir -p $place; cd $place; git init -q
                  git config user.name x; git config user.email x@example.org
                  git commit -q --allow-empty -m $place; git rev-parse HEAD; cd ..; done";
    let mut shell = Command::new("sh");
    let commits = said(shell.args(["-ec", script]).current_dir(home.path()))?;
    let own = commits.lines().next().ok_or("no commit")?;
    let mut build = home.isolab(&["build", "-t", "app", "context"]);
    build.env("GIT_DIR", home.path().join("other/.git"));
    said(build.env("GIT_WORK_TREE", home.path().join("other")))?;
    let log = home.json(&["image", "log", "--json", "app"])?;
    let told = log.to_string();
    assert!(told.contains(own), "{told}");
    Ok(())
}

fn hello() -> Result<(), Failed> {
    let home = Home::new();
    let said = home.says(&["run", "--rm", "hello-world"])?;
    assert!(said.starts_with("Hello from a container."), "{said}");
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn ends() -> Result<(), Failed> {
    let home = with_busybox()?;
    for (arguments, code) in [
        (&["busybox", "true"][..], 0),
        (&["busybox", "false"], 1),
        (&["busybox", "sh", "-c", "exit 7"], 7),
        (&["busybox", "sh", "-c", "kill -9 $$; sleep 9"], 137),
        (&["busybox", "no-such-program"], 127),
        (&["busybox", "/etc/passwd"], 126),
        (&["-u", "no-such-user", "busybox", "true"], 125),
        (&["-v", "/no/such:/x", "busybox", "true"], 125),
        (&["--pull", "never", "no-such-image"], 125),
    ] {
        let mut run = home.isolab(&["run"]);
        let status = run.args(arguments).output()?.status;
        // The first process of a pid namespace is not ended by its own signal.
        let expected = status.code() == Some(code) || code == 137;
        assert!(expected, "{arguments:?}: {status}");
    }
    let said = home.says(&[
        "run",
        "-e",
        "A=b",
        "-w",
        "/tmp",
        "-u",
        "5:6",
        "--entrypoint",
        "sh",
        "busybox",
        "-c",
        "echo $A; pwd; id -u; id -g; cat /proc/1/comm; ls /sys/class/net",
    ])?;
    assert_eq!(
        said.lines().collect::<Vec<_>>(),
        ["b", "/tmp", "5", "6", "sh", "lo"]
    );
    fs::write(home.path().join("shared"), "from the host")?;
    let volume = format!("{}:/mnt/shared:ro", home.path().join("shared").display());
    let said = home.says(&["run", "-v", &volume, "busybox", "cat", "/mnt/shared"])?;
    assert_eq!(said, "from the host");
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn builds() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox AS base\nWORKDIR /app\nCOPY src .\n\
                RUN cat one > two && rm -r /etc/group && mkdir empty\n\
                FROM base\nARG NAME=nobody\nENV WHO=$NAME\n\
                COPY --from=base --chown=5:6 --chmod=640 /app/two /three\n\
                CMD [\"sh\", \"-c\", \"cat /three; echo $WHO; stat -c %u:%g:%a /three; ls /app /etc\"]\n";
    write(&home, &[("Dockerfile", file), ("src/one", "content\n")])?;
    home.says(&["build", "-t", "app", "--build-arg", "NAME=me", "context"])?;
    let said = home.says(&["run", "app"])?;
    let lines: Vec<_> = said.lines().collect();
    assert_eq!(lines[..3], ["content", "me", "5:6:640"]);
    for name in ["empty", "one", "two", "passwd"] {
        assert!(lines.contains(&name), "{name} of {said}");
    }
    assert!(!lines.contains(&"group"), "{said}");
    let log = home.json(&["image", "log", "app", "--json"])?;
    let said = &log["versions"][0]["provenance"];
    assert_eq!(
        (&said["base"], &said["arguments"][0]),
        (&"busybox".into(), &"NAME=me".into())
    );
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

/// How many steps made layers, and how many of them were taken before.
fn counted(home: &Home) -> Result<String, Failed> {
    let said = home.says(&["build", "-t", "app", "context"])?;
    Ok(said.lines().last().unwrap_or_default().to_owned())
}

fn caches() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox\nCOPY a /\nRUN cat /a > /made\nCOPY b /\nRUN cat /b\n";
    write(&home, &[("Dockerfile", file), ("a", "1"), ("b", "1")])?;
    assert!(counted(&home)?.starts_with("4 layers, 0 of"));
    let first = home.says(&["images", "-q", "app"])?;
    assert!(counted(&home)?.starts_with("4 layers, 4 of"));
    assert_eq!(
        home.says(&["images", "-q", "app"])?,
        first,
        "it is the same image"
    );
    write(&home, &[("b", "2")])?;
    assert!(counted(&home)?.starts_with("4 layers, 2 of"));
    write(&home, &[("a", "2")])?;
    assert!(counted(&home)?.starts_with("4 layers, 0 of"));
    write(&home, &[("a", "1"), ("b", "1")])?;
    assert!(counted(&home)?.starts_with("4 layers, 4 of"));
    let renamed = format!("{file}LABEL a=b\nEXPOSE 80\n");
    write(&home, &[("Dockerfile", &renamed)])?;
    assert!(counted(&home)?.starts_with("4 layers, 4 of"));
    let said = home.says(&["build", "--no-cache", "-t", "app", "context"])?;
    assert!(said.contains("4 layers, 0 of"), "{said}");
    Ok(())
}

fn reproduces() -> Result<(), Failed> {
    let digest = || -> Result<String, Failed> {
        let home = with_busybox()?;
        let file = "FROM busybox\nCOPY a /d/\nRUN date > /dev/null; echo x > /d/made; mkdir /new\n";
        write(&home, &[("Dockerfile", file), ("a", "1")])?;
        let mut build = home.isolab(&["build", "-q", "-t", "app", "context"]);
        crate::place::said(build.env("SOURCE_DATE_EPOCH", "1700000000"))
    };
    let first = digest()?;
    std::thread::sleep(std::time::Duration::from_millis(1100));
    assert_eq!(digest()?, first);
    Ok(())
}

/// What a step reads is nothing, and what it says is no result.
fn steps_are_alone() -> Result<(), Failed> {
    let home = with_busybox()?;
    write(
        &home,
        &[("Dockerfile", "FROM busybox\nRUN cat && echo said\n")],
    )?;
    let mut build = home.isolab(&["build", "-q", "-t", "app", "context"]);
    build.stdin(std::fs::File::open(home.path().join("context/Dockerfile"))?);
    let said = crate::place::said(&mut build)?;
    let id = home.json(&["image", "inspect", "app"])?[0]["Id"].clone();
    assert_eq!(said.trim(), id);
    home.says(&["tag", "app", "other"])?;
    let id = id.as_str().unwrap_or_default();
    let told = home.fails(&["rmi", id])?;
    assert!(told.contains("app:latest and other:latest"), "{told}");
    Ok(())
}

fn fails() -> Result<(), Failed> {
    let home = with_busybox()?;
    fs::create_dir_all(home.path().join("context"))?;
    for (file, expected) in [
        (
            "FROM busybox\n\nRUN echo said; exit 3\n",
            "Dockerfile:3: `RUN echo said; exit 3`: it ended with exit code 3",
        ),
        ("FROM busybox\nCOPY missing /\n", "Dockerfile:2"),
        (
            "FROM localhost:1/no-such-image\n",
            "cannot pull localhost:1/no-such-image",
        ),
        ("FORM busybox\n", "line 1: unknown instruction `FORM`: "),
        (
            "FROM busybox\nRUN --mount=type=bind,source=[ab],target=/m true\n",
            "`[ab]` in the build context",
        ),
        (
            "FROM busybox\nRUN [\"no-such-program\"]\n",
            "no-such-program",
        ),
        (
            "FROM busybox\nCOPY --from=later / /\nFROM busybox AS later\n",
            "later",
        ),
    ] {
        write(&home, &[("Dockerfile", file)])?;
        let told = home.fails(&["build", "-t", "app", "context"])?;
        assert!(told.contains(expected), "{file}: {told}");
    }
    let file = "FROM busybox\nRUN --network=host true\n";
    write(&home, &[("Dockerfile", file)])?;
    let told = home.fails(&["build", "--network", "none", "context"])?;
    assert!(told.contains("not granted"), "{told}");
    assert!(home.fails(&["build", "nowhere"])?.contains("nowhere"));
    assert!(home.says(&["images", "-q", "app"])?.is_empty());
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn mounts() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox\n\
        RUN --mount=type=secret,id=key --mount=type=bind,source=src,target=/src \
            --mount=type=tmpfs,target=/scratch --mount=type=cache,target=/cache \
            touch -r /src/a /time && cat /run/secrets/key /src/a > /seen.length && wc -c < /seen.length > /seen && \
            rm /seen.length && echo x > /scratch/x && echo y > /cache/y\n\
        RUN --mount=type=cache,target=/cache cat /cache/y > /cached\n";
    write(&home, &[("Dockerfile", file), ("src/a", "1234")])?;
    let a = home.path().join("context/src/a");
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_000_000_000);
    fs::File::options()
        .write(true)
        .open(a)?
        .set_modified(time)?;
    fs::write(home.path().join("key"), "s3cr3t")?;
    home.says(&[
        "build",
        "-t",
        "app",
        "--secret",
        "id=key,src=key",
        "context",
    ])?;
    let said = home.says(&[
        "run",
        "app",
        "sh",
        "-c",
        "cat /seen /cached; ls -A / /run /cache; stat -c %Y /time",
    ]);
    let said = said.unwrap_or_else(|error| format!("{error:?}"));
    assert!(said.contains("10") && said.contains('y'), "{said}");
    assert!(said.contains("1000000000"), "{said}");
    let mut saved = home.isolab(&["save", "app"]);
    let archive = saved.output()?.stdout;
    assert!(!archive.windows(6).any(|bytes| bytes == b"s3cr3t"));
    let told = home.fails(&["build", "--no-cache", "context"]);
    // A secret that is not required may be missing; the program says so then.
    assert!(told?.contains("Dockerfile:2"));
    Ok(())
}

fn ignores() -> Result<(), Failed> {
    let home = with_busybox()?;
    let files = [
        (
            "Dockerfile",
            "FROM busybox\nCOPY . /app\nCMD [\"find\", \"/app\", \"-type\", \"f\"]\n",
        ),
        (
            ".dockerignore",
            "# a comment\n**/*.log\n!keep.log\nDockerfile\n",
        ),
        ("keep.log", ""),
        ("a/drop.log", ""),
        ("a/b", ""),
    ];
    write(&home, &files)?;
    home.says(&["build", "-t", "app", "context"])?;
    let said = home.says(&["run", "app"])?;
    let mut found: Vec<_> = said.lines().collect();
    found.sort_unstable();
    assert_eq!(found, ["/app/.dockerignore", "/app/a/b", "/app/keep.log"]);
    let why = home.says(&["build", "--explain-ignore", "a/drop.log", "context"])?;
    assert!(
        why.contains(".dockerignore:2") && why.contains("stays out"),
        "{why}"
    );
    let why = home.says(&["build", "--explain-ignore", "keep.log", "context"])?;
    assert!(
        why.contains(".dockerignore:3") && why.contains("comes into"),
        "{why}"
    );
    Ok(())
}
