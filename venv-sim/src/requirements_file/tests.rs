//! Whole files.

use std::fs;

use proptest::prelude::*;

use super::*;

fn parse(text: &str) -> Result<RequirementsFile> {
    let mut file = RequirementsFile::default();
    file.parse("r.txt", text.as_bytes(), &|_| None)?;
    Ok(file)
}

/// What a line is refused with, and what to do.
fn refusal(text: &str) -> (String, &'static str) {
    let error = parse(text).expect_err(text);
    let hint = error.hint().unwrap_or_default();
    (error.to_string(), hint)
}

fn texts(wanted: &[Wanted]) -> Vec<String> {
    wanted
        .iter()
        .map(|one| one.requirement.to_string())
        .collect()
}

#[test]
fn requirements_are_read_in_order_with_their_places() {
    let file = parse(
        "# ours\nDjango>=4.2, <6\n\nrequests[socks] \\\n  == 2.32.* ; python_version >= '3.8'  # why\n",
    )
    .expect("a file");
    assert_eq!(
        texts(&file.wanted),
        [
            "django>=4.2, <6",
            "requests[socks]==2.32.* ; python_version >= \"3.8\""
        ]
    );
    let places: Vec<_> = file.wanted.iter().flat_map(|one| &one.at).collect();
    assert_eq!(places[0].to_string(), "r.txt:2");
    assert_eq!(places[1].to_string(), "r.txt:4");
}

#[test]
fn hashes_belong_to_the_requirement_before_them() {
    // SHA-256 of no bytes and of `abc`, by FIPS 180-4.
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    let file = parse(&format!(
        "a==1.0 \\\n    --hash=sha256:{empty} \\\n    --hash sha256:{abc}\nb==1.0 --hash=sha256:{abc}"
    ))
    .expect("a file");
    assert!(file.wanted[0].hashes[0].is_of(b""));
    assert!(file.wanted[0].hashes[1].is_of(b"abc"));
    assert_eq!(file.wanted[1].hashes.len(), 1);
}

#[test]
fn options_are_set_for_all() {
    let file = parse(
        "-i https://one.test/simple\n--extra-index-url=https://two.test/simple --pre\n\
         --no-index\n-f dir -f 'a dir'\n--trusted-host one.test\n--require-hashes\n\
         --no-binary :all:\n--only-binary a,b\n--no-binary b\n--prefer-binary\n",
    )
    .expect("a file");
    let settings = file.settings;
    assert_eq!(
        settings.index_url.as_deref(),
        Some("https://one.test/simple")
    );
    assert_eq!(settings.extra_index_urls, ["https://two.test/simple"]);
    assert_eq!(settings.find_links, ["dir", "a dir"]);
    assert_eq!(settings.trusted_hosts, ["one.test"]);
    assert!(settings.no_index && settings.prereleases && settings.require_hashes);
    let is_chosen = |name: &str| settings.no_binary.contains(&name.parse().expect("a name"));
    assert_eq!(
        (is_chosen("a"), is_chosen("b"), is_chosen("c")),
        (false, true, true)
    );
}

#[test]
fn addresses_of_wheels_name_their_project() {
    let file = parse(
        "https://x.test/Some_Thing-1.0-py3-none-any.whl\n\
         https://x.test/a-1.0%2Bcpu-py3-none-any.whl#sha256=00 ; os_name == 'posix'\n\
         b[x] @ https://x.test/b-1.0-py3-none-any.whl\n",
    )
    .expect("a file");
    assert_eq!(
        texts(&file.wanted),
        [
            "some-thing @ https://x.test/Some_Thing-1.0-py3-none-any.whl",
            "a @ https://x.test/a-1.0%2Bcpu-py3-none-any.whl#sha256=00 ; os_name == \"posix\"",
            "b[x] @ https://x.test/b-1.0-py3-none-any.whl"
        ]
    );
}

