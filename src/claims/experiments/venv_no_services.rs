//! `venv-no-services`: what an environment and a container do for a database server.
//!
//! What an index gives to an environment is looked through for servers; two servers of two
//! environments are set on one port, and two of two containers on the same one while the host
//! has it taken; and where PostgreSQL is installed, two containers run it at once, each with
//! files, a user, a port and limits of its own.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use venv_sim::Interpreter;

use super::contained;
use super::held_python::Held;
use super::packages::Packages;
use super::postgres::{self, Database, Postgres};
use super::python_root::PythonRoot;
use crate::claims::experiment::{Context, Experiment};
use crate::claims::findings::Findings;
use crate::claims::ledger::Claim;
use crate::claims::ruling::{Effect, Gap, Ruling};
use crate::packages::{environment_with, unless_interrupted};

pub(super) struct VenvNoServices;

/// The program that listens.
const SCRIPT: &str = include_str!("listens.py");

/// PostgreSQL's client for Python, in both of its generations.
const CLIENTS: [&str; 2] = ["psycopg[binary]", "psycopg2-binary"];
/// The name that somebody who wants the server would ask for.
const PLAIN: &str = "postgresql";
/// A project that is known to carry a server: whether the index has it is asked.
const CARRIER: &str = "pgserver";
/// A larger wheel of it is not fetched, in bytes.
const LARGEST: u64 = 64_000_000;

/// The programs of database servers.
const PROGRAMS: [&str; 8] = [
    "initdb",
    "mariadbd",
    "mongod",
    "mysqld",
    "postgres",
    "postmaster",
    "redis-server",
    "valkey-server",
];

const INDEX: &str = "index";
const ENVIRONMENTS: &str = "environments";
const CONTAINERS: &str = "containers";
const BROUGHT: &str = "programs of database servers installed";
const CARRIED: &str = "programs of database servers in its wheel";
const LISTENED: &str = "listened on one port at once";
const ANSWERED: &str = "databases that gave back what each was given";
const STARTED: &str = "databases that were started";
/// Part of what a container gives a database, where it may.
const LIMITS: &str = "limits of a control group";

/// What a listener says.
#[derive(Debug, Deserialize)]
struct Heard {
    port: Option<u16>,
    heard: Option<String>,
    error: Option<String>,
}

impl Heard {
    /// Whether it listened, and whoever connected reached it and nobody else.
    fn listens(&self, word: &str) -> bool {
        self.error.is_none() && self.heard.as_deref() == Some(word)
    }

    fn told(&self) -> String {
        match (&self.error, &self.heard) {
            (Some(error), _) => format!("refused: {error}"),
            (None, Some(heard)) => format!("listens, and answers '{heard}'"),
            (None, None) => "it said nothing".to_owned(),
        }
    }
}

