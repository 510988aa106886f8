//! What is known of each interpreter is what it says itself, and what `packaging` makes of it.

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use libtest_mimic::{Failed, Trial};
use venv_sim::{Cache, Interpreter, Search, create};

use crate::machine::{any_python, cache, expect, options, output, python, scratch, trial};
use crate::python::VERSIONS;

pub(crate) fn trials() -> Vec<Trial> {
    let mut trials = Vec::new();
    for version in VERSIONS {
        let known = python(version);
        let missing = known.as_ref().err();
        let missing = missing.map(|_| format!("no Python {version} here"));
        let name = version.replace('.', "_");
        trials.push(trial(
            format!("python_{name}_accepts_the_tags_that_packaging_says_in_its_order"),
            missing.clone().or_else(|| match &known {
                Ok(python) if packaging(python).is_none() => {
                    Some("no pip here brings a `packaging` that it can run".to_owned())
                }
                _ => None,
            }),
            move || tags(version),
        ));
        trials.push(trial(
            format!("python_{name}_has_the_values_that_markers_ask_about"),
            missing,
            move || markers(version),
        ));
    }
    let missing = || any_python().err();
    trials.push(trial(
        "the_interpreter_of_an_environment_is_its_base_and_is_not_run_when_known",
        missing(),
        of_environment,
    ));
    trials.push(trial(
        "an_externally_managed_interpreter_says_so",
        any_python().err().or_else(|| {
            let managed = managed().is_none();
            managed.then(|| "no interpreter here is externally managed".to_owned())
        }),
        externally_managed,
    ));
    trials
}

/// The `site-packages` of the newest interpreter here whose pip brings a `packaging` that knows
/// tags and runs under this one.
fn packaging(python: &Interpreter) -> Option<PathBuf> {
    let all = VERSIONS.into_iter().rev();
    let all = all.filter_map(|version| crate::machine::python(version).ok());
    all.map(|other| other.base_prefix.join(&other.site_packages))
        .find(|place| {
            let tags = place.join("pip/_vendor/packaging/tags.py").is_file();
            let program = "from pip._vendor.packaging import tags; tags.sys_tags";
            tags && say(python, place, program).is_ok()
        })
}

fn say(python: &Interpreter, place: &PathBuf, program: &str) -> Result<String, Failed> {
    let program = format!("import sys; sys.path.insert(0, sys.argv[1])\n{program}");
    output(
        Command::new(&python.executable)
            .args(["-I", "-c", &program])
            .arg(place),
    )
}

fn tags(version: &str) -> Result<(), Failed> {
    let python = python(version)?;
    let place = packaging(&python).ok_or("packaging is gone")?;
    let program = "from pip._vendor.packaging import tags\nprint(*tags.sys_tags(), sep='\\n')";
    let theirs = say(&python, &place, program)?;
    let tags = python.tags();
    let spelled =
        |tag: &venv_sim::wheel::Tag| format!("{}-{}-{}", tag.python, tag.abi, tag.platform);
    let mut ours: Vec<_> = tags.iter().map(|tag| spelled(&tag)).collect();
    let own = format!("cp{}-none-any", version.replace('.', ""));
    if !theirs.lines().any(|tag| tag == own) {
        // An older `packaging`, which forgot what is for one interpreter on any platform.
        ours.retain(|tag| *tag != own);
    }
    let theirs: Vec<_> = theirs.lines().collect();
    if let Some(place) = (0..)
        .zip(&ours)
        .position(|(place, tag)| theirs.get(place) != Some(&&**tag))
    {
        let (ours, theirs) = (&ours[place], theirs.get(place));
        return Err(format!("tag {place}: {ours:?}, not {theirs:?}").into());
    }
    expect("tags", &ours.len(), &theirs.len())?;
    for (place, tag) in tags.iter().enumerate() {
        expect(&spelled(&tag), &tags.rank(&tag), &Some(place))?;
    }
    let mut foreign = tags.iter().next().ok_or("no tag")?;
    foreign.platform = "win_amd64".to_owned();
    expect("foreign", &tags.rank(&foreign), &None)
}

