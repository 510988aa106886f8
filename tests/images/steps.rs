//! Steps of a build: what is told of them, how they fail, and several at once.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Stdio};

use libtest_mimic::{Failed, Trial};
use serde_json::Value;

use crate::building::{no_containers, unfinished, write};
use crate::place::{Home, no, no_busybox, said, trial};
use crate::shared::with_busybox;

pub(crate) fn trials() -> Vec<Trial> {
    let base = || no_busybox().or_else(no_containers);
    vec![
        trial(
            "a program that fails is told with its line, its last words and its code",
            base(),
            fails_as_its_program,
        ),
        trial(
            "a shell is had where a program failed, and the build fails all the same",
            base().or_else(|| no("script")),
            shell_on_fail,
        ),
        trial(
            "what a Dockerfile probably does not mean is told at the end, by docker's names",
            base(),
            warns,
        ),
        trial(
            "stages that need nothing of each other are built at once",
            base(),
            stages_at_once,
        ),
        trial(
            "the first stage that fails ends the others",
            base(),
            one_failure_ends_all,
        ),
        trial(
            "a build goes on where nobody reads any more what is told",
            base(),
            nobody_reads,
        ),
        trial(
            "caches that are had alone are waited for, and nobody for who waits",
            base(),
            locked_caches,
        ),
        trial(
            "a trigger that wants a stage which is not built is an error that names it",
            base(),
            trigger_of_no_stage,
        ),
        trial(
            "where no overlay can be mounted, copies are run and built upon",
            base().or_else(no_overlay_below),
            without_overlay,
        ),
        trial(
            "an interrupted build ends what runs and leaves nothing",
            base(),
            interrupts,
        ),
    ]
}