impl Experiment for VenvNoServices {
    fn id(&self) -> &'static str {
        "venv-no-services"
    }

    fn about(&self) -> &'static str {
        "installs PostgreSQL's clients from the index into environments and looks for a server \
         among what came; lets two servers listen on one port, in two environments and in two \
         containers; and runs PostgreSQL, where it is installed, in two containers at once, with \
         files, user, port and limits of their own"
    }

    fn run(&self, context: &Context<'_>) -> Result<Findings> {
        let mut findings = Findings::default();
        let base = venv_sim::discover(None)?;
        context.doing(0.1)?;
        let (port, held) = collide(&base, context, &mut findings)?;
        context.doing(0.4)?;
        if let Err(error) = look_through(&base, context, &mut findings) {
            context.doing(0.5)?;
            findings.lack("what an index gives to an environment", &error);
        }
        context.doing(0.6)?;
        if let Err(error) = run_databases(port, context, &mut findings) {
            context.doing(0.9)?;
            findings.lack("PostgreSQL in a container", &error);
        }
        // Until here the host's port was taken.
        drop(held);
        Ok(findings)
    }

    fn verdict(&self, claim: &Claim, findings: &Findings) -> Result<Ruling, Gap> {
        let mut brought = 0.0;
        for client in CLIENTS {
            brought += findings.amount(BROUGHT, client)?;
        }
        let started = findings.amount(STARTED, CONTAINERS)?;
        if started < 1.0 {
            return Err(Gap::new("no database was started"));
        }
        let answered = findings.amount(ANSWERED, CONTAINERS)?;
        let [collided, apart] = [ENVIRONMENTS, CONTAINERS].map(|of| findings.amount(LISTENED, of));
        let (collided, apart) = (collided?, apart?);
        if collided < 1.0 {
            return Err(Gap::new("nothing could listen at all"));
        }
        let effects = vec![
            Effect::counted(claim, "servers", brought)?,
            Effect::counted(claim, "collided", collided)?,
            Effect::counted(claim, "apart", apart)?,
            Effect::counted(claim, "databases", answered / started)?,
        ];
        let because = format!(
            "of one port, {collided} of two environments' servers had it and {apart} of two \
             containers'; {} brought {brought} programs of a server; {answered} of {started} \
             databases in containers gave back what each was given",
            CLIENTS.join(" and ")
        );
        let ruling = Ruling::of(effects, because);
        // It is no better kept apart than any server of an environment.
        Ok(match findings.amount(CARRIED, CARRIER) {
            Ok(carried) if carried > 0.0 => ruling.but(format!(
                "the index has a project that brings a server's programs, {CARRIER}; what it \
                 starts is a process of the host, like the servers that collided"
            )),
            _ => ruling,
        })
    }

    #[cfg(test)]
    fn cases(&self) -> crate::claims::experiment::Cases {
        let found = |brought: f64, [collided, apart]: [f64; 2], databases: Option<f64>| {
            let mut findings = Findings::default();
            for client in CLIENTS {
                findings.fact(BROUGHT, client, brought, "c");
            }
            findings.fact(LISTENED, ENVIRONMENTS, collided, "c");
            findings.fact(LISTENED, CONTAINERS, apart, "c");
            if let Some(answered) = databases {
                findings.fact(STARTED, CONTAINERS, 2.0, "c");
                findings.fact(ANSWERED, CONTAINERS, answered, "c");
            }
            findings
        };
        crate::claims::experiment::Cases {
            supports: found(0.0, [1.0, 2.0], Some(2.0)),
            refutes: found(2.0, [2.0, 1.0], Some(1.0)),
            too_little: found(0.0, [1.0, 2.0], None),
        }
    }
}

