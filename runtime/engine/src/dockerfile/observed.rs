//! What docker and buildah were seen to do, against what we do.
//!
//! Each file was built with docker 20.10.24 by BuildKit, by the classic builder of
//! the same daemon, and with buildah 1.28.2; what stands beside it is what the
//! image's configuration held then, or what came along in `COPY . /`. Where they
//! disagree with each other or with us, it says so, and why ours is as it is: that
//! BuildKit is old, and the one whose source we follow has changed since.

use super::ignore::Ignore;
use super::{Given, Globals, Instruction, Ports, Scope, Template, parse};

/// What a file sets, as `KIND value`, in order; or `refused`.
fn set(text: &str) -> Vec<String> {
    let refused = vec!["refused".to_owned()];
    let Ok(file) = parse(text.as_bytes()) else {
        return refused;
    };
    let globals = Globals::new(&file, &Given::nothing()).unwrap();
    let escape = file.directives.escape;
    let mut scope = Scope::of_image(&globals, &[]);
    let mut out = Vec::new();
    for step in &file.stages.last().unwrap().steps {
        let expand = |template: &Template| {
            template
                .expand(&|name| scope.lookup(name), escape)
                .map_err(|_| ())
        };
        let done: Result<Vec<String>, ()> = match &step.instruction {
            Instruction::Label(pairs) => pairs
                .iter()
                .map(|pair| {
                    Ok(format!(
                        "label {}={}",
                        expand(&pair.name)?,
                        expand(&pair.value)?
                    ))
                })
                .collect(),
            Instruction::User(user) => expand(user).map(|user| vec![format!("user {user}")]),
            Instruction::Volume(paths) => paths
                .iter()
                .map(|path| Ok(format!("volume {}", expand(path)?)))
                .collect(),
            Instruction::Expose(ports) => ports
                .iter()
                .map(|ports| {
                    let words = ports.expand_to_words(&|name| scope.lookup(name), escape);
                    let mut each = Vec::new();
                    for word in words.map_err(|_| ())? {
                        each.extend(word.parse::<Ports>().map_err(|_| ())?.each());
                    }
                    Ok(format!("expose {}", each.join(" ")))
                })
                .collect(),
            Instruction::Env(pairs) => {
                let set = scope.set(pairs).map_err(|_| ());
                let line = |(name, value): (String, String)| format!("env {name}={value}");
                set.map(|set| set.into_iter().map(line).collect())
            }
            Instruction::Arg(arguments) => scope
                .declare(arguments)
                .map(|()| Vec::new())
                .map_err(|_| ()),
            other => Ok(vec![other.to_string()]),
        };
        match done {
            Ok(lines) => out.extend(lines),
            Err(()) => return refused,
        }
    }
    out
}

