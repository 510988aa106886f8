//! `isolab model ask`: what would it cost?

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Args, ValueEnum};
use serde::Serialize;
use vm_model::initramfs::Archive;
use vm_model::model::answer::{Answer, DRAWS, Question, answer};
use vm_model::model::parameters::{Parameters, Unit};
use vm_model::model::question::{
    Density, Disk, Each, Kind, Memory, Money, Saving, Startup, Storm, Wait,
};
use vm_model::model::queue::Variability;

use super::amounts::{number, size, some_size, some_time, time};
use super::given::{self, Given};
use super::sentence::{self, COUNTS, Sentence};
use super::{meaning, show, sweep};
use crate::{hint, stderr, stdout};

/// What `model ask` is asked.
#[derive(Debug, Args)]
#[command(after_help = "\
Topics: startup, memory, disk, density, storm, money. Or a sentence:\n  \
isolab model ask three guests of a 700 MB system, each with 512 MB of memory\n  \
isolab model ask density --kind vm,container --memory 256M --sweep memory=128M..1G -o density.svg\n\
Every answer is modelled, and says so. It exits with 2 where nothing sensible is asked, and with 1\n\
where it cannot be answered.")]
pub struct AskArgs {
    /// A topic, or a question in words
    #[arg(value_name = "QUESTION", required = true)]
    words: Vec<String>,
    /// How many of them
    #[arg(long, visible_alias = "count", value_name = "N")]
    #[arg(value_parser = clap::value_parser!(u32).range(i64::from(*COUNTS.start())..=i64::from(*COUNTS.end())))]
    guests: Option<u32>,
    /// What they are
    #[arg(long, value_name = "LIST", value_delimiter = ',', value_enum)]
    kind: Vec<KindArg>,
    /// Each guest's memory [default: 256M]
    #[arg(long, value_name = "SIZE", value_parser = some_size)]
    memory: Option<f64>,
    /// The bytes that are in the image of each
    #[arg(long, value_name = "SIZE", value_parser = size)]
    image: Option<f64>,
    /// The initial file system that a guest boots with, where it is more than a small init
    #[arg(long, value_name = "SIZE", value_parser = size)]
    archive: Option<f64>,
    /// What each writes to its disk
    #[arg(long, value_name = "SIZE", value_parser = size)]
    growth: Option<f64>,
    /// What the workload takes of a processor to be ready, as a process on the host
    #[arg(long, value_name = "TIME", value_parser = time)]
    workload_time: Option<f64>,
    /// Of that, what the kernel takes for it
    #[arg(long, value_name = "TIME", value_parser = time, requires = "workload_time")]
    workload_kernel: Option<f64>,
    /// The code that the workload has in memory by then
    #[arg(long, value_name = "SIZE", value_parser = size)]
    workload_code: Option<f64>,
    /// The memory that the workload holds
    #[arg(long, value_name = "SIZE", value_parser = size)]
    workload_memory: Option<f64>,
    /// The part of a processor that each needs in the mean
    #[arg(long, value_name = "PART", value_parser = number)]
    processor: Option<f64>,
    /// The requests a second that each makes to the disk
    #[arg(long, value_name = "N", value_parser = number)]
    iops: Option<f64>,
    /// What each reads from the disk to start
    #[arg(long, value_name = "SIZE", value_parser = size)]
    read: Option<f64>,
    /// How many are asked for in a second, one by one
    #[arg(long, value_name = "N", value_parser = number)]
    arrivals: Option<f64>,
    /// Guests go on from a saved state instead of booting
    #[arg(long)]
    restored: bool,
    /// The kernel merges equal pages
    #[arg(long, conflicts_with = "balloon")]
    merged: bool,
    /// Each guest gives back so much of its memory
    #[arg(long, value_name = "SIZE", value_parser = size)]
    balloon: Option<f64>,
    /// How long the host is used before another is bought [default: 4y]
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    life: Option<f64>,
    /// For how long one runs, as far as money goes [default: 30d]
    #[arg(long, value_name = "TIME", value_parser = some_time)]
    runs: Option<f64>,
    /// Ask for a range: guests=1..200, memory=128M..2G, image=…, archive=…, processor=…, arrivals=…
    #[arg(long, value_name = "NAME=FROM..TO")]
    sweep: Option<String>,
    /// Draw the sweep into FILE: .svg or .png
    #[arg(short, long, value_name = "FILE", requires = "sweep")]
    output: Option<std::path::PathBuf>,
    #[command(flatten)]
    given: Given,
    /// Print the answers as JSON
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum KindArg {
    Vm,
    Container,
    Process,
}

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Topic {
    Startup,
    Memory,
    Disk,
    Density,
    Storm,
    Money,
}

pub(super) const TOPICS: [(&str, Topic); 6] = [
    ("startup", Topic::Startup),
    ("memory", Topic::Memory),
    ("disk", Topic::Disk),
    ("density", Topic::Density),
    ("storm", Topic::Storm),
    ("money", Topic::Money),
];

/// All that bears on the answers, in seconds and bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Scene {
    pub(super) count: u32,
    pub(super) each: Each,
    pub(super) image: f64,
    pub(super) growth: f64,
    pub(super) processor: f64,
    pub(super) iops: f64,
    pub(super) read: f64,
    pub(super) arrivals: Option<f64>,
    pub(super) saving: Saving,
    pub(super) life: f64,
    pub(super) runs: f64,
    /// How many there are, where that was given: money is then shared by those.
    pub(super) counted: Option<u32>,
}