#[test]
fn paths_of_wheels_name_their_project() {
    let dir = tempfile::tempdir().expect("a directory");
    let wheel = dir.path().join("a#b c").join("a_b-1.0-py3-none-any.whl");
    fs::create_dir(wheel.parent().expect("above")).expect("made");
    fs::write(&wheel, "").expect("written");
    let read = wanted::requirement(&format!("{}[x] ; os_name == 'posix'", wheel.display()));
    let read = read.expect("a requirement");
    assert_eq!((read.name.as_str(), read.extras.len()), ("a-b", 1));
    let crate::requirement::Source::Url(url) = read.source else {
        panic!("{read}");
    };
    let path = decoded(url.strip_prefix("file://").expect("an address"));
    assert_eq!(path, wheel.to_str().expect("text").as_bytes());
    assert!(read.marker.is_some());
}

#[test]
fn what_would_be_built_is_refused_by_name_with_the_remedy() {
    for (line, name) in [
        ("-e .", "`.`"),
        ("--editable=git+https://x.test/a#egg=a", "git+https"),
        (".", "`.`"),
        ("git+https://x.test/a.git@main#egg=a", "repository of git"),
        ("a @ git+ssh://git@x.test/a.git", "repository of git"),
        ("https://x.test/a-1.0.tar.gz", "a-1.0.tar.gz"),
        ("a @ https://x.test/a-1.0.zip", "a-1.0.zip"),
        ("a==1.0 --global-option=--x", "--global-option"),
        ("a==1.0 --config-settings x=y", "--config-settings"),
    ] {
        let (why, remedy) = refusal(&format!("# one\n{line}\n"));
        assert!(
            why.contains(name) && why.contains("r.txt:2"),
            "{line}: {why}"
        );
        assert!(remedy.contains("build"), "{line}: {remedy}");
    }
}

#[test]
fn each_refusal_names_the_file_and_the_line() {
    for (line, part) in [
        ("a ==", "versions"),
        ("a b", "versions"),
        ("--requirment x", "known are --requirement"),
        ("-r", "needs a value"),
        ("-r gone.txt", "gone.txt"),
        ("-r https://x.test/r.txt", "not on this machine"),
        ("a --hash=md5:00", "sha256"),
        ("a --hash=sha256:zz", "hexadecimal"),
        ("a --hash", "needs a value"),
        ("a --pre", "behind a requirement"),
        ("--hash=sha256:00", "behind a requirement"),
        ("--no-binary a/b", "name"),
        ("./gone-1.0-py3-none-any.whl", "not there"),
        ("ftp://x.test/a-1.0-py3-none-any.whl", "ftp"),
        ("a @ https://x.test/b-1.0-py3-none-any.whl", "wheel of b"),
        ("https://x.test/a-one-py3-none-any.whl", "version"),
        ("-i 'https://x", "no end"),
    ] {
        let (why, _) = refusal(&format!("ok\n{line}\n"));
        assert!(
            why.contains(part) && why.contains("r.txt:2"),
            "{line}: {why}"
        );
        assert!(!why.contains('\n'), "{why}");
    }
}

#[test]
fn files_include_others_from_their_own_directory() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = |name: &str| dir.path().join(name);
    fs::create_dir_all(path("sub/wheels")).expect("made");
    fs::write(path("top.txt"), "a\n-r sub/more.txt\n-c limits.txt\nz\n").expect("written");
    fs::write(
        path("sub/more.txt"),
        "b\n-r ../last.txt\n--find-links wheels\n",
    )
    .expect("written");
    fs::write(path("last.txt"), "c\n").expect("written");
    fs::write(path("limits.txt"), "d<2\n").expect("written");
    let mut file = RequirementsFile::default();
    file.read(&path("top.txt"), &|_| None).expect("a file");
    assert_eq!(texts(&file.wanted), ["a", "b", "c", "z"]);
    assert_eq!(texts(&file.constraints), ["d<2"]);
    let wheels = path("sub/wheels").to_str().expect("text").to_owned();
    assert_eq!(file.settings.find_links, [wheels]);

    // The same twice is no loop.
    fs::write(path("top.txt"), "-r last.txt\n-r last.txt\n").expect("written");
    let mut file = RequirementsFile::default();
    file.read(&path("top.txt"), &|_| None).expect("a file");
    assert_eq!(texts(&file.wanted), ["c", "c"]);

    fs::write(path("last.txt"), "# c\n-r sub/../top.txt\n").expect("written");
    let error = RequirementsFile::default().read(&path("top.txt"), &|_| None);
    let why = error.expect_err("a loop").to_string();
    assert!(
        why.contains("last.txt:2") && why.contains("no end"),
        "{why}"
    );
}