#[test]
fn files_set_what_docker_and_buildah_set() {
    for (text, expected) in [
        // Words and variables.
        (
            "ENV a=1\nENV a=2 b=$a",
            &["env a=1", "env a=2", "env b=1"][..],
        ),
        (
            r#"ENV a=b\ c d='e f' g="h\"i""#,
            &["env a=b c", "env d=e f", "env g=h\"i"],
        ),
        ("ENV \"a b\"=c", &["env a b=c"]),
        ("ENV a   b  c", &["env a=b  c"]),
        ("ENV -- a=b", &["env a=b"]),
        (
            "ENV x=value\nLABEL l=\"$x-${x}_$x_\"",
            &["env x=value", "label l=value-value_"],
        ),
        (
            "ENV x=v e=\nLABEL l=${none:-d}${e:-e}${x:+p}${e:+q}",
            &["env x=v", "env e=", "label l=dep"],
        ),
        (
            r#"LABEL a='$x' b="\$x \" \\ \n" c=a\ b\c"#,
            &["label a=$x", r#"label b=$x " \ \n"#, "label c=a bc"],
        ),
        (
            r#"LABEL a=it"'"'"'\"s b=${none:-"a}b"}"#,
            &[r#"label a=it'""s"#, "label b=a}b"],
        ),
        ("ENV t=\"a b\"\nLABEL l=$t", &["env t=a b", "label l=a b"]),
        (
            "ENV x=value\nLABEL old $x  and \"more x\" \\\n# no\n   still",
            &["env x=value", "label old=value  and more x    still"],
        ),
        (
            "ENV x=v\nLABEL a=${y:-${x:+'$x'}}",
            &["env x=v", "label a=$x"],
        ),
        ("LABEL a='b", &["refused"]),
        ("LABEL a=${x", &["refused"]),
        ("LABEL a=${x:=1}", &["refused"]),
        ("LABEL a=b # c", &["refused"]),
        ("ENV a", &["refused"]),
        ("ENV a= b", &["refused"]),
        (
            "ENV x=value\nUSER $x:$none",
            &["env x=value", "user value:"],
        ),
        ("VOLUME [\" /a b \"]", &["volume /a b"]),
        ("VOLUME [\"\"]", &["refused"]),
        (
            "EXPOSE 0 8000-8001/udp $none",
            &["expose 0/tcp", "expose 8000/udp 8001/udp", "expose "],
        ),
        ("EXPOSE \"81 82\"", &["refused"]),
        // Lines.
        (
            "LABEL a=b \\\r\n  c=d\r\n\r\nUSER x\r",
            &["label a=b", "label c=d", "user x"],
        ),
        ("LABEL a=b \\\n\n c=d", &["label a=b", "label c=d"]),
        (
            "LABEL a=b \\\n  # x \\\n c=d\nUSER x",
            &["label a=b", "label c=d", "user x"],
        ),
        ("LABEL a=b \\ \t \n c=d", &["label a=b", "label c=d"]),
        ("LAB\\\nEL a=b", &["label a=b"]),
        ("LABEL a=b \\", &["label a=b"]),
        ("\tLABEL a=b", &["label a=b"]),
        // Lists.
        ("CMD ['a', \"b\"]", &["CMD ['a', \"b\"]"]),
        ("CMD [ \"a\",", &["CMD [ \"a\","]),
        ("CMD [\"a\", 1]", &["refused"]),
        (
            "ENTRYPOINT [ \"/x\" , \"$x\" ]",
            &["ENTRYPOINT [\"/x\", \"$x\"]"],
        ),
        ("HEALTHCHECK --interval=30 CMD x", &["refused"]),
        ("HEALTHCHECK curl x", &["refused"]),
        ("HEALTHCHECK --interval=1s NONE", &["HEALTHCHECK NONE"]),
        ("ONBUILD ONBUILD CMD x", &["refused"]),
        ("COPY x", &["refused"]),
        ("COPY --form=x a b", &["refused"]),
        ("RUN --mount=type=foo x", &["refused"]),
        ("FROM scratch x", &["refused"]),
        ("FROM scratch # c", &["refused"]),
    ] {
        assert_eq!(set(&format!("FROM scratch\n{text}\n")), expected, "{text}");
    }
}

#[test]
fn where_builders_disagree_ours_is_the_newer_buildkit() {
    let set = |text: &str| set(&format!("FROM scratch\n{text}\n"));
    // Both of docker's take it for the end of a line; buildah goes on.
    assert_eq!(set("LABEL a=b\\\\\nUSER x"), ["label a=b\\", "user x"]);
    // BuildKit alone lets an ARG replace what an ENV set: the others keep 3.
    let text = "ARG V=2\nENV V=3\nLABEL d=$V\nARG V=4\nLABEL e=$V";
    assert_eq!(set(text), ["env V=3", "label d=3", "label e=4"]);
    // That BuildKit, the classic builder and buildah forget a of the same line; the
    // newer one declares one after the other.
    assert_eq!(set("ARG a=1 b=$a\nLABEL c=$b"), ["label c=1"]);
    // All three ignore what follows the list; the newer one takes it for no list.
    assert_eq!(set("CMD [\"a\"] b"), ["CMD [\"a\"] b"]);
    // All three refuse to wait for no time; the newer one takes it for no wish.
    assert_eq!(
        set("HEALTHCHECK --start-period=0s CMD x"),
        ["HEALTHCHECK CMD x"]
    );
    // Docker's builders refuse a range backwards and an unknown protocol; buildah
    // writes them down.
    assert_eq!(set("EXPOSE 8002-8000"), ["refused"]);
    assert_eq!(set("EXPOSE 80/http"), ["refused"]);
    // All three make of nothing a shell that runs nothing, or, classic and buildah
    // for ENTRYPOINT, nothing; and put U+FFFD for what is no UTF-8. We say that it
    // is a mistake.
    assert_eq!(set("CMD"), ["refused"]);
    assert_eq!(set("ENTRYPOINT"), ["refused"]);
    assert!(parse(b"FROM scratch\nLABEL a=\xff\n").is_err());
}

#[test]
fn the_escape_character_is_dockers_for_words_too() {
    // buildah goes on with a backslash within words.
    let text = "# escape=`\nFROM scratch\nLABEL a=b`\nc d=\\x e=`$x f=\"`$x\" g='`$x'\n";
    assert_eq!(
        set(text),
        [
            "label a=bc",
            "label d=\\x",
            "label e=$x",
            "label f=$x",
            "label g=`$x"
        ]
    );
    assert_eq!(
        set("\u{feff}# escape=`\nFROM scratch\nLABEL a=b `\n c=d\n"),
        ["label a=b", "label c=d"]
    );
    assert_eq!(
        set("# c\n# escape=`\nFROM scratch\nLABEL a=b`\n"),
        ["label a=b`"]
    );
    assert_eq!(set("# escape=`\n# escape=`\nFROM scratch\n"), ["refused"]);
}

/// The build context of the cases below.
const FILES: [&str; 37] = [
    "#h",
    "*q",
    "-",
    "9",
    "A",
    "README.md",
    "\\d",
    "]",
    "a.o",
    "ab",
    "b",
    "d/e/f",
    "d/e/g",
    "d/h/f",
    "d9",
    "foo/bar",
    "lib/src/k",
    "n/s/t/u",
    "q",
    "secret.md",
    "src/f",
    "src/g/h",
    "t/.git/c",
    ".git/c",
    "x.go",
    "x/README.md",
    "x/a.o",
    "x/foo",
    "x/xfoo",
    "x/y/a.o",
    "x/y/z.go",
    "xfoo",
    "z/drop/1",
    "z/keep/1",
    "zz",
    "é",
    "a/1",
];

/// What comes along under a `.dockerignore`.
fn along(text: &str) -> Vec<&'static str> {
    let ignore = Ignore::parse(text.as_bytes()).unwrap();
    FILES
        .into_iter()
        .filter(|path| !ignore.decide(path).excluded)
        .collect()
}

/// What stays at home.
fn at_home(text: &str) -> Vec<&'static str> {
    let along = along(text);
    FILES
        .into_iter()
        .filter(|path| !along.contains(path))
        .collect()
}