/// The answers as JSON.
#[derive(Serialize)]
struct Told<'a> {
    schema: &'static str,
    from: &'a str,
    warnings: &'a [String],
    answers: &'a [Answer],
}

/// Does it.
///
/// # Errors
/// If the question is not understood, or a parameter for it is missing.
pub(super) fn run(args: &AskArgs) -> Result<ExitCode> {
    if args.workload_kernel > args.workload_time {
        bail!(hint::usage(
            "the kernel takes no more for a workload than that takes as a whole",
            "--workload-time is all of it, and --workload-kernel the kernel's part",
        ));
    }
    let (topics, said) = understood(&args.words)?;
    let kinds = kinds(args, &said);
    let found = given::find(&args.given)?;
    let scene = scene(args, &said, &found.parameters);
    let mut options = given_options(args, &said);
    if let Some(range) = &args.sweep {
        let [topic] = topics[..] else {
            bail!(hint::usage(
                "a sweep asks about one topic",
                "isolab model ask memory --sweep guests=1..200",
            ));
        };
        let swept = sweep::Sweep::parse(range, topic)?;
        options.push(swept.option());
        meaning::check(&options, &topics, &kinds, &swept.first(scene))?;
        return swept.run(&kinds, &scene, &found, args.output.as_deref(), args.json);
    }
    let scenes = kinds.iter().map(|kind| of_kind(scene, *kind));
    let scenes = scenes.collect::<Result<Vec<Scene>>>()?;
    meaning::check(&options, &topics, &kinds, &scene)?;
    let mut answers = Vec::new();
    for scene in scenes {
        for topic in &topics {
            for question in questions(*topic, &scene, &found.parameters) {
                answers.push(answer(question.as_ref(), &found.parameters, DRAWS)?);
            }
        }
    }
    if args.json {
        let told = Told {
            schema: "isolab.answers/1",
            from: &found.from,
            warnings: &found.warnings,
            answers: &answers,
        };
        stdout::print(format!("{}\n", serde_json::to_string_pretty(&told)?))?;
        return Ok(ExitCode::SUCCESS);
    }
    if said != Sentence::default() {
        stderr::tell(format!("understood: {}", show::scene(&scene)));
    }
    stdout::print(show::answers(&answers, &found))?;
    Ok(ExitCode::SUCCESS)
}

