//! What `ADD` brings from elsewhere, and what is around a `RUN`.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use libtest_mimic::{Failed, Trial};

use crate::building::{no_containers, unfinished, write};
use crate::place::{Home, no, no_busybox, said, trial};
use crate::shared::with_busybox;

pub(crate) fn trials() -> Vec<Trial> {
    let base = || no_busybox().or_else(no_containers);
    vec![
        trial(
            "local archives are unpacked, with their owners, modes and times",
            base().or_else(|| no("tar")),
            archives,
        ),
        trial(
            "a hostile archive is refused by its entry and writes nothing",
            base().or_else(|| no("tar")),
            hostile_archive,
        ),
        trial("a file comes from a server as docker has it", base(), files),
        trial(
            "a repository comes by branch, tag or commit",
            base().or_else(|| no("git")),
            repositories,
        ),
        trial("what is around a program is as asked", base(), around),
        trial("modes may be changed by letters", base(), letters),
    ]
}

fn shell(home: &Home, script: &str) -> Result<String, Failed> {
    let mut command = Command::new("sh");
    command
        .args(["-ec", script])
        .current_dir(home.path().join("context"));
    said(&mut command)
}

fn archives() -> Result<(), Failed> {
    let home = with_busybox()?;
    write(&home, &[("tree/a/b", "content"), ("text", "no archive")])?;
    shell(
        &home,
        "chmod 750 tree/a; chmod 640 tree/a/b; touch -d @1000000000 tree/a/b; ln -s a/b tree/link
         pack() { tar -C tree --owner=5 --group=6 -cf - .; }
         pack > plain.tar; pack | gzip > packed; gzip -k text",
    )?;
    let mut kinds = vec![("plain", "plain.tar"), ("gzip", "packed")];
    for (program, name) in [("zstd", "z"), ("xz", "x"), ("bzip2", "b")] {
        match no(program) {
            None => {
                shell(&home, &format!("{program} -c < plain.tar > {name}"))?;
                kinds.push((program, name));
            }
            Some(why) => println!("without {program}: {why}"),
        }
    }
    let mut file = "FROM busybox\n".to_owned();
    for (kind, name) in &kinds {
        file += &format!("ADD {name} /{kind}\n");
    }
    file += "ADD --unpack=false packed /kept/\nADD text.gz /text/\n\
             ADD --chown=7:8 plain.tar /given/\n";
    write(&home, &[("Dockerfile", &file)])?;
    let output = home.isolab(&["build", "-t", "app", "context"]).output()?;
    let told = String::from_utf8(output.stderr)?;
    assert!(output.status.success(), "{told}");
    // A user who is granted one id has all files for his own.
    let is_single = told.contains("all files of images will be yours");
    for (kind, _) in &kinds {
        let ask = format!(
            "cd /{kind} && cat a/b && readlink link && stat -c '%a %u:%g' a a/b && stat -c %Y a/b"
        );
        let said = home.says(&["run", "app", "sh", "-c", &ask])?;
        let owner = if is_single { "0:0" } else { "5:6" };
        let expected = format!("contenta/b\n750 {owner}\n640 {owner}\n1000000000\n");
        assert_eq!(said, expected, "{kind}");
    }
    let ask = "cat /kept/packed | sha256sum; gunzip -c /text/text.gz; stat -c %u:%g /given/a/b";
    let said = home.says(&["run", "app", "sh", "-c", ask])?;
    let sum = shell(&home, "sha256sum < packed")?;
    let owner = if is_single { "0:0" } else { "7:8" };
    assert_eq!(said, format!("{sum}no archive{owner}\n"));
    let said = home.says(&["build", "-t", "app", "context"])?;
    let steps = kinds.len() + 3;
    assert!(
        said.contains(&format!("{steps} layers, {steps} of")),
        "{said}"
    );
    // What is unpacked by a program needs that program.
    if kinds.iter().any(|(kind, _)| *kind == "xz") {
        let mut build = home.isolab(&["build", "--no-cache", "context"]);
        let output = build.env("PATH", home.path()).output()?;
        let told = String::from_utf8(output.stderr)?;
        assert!(
            !output.status.success() && told.contains("packed by xz"),
            "{told}"
        );
    }
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

fn hostile_archive() -> Result<(), Failed> {
    let home = with_busybox()?;
    write(
        &home,
        &[
            ("evil", "x"),
            ("Dockerfile", "FROM busybox\nADD evil.tar /a/b/\n"),
        ],
    )?;
    shell(
        &home,
        "tar -P --transform 's,evil,../../escaped,' -cf evil.tar evil",
    )?;
    let told = home.fails(&["build", "-t", "app", "context"])?;
    assert!(told.contains("Dockerfile:2"), "{told}");
    assert!(told.contains("../../escaped"), "{told}");
    assert!(!home.path().join("escaped").exists());
    // A link out, and then a file through it: it leads nowhere but to the archive's own.
    shell(
        &home,
        "mkdir ../out; ln -s $PWD/../out door; tar -cf evil.tar door; rm door; mkdir door
         cp evil door; tar -rf evil.tar door/evil",
    )?;
    home.says(&["build", "-t", "app", "context"])?;
    assert!(!home.path().join("out/evil").exists());
    let found = home.says(&["run", "app", "find", "/", "-xdev", "-name", "evil"])?;
    assert!(
        found.lines().all(|path| path.starts_with("/a/b/")),
        "{found}"
    );
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

/// A server of a few files, which counts what it is asked.
struct Server {
    address: String,
    asked: Arc<AtomicUsize>,
    files: Arc<Mutex<BTreeMap<String, String>>>,
}

impl Server {
    fn new() -> Result<Self, Failed> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let server = Self {
            address: format!("http://{}", listener.local_addr()?),
            asked: Arc::default(),
            files: Arc::default(),
        };
        let (asked, files) = (Arc::clone(&server.asked), Arc::clone(&server.files));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                let first = lines.next().unwrap_or_default();
                let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
                while lines.next().is_some_and(|line| !line.is_empty()) {}
                asked.fetch_add(1, Ordering::SeqCst);
                let found = files
                    .lock()
                    .ok()
                    .and_then(|files| files.get(&path).cloned());
                let answer = match (found, &*path) {
                    (Some(text), _) => format!(
                        "HTTP/1.1 200 OK\r\nLast-Modified: Sun, 06 Nov 1994 08:49:37 GMT\r\n\
                         Content-Length: {}\r\nConnection: close\r\n\r\n{text}",
                        text.len()
                    ),
                    (None, "/moved") => "HTTP/1.1 302 Found\r\nLocation: /file.txt\r\n\
                         Content-Length: 0\r\nConnection: close\r\n\r\n"
                        .to_owned(),
                    (None, _) => "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\
                         Connection: close\r\n\r\n"
                        .to_owned(),
                };
                let _ = (&stream).write_all(answer.as_bytes());
            }
        });
        Ok(server)
    }

    fn has(&self, path: &str, text: &str) {
        let mut files = self.files.lock().expect("no thread ended with it");
        files.insert(path.to_owned(), text.to_owned());
    }
}

