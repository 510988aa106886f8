//! Secrets of builds: where they never are, however a build ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;

use isolab_engine::room::Room;
use isolab_engine::store::Owners;
use libtest_mimic::{Failed, Trial};
use nix::unistd::geteuid;

use crate::building::no_containers;
use crate::kills::party::{Party, User};
use crate::place::{Home, no_busybox, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for user in [User::Myself, User::Granted, User::Single] {
        let name = format!(
            "of a build that is killed no secret is left anywhere, {}",
            user.name()
        );
        let missing = no_busybox().or_else(no_containers);
        trials.push(trial(
            &name,
            missing.or_else(|| user.why_not()),
            move || killed(user),
        ));
    }
    trials.push(trial(
        "a password in an address is told to its server and to nobody else",
        None,
        passwords,
    ));
    trials
}

const SECRET: &str = "s3cr3t-of-a-test";

/// The files below `directory` in which `secret` is. An ordinary user's layers are not his outside
/// of a user namespace with the ids that he was granted: he looks from inside of one.
fn holding(directory: &Path, secret: &str) -> Result<Vec<String>, Failed> {
    let grep = ["grep", "-rlaF", "--", secret];
    let mut words = match geteuid().is_root() {
        true => Vec::new(),
        false => vec!["unshare", "--map-root-user"],
    };
    if !geteuid().is_root() && Room::find().owners() == Owners::Mapped {
        words.push("--map-auto");
    }
    words.extend(grep);
    let mut command = Command::new(words[0]);
    let output = command.args(&words[1..]).arg(directory).output()?;
    // grep(1): 1 where there is none, 2 where something could not be read.
    match output.status.code() {
        Some(0 | 1) => Ok(String::from_utf8(output.stdout)?
            .lines()
            .map(str::to_owned)
            .collect()),
        _ => Err(String::from_utf8(output.stderr)?.into()),
    }
}

fn killed(user: User) -> Result<(), Failed> {
    let party = Party::alone(user)?;
    party.says(&["image", "bootstrap", "busybox"])?;
    let context = party.home().join("context");
    fs::create_dir(&context)?;
    // Its owner may read it alone, and the program does.
    let file = "FROM busybox\nRUN --mount=type=secret,id=file --mount=type=secret,id=name,env=NAME \
                test -s /run/secrets/file && test -n \"$NAME\" && echo begun && sleep 600\n";
    fs::write(context.join("Dockerfile"), file)?;
    let mut build = party.isolab(&["build", "--secret", "id=file,env=S", "--secret"]);
    build.args(["id=name,env=S", "context"]).env("S", SECRET);
    let mut child = build.stderr(Stdio::piped()).stdout(Stdio::null()).spawn()?;
    let mut told = BufReader::new(child.stderr.take().ok_or("no output")?);
    let mut all = String::new();
    while !all.lines().any(|line| line == "begun") {
        if told.read_line(&mut all)? == 0 {
            return Err(all.into());
        }
    }
    // Whoever looks sees what is there: the Dockerfile.
    assert!(!holding(party.home(), "sleep 600")?.is_empty());
    let mut left = holding(party.home(), SECRET)?;
    child.kill()?;
    child.wait()?;
    left.extend(holding(party.home(), SECRET)?);
    assert_eq!(left, Vec::<String>::new());
    Ok(())
}

/// What a server was asked for, and who was said to ask.
type Asked = Arc<Mutex<Vec<(String, Option<String>)>>>;