/// What was given that means something for some topics only, by the names of the options.
fn given_options(args: &AskArgs, said: &Sentence) -> Vec<&'static str> {
    let given = [
        ("guests", args.guests.is_some() || said.count.is_some()),
        ("memory", args.memory.is_some() || said.memory.is_some()),
        ("image", args.image.is_some() || said.image.is_some()),
        ("archive", args.archive.is_some()),
        ("growth", args.growth.is_some()),
        ("workload-time", args.workload_time.is_some()),
        ("workload-kernel", args.workload_kernel.is_some()),
        ("workload-code", args.workload_code.is_some()),
        ("workload-memory", args.workload_memory.is_some()),
        ("processor", args.processor.is_some()),
        ("iops", args.iops.is_some()),
        ("read", args.read.is_some()),
        ("arrivals", args.arrivals.is_some()),
        ("restored", args.restored),
        ("merged", args.merged),
        ("balloon", args.balloon.is_some()),
        ("life", args.life.is_some()),
        ("runs", args.runs.is_some()),
    ];
    let given = given.into_iter().filter(|(_, given)| *given);
    given.map(|(option, _)| option).collect()
}

/// The topics, and what a sentence says besides.
fn understood(words: &[String]) -> Result<(Vec<Topic>, Sentence)> {
    let topic = |word: &String| {
        TOPICS
            .iter()
            .find(|(name, _)| name == word)
            .map(|(_, topic)| *topic)
    };
    let named: Vec<Topic> = words.iter().map_while(topic).collect();
    let rest = words[named.len()..].join(" ");
    let said = match rest.is_empty() {
        true => Sentence::default(),
        false => sentence::parse(&rest).map_err(|why| {
            let names: Vec<&str> = TOPICS.iter().map(|(name, _)| *name).collect();
            hint::usage(
                format!("cannot understand the question: {why}"),
                format!(
                    "ask for {}; or `isolab model ask three guests of a 700 MB system`",
                    names.join(", ")
                ),
            )
        })?,
    };
    let topics = match (named.is_empty(), said.image.is_some()) {
        (false, _) => named,
        (true, true) => vec![Topic::Startup, Topic::Memory, Topic::Disk],
        (true, false) => vec![Topic::Startup, Topic::Memory],
    };
    Ok((topics, said))
}

fn kinds(args: &AskArgs, said: &Sentence) -> Vec<Kind> {
    let asked: Vec<Kind> = args
        .kind
        .iter()
        .map(|kind| match kind {
            KindArg::Vm => Kind::Vm,
            KindArg::Container => Kind::Container,
            KindArg::Process => Kind::Process,
        })
        .collect();
    match asked.is_empty() {
        true => vec![said.kind.unwrap_or_default()],
        false => asked,
    }
}

fn scene(args: &AskArgs, said: &Sentence, parameters: &Parameters) -> Scene {
    const MIB: f64 = 1024.0 * 1024.0;
    const DAY: f64 = 86_400.0;
    let counted = args.guests.or(said.count);
    // What the smallest init takes; a calibration's guests have it too. Published phases were timed
    // of guests without such a file system, or with theirs.
    let small = || match parameters.get("vm.boot") {
        Some(_) => Archive::guest(crate::program::TRUE)
            .and_then(|archive| archive.to_bytes())
            .map_or(0, |bytes| bytes.len()),
        None => 0,
    };
    let saving = match (args.merged, args.balloon) {
        (true, _) => Saving::Merged,
        (false, Some(each)) => Saving::Balloon(each),
        (false, None) => Saving::Nothing,
    };
    Scene {
        count: counted.unwrap_or(1),
        counted,
        each: Each {
            kind: Kind::Vm,
            memory: args.memory.or(said.memory).unwrap_or(256.0 * MIB),
            archive: args.archive.unwrap_or_else(|| small() as f64),
            workload_time: args.workload_time.unwrap_or(0.0),
            workload_kernel: args.workload_kernel.unwrap_or(0.0),
            workload_code: args.workload_code.unwrap_or(0.0),
            workload_memory: args.workload_memory.unwrap_or(0.0),
            restored: args.restored,
            ..Each::default()
        },
        image: args.image.or(said.image).unwrap_or(0.0),
        growth: args.growth.unwrap_or(0.0),
        processor: args.processor.unwrap_or(0.0),
        iops: args.iops.unwrap_or(0.0),
        read: args.read.unwrap_or(0.0),
        arrivals: args.arrivals,
        saving,
        life: args.life.unwrap_or(4.0 * 365.0 * DAY),
        runs: args.runs.unwrap_or(30.0 * DAY),
    }
}