fn files() -> Result<(), Failed> {
    let home = with_busybox()?;
    let server = Server::new()?;
    server.has("/file.txt", "first");
    let address = &server.address;
    let file = format!(
        "FROM busybox\nADD {address}/file.txt?x=1 /d/\nADD --chmod=644 {address}/moved /e\n"
    );
    server.has("/file.txt?x=1", "first");
    write(&home, &[("Dockerfile", &file)])?;
    let build = || home.says(&["build", "-t", "app", "context"]);
    assert!(build()?.contains("2 layers, 0 of"));
    let ask = "cat /d/file.txt /e; stat -c '%a %Y %u' /d/file.txt; stat -c %a /e";
    let said = home.says(&["run", "app", "sh", "-c", ask])?;
    // The time is the example of RFC 9110.
    assert_eq!(said, "firstfirst600 784111777 0\n644\n");
    assert!(
        build()?.contains("2 layers, 2 of"),
        "the same content is no new step"
    );
    server.has("/file.txt?x=1", "second");
    assert!(build()?.contains("2 layers, 0 of"), "other content is");
    // `printf first | sha256sum`
    let sum = "a7937b64b8caa58f03721bb6bacf5c78cb235febe0e70b1b84cd99541461a08e";
    let file =
        |sum: &str| format!("FROM busybox\nADD --checksum=sha256:{sum} {address}/file.txt /f\n");
    write(&home, &[("Dockerfile", &file(sum))])?;
    assert!(build()?.contains("1 layers, 0 of"));
    let before = server.asked.load(Ordering::SeqCst);
    assert!(build()?.contains("1 layers, 1 of"));
    let after = server.asked.load(Ordering::SeqCst);
    assert_eq!(after, before, "what is promised and here is not fetched");
    let other = file(&sum.replace('a', "b"));
    let missing = format!("FROM busybox\nADD {address}/none /f\n");
    let local = format!("FROM busybox\nADD --checksum=sha256:{sum} Dockerfile /f\n");
    for (file, expected) in [
        (&*other, "and --checksum=sha256:b"),
        (&*missing, "HTTP 404"),
        (&*local, "--checksum is for what is fetched"),
        ("FROM busybox\nADD ftp://h/x /f\n", "http, https and git"),
    ] {
        write(&home, &[("Dockerfile", file)])?;
        let told = home.fails(&["build", "-t", "other", "context"])?;
        assert!(
            told.contains("Dockerfile:2") && told.contains(expected),
            "{told}"
        );
    }
    server.has("/", "of no name");
    let file = format!("FROM busybox\nADD {address} /f\nADD {address}/ /d/\n");
    write(&home, &[("Dockerfile", &file)])?;
    build()?;
    let said = home.says(&["run", "app", "cat", "/f", "/d/__unnamed__"])?;
    assert_eq!(said, "of no nameof no name");
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

/// A program that is ended with this value.
struct Held(Child);

impl Drop for Held {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn repositories() -> Result<(), Failed> {
    let home = with_busybox()?;
    std::fs::create_dir_all(home.path().join("context"))?;
    shell(
        &home,
        "git init -q -b main ../served/app && cd ../served/app
         git config user.name x; git config user.email x@example.org
         mkdir -p sub; echo one > sub/f; echo top > top; chmod 755 sub/f
         git add .; GIT_COMMITTER_DATE='@1000000000 +0000' git commit -qm one; git tag v1
         echo two > sub/f; git commit -qam two",
    )?;
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    // By itself: `git daemon` would leave it behind.
    let programs = said(Command::new("git").arg("--exec-path"))?;
    let mut daemon = Command::new(Path::new(programs.trim()).join("git-daemon"));
    daemon
        .args(["--export-all", "--reuseaddr", "--listen=127.0.0.1"])
        .arg(format!("--port={port}"))
        .arg(format!(
            "--base-path={}",
            home.path().join("served").display()
        ))
        .env("GIT_CONFIG_COUNT", "1")
        .env("GIT_CONFIG_KEY_0", "safe.directory")
        .env("GIT_CONFIG_VALUE_0", "*");
    let _daemon = Held(daemon.stdout(Stdio::null()).stderr(Stdio::null()).spawn()?);
    for _ in 0..200 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    let first = shell(&home, "git -C ../served/app rev-parse v1")?;
    let first = first.trim();
    let address = format!("git://127.0.0.1:{port}/app");
    let file = format!(
        "FROM busybox\nADD {address} /main/\nADD {address}#v1:sub /v1/\n\
         ADD --checksum={first} --keep-git-dir {address}#{first} /commit/\n"
    );
    write(&home, &[("Dockerfile", &file)])?;
    home.says(&["build", "-t", "app", "context"])?;
    let ask = "cat /main/sub/f /v1/f /commit/top; ls -A /main /v1; cat /commit/.git/HEAD; \
               stat -c '%a %Y' /v1/f";
    let said = home.says(&["run", "app", "sh", "-c", ask])?;
    let expected = format!("two\none\ntop\n/main:\nsub\ntop\n\n/v1:\nf\n{first}\n755 1000000000\n");
    assert_eq!(said, expected);
    assert!(
        home.says(&["build", "-t", "app", "context"])?
            .contains("3 layers, 3 of")
    );
    let without = |what: &str| {
        let file = format!("FROM busybox\nADD --exclude={what} {address} /main/\n");
        write(&home, &[("Dockerfile", &file)])?;
        home.says(&["build", "-t", "less", "context"])?;
        home.says(&["run", "less", "ls", "/main"])
    };
    assert_eq!(without("sub")?, "top\n");
    assert_eq!(without("top")?, "sub\n");
    for (file, expected) in [
        (format!("FROM busybox\nADD {address}#none /x/\n"), "none"),
        (
            format!("FROM busybox\nADD {address}#v1:none /x/\n"),
            "`none`",
        ),
        (
            format!("FROM busybox\nADD {address}#v1:top /x/\n"),
            "no directory",
        ),
        (
            format!("FROM busybox\nADD --checksum={first} {address} /x/\n"),
            "is another",
        ),
    ] {
        write(&home, &[("Dockerfile", &file)])?;
        let told = home.fails(&["build", "context"])?;
        assert!(
            told.contains("Dockerfile:2") && told.contains(expected),
            "{told}"
        );
    }
    let mut build = home.isolab(&["build", "context"]);
    let told = String::from_utf8(build.env("PATH", home.path()).output()?.stderr)?;
    assert!(told.contains("no program `git`"), "{told}");
    git_has_nothing_of_its_user(&home, &address)?;
    assert_eq!(unfinished(&home)?, 0);
    Ok(())
}

/// A git before the git that there is writes down what it is given.
fn git_has_nothing_of_its_user(home: &Home, address: &str) -> Result<(), Failed> {
    let git = shell(home, "command -v git")?;
    let seen = home.path().join("seen");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != -C ] || {{ echo \"words: $*\"; env | grep -E '^(GIT|SSH|HOME)'; }} \
         >> {}\nexec {git} \"$@\"\n",
        seen.display(),
        git = git.trim()
    );
    write(home, &[("../bin/git", &script)])?;
    shell(home, "chmod +x ../bin/git")?;
    let path = format!(
        "{}:{}",
        home.path().join("bin").display(),
        std::env::var("PATH")?
    );
    let build = |file: String| {
        write(home, &[("Dockerfile", &file)])?;
        let mut build = home.isolab(&["build", "--no-cache", "-t", "clean", "context"]);
        let named = [
            "GIT_ASKPASS",
            "SSH_ASKPASS",
            "GIT_SSH",
            "SSH_AUTH_SOCK",
            "GIT_DIR",
        ];
        for name in named {
            build.env(name, "/the/users/own");
        }
        build
            .env("PATH", &path)
            .env("GIT_SSL_CAINFO", "/the/machines");
        let output = build.output()?;
        let told = String::from_utf8(output.stderr)?;
        Ok::<_, Failed>((output.status.success(), told))
    };
    let (done, told) = build(format!("FROM busybox\nADD {address} /x/\n"))?;
    assert!(done, "{told}");
    let given = std::fs::read_to_string(&seen)?;
    assert!(!given.contains("/the/users/own"), "{given}");
    for line in [
        "HOME=/dev/null",
        "GIT_CONFIG_GLOBAL=/dev/null",
        "GIT_SSL_CAINFO=/the/machines",
    ] {
        assert!(given.lines().any(|one| one == line), "no {line} in {given}");
    }
    // Credentials are no words of a command, and nobody is told them.
    let (done, told) = build("FROM busybox\nADD http://me:s3cr3t@127.0.0.1:9/r.git /x/\n".into())?;
    assert!(!done && told.contains("http://127.0.0.1:9/r.git"), "{told}");
    assert!(!told.contains("s3cr3t"), "{told}");
    let given = std::fs::read_to_string(&seen)?;
    let key = "GIT_CONFIG_KEY_0=url.http://me:s3cr3t@127.0.0.1:9/.insteadOf";
    assert!(given.contains(key), "{given}");
    let mut words = given.lines().filter(|line| line.starts_with("words: "));
    assert!(words.all(|line| !line.contains("me:s3cr3t")), "{given}");
    Ok(())
}

fn around() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox AS seed\nRUN mkdir /seed && echo seeded > /seed/s\n\
        FROM busybox\n\
        RUN --mount=type=secret,id=key,env=TOKEN,required \
            --mount=type=secret,id=key,env=BOTH,target=/both \
            --mount=type=tmpfs,target=/small,size=1m --mount=type=tmpfs,target=/small/er \
            --mount=type=cache,target=/filled,id=filled,from=seed,source=/seed,sharing=locked \
            --mount=type=ssh \
            echo $TOKEN$BOTH | wc -c > /seen; cat /both | wc -c >> /seen; \
            [ ! -e /run/secrets ] || echo file >> /seen; \
            df -k /small | tail -1 | awk '{ print $2 }' >> /seen; \
            dd if=/dev/zero of=/small/x bs=64k count=32 2>/dev/null || echo full >> /seen; \
            cat /filled/s >> /seen; echo more > /filled/t; \
            [ ! -S \"$SSH_AUTH_SOCK\" ] || echo $SSH_AUTH_SOCK >> /seen\n\
        RUN --mount=type=cache,target=/filled,id=filled,from=seed,source=/seed \
            cat /filled/t >> /seen; ls -A / > /root/names\n";
    write(&home, &[("Dockerfile", file)])?;
    let _agent = UnixListener::bind(home.path().join("agent"))?;
    let mut build = home.isolab(&["build", "-t", "app", "--secret", "id=key,env=SECRET"]);
    build.args(["--ssh", "default", "context"]);
    build
        .env("SECRET", "s3cr3t")
        .env("SSH_AUTH_SOCK", home.path().join("agent"));
    said(&mut build)?;
    let said = home.says(&["run", "app", "sh", "-c", "cat /seen; cat /root/names"])?;
    let (seen, names) = said.split_once("bin\n").ok_or(said.clone())?;
    assert_eq!(
        seen.lines().collect::<Vec<_>>(),
        [
            "13",
            "6",
            "1024",
            "full",
            "seeded",
            "/run/buildkit/ssh_agent.0",
            "more"
        ]
    );
    assert!(
        !names.contains("small") && !names.contains("both"),
        "{names}"
    );
    let archive = home.isolab(&["save", "app"]).output()?.stdout;
    assert!(!archive.windows(6).any(|bytes| bytes == b"s3cr3t"));
    for (options, expected) in [
        ("type=ssh,required", "it needs the agent `default`"),
        ("type=ssh,uid=5", "type=ssh cannot be given"),
        (
            "type=secret,id=none,env=X,required",
            "it needs secret `none`",
        ),
    ] {
        let file = format!("FROM busybox\nRUN --mount={options} true\n");
        write(&home, &[("Dockerfile", &file)])?;
        let told = home.fails(&["build", "context"])?;
        assert!(
            told.contains("Dockerfile:2") && told.contains(expected),
            "{told}"
        );
    }
    let mut build = home.isolab(&["build", "--ssh", "default", "context"]);
    let told = String::from_utf8(build.env_remove("SSH_AUTH_SOCK").output()?.stderr)?;
    assert!(told.contains("SSH_AUTH_SOCK is not set"), "{told}");
    Ok(())
}

fn letters() -> Result<(), Failed> {
    let home = with_busybox()?;
    let file = "FROM busybox\nCOPY --chmod=u+x,go-r,a+X d /d\nCOPY --chmod=+w f /f\n";
    write(&home, &[("Dockerfile", file), ("d/f", ""), ("f", "")])?;
    shell(&home, "chmod 644 d/f; chmod 755 d; chmod 444 f")?;
    home.says(&["build", "-t", "app", "context"])?;
    let said = home.says(&["run", "app", "stat", "-c", "%a", "/d", "/d/f", "/f"])?;
    // As `chmod u+x,go-r,a+X` under a umask of 022 has it.
    assert_eq!(said, "711\n711\n644\n");
    write(
        &home,
        &[("Dockerfile", "FROM busybox\nCOPY --chmod=u+y f /f\n")],
    )?;
    let told = home.fails(&["build", "context"])?;
    assert!(told.contains("u+x,go-w"), "{told}");
    Ok(())
}
