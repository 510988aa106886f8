//! Which index is asked: as the interpreter's own pip would have it.

use std::path::PathBuf;
use std::time::Duration;

use venv_sim::index::{Inputs, Variables};
use venv_sim::{IndexFlags, IndexSettings};

/// A machine with these files.
struct Machine {
    root: tempfile::TempDir,
    variables: Variables,
}

impl Machine {
    fn new() -> Self {
        let root = tempfile::tempdir().expect("a directory");
        let home = root.path().join("home").display().to_string();
        Self {
            root,
            variables: Variables::from([("HOME".to_owned(), home)]),
        }
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.path().join(path)
    }

    fn file(&self, path: &str, text: &str) -> &Self {
        let path = self.path(path);
        std::fs::create_dir_all(path.parent().expect("above")).expect("made");
        std::fs::write(path, text).expect("written");
        self
    }

    fn set(&mut self, name: &str, value: &str) -> &mut Self {
        self.variables.insert(name.to_owned(), value.to_owned());
        self
    }

    fn settings_of(&self, command: &str, flags: &IndexFlags) -> venv_sim::Result<IndexSettings> {
        let (environment, stdlib) = (self.path("env"), self.path("usr/lib/python3.11"));
        let inputs = Inputs {
            environment: Some(&environment),
            stdlib: Some(&stdlib),
            variables: &self.variables,
            command,
            root: self.root.path(),
        };
        IndexSettings::of(&inputs, flags)
    }

    #[track_caller]
    fn indexes(&self, command: &str) -> Vec<String> {
        let settings = self.settings_of(command, &IndexFlags::default());
        settings.expect("settings").indexes()
    }
}

fn config(section: &str, host: &str) -> String {
    format!("[{section}]\nindex-url = https://{host}.test/simple\n")
}

fn url(host: &str) -> Vec<String> {
    vec![format!("https://{host}.test/simple/")]
}

#[test]
fn configurations_come_one_over_the_other_as_pip_has_them() {
    let mut machine = Machine::new();
    machine.file("etc/xdg/pip/pip.conf", &config("global", "xdg"));
    assert_eq!(machine.indexes("install"), url("xdg"));
    machine.file("etc/pip.conf", &config("global", "machine"));
    assert_eq!(machine.indexes("install"), url("machine"));
    machine.file("home/.pip/pip.conf", &config("global", "old"));
    assert_eq!(machine.indexes("install"), url("old"));
    machine.file("home/.config/pip/pip.conf", &config("global", "user"));
    assert_eq!(machine.indexes("install"), url("user"));
    machine.file("env/pip.conf", &config("global", "environment"));
    assert_eq!(machine.indexes("install"), url("environment"));
    machine.file("named.conf", &config("global", "named"));
    let named = machine.path("named.conf").display().to_string();
    machine.set("PIP_CONFIG_FILE", &named);
    assert_eq!(machine.indexes("install"), url("named"));
    // The command's own section is nearer than any file.
    machine.file(
        "etc/pip.conf",
        &format!(
            "{}{}",
            config("global", "x"),
            config("download", "download")
        ),
    );
    assert_eq!(machine.indexes("download"), url("download"));
    assert_eq!(machine.indexes("install"), url("named"));
    machine.set("PIP_INDEX_URL", "https://variable.test/simple/");
    assert_eq!(machine.indexes("download"), url("variable"));
    let flags = IndexFlags {
        index_url: Some("https://flag.test/simple".to_owned()),
        ..IndexFlags::default()
    };
    let settings = machine.settings_of("install", &flags).expect("settings");
    assert_eq!(settings.indexes(), url("flag"));
}

#[test]
fn who_names_a_configuration_does_without_their_own_and_the_null_device_is_none_at_all() {
    let mut machine = Machine::new();
    machine.file(
        "home/.config/pip/pip.conf",
        "[global]\nextra-index-url = https://user.test/simple\n",
    );
    machine.file("named.conf", &config("global", "named"));
    let named = machine.path("named.conf").display().to_string();
    machine.set("PIP_CONFIG_FILE", &named);
    assert_eq!(machine.indexes("install"), url("named"));
    machine.set("PIP_CONFIG_FILE", "/dev/null");
    machine.file("etc/pip.conf", &config("global", "machine"));
    let error = machine
        .settings_of("install", &IndexFlags::default())
        .expect_err("no index");
    assert!(
        error
            .hint()
            .is_some_and(|hint| hint.contains("--index-url")),
        "{error}"
    );
}

#[test]
fn without_any_word_it_is_the_index_that_the_bundled_pip_knows() {
    let machine = Machine::new();
    let module = "PyPI = PackageIndex('https://known.test/', file_storage_domain='x')\n";
    machine.file(
        "usr/lib/python3.11/site-packages/pip/_internal/models/index.py",
        module,
    );
    assert_eq!(machine.indexes("install"), url("known"));
    let settings = machine
        .settings_of("install", &IndexFlags::default())
        .expect("settings");
    let from = machine.path("usr/lib/python3.11/site-packages/pip/_internal/models/index.py");
    assert!(settings.explanation().contains(&from.display().to_string()));
}