/// A server of one file for whoever says who he is, and of a way to `elsewhere`.
fn server(elsewhere: String) -> Result<(String, Asked), Failed> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?.to_string();
    let asked = Asked::default();
    let notes = Arc::clone(&asked);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
            let first = lines.next().unwrap_or_default();
            let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
            let headers = lines.take_while(|line| !line.is_empty());
            let headers: BTreeMap<_, _> = headers
                .filter_map(|line| {
                    let (name, value) = line.split_once(": ")?;
                    Some((name.to_ascii_lowercase(), value.to_owned()))
                })
                .collect();
            let login = headers.get("authorization").cloned();
            let answer = match &*path {
                "/here" => "302 Found\r\nLocation: /file".to_owned(),
                "/away" => format!("302 Found\r\nLocation: http://{elsewhere}/file"),
                "/file" => "200 OK".to_owned(),
                _ => "404 Not Found".to_owned(),
            };
            if let Ok(mut notes) = notes.lock() {
                notes.push((path, login));
            }
            let answer =
                format!("HTTP/1.1 {answer}\r\nContent-Length: 4\r\nConnection: close\r\n\r\ntext");
            let _ = (&stream).write_all(answer.as_bytes());
        }
    });
    Ok((address, asked))
}

fn passwords() -> Result<(), Failed> {
    let home = Home::new();
    let (other, asked_other) = server(String::new())?;
    let (address, asked) = server(other)?;
    let url = |path: &str| format!("http://me:{SECRET}%40@{address}/{path}");
    let context = home.path().join("context");
    fs::create_dir(&context)?;
    let write = |text: &str| fs::write(context.join("Dockerfile"), text);
    let [file, here, away, none] = ["file", "here", "away", "none"].map(url);
    // `printf text | sha256sum`
    let sum = "982d9e3eb996f559e633f4d194def3761d909f5a3b647d1a851fead67c32c9d1";
    write(&format!(
        "FROM scratch\nARG URL\nARG OTHER={file}\nADD {file} /a\nADD [\"{here}\", \"/b\"]\n\
         ADD $URL '{away}' /d/\nADD --checksum=sha256:{sum} $OTHER /e\n"
    ))?;
    let argument = format!("URL={file}");
    let mut said = String::new();
    for how in ["plain", "json"] {
        let mut build = home.isolab(&["build", "-t", "app", "--no-cache", "--progress", how]);
        let output = build.args(["--build-arg", &argument, "context"]).output()?;
        let told = String::from_utf8(output.stderr)?;
        assert!(output.status.success(), "{told}");
        said += &told;
        said += &String::from_utf8(output.stdout)?;
    }
    for text in [
        format!("FROM scratch\nADD {none} /f\n"),
        format!(
            "FROM scratch\nADD --checksum=sha256:{} {file} /f\n",
            sum.replace('9', "8")
        ),
        format!("FROM scratch\nADD ftp://me:{SECRET}@{address}/file /f\n"),
        format!("FROM scratch\nADD http://me:{SECRET}%40@{address} /f\n"),
        format!("FROM scratch\nADD http://me:{SECRET}@/file /f\n"),
        format!("FROM scratch\nADD http://me:{SECRET}%zz@{address}/file /f\n"),
    ] {
        write(&text)?;
        said += &home.fails(&["build", "context"])?;
    }
    for words in [
        &["history", "--no-trunc", "app"][..],
        &["image", "inspect", "app"],
        &["image", "log", "app"],
        &["images"],
    ] {
        said += &home.says(words)?;
    }
    assert!(!said.contains(SECRET), "{said}");
    let left = holding(&home.path().join("data"), SECRET)?;
    assert_eq!(left, Vec::<String>::new());
    let asked = asked.lock().map_err(|_| "a thread ended with it")?;
    // Of `me:s3cr3t-of-a-test@`, by `base64`.
    let login = Some("Basic bWU6czNjcjN0LW9mLWEtdGVzdEA=".to_owned());
    let known: Vec<_> = asked.iter().filter(|(path, _)| path == "/file").collect();
    assert!(known.len() >= 8, "{asked:?}");
    assert!(asked.iter().all(|(_, told)| *told == login), "{asked:?}");
    let asked = asked_other.lock().map_err(|_| "a thread ended with it")?;
    assert!(!asked.is_empty() && asked.iter().all(|(_, told)| told.is_none()));
    Ok(())
}
