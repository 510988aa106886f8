//! The verbs, one after the other.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use libtest_mimic::{Failed, Trial};

use crate::place::{Home, no, no_busybox, said, trial};

pub(crate) fn trials() -> Vec<Trial> {
    let base = || no_busybox();
    vec![
        trial("an image is made named listed and removed", base(), life),
        trial("a tag goes back to what it was", base(), rolls_back),
        trial(
            "the same base image is made again, bit for bit",
            base(),
            reproduces,
        ),
        trial("what is saved is loaded again, and unpacked", base(), saves),
        trial("what is pulled is unpacked", base(), pulls),
        trial(
            "what is named by its digest moves no tag, and runs and goes by that name",
            base(),
            by_digest,
        ),
        trial(
            "what is counted is what du says",
            base().or(no("du")),
            counts,
        ),
        trial(
            "mistakes are told with their remedy and change nothing",
            base(),
            mistakes,
        ),
        trial(
            "times alone do not make two versions differ",
            base(),
            differs,
        ),
    ]
}

fn life() -> Result<(), Failed> {
    let home = Home::new();
    assert_eq!(
        home.json(&["images", "--json"])?["images"],
        serde_json::json!([])
    );
    home.says(&["image", "bootstrap", "busybox"])?;
    home.says(&["tag", "busybox", "localhost:5000/team/box:v1"])?;
    let listed = home.says(&["images"])?;
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[1][..3], ["busybox", "latest", "@1"]);
    assert_eq!(rows[2][..3], ["localhost:5000/team/box", "v1", "@1"]);
    assert_eq!(rows[1][3], rows[2][3], "one id: {listed}");
    assert_eq!(home.says(&["images", "-q"])?.trim(), rows[1][3]);
    assert_eq!(home.says(&["images", "busybox"])?.lines().count(), 2);
    let inspected = home.json(&["image", "inspect", rows[1][3]])?;
    assert_eq!(inspected[0]["RepoTags"].as_array().map(Vec::len), Some(2));
    assert_eq!(inspected[0]["Config"]["Cmd"], serde_json::json!(["sh"]));
    let history = home.says(&["history", "busybox"])?;
    assert!(
        history.contains("isolab image bootstrap busybox"),
        "{history}"
    );
    home.says(&["rmi", "busybox"])?;
    assert!(
        fs::read_dir(home.store().join("blobs/sha256"))?.count() == 3,
        "still named"
    );
    let freed = home.says(&["rmi", "localhost:5000/team/box:v1"])?;
    assert!(freed.contains("Freed"), "{freed}");
    assert_eq!(fs::read_dir(home.store().join("blobs/sha256"))?.count(), 0);
    Ok(())
}

/// Two versions of `app`: another epoch makes another image.
fn two_versions(home: &Home) -> Result<(), Failed> {
    for epoch in ["1", "2"] {
        let made = &mut home.isolab(&["image", "bootstrap", "busybox", "-t", "app"]);
        said(made.env("SOURCE_DATE_EPOCH", epoch))?;
    }
    Ok(())
}

fn rolls_back() -> Result<(), Failed> {
    let home = Home::new();
    two_versions(&home)?;
    let id = |name: &str| -> Result<String, Failed> {
        Ok(home.json(&["image", "inspect", name])?[0]["Id"].to_string())
    };
    let (one, two) = (id("app@1")?, id("app@2")?);
    assert_ne!(one, two);
    assert_eq!(id("app")?, two);
    let blobs = fs::read_dir(home.store().join("blobs/sha256"))?.count();
    home.says(&["image", "rollback", "app"])?;
    assert_eq!(id("app")?, one);
    home.says(&["image", "rollback", "app@2"])?;
    assert_eq!(id("app")?, two);
    assert_eq!(
        fs::read_dir(home.store().join("blobs/sha256"))?.count(),
        blobs
    );
    let log = home.json(&["image", "log", "app", "--json"])?;
    let origins: Vec<_> = log["versions"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|version| version["provenance"]["origin"].as_str().unwrap_or_default())
        .collect();
    assert_eq!(
        origins,
        ["rolled-back", "rolled-back", "bootstrapped", "bootstrapped"]
    );
    home.says(&["rmi", "app@1"])?;
    assert!(
        home.fails(&["image", "rollback", "app@1"])?
            .contains("version 1")
    );
    assert!(
        home.fails(&["rmi", "app@4"])?.contains("version 4"),
        "it counts"
    );
    Ok(())
}