#[test]
fn extra_indexes_are_asked_before_the_index_and_each_is_explained() {
    let mut machine = Machine::new();
    machine.file(
        "etc/pip.conf",
        "[global]\nindex-url = https://me:secret@public.test/simple\n",
    );
    machine.set(
        "PIP_EXTRA_INDEX_URL",
        "https://one.test/simple https://you:secret@two.test/simple/",
    );
    let settings = machine
        .settings_of("install", &IndexFlags::default())
        .expect("settings");
    let expected: Vec<String> = ["one", "two", "public"].into_iter().flat_map(url).collect();
    assert_eq!(settings.indexes(), expected);
    let text = settings.explanation();
    for part in [
        "https://two.test/simple/, from PIP_EXTRA_INDEX_URL",
        "`index-url` of [global] in",
    ] {
        assert!(text.contains(part), "{text}");
    }
    assert!(!text.contains("secret"), "{text}");
}

#[test]
fn no_index_is_no_index_unless_the_command_line_names_one() {
    for value in ["1", "yes", "True", "on"] {
        let mut machine = Machine::new();
        machine
            .set("PIP_NO_INDEX", value)
            .set("PIP_INDEX_URL", "https://variable.test/simple");
        assert_eq!(machine.indexes("install"), Vec::<String>::new());
        let flags = IndexFlags {
            index_url: Some("https://flag.test/simple".to_owned()),
            ..IndexFlags::default()
        };
        assert_eq!(
            machine
                .settings_of("install", &flags)
                .expect("settings")
                .indexes(),
            url("flag")
        );
    }
    let mut machine = Machine::new();
    machine
        .set("PIP_NO_INDEX", "0")
        .set("PIP_INDEX_URL", "https://variable.test/simple");
    assert_eq!(machine.indexes("install"), url("variable"));
    let flags = IndexFlags {
        no_index: true,
        index_url: Some("https://flag.test/".to_owned()),
        ..IndexFlags::default()
    };
    assert_eq!(
        machine
            .settings_of("install", &flags)
            .expect("settings")
            .indexes(),
        Vec::<String>::new()
    );
}

#[test]
fn places_for_links_that_are_gone_are_passed_over_unless_they_were_just_named() {
    let mut machine = Machine::new();
    machine
        .set("PIP_NO_INDEX", "1")
        .set("PIP_FIND_LINKS", "/nonexistent/wheels");
    let settings = machine
        .settings_of("install", &IndexFlags::default())
        .expect("settings");
    assert!(settings.explanation().contains("/nonexistent/wheels"));
    assert!(settings.explanation().contains("passed over"));
    let flags = IndexFlags {
        find_links: vec!["/nonexistent/wheels".to_owned()],
        ..IndexFlags::default()
    };
    let error = machine.settings_of("install", &flags).expect_err("gone");
    assert!(error.to_string().contains("--find-links"), "{error}");
}

#[test]
fn what_cannot_be_used_is_told_with_who_said_it() {
    for (name, value) in [
        ("PIP_INDEX_URL", "ftp://x.test/"),
        ("PIP_EXTRA_INDEX_URL", "nonsense"),
        ("PIP_TIMEOUT", "soon"),
        ("PIP_DEFAULT_TIMEOUT", "-1"),
        ("PIP_RETRIES", "many"),
        ("PIP_NO_INDEX", "maybe"),
        ("PIP_PROXY", "socks5://x.test:1"),
        ("PIP_TRUSTED_HOST", "a b/c"),
    ] {
        let mut machine = Machine::new();
        machine
            .file("etc/pip.conf", &config("global", "machine"))
            .file("x", "");
        machine.set(name, value);
        let error = machine
            .settings_of("install", &IndexFlags::default())
            .expect_err(name);
        let text = error.to_string();
        assert!(text.contains(name) && !text.contains('\n'), "{text}");
    }
    let machine = Machine::new();
    machine.file("etc/pip.conf", "[global]\nnonsense\n");
    let error = machine
        .settings_of("install", &IndexFlags::default())
        .expect_err("nonsense");
    let path = machine.path("etc/pip.conf").display().to_string();
    assert!(
        error.to_string().contains(&path) && error.to_string().contains("line 2"),
        "{error}"
    );
}

#[test]
fn the_command_line_comes_before_a_variable_that_would_do() {
    let mut machine = Machine::new();
    machine
        .set("PIP_TIMEOUT", "7")
        .set("PIP_RETRIES", "2")
        .set("PIP_INDEX_URL", "https://a.test/");
    machine
        .settings_of("install", &IndexFlags::default())
        .expect("settings");
    machine
        .set("PIP_TIMEOUT", "soon")
        .set("PIP_RETRIES", "many");
    let flags = IndexFlags {
        timeout: Some(Duration::from_secs(1)),
        retries: Some(0),
        ..IndexFlags::default()
    };
    machine.settings_of("install", &flags).expect("settings");
}

#[test]
fn a_path_is_an_index_and_a_place_for_links_from_home_is_found() {
    let mut machine = Machine::new();
    machine.file("home/wheels/x", "");
    machine
        .set("PIP_FIND_LINKS", "~/wheels")
        .set("PIP_INDEX_URL", "/srv/simple");
    let settings = machine
        .settings_of("install", &IndexFlags::default())
        .expect("settings");
    assert_eq!(settings.indexes(), ["file:///srv/simple/"]);
    let wheels = machine.path("home/wheels");
    assert!(
        settings
            .explanation()
            .contains(&wheels.display().to_string())
    );
}