/// Two servers on one port: in two environments, then in two containers while the host has the
/// port taken. Gives the port, and those that hold it.
fn collide(
    base: &Interpreter,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<(u16, Vec<Held>)> {
    let script = context.scratch.join("listens.py");
    fs::write(&script, SCRIPT).context("cannot write the program that listens")?;
    let options = venv_sim::Options::default();
    let mut held = Vec::new();
    let mut port = 0;
    let mut listening = 0;
    for (name, place) in [
        ("first environment", "first"),
        ("second environment", "second"),
    ] {
        let environment = venv_sim::create(&context.scratch.join(place), base, &options)?;
        let arguments = [&*port.to_string(), place];
        let server = Held::start_with(&environment.python, &["-I"], &script, &arguments)?;
        let heard: Heard = server.answer(context.interrupt)?;
        let command = format!("python -I listens.py {port} {place}");
        findings.fact("its server", name, heard.told(), command);
        listening += u32::from(heard.listens(place));
        port = heard.port.unwrap_or(port);
        held.push(server);
    }
    ensure!(
        port != 0,
        "no port of the loopback address can be listened on"
    );
    let command = format!("listens.py {port} in both, at the same time");
    findings.fact(LISTENED, ENVIRONMENTS, f64::from(listening), &*command);
    findings.step(format!(
        "let servers of two environments listen on port {port} of the loopback address"
    ));
    context.doing(0.2)?;
    match listen_in_containers(base, port, context, findings) {
        Ok(apart) => findings.fact(LISTENED, CONTAINERS, f64::from(apart), &*command),
        Err(error) => findings.lack("containers", &error),
    }
    findings.step(
        "let servers of two containers, each with a network namespace of its own, listen on \
         the same port while the host's was taken",
    );
    Ok((port, held))
}

fn listen_in_containers(
    base: &Interpreter,
    port: u16,
    context: &Context<'_>,
    findings: &mut Findings,
) -> Result<u32> {
    let place = context.scratch.join("contained");
    let root = PythonRoot::make(&place, base.clone(), "listens.py", SCRIPT)?;
    let mut held = Vec::new();
    let mut listening = 0;
    for (name, word) in [("first container", "first"), ("second container", "second")] {
        let number = port.to_string();
        let spec = root.spec(&[&number, word]);
        let mut container = contained::start(&place.join(word), spec)?;
        let line = container.line(0, context.interrupt)?;
        let heard: Heard = serde_json::from_str(&line).context("cannot read what it heard")?;
        let command = format!("python -I /listens.py {port} {word}");
        findings.fact("its server", name, heard.told(), command);
        listening += u32::from(heard.listens(word));
        held.push(container);
    }
    Ok(listening)
}

/// Looks for servers among what the index gives to an environment.
fn look_through(base: &Interpreter, context: &Context<'_>, findings: &mut Findings) -> Result<()> {
    for (number, client) in CLIENTS.into_iter().enumerate() {
        let place = context.scratch.join(format!("client-{number}"));
        let (environment, came) = environment_with(&place, base, client, context.interrupt)?;
        let files = files_below(&environment.dir);
        let command = format!("isolab venv install {client}; find .venv");
        findings.fact("what came", client, came.join(", "), &*command);
        let libraries = files.iter().filter(|file| named(file).starts_with("libpq"));
        findings.fact(
            "client libraries installed",
            client,
            libraries.count() as f64,
            &*command,
        );
        findings.fact(BROUGHT, client, servers_among(&files).len() as f64, command);
    }
    findings
        .step("installed PostgreSQL's clients from the index, and looked for a server's programs");
    let place = context.scratch.join("carrier");
    let python = base.clone();
    let asked = unless_interrupted(context.interrupt, move || {
        let packages = Packages::of(&python, &place)?;
        let plain = packages.offered(PLAIN)?;
        Ok((plain, packages.contents(CARRIER, &python, LARGEST)?))
    });
    let (plain, carrier) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            context.doing(0.5)?;
            findings.lack("which servers the index offers", &error);
            return Ok(());
        }
    };
    let command = format!("isolab venv download {PLAIN}");
    findings.fact(&format!("files of `{PLAIN}`"), INDEX, plain as f64, command);
    if let Some((wheel, files)) = carrier {
        let carried = servers_among(&files);
        let command = format!("unzip -l {wheel}");
        findings.fact("which programs", CARRIER, carried.join(", "), &*command);
        findings.fact(CARRIED, CARRIER, carried.len() as f64, command);
    }
    findings.step(format!(
        "asked the index for `{PLAIN}`, and looked into the wheel of `{CARRIER}` if it has one"
    ));
    Ok(())
}

fn named(file: &Path) -> std::borrow::Cow<'_, str> {
    file.file_name().unwrap_or_default().to_string_lossy()
}

/// The names of the programs of database servers among `files`, each once.
fn servers_among(files: &[PathBuf]) -> Vec<&'static str> {
    let among = |program: &&&str| files.iter().any(|file| named(file) == **program);
    PROGRAMS.iter().filter(among).copied().collect()
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let mut pending = vec![directory.to_owned()];
    let mut files = Vec::new();
    while let Some(directory) = pending.pop() {
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => pending.push(entry.path()),
                _ => files.push(entry.path()),
            }
        }
    }
    files
}

/// Runs two databases at once, each in a container of its own, on a port that the host has taken.
fn run_databases(port: u16, context: &Context<'_>, findings: &mut Findings) -> Result<()> {
    const WORDS: [&str; 2] = ["first", "second"];
    let found = Postgres::find()?;
    let place = context.scratch.join("postgres");
    let root = place.join("rootfs");
    fs::create_dir(&place).with_context(|| format!("cannot make {}", place.display()))?;
    found.lay_out(&root)?;
    findings.step("copied PostgreSQL and what it loads into a root of a container's own");
    context.doing(0.7)?;
    let start = |limited: bool| {
        let start = |word: &str| found.start(&place.join(word), &root, port, word, limited);
        WORDS.into_iter().map(start).collect::<Result<Vec<_>>>()
    };
    let (started, limited) = match start(true) {
        Ok(started) => (started, true),
        Err(error) => {
            context.doing(0.7)?;
            findings.lack(LIMITS, &error);
            (start(false)?, false)
        }
    };
    let script = format!("/database.sh {port} first; the same with second");
    findings.fact(STARTED, CONTAINERS, started.len() as f64, &*script);
    let mut databases = Vec::new();
    for container in started {
        context.doing(0.8)?;
        databases.push(postgres::answering(container, context.interrupt)?);
    }
    let answered = WORDS.iter().zip(&databases);
    let answered = answered.filter(|(word, database)| database.said.kept == **word);
    findings.fact(ANSWERED, CONTAINERS, answered.count() as f64, &*script);
    for (name, database) in ["first database", "second database"].iter().zip(&databases) {
        note(name, database, limited, findings)?;
    }
    findings.step(format!(
        "made a database in each of two containers, both on port {port} while the host's was \
         taken, gave each a word to keep and asked for it over TCP"
    ));
    Ok(())
}