#[test]
fn what_stays_at_home_is_what_stays_with_docker_and_buildah() {
    for (text, expected) in [
        ("*.o", &["a.o"][..]),
        ("**/*.o", &["a.o", "x/a.o", "x/y/a.o"]),
        ("/foo\n/x/foo", &["foo/bar", "x/foo"]),
        ("src/\nd/e/", &["d/e/f", "d/e/g", "src/f", "src/g/h"]),
        ("./src//g/../f", &["src/f"]),
        ("../a\nx/../foo", &["foo/bar"]),
        ("A\nreadme.md", &["A"]),
        ("!README.md\n*.md", &["README.md", "secret.md"]),
        ("*.md\n!README*.md\nREADME.md", &["README.md", "secret.md"]),
        ("d\n!d/e\nd/e/f", &["d/e/f", "d/h/f"]),
        (r"\#h", &["#h"]),
        ("x**foo", &["x/foo", "xfoo"]),
        ("x/**/foo\nd/**/f", &["d/e/f", "d/h/f", "x/foo"]),
        ("[!a]", &["a/1"]),
        ("d^9", &[]),
        ("**/.git", &["t/.git/c", ".git/c"]),
        ("**/**/foo", &["foo/bar", "x/foo"]),
        ("z/*\n!z/keep", &["z/drop/1"]),
        ("n\n!n/s/t", &[]),
        ("fo*\n!foo/bar", &[]),
        ("foo\r\nsrc\r\n", &["foo/bar", "src/f", "src/g/h"]),
        ("\u{feff}foo\nsrc", &["foo/bar", "src/f", "src/g/h"]),
        ("*/foo", &["x/foo"]),
        (".", &[]),
        ("/", &[]),
    ] {
        assert_eq!(at_home(text), expected, "{text:?}");
    }
    for (text, expected) in [
        ("*\n!x.go\n!src", &["src/f", "src/g/h", "x.go"][..]),
        ("**", &[]),
        ("**\n!src/g", &["src/g/h"]),
        ("*\n!/src/g", &["src/g/h"]),
        ("*\n!d\nd/e\n!d/e/g", &["d/e/g", "d/h/f"]),
    ] {
        assert_eq!(along(text), expected, "{text:?}");
    }
    for text in ["[", "a[", "!", "[a-]", "x\\"] {
        assert!(Ignore::parse(text.as_bytes()).is_err(), "{text:?}");
    }
}

#[test]
fn where_they_lose_files_ours_is_the_newer_patternmatcher() {
    // All three do not enter a directory that is taken unless a line with `!` spells
    // its name, and lose x/y/z.go; newer ones look.
    assert_eq!(along("*\n!**/*.go"), ["x.go", "x/y/z.go"]);
    // Docker's two compare that line with one directory above a file only; buildah
    // and newer ones with each.
    assert_eq!(along("**\n!**/foo\n**/x/foo"), ["foo/bar"]);
    // buildah 1.28 does not see the pattern behind `!` and blanks.
    assert_eq!(at_home("  foo  \n # h\n#h\n! \t foo"), [""; 0]);
    // All three want a slash before the name; the newer patternmatcher does not,
    // where nothing follows that is a pattern.
    assert_eq!(at_home("**foo"), ["foo/bar", "x/foo", "x/xfoo", "xfoo"]);
    // All three make a regular expression of it, in which this is a digit, and that
    // is no character; the documentation has neither.
    assert_eq!(at_home(r"\d"), ["d/e/f", "d/e/g", "d/h/f"]);
    assert_eq!(at_home("[*]q"), ["*q"]);
}