/// The scene for one kind of thing.
///
/// # Errors
/// If what was asked has no meaning for it.
pub(super) fn of_kind(mut scene: Scene, kind: Kind) -> Result<Scene> {
    scene.each.kind = kind;
    let nonsense = scene.each.restored || scene.saving != Saving::Nothing;
    if kind != Kind::Vm && nonsense {
        return Err(hint::usage(
            format!("a {kind} has no memory of its own that could be saved, merged or given back"),
            "leave out --restored, --merged and --balloon, or ask for --kind vm",
        ));
    }
    if let Saving::Balloon(given) = scene.saving
        && given > scene.each.memory
    {
        let [given, has] = [given, scene.each.memory].map(|size| show::amount(size, Unit::Bytes));
        return Err(hint::usage(
            format!("no guest gives back {given} of its {has}"),
            "give it more by --memory, or a smaller --balloon",
        ));
    }
    Ok(scene)
}

/// The questions of a topic.
pub(super) fn questions(
    topic: Topic,
    scene: &Scene,
    parameters: &Parameters,
) -> Vec<Box<dyn Question>> {
    let each = scene.each;
    let density = Density {
        each,
        processor: scene.processor,
        iops: scene.iops,
        saving: scene.saving,
        image: scene.image,
        growth: scene.growth,
    };
    match topic {
        Topic::Startup => vec![Box::new(Startup { each })],
        Topic::Memory => vec![Box::new(Memory {
            count: scene.count,
            each,
            saving: scene.saving,
        })],
        Topic::Disk => [true, false]
            .map(|sharing| -> Box<dyn Question> {
                Box::new(Disk {
                    kind: each.kind,
                    count: scene.count,
                    image: scene.image,
                    growth: scene.growth,
                    sharing,
                })
            })
            .into(),
        Topic::Density => vec![Box::new(density)],
        Topic::Storm => match scene.arrivals {
            None => vec![Box::new(Storm {
                count: scene.count,
                each,
                read: scene.read,
            })],
            Some(arrivals) => [Some(service(&each, parameters)), None]
                .map(|service| -> Box<dyn Question> {
                    Box::new(Wait {
                        each,
                        arrivals,
                        service,
                    })
                })
                .into(),
        },
        Topic::Money => vec![Box::new(Money {
            density,
            count: scene.counted,
            life: scene.life,
            time: scene.runs,
        })],
    }
}

/// How regular starts are, by what single ones scatter.
fn service(each: &Each, parameters: &Parameters) -> Variability {
    const ENDS: f64 = 2.0 * 1.645;
    let spread = parameters.get(&format!("{}.spread", each.kind));
    let deviation = spread.map_or(0.1, |one| (one.high - one.low) / ENDS / one.value);
    Variability(deviation * deviation)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn topics_and_sentences_are_told_apart() {
        let (topics, said) = understood(&words("memory disk")).unwrap();
        assert_eq!(topics, [Topic::Memory, Topic::Disk]);
        assert_eq!(said, Sentence::default());
        let (topics, said) = understood(&words("three guests of a 700 MB system")).unwrap();
        assert_eq!(topics, [Topic::Startup, Topic::Memory, Topic::Disk]);
        assert_eq!(said.count, Some(3));
        let (topics, said) = understood(&words("density of containers")).unwrap();
        assert_eq!(
            (topics, said.kind),
            (vec![Topic::Density], Some(Kind::Container))
        );
        let error = understood(&words("what about cats")).unwrap_err();
        assert!(hint::of(&error).unwrap().contains("startup"), "{error}");
    }
}