fn note(name: &str, database: &Database, limited: bool, findings: &mut Findings) -> Result<()> {
    let Database { container, said } = database;
    findings.fact(
        "version",
        name,
        &*said.version,
        "psql -c 'show server_version'",
    );
    findings.fact(
        "gave back",
        name,
        &*said.kept,
        "psql -c 'select word from kept'",
    );
    findings.fact(
        "its user, inside",
        name,
        &*said.user,
        "/proc/self/status, Uid",
    );
    let pid = container.pid();
    let namespaces = contained::namespaces_apart(pid)?.join(" ");
    findings.fact(
        "namespaces of its own",
        name,
        namespaces,
        "readlink /proc/PID/ns/*",
    );
    if !limited {
        return Ok(());
    }
    let limits = postgres::limits(pid);
    if limits.is_empty()
        && findings
            .missing
            .iter()
            .all(|missing| missing.part != LIMITS)
    {
        let what = "its control group has none of those that were asked for";
        let remedy = "run it as root, or where a control group is delegated to the user";
        findings.lack(LIMITS, &crate::hint::with(what, remedy));
    }
    for limit in limits {
        let what = format!("limit of {}", limit.of);
        findings.fact(&what, name, limit.most as f64, limit.file);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::claims::ledger::Ledger;
    use crate::claims::rule;
    use crate::claims::ruling::Verdict;

    #[test]
    fn a_server_is_known_by_the_names_of_its_programs_alone() {
        let files = |names: &[&str]| names.iter().map(PathBuf::from).collect::<Vec<_>>();
        let carried = files(&[
            "x/bin/postgres",
            "x/bin/initdb",
            "x/bin/psql",
            "y/bin/postgres",
        ]);
        assert_eq!(servers_among(&carried), ["initdb", "postgres"]);
        let client = files(&[
            "psycopg/postgres.py",
            "psycopg_binary.libs/libpq-1a.so.5.17",
        ]);
        assert_eq!(servers_among(&client), Vec::<&str>::new());
    }

    #[test]
    fn an_index_that_carries_a_server_is_a_reservation_and_no_refutation() {
        let ledger = Ledger::own();
        let claim = ledger.find("venv-no-services").unwrap();
        let mut findings = VenvNoServices.cases().supports;
        findings.fact(LISTENED, "docker", 2.0, "c");
        let ruling = rule(claim, &VenvNoServices, &findings);
        assert_eq!(ruling.verdict, Verdict::Supported);
        findings.fact(CARRIED, CARRIER, 2.0, "c");
        let ruling = rule(claim, &VenvNoServices, &findings);
        assert_eq!(ruling.verdict, Verdict::SupportedBut);
        assert!(ruling.said().contains(CARRIER), "{}", ruling.said());
    }

    /// Each of the four effects is needed.
    #[test]
    fn one_effect_that_is_not_there_refutes() {
        let ledger = Ledger::own();
        let claim = ledger.find("venv-no-services").unwrap();
        for (name, subject, outcome) in [
            (BROUGHT, CLIENTS[1], 1.0),
            (LISTENED, ENVIRONMENTS, 2.0),
            (LISTENED, CONTAINERS, 1.0),
            (ANSWERED, CONTAINERS, 1.0),
        ] {
            let mut findings = VenvNoServices.cases().supports;
            let mut facts = findings.facts.iter_mut();
            let fact = facts.find(|fact| fact.name == name && fact.subject == subject);
            fact.unwrap().outcome = outcome.into();
            let ruling = rule(claim, &VenvNoServices, &findings);
            assert_eq!(ruling.verdict, Verdict::Refuted, "{name}, {subject}");
        }
    }
}