#[test]
fn constraints_name_projects_and_no_extras() {
    let dir = tempfile::tempdir().expect("a directory");
    let path = dir.path().join("c.txt");
    fs::write(&path, "a<2\nb[x]<3\n").expect("written");
    let mut file = RequirementsFile::default();
    let why = file
        .read_constraints(&path, &|_| None)
        .expect_err("refused");
    assert!(why.to_string().contains("c.txt:2: a constraint"), "{why}");
}

#[test]
fn variables_are_put_in() {
    let mut file = RequirementsFile::default();
    let variables = |name: &str| (name == "TOKEN").then(|| "t0k".to_owned());
    file.parse("r", b"-i https://${TOKEN}@x.test/simple\n", &variables)
        .expect("a file");
    let url = file.settings.index_url.expect("an index");
    assert_eq!(url, "https://t0k@x.test/simple");
}

#[test]
fn a_file_that_is_too_long_is_refused() {
    let text = vec![b'#'; 17 << 20];
    let why = RequirementsFile::default().parse("r", &text, &|_| None);
    assert!(why.expect_err("refused").to_string().contains("MiB"));
}

proptest! {
    #[test]
    fn no_text_panics_and_each_refusal_is_one_line(
        text in "(\\PC{0,30}\n){0,3}|(-r|-c|-e|a|b==1|--hash=sha256:0|--pre|#|\\\\|\n|[ '\"$\\{\\}A=;@:/.\\[\\]]){0,20}",
    ) {
        if let Err(why) = parse(&text) {
            prop_assert!(!why.to_string().contains('\n'), "{}", why);
        }
    }
}

#[test]
fn a_password_is_in_no_refusal() {
    for line in [
        "foo @ http://me:s3cret@h/foo.tar.gz",
        "foo @ http://me:s3cret@h/bar-1.0-py3-none-any.whl",
        "http://me:s3cret@h/foo.tar.gz",
        "me:s3cret@h/foo-1.0-py3-none-any.whl",
        "foo @ git+https://me:s3cret@h/foo.git",
        "-r https://me:s3cret@h/r.txt",
        "-e git+https://me:s3cret@h/foo.git",
        "foo --index-url https://me:s3cret@h/simple",
        "foo --extra-index-url=https://me:s3#cret@h/simple",
        "--index https://me:s3cret@h/simple",
        "--index=https://me:s3cret@h/simple",
    ] {
        let (why, _) = refusal(line);
        assert!(!why.contains("cret"), "{why}");
    }
    let typed = "foo @ http://me:s3cret@h/foo.tar.gz";
    let why = Wanted::typed(typed).expect_err(typed).to_string();
    assert!(!why.contains("s3cret"), "{why}");
}

#[test]
fn a_pipe_is_read_as_a_file_is() {
    use std::io::Write as _;
    use std::os::fd::AsRawFd as _;

    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    writer.write_all(b"demo==1.0\n").expect("written");
    drop(writer);
    let mut file = RequirementsFile::default();
    let path = format!("/proc/self/fd/{}", reader.as_raw_fd());
    file.read(path.as_ref(), &|_| None).expect("read");
    assert_eq!(texts(&file.wanted), ["demo==1.0"]);
}

#[test]
fn a_setting_that_cannot_be_used_is_told_with_its_line() {
    for line in [
        "-i ftp:/x",
        "--extra-index-url http://",
        "--trusted-host a/b",
    ] {
        let text = format!("# first\n{line}\n");
        let mut file = RequirementsFile::default();
        let why = file.parse("r.txt", text.as_bytes(), &|_| None);
        let why = why.expect_err(line).to_string();
        assert!(why.contains("r.txt:2"), "{why}");
    }
}