fn reproduces() -> Result<(), Failed> {
    let digest = || -> Result<String, Failed> {
        let home = Home::new();
        home.says(&["image", "bootstrap", "busybox"])?;
        Ok(home.json(&["images", "--json"])?["images"][0]["digest"].to_string())
    };
    assert_eq!(digest()?, digest()?);
    Ok(())
}

fn saves() -> Result<(), Failed> {
    let home = Home::new();
    home.says(&["image", "bootstrap", "busybox"])?;
    home.says(&["save", "busybox", "-o", "box.tar"])?;
    let piped = home.isolab(&["save", "busybox"]).output()?.stdout;
    assert_eq!(fs::read(home.path().join("box.tar"))?, piped);
    let other = Home::new();
    let archive = home.path().join("box.tar");
    let archive = archive.to_str().ok_or("a path")?;
    let loaded = other.says(&["load", "-i", archive])?;
    assert_eq!(loaded, "Loaded image: busybox:latest\n");
    let digest = |home: &Home| -> Result<String, Failed> {
        Ok(home.json(&["images", "--json"])?["images"][0]["digest"].to_string())
    };
    assert_eq!(digest(&home)?, digest(&other)?);
    assert_eq!(unpacked(&other)?, 1);
    Ok(())
}

/// How many layers lie unpacked.
fn unpacked(home: &Home) -> Result<usize, Failed> {
    let mut count = 0;
    for owners in fs::read_dir(home.store().join("layers"))? {
        count += fs::read_dir(owners?.path())?.count();
    }
    Ok(count)
}

fn pulls() -> Result<(), Failed> {
    let home = Home::new();
    home.says(&["image", "bootstrap", "busybox"])?;
    let other = Home::new();
    let name = served(&home, |address| {
        let name = format!("{address}/busybox:latest");
        other.says(&["pull", &name])?;
        Ok(name)
    })?;
    assert_eq!(unpacked(&other)?, 1);
    let digest = |home: &Home, name: &str| home.json(&["images", name, "--json"]);
    let (here, there) = (digest(&home, "busybox")?, digest(&other, &name)?);
    assert_eq!(here["images"][0]["digest"], there["images"][0]["digest"]);
    Ok(())
}

/// Does it while the images of `home` are served.
fn served<T>(home: &Home, act: impl FnOnce(&str) -> Result<T, Failed>) -> Result<T, Failed> {
    let free = TcpListener::bind("127.0.0.1:0")?;
    let address = free.local_addr()?.to_string();
    drop(free);
    let mut serve = home.isolab(&["registry", "serve", "--quiet", "--address", &address]);
    let mut server = serve.spawn()?;
    let begun = Instant::now();
    while TcpStream::connect(&address).is_err() && begun.elapsed() < Duration::from_secs(10) {
        thread::sleep(Duration::from_millis(10));
    }
    let done = act(&address);
    server.kill()?;
    server.wait()?;
    done
}

fn by_digest() -> Result<(), Failed> {
    let (home, other) = (Home::new(), Home::new());
    home.says(&["image", "bootstrap", "busybox"])?;
    let all = home.json(&["images", "--json"])?;
    let digest = all["images"][0]["digest"].as_str().ok_or("no digest")?;
    two_versions(&other)?;
    let (own, name) = served(&home, |address| {
        // What the user made himself has the name that the registry's has.
        let own = format!("{address}/busybox");
        other.says(&["tag", "app", &own])?;
        let name = format!("{own}:latest@{digest}");
        fs::write(other.path().join("Dockerfile"), format!("FROM {name}\n"))?;
        let context = other.path().to_string_lossy().into_owned();
        other.says(&["build", "-t", "built", &context])?;
        other.says(&["pull", &name])?;
        Ok((own, name))
    })?;
    let listed = other.says(&["images", &own])?;
    let rows: Vec<Vec<&str>> = listed
        .lines()
        .map(|line| line.split_whitespace().collect())
        .collect();
    assert_eq!(rows[1][..3], [&*own, "latest", "@1"]);
    assert_eq!(rows[2][..2], [&*own, "<none>"]);
    assert_eq!(rows.len(), 3, "{listed}");
    let id = |name: &str| other.json(&["image", "inspect", name]);
    assert_eq!(id("app")?[0]["Id"], id(&own)?[0]["Id"]);
    assert_eq!(
        other.says(&["run", &name, "echo", "by digest"])?,
        "by digest\n"
    );
    let told = other.fails(&["tag", "app", &name])?;
    assert!(told.contains("left out"), "{told}");
    let removed = other.says(&["rmi", &name])?;
    assert!(
        removed.starts_with(&format!("Untagged: {own}@{digest}\n")),
        "{removed}"
    );
    assert_eq!(id("app")?[0]["Id"], id(&own)?[0]["Id"]);
    other.fails(&["image", "inspect", &name])?;
    Ok(())
}