fn fails_as_its_program() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox\n\nRUN for n in $(seq 30); do echo line $n; done; \\\n\
                printf 'no end' >&2; exit 7\n";
    write(&home, &[("Dockerfile", file)])?;
    for extra in [
        &["--progress", "plain"][..],
        &["-q"],
        &["--progress", "json"],
    ] {
        let mut build = home.isolab(&["build", "-t", "app", "context"]);
        let output = build.args(extra).output()?;
        let told = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(7), "{told}");
        let error = &told[told.find("error: ").ok_or("no error")?..];
        assert!(error.contains("Dockerfile:3: `RUN for n in"), "{error}");
        let said: Vec<_> = error
            .lines()
            .filter_map(|line| line.strip_prefix("  | "))
            .collect();
        // The last twenty, of which one has no end.
        assert_eq!(said.len(), 20, "{error}");
        assert_eq!((said[0], said[19]), ("line 12", "no end"));
    }
    write(&home, &[("Dockerfile", "FROM busybox\nRUN [\"/none\"]\n")])?;
    let status = home.isolab(&["build", "context"]).output()?.status;
    assert_eq!(status.code(), Some(127), "as a shell has it");
    assert!(home.says(&["images", "-q", "app"])?.is_empty());
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn shell_on_fail() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox\nENV COLOUR=blue\nWORKDIR /work\nUSER 5\n\
                RUN --mount=type=secret,id=key,uid=5 echo made > /tmp/made; exit 6\n";
    write(&home, &[("Dockerfile", file)])?;
    std::fs::write(home.path().join("key"), "s3cr3t")?;
    let told = home.fails(&["build", "--shell-on-fail", "context"])?;
    assert!(told.contains("no terminal"), "{told}");
    let inner = format!(
        "'{}' build -t app --secret id=key,src=key --shell-on-fail context",
        env!("CARGO_BIN_EXE_isolab")
    );
    let mut script = Command::new("script");
    let environment = home.isolab(&[]);
    script.envs(
        environment
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    // `script(1)` gives it a terminal.
    let mut child = script
        .args(["-qec", &inner, "/dev/null"])
        .current_dir(home.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut input = child.stdin.take().ok_or("no input")?;
    let mut output = BufReader::new(child.stdout.take().ok_or("no output")?);
    let mut told = String::new();
    while !told.contains("leave it with") {
        if output.read_line(&mut told)? == 0 {
            return Err(told.into());
        }
    }
    let ask = "echo $(cat /tmp/made):$COLOUR:$(pwd):$(id -u):$(cat /run/secrets/key); exit 0\n";
    input.write_all(ask.as_bytes())?;
    let mut rest = String::new();
    output.read_to_string(&mut rest)?;
    assert!(rest.contains("made:blue:/work:5:s3cr3t"), "{told}{rest}");
    assert_eq!(
        child.wait()?.code(),
        Some(6),
        "the shell's own 0 counts nothing"
    );
    assert!(home.says(&["images", "-q", "app"])?.is_empty());
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn warns() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox\nfrom busybox as second\nENV A=$UNSET\nCMD echo said\n";
    write(&home, &[("Dockerfile", file)])?;
    let mut build = home.isolab(&["build", "-t", "app", "context"]);
    let told = String::from_utf8(build.output()?.stderr)?;
    let at = told.find("warnings found:").ok_or_else(|| told.clone())?;
    // The rules' names are those of docker's documentation, "Build checks".
    for expected in [
        "ConsistentInstructionCasing",
        "UndefinedVar: the variable `UNSET`",
        "JSONArgsRecommended",
        "(line 4)",
    ] {
        assert!(told[at..].contains(expected), "{expected}: {told}");
    }
    let mut build = home.isolab(&["build", "-q", "-t", "app", "context"]);
    let quiet = String::from_utf8(build.output()?.stderr)?;
    assert!(quiet.is_empty(), "{quiet}");
    let mut build = home.isolab(&["build", "--progress", "json", "-t", "app", "context"]);
    let told = String::from_utf8(build.output()?.stderr)?;
    let mut events = told.lines().map(serde_json::from_str::<Value>);
    let events = events.by_ref().collect::<Result<Vec<_>, _>>()?;
    let is_it = |event: &&Value| event["event"] == "warning" && event["rule"] == "UndefinedVar";
    let warning = events.iter().find(is_it).ok_or("no warning")?;
    assert_eq!(warning["line"], 3);
    let skipped = format!("# check=skip=all\n{file}");
    write(&home, &[("Dockerfile", &skipped)])?;
    let mut build = home.isolab(&["build", "-t", "app", "context"]);
    let told = String::from_utf8(build.output()?.stderr)?;
    assert!(!told.contains("warning"), "{told}");
    Ok(())
}

/// Each waits for the other, which only what runs meanwhile can end.
fn stages_at_once() -> Result<(), Failed> {
    let home = with_busybox()?;
    let step = |own: &str, other: &str| {
        format!(
            "FROM busybox AS {own}\nRUN --mount=type=cache,target=/c touch /c/{own}; \
             n=0; until [ -e /c/{other} ]; do sleep 0.1; n=$((n + 1)); [ $n -lt 300 ] || exit 9; \
             done; echo {own} met {other} | tee /met\n"
        )
    };
    let last = "FROM busybox\nCOPY --from=left /met /left\nCOPY --from=right /met /right\n";
    let file = step("left", "right") + &step("right", "left") + last;
    write(&home, &[("Dockerfile", &file)])?;
    let mut build = home.isolab(&["build", "-t", "app", "context"]);
    let output = build.output()?;
    let told = String::from_utf8(output.stderr)?;
    assert!(output.status.success(), "{told}");
    for line in ["left | left met right", "right | right met left"] {
        assert!(told.lines().any(|told| told == line), "{line}: {told}");
    }
    let said = home.says(&["run", "app", "cat", "/left", "/right"])?;
    assert_eq!(said, "left met right\nright met left\n");
    Ok(())
}

fn one_failure_ends_all() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox AS slow\nRUN --mount=type=cache,target=/c touch /c/slow; sleep 600\n\
                FROM busybox AS wrong\nRUN --mount=type=cache,target=/c \
                until [ -e /c/slow ]; do sleep 0.1; done; exit 4\n\
                FROM busybox\nCOPY --from=slow / /\nCOPY --from=wrong / /\n";
    write(&home, &[("Dockerfile", file)])?;
    let output = home.isolab(&["build", "context"]).output()?;
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(4), "{told}");
    assert!(told.contains("Dockerfile:4"), "{told}");
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn nobody_reads() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox AS a\nRUN echo a\nFROM busybox AS b\nRUN echo b\n\
                FROM busybox\nCOPY --from=a / /a\nCOPY --from=b / /b\n";
    write(&home, &[("Dockerfile", file)])?;
    for how in ["json", "plain"] {
        let (reader, writer) = std::io::pipe()?;
        drop(reader);
        let mut build = home.isolab(&["build", "--no-cache", "--progress", how, "context"]);
        let output = build.stderr(writer).output()?;
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{how}: {}", output.status);
        assert!(told.contains("4 layers"), "{how}: {told}");
    }
    Ok(())
}

fn locked_caches() -> Result<(), Failed> {
    let home = with_busybox()?;
    let cache =
        |id: &str, at: &str| format!("--mount=type=cache,id={id},target=/{at},sharing=locked ");
    let (a, b, again) = (cache("a", "a"), cache("b", "b"), cache("a", "again"));
    // Each leaves a mark while it has both, and fails where it finds the other's.
    let program = "[ ! -e /a/mark ] && touch /a/mark /b/mark && sleep 0.3 && rm /a/mark /b/mark";
    let file = format!(
        "FROM busybox AS one\nRUN {a}{b}{program} && echo > /one\n\
         FROM busybox AS two\nRUN {b}{a}{program} && echo > /two\n\
         FROM busybox\nRUN {a}{again}touch /a/x && ls /again/x\n\
         COPY --from=one /one /\nCOPY --from=two /two /\n"
    );
    write(&home, &[("Dockerfile", &file)])?;
    for _ in 0..3 {
        let mut build = home.isolab(&["build", "--no-cache", "--progress", "plain", "context"]);
        said(&mut build)?;
    }
    Ok(())
}

