//! Images of trees of files: imported, exported, and built where nobody wrote a
//! Dockerfile; and images for another machine.

use std::fs;
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};

use crate::building::{no_containers, unfinished, write};
use crate::place::{Home, no, no_busybox, said, trial};
use crate::shared::with_busybox;

pub(crate) fn trials() -> Vec<Trial> {
    let base = || no_busybox().or_else(no_containers);
    vec![
        trial(
            "what is exported is what its layers show, and is imported again",
            base().or_else(|| no("tar")),
            there_and_back,
        ),
        trial(
            "what cannot be imported changes nothing",
            base().or_else(|| no("tar")),
            refused_imports,
        ),
        trial(
            "a tree without a Dockerfile gets one, which is shown and built",
            base(),
            written_dockerfiles,
        ),
        trial(
            "for another machine everything but RUN is built",
            base(),
            other_machines,
        ),
    ]
}

fn there_and_back() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox\nRUN rm /etc/group && mkdir /d && echo text > /d/f && ln /d/f /d/g \
                && chown 5:6 /d/f && chmod 4750 /d/f && mkfifo /d/fifo && rm -r /tmp\n";
    write(&home, &[("Dockerfile", file)])?;
    home.says(&["build", "-t", "app", "context"])?;
    home.says(&["export", "app", "-o", "app.tar"])?;
    let mut tar = Command::new("tar");
    tar.args(["--numeric-owner", "-tvf", "app.tar"])
        .current_dir(home.path());
    let listed = said(&mut tar)?;
    let line = |name: &str| {
        let found = listed
            .lines()
            .find(|line| line.split(' ').any(|word| word == name));
        found.ok_or_else(|| format!("no {name} in {listed}"))
    };
    let f = line("d/f")?;
    assert!(f.starts_with("-rwsr-x---"), "{f}");
    assert!(line("d/g")?.contains("link to d/f"), "{listed}");
    assert!(line("d/fifo")?.starts_with('p'), "{listed}");
    assert!(line("etc/passwd").is_ok() && line("etc/group").is_err() && line("tmp/").is_err());
    assert!(!listed.contains(".wh."), "{listed}");
    let mut export = home
        .isolab(&["export", "app"])
        .stdout(Stdio::piped())
        .spawn()?;
    let mut import = home.isolab(&["import", "-", "again:v1", "-m", "by a test"]);
    import.args([
        "-c",
        "ENV A=b",
        "-c",
        "CMD [\"sh\", \"-c\", \"echo $A; stat -c %u:%g /d/g\"]",
    ]);
    import.stdin(export.stdout.take().ok_or("no output")?);
    let told = said(&mut import)?;
    assert!(told.starts_with("again:v1 is sha256:"), "{told}");
    assert!(export.wait()?.success());
    let ran = home.says(&["run", "again:v1"])?;
    assert!(ran == "b\n5:6\n" || ran == "b\n0:0\n", "{ran}");
    let history = home.says(&["history", "again:v1"])?;
    assert!(history.contains("by a test"), "{history}");
    let mut tar = Command::new("tar");
    tar.args(["-czf", "few.tgz", "context"])
        .current_dir(home.path());
    said(&mut tar)?;
    let told = home.says(&["import", "few.tgz"])?;
    let name = told.split(' ').next().unwrap_or_default().to_owned();
    home.says(&["export", &name, "-o", "few.tar"])?;
    let mut tar = Command::new("tar");
    let listed = said(tar.args(["-tf", "few.tar"]).current_dir(home.path()))?;
    assert_eq!(listed, "context/\ncontext/Dockerfile\n");
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn refused_imports() -> Result<(), Failed> {
    let home = with_busybox()?;
    write(&home, &[("evil", "x")])?;
    fs::write(home.path().join("text"), "no archive ".repeat(200))?;
    let mut tar = Command::new("tar");
    tar.args([
        "-P",
        "--transform",
        "s,.*,../escaped,",
        "-cf",
        "evil.tar",
        "context/evil",
    ]);
    said(tar.current_dir(home.path()))?;
    for (arguments, expected) in [
        (&["import", "text", "x"][..], "cannot import text"),
        (&["import", "evil.tar", "x"], "../escaped"),
        (&["import", "none.tar", "x"], "cannot read none.tar"),
        (&["import", "text", "x", "-c", "RUN true"], "it takes CMD"),
        (&["export", "none"], "none"),
    ] {
        let told = home.fails(arguments)?;
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    assert!(home.says(&["images", "-q", "x"])?.is_empty());
    assert!(!home.path().join("export.tar").exists());
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn written_dockerfiles() -> Result<(), Failed> {
    let home = Home::new();
    write(&home, &[("index.html", "<h1>site</h1>"), ("css/a.css", "")])?;
    let dockerfile = home.path().join("context/Dockerfile");
    let told = home.fails(&["build", "context"])?;
    assert!(told.contains("isolab image bootstrap busybox"), "{told}");
    assert!(!dockerfile.exists(), "an error changes nothing");
    let home = with_busybox()?;
    write(&home, &[("index.html", "<h1>site</h1>"), ("css/a.css", "")])?;
    // What is nobody else's stays at home.
    for own in [
        ".git/config",
        ".env",
        "css/.env.local",
        ".venv/x",
        ".dockerignore",
    ] {
        write(&home, &[(own, "")])?;
    }
    let dockerfile = home.path().join("context/Dockerfile");
    let shown = home.says(&["build", "--dry-run", "context"])?;
    assert!(
        !dockerfile.exists() && shown.contains("FROM busybox"),
        "{shown}"
    );
    let output = home.isolab(&["build", "-t", "site", "context"]).output()?;
    let told = String::from_utf8(output.stderr)?;
    assert!(
        output.status.success() && told.contains("  FROM busybox\n"),
        "{told}"
    );
    assert_eq!(fs::read_to_string(&dockerfile)?, shown);
    let ask = "httpd -p 8080 -h /site; wget -qO - http://127.0.0.1:8080/; cd /site; ls -A . css";
    let told = home.says(&["run", "site", "sh", "-c", ask])?;
    assert_eq!(told, "<h1>site</h1>.:\ncss\nindex.html\n\ncss:\na.css\n");
    // What is there is built, and not written again.
    fs::write(&dockerfile, "FROM busybox\nCMD [\"echo\", \"mine\"]\n")?;
    home.says(&["build", "-t", "site", "context"])?;
    assert_eq!(home.says(&["run", "site"])?, "mine\n");

    // The bundled program is static; its image has it.
    home.says(&["run", "hello-world"])?;
    home.says(&["export", "hello-world", "-o", "hello.tar"])?;
    fs::create_dir(home.path().join("one"))?;
    let mut tar = Command::new("tar");
    said(
        tar.args(["-xf", "../hello.tar", "hello"])
            .current_dir(home.path().join("one")),
    )?;
    fs::rename(home.path().join("one/hello"), home.path().join("one/a b"))?;
    fs::write(home.path().join("one/README"), "")?;
    home.says(&["build", "-t", "one", "one"])?;
    assert_eq!(home.says(&["run", "one", "say", "hi"])?.trim(), "hi");

    // A stand-in for the image of Python, whose pip says what it was asked.
    let stand_in = "FROM busybox\nCOPY --chmod=755 <<'pip' <<'python' /bin/\n\
                    #!/bin/sh\necho \"$@\" > /asked; ls /wheels >> /asked\npip\n\
                    #!/bin/sh\ncat /asked; echo ran \"$@\"; ls /app\npython\n";
    let project = home.path().join("project");
    fs::create_dir_all(project.join("wheels"))?;
    for (name, text) in [
        ("requirements.txt", "x==1\n"),
        ("app.py", ""),
        ("wheels/x.whl", ""),
    ] {
        fs::write(project.join(name), text)?;
    }
    let told = home.fails(&["build", "project"])?;
    assert!(told.contains("isolab image bootstrap python"), "{told}");
    write(&home, &[("Dockerfile", stand_in)])?;
    home.says(&["build", "-t", "python:3", "context"])?;
    home.says(&["build", "-t", "project", "project"])?;
    let told = home.says(&["run", "project"])?;
    let expected = "install --no-index --find-links /wheels --no-cache-dir -r requirements.txt\n\
                    x.whl\nran app.py\napp.py\nrequirements.txt\n";
    assert_eq!(told, expected);

    fs::create_dir(home.path().join("nothing"))?;
    let told = home.fails(&["build", "nothing"])?;
    assert!(
        told.contains("pyproject.toml") && told.contains("index.html"),
        "{told}"
    );
    assert!(!home.path().join("nothing/Dockerfile").exists());
    Ok(())
}

fn other_machines() -> Result<(), Failed> {
    let home = with_busybox()?;
    let other = match std::env::consts::ARCH {
        "aarch64" => "amd64",
        _ => "arm64",
    };
    let platform = format!("linux/{other}");
    let asked = ["build", "--platform", &platform, "-t", "app", "context"];
    let file = "FROM busybox AS tools\nFROM scratch\nARG TARGETARCH\nLABEL for=$TARGETARCH\n\
                COPY f /f\nENV A=b\n";
    write(&home, &[("Dockerfile", file), ("f", "content")])?;
    home.says(&asked)?;
    let inspected = home.isolab(&["image", "inspect", "app"]).output()?.stdout;
    let inspected = String::from_utf8(inspected)?;
    assert!(inspected.contains(&format!("\"{other}\"")), "{inspected}");
    // The user's own image is not replaced by one that a registry has for it.
    write(&home, &[("Dockerfile", "FROM busybox\nCOPY f /f\n")])?;
    let told = home.fails(&asked)?;
    assert!(
        told.contains("image busybox is for linux/") && !told.contains("pulled"),
        "{told}"
    );
    write(
        &home,
        &[("Dockerfile", "FROM scratch\nCOPY f /f\nRUN [\"/f\"]\n")],
    )?;
    let told = home.fails(&asked)?;
    assert!(
        told.contains("Dockerfile:3") && told.contains(&platform),
        "{told}"
    );
    // What is here under the name is for this machine, and there is no other to be had.
    let file = "FROM localhost:1/base\nCOPY f /f\n";
    home.says(&["tag", "busybox", "localhost:1/base"])?;
    write(&home, &[("Dockerfile", file)])?;
    let told = home.fails(&asked)?;
    assert!(told.contains("Dockerfile:1"), "{told}");
    let file = "FROM --platform=$BUILDPLATFORM busybox AS tools\nRUN echo made > /made\n\
                FROM scratch\nCOPY --from=tools /made /made\n";
    write(&home, &[("Dockerfile", file)])?;
    home.says(&asked)?;
    Ok(())
}