fn counts() -> Result<(), Failed> {
    let home = Home::new();
    two_versions(&home)?;
    let counted = |home: &Home| -> Result<(u64, u64), Failed> {
        let told = home.json(&["system", "df", "--json"])?["images"].clone();
        let parts = [
            "images",
            "versions",
            "steps",
            "layers",
            "garbage",
            "unfinished",
            "bookkeeping",
        ];
        let sum = parts.iter().filter_map(|part| told[part].as_u64()).sum();
        Ok((sum, told["versions"].as_u64().unwrap_or_default()))
    };
    let du = |path: &Path| -> Result<u64, Failed> {
        let mut du = Command::new("du");
        let text = said(du.args(["-s", "--block-size=1"]).arg(path))?;
        Ok(text.split_whitespace().next().unwrap_or_default().parse()?)
    };
    let (sum, versions) = counted(&home)?;
    assert_eq!(sum, du(&home.store())?);
    assert!(versions > 0);
    let lock = fs::File::open(home.store().join("lock"))?;
    lock.lock_shared()?;
    let told = home.fails(&["system", "prune", "--versions", "--build-cache"])?;
    assert!(told.contains("nothing was removed"), "{told}");
    assert_eq!(counted(&home)?, (sum, versions), "somebody uses it");
    drop(lock);
    let pruned = home.json(&["system", "prune", "--versions", "--json"])?;
    let (sum, versions) = counted(&home)?;
    assert_eq!((sum, versions), (du(&home.store())?, 0));
    assert!(pruned["swept"]["bytes"].as_u64() > Some(0), "{pruned}");
    Ok(())
}

fn mistakes() -> Result<(), Failed> {
    let home = Home::new();
    home.says(&["image", "bootstrap", "busybox"])?;
    let before = home.says(&["images"])?;
    for (arguments, expected) in [
        (
            &["tag", "nothing", "x"][..],
            "cannot find image nothing:latest",
        ),
        (&["tag", "busybox", "Upper"], "lower case"),
        (&["rmi", "nothing"], "cannot find image nothing:latest"),
        (&["history", "busybox@9"], "version 9"),
        (&["image", "rollback", "busybox"], "before the one"),
        (&["image", "rollback", "busybox@x"], "have numbers"),
        (&["save", "nothing", "-o", "x.tar"], "cannot find image"),
        (&["save", "busybox", "-o", "no/such/x.tar"], "no/such/x.tar"),
        (&["load", "-i", "missing.tar"], "missing.tar"),
        (&["load", "-i", "data"], "Is a directory"),
    ] {
        let told = home.fails(arguments)?;
        assert!(told.contains(expected), "{arguments:?}: {told}");
    }
    assert!(!home.path().join("x.tar").exists());
    let cut = home.isolab(&["save", "busybox"]).output()?.stdout;
    fs::write(home.path().join("cut.tar"), &cut[..cut.len() / 2])?;
    assert!(home.fails(&["load", "-i", "cut.tar"])?.contains("hint"));
    assert_eq!(
        home.says(&["images"])?.lines().count(),
        before.lines().count()
    );
    Ok(())
}

fn differs() -> Result<(), Failed> {
    let home = Home::new();
    two_versions(&home)?;
    let changes = home.json(&["image", "diff", "app@1", "app@2", "--json"])?;
    assert_eq!(
        changes["changes"],
        serde_json::json!([]),
        "times do not count"
    );
    Ok(())
}