fn trigger_of_no_stage() -> Result<(), Failed> {
    let home = with_busybox()?;
    let base = "FROM busybox\nONBUILD COPY --from=later /etc/passwd /taken\n";
    write(&home, &[("Dockerfile", base)])?;
    home.says(&["build", "-t", "base", "context"])?;
    let file = "FROM base AS early\nFROM busybox AS later\nCOPY --from=early / /early\n";
    write(&home, &[("Dockerfile", file)])?;
    let output = home.isolab(&["build", "context"]).output()?;
    let told = String::from_utf8(output.stderr)?;
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("stage `later` is not built"), "{told}");
    Ok(())
}

fn interrupts() -> Result<(), Failed> {
    let home = with_busybox()?;
    // A program may close its output, and go on.
    for program in ["sleep 600", "exec >/dev/null 2>&1; sleep 600"] {
        interrupted(&home, program)?;
    }
    Ok(())
}

fn interrupted(home: &Home, program: &str) -> Result<(), Failed> {
    let file = format!("FROM busybox\nRUN echo begun; {program}\n");
    write(home, &[("Dockerfile", &file)])?;
    let mut build = home.isolab(&["build", "-t", "app", "context"]);
    let mut child = build.stderr(Stdio::piped()).spawn()?;
    let mut told = BufReader::new(child.stderr.take().ok_or("no output")?);
    let mut line = String::new();
    while line.trim() != "begun" {
        line.clear();
        if told.read_line(&mut line)? == 0 {
            return Err("it ended before it began".into());
        }
    }
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-s", "INT", &pid])
            .status()?
            .success()
    );
    let mut rest = String::new();
    told.read_to_string(&mut rest)?;
    assert!(rest.contains("it was interrupted"), "{rest}");
    assert_eq!(child.wait()?.code(), Some(130));
    assert_eq!(unfinished(home)?, 0);
    assert!(home.says(&["images", "-q", "app"])?.is_empty());
    Ok(())
}

/// A script in a mount namespace in which `$HOME` is an overlay: the kernel mounts none
/// upon another.
fn below_an_overlay(home: &std::path::Path, script: &str) -> Command {
    let mut command = Command::new("unshare");
    let mount = "mkdir lower upper work merged && mount -t overlay overlay \
                 -o lowerdir=lower,upperdir=upper,workdir=work merged && cd merged && \
                 export XDG_DATA_HOME=$PWD/data";
    command
        .args(["-m", "sh", "-ec", &format!("{mount}\n{script}")])
        .current_dir(home);
    command
}

fn no_overlay_below() -> Option<String> {
    let home = tempfile::tempdir().ok()?;
    let tried = below_an_overlay(home.path(), "true").output();
    let works = tried.is_ok_and(|output| output.status.success());
    (!works).then(|| "no overlay can be mounted to stand upon".to_owned())
}

fn without_overlay() -> Result<(), Failed> {
    let home = tempfile::tempdir()?;
    let isolab = env!("CARGO_BIN_EXE_isolab");
    let script = format!(
        "mkdir context
         cat > context/Dockerfile <<'EOF'
FROM busybox
RUN mkdir /d && echo one > /d/f && ln /d/f /d/g && chmod 700 /etc
RUN echo two >> /d/f
EOF
         '{isolab}' image bootstrap busybox
         '{isolab}' run busybox sh -c 'echo ran > /x && cat /x'
         '{isolab}' build -t app context
         '{isolab}' run app sh -c 'cat /d/f; stat -c %a /etc; ls -d /x /etc/passwd' || true
         printf 'FROM busybox\\nRUN rm /etc/group\\n' > context/Dockerfile
         '{isolab}' build -t gone context || echo refused
         ls data/isolab/images/ingest"
    );
    let output = below_an_overlay(home.path(), &script).output()?;
    let told = String::from_utf8(output.stderr)?;
    let said = String::from_utf8(output.stdout)?;
    let lines: Vec<_> = said
        .lines()
        .filter(|line| !line.contains("sha256:"))
        .collect();
    assert!(
        told.contains("its root is a copy of the image's files"),
        "{told}"
    );
    assert!(told.contains("a step's root is a copy"), "{told}");
    assert_eq!(lines[0], "ran", "{said}{told}");
    assert!(
        lines.len() > 1 && lines[1].starts_with("2 layers, 0 of"),
        "{said}{told}"
    );
    // What another container wrote is not there.
    let expected = ["one", "two", "700", "/etc/passwd", "refused"];
    assert_eq!(lines[2..], expected, "{said}{told}");
    assert!(told.contains("cannot keep that it is gone"), "{told}");
    Ok(())
}