fn markers(version: &str) -> Result<(), Failed> {
    let python = python(version)?;
    // As the specification defines each.
    let program = "
import os, sys, platform
version = sys.implementation.version
kind = version.releaselevel
print(os.name, sys.platform, platform.machine(), platform.python_implementation(), platform.release(),
  platform.system(), platform.version(), '.'.join(platform.python_version_tuple()[:2]), platform.python_version(),
  sys.implementation.name,
  '{0.major}.{0.minor}.{0.micro}'.format(version) + ('' if kind == 'final' else kind[0] + str(version.serial)),
  sys.implementation.cache_tag, sep='\\n')";
    let said = output(Command::new(&python.executable).args(["-I", "-c", program]))?;
    let known = &python.markers;
    let ours = [
        &known.os_name,
        &known.sys_platform,
        &known.platform_machine,
        &known.platform_python_implementation,
        &known.platform_release,
        &known.platform_system,
        &known.platform_version,
        &known.python_version,
        &known.python_full_version,
        &known.implementation_name,
        &known.implementation_version,
        python.cache_tag.as_ref().ok_or("no cache tag")?,
    ];
    expect(
        "markers",
        &ours.to_vec(),
        &said
            .lines()
            .map(ToOwned::to_owned)
            .collect::<Vec<_>>()
            .iter()
            .collect(),
    )
}

fn of_environment() -> Result<(), Failed> {
    let python = any_python()?;
    let scratch = scratch();
    let made = create(&scratch.path().join("one"), &python, &options())?;
    let facts = |cache: &Cache| -> Result<Interpreter, Failed> { Ok(made.interpreter(cache)?) };
    expect(
        "interpreter",
        &facts(&cache())?.executable,
        &python.executable,
    )?;
    expect("uncached", &facts(&Cache::none())?.tags(), &python.tags())?;
    // An interpreter that marks each run: a copy, since a script's answer is not remembered.
    let inside = Search::new(Vec::<PathBuf>::new())
        .cache(cache())
        .discover(made.python.to_str())?;
    let second = create(&scratch.path().join("two"), &inside, &options())?;
    expect(
        "of the second",
        &second.interpreter(&cache())?.executable,
        &python.executable,
    )?;
    // Remembered: the answer is there although its program would say something else now.
    let remembered = scratch.path().join("cache");
    let cache = Cache::at(&remembered);
    let known = facts(&cache)?;
    let entry = fs::read_dir(remembered.join("interpreters"))?
        .next()
        .ok_or("no entry")??
        .path();
    let text = fs::read_to_string(&entry)?;
    fs::write(&entry, text.replace("\"nodot\":\"3", "\"nodot\":\"9"))?;
    expect(
        "asked again",
        &(facts(&cache)?.tags() == known.tags()),
        &false,
    )?;
    fs::remove_file(&entry)?;
    expect("asked again", &facts(&cache)?, &known)?;
    // An entry of another format is as good as none.
    fs::write(
        &entry,
        text.replace("\"format\":3", "\"format\":2")
            .replace("\"nodot\":\"3", "\"nodot\":\"9"),
    )?;
    expect("format", &facts(&cache)?, &known)?;
    expect("rewritten", &fs::read_to_string(&entry)?, &text)
}

fn managed() -> Option<Interpreter> {
    let found = Search::of_process()
        .cache(cache())
        .interpreters()
        .into_iter();
    let mut found = found.filter_map(|found| found.interpreter.ok());
    found.find(|python| python.stdlib.join("EXTERNALLY-MANAGED").is_file())
}

fn externally_managed() -> Result<(), Failed> {
    let python = managed().ok_or("it is gone")?;
    let program = "
import configparser, sysconfig, os
parser = configparser.ConfigParser(interpolation=None)
parser.read(os.path.join(sysconfig.get_path('stdlib'), 'EXTERNALLY-MANAGED'))
print(parser['externally-managed']['Error'].strip())";
    let said = output(Command::new(&python.executable).args(["-I", "-c", program]))?;
    expect(
        "reason",
        &python.externally_managed(),
        &Some(said.trim_end().to_owned()),
    )?;
    let other = any_python()?;
    let there = other.stdlib.join("EXTERNALLY-MANAGED").exists();
    expect("another's", &other.externally_managed().is_some(), &there)
}
