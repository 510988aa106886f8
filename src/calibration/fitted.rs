//! From samples of guests to parameters with intervals.
//!
//! Start-up and touched memory are planes over the guest's memory and the size of
//! its initial file system, fitted by least squares around the mean of the sizes
//! that were booted: so the constant and the slopes are nearly independent, as the
//! model draws them. What a single boot scatters around the plane is a factor of
//! its own, and what sessions differ by is another.

use vm_model::model::fit::Fit;
use vm_model::model::parameters::{Origin, Parameter};

use super::samples::{Boot, Samples};
use super::speeds;
use super::{Found, extremes};
use crate::statistics::median;

/// By how much a later session may be faster or slower than this one, with 90 %:
/// clock speed, where files lie in caches, what else runs, what the machine's own host does. What
/// six sessions on an idle machine with two processors differed by; see `docs/MODEL.md`.
const DRIFT: [f64; 2] = [0.87, 1.15];
/// The same where others kept the processors busy: what shares a core with a guest slows it down,
/// and that it waits for nothing does not tell.
const DRIFT_IN_COMPANY: [f64; 2] = [0.78, 1.20];
/// What single boots scatter by, as a part of a boot, as far as it is known beforehand: as if so
/// many more boots had shown it. Sessions on machines with nothing else to do show 1 to 4 %.
const SCATTER: (f64, usize) = (0.04, 4);
/// A huge page: what a guest's memory is given out in, where the host has them.
const HUGE: f64 = 2.0 * 1024.0 * 1024.0;

/// The parameters of guests.
pub(super) fn of_guests(
    samples: &Samples,
    emulated_by: Option<String>,
    busy: bool,
    found: &mut Found,
) {
    let maker = Maker {
        emulated_by,
        boots: samples.boots.len(),
    };
    let reference = mean(samples.boots.iter().map(|boot| boot.memory));
    let row = |boot: &Boot| vec![1.0, boot.memory - reference, boot.archive];
    let rows: Vec<Vec<f64>> = samples.boots.iter().map(row).collect();
    let of = |part: fn(&Boot) -> f64| {
        let y: Vec<f64> = samples.boots.iter().map(part).collect();
        Fit::of(&rows, &y)
    };
    let (Some(startup), Some(ram)) = (of(|boot| boot.startup), of(|boot| boot.ram)) else {
        let error = anyhow::anyhow!("too few guests booted");
        return found.miss("vm.boot", &error);
    };
    let known = SCATTER.0 * startup.coefficients[0].abs();
    let startup = startup.tempered(known, SCATTER.1);
    let how = "the mean of the guests' memory that were booted";
    let exact = Parameter::exactly("vm.reference", reference, maker.origin(maker.boots, how));
    found.parameters.push(exact);
    start(&maker, &startup, busy, found);
    phases(&maker, samples, found);
    let monitors = monitors(&maker, samples, found);
    let memories = || samples.boots.iter().map(|boot| boot.memory);
    let lever = memories().fold(0.0, f64::max) - memories().fold(f64::INFINITY, f64::min);
    let archives = samples.boots.iter().map(|boot| boot.archive);
    let size = archives.fold(0.0, f64::max);
    memory(&maker, &ram, &monitors, [lever.max(HUGE), size], found);
    at_once(&maker, samples, &startup, found);
    let late = samples.late.as_deref();
    speeds::parameters(&samples.speeds, late, maker.emulated_by.as_ref(), found);
    if maker.emulated_by.is_some() {
        // Beside its own memory, a translator keeps what it made of its code.
        let why = "assumed of an emulator, which keeps translated code: between one and four";
        let origin = Origin::Given {
            why: why.to_owned(),
        };
        let assumed = Parameter::new("vm.memory.workload", 2.0, [1.0, 4.0], origin);
        found.parameters.push(assumed);
    }
    if let Some(equal) = samples.equal {
        // Of two guests there is one comparison: later ones may share a twentieth less or more.
        for (name, value) in [
            ("vm.memory.merged-within", equal.within),
            ("vm.memory.merged-between", equal.between),
        ] {
            let interval = [value * 0.9, value * 1.1];
            let how = "the digests of the pages of two guests; a tenth for what later ones share";
            let origin = maker.origin(2, how);
            found
                .parameters
                .push(Parameter::new(name, value, interval, origin));
        }
    }
}

/// What all parameters of guests have in common.
struct Maker {
    emulated_by: Option<String>,
    boots: usize,
}

impl Maker {
    fn origin(&self, samples: usize, how: &str) -> Origin {
        Origin::Calibrated {
            samples,
            how: how.to_owned(),
            emulated_by: self.emulated_by.clone(),
        }
    }

    /// A coefficient of a plane, with the interval of the mean.
    fn coefficient(&self, name: &str, fit: &Fit, column: usize, how: &str) -> Parameter {
        let mut row = vec![0.0; fit.coefficients.len()];
        row[column] = 1.0;
        // None of them can be less than nothing: what seems to be is scatter, and as wide.
        let (value, reach) = (fit.coefficients[column].max(0.0), fit.reach_of_mean(&row));
        let interval = [value - reach, value + reach];
        Parameter::new(name, value, interval, self.origin(self.boots, how))
    }

    /// A factor around 1 by which a single one differs from the mean of many.
    fn spread(&self, name: &str, reach: f64, samples: usize, how: &str) -> Parameter {
        let interval = [1.0 / (1.0 + reach), 1.0 + reach];
        Parameter::new(name, 1.0, interval, self.origin(samples, how))
    }
}

fn start(maker: &Maker, fit: &Fit, busy: bool, found: &mut Found) {
    let how = "a plane through the boots, by Student's distribution";
    let scatter =
        "what single boots scatter around the plane, and 4 % with the weight of four more boots";
    let (drift, allowed) = match busy {
        false => (
            "what sessions on one machine differ by: an allowance, see docs/MODEL.md",
            DRIFT,
        ),
        true => (
            "the same where others kept the processors busy: a wider allowance, see docs/MODEL.md",
            DRIFT_IN_COMPANY,
        ),
    };
    let whole = fit.coefficients[0].max(f64::MIN_POSITIVE);
    let reach = fit.quantile() * fit.scatter / whole;
    found.parameters.extend([
        maker.coefficient("vm.boot", fit, 0, how),
        maker.coefficient("vm.boot.memory", fit, 1, how),
        maker.coefficient("vm.boot.archive", fit, 2, how),
        maker.spread("vm.spread", reach, maker.boots, scatter),
        Parameter::new("host.speed", 1.0, allowed, maker.origin(1, drift)),
    ]);
}

/// Which part of a boot is whose.
fn phases(maker: &Maker, samples: &Samples, found: &mut Found) {
    let names = ["monitor", "firmware", "kernel", "init"];
    for (place, name) in names.into_iter().enumerate() {
        let whole = |boot: &Boot| boot.phases.iter().sum::<f64>();
        let shares: Vec<f64> = samples
            .boots
            .iter()
            .filter(|boot| whole(boot) > 0.0)
            .map(|boot| boot.phases[place] / whole(boot))
            .collect();
        let Some(middle) = median(&shares) else {
            return;
        };
        let ends = |f: fn(f64, f64) -> f64, first| shares.iter().copied().fold(first, f);
        let interval = [ends(f64::min, 1.0), ends(f64::max, 0.0)];
        let how = format!(
            "what init and the firmware tell at a port, the median of the boots, {}",
            extremes(shares.len())
        );
        let origin = maker.origin(shares.len(), &how);
        let name = format!("vm.share.{name}");
        found
            .parameters
            .push(Parameter::new(&name, middle, interval, origin));
    }
}

/// What the monitors take in the mean, how far a single one's may lie from that, and what they
/// keep for each byte of the initial file system, with its interval.
struct Monitors {
    whole: f64,
    reach: f64,
    archive: f64,
    archive_reach: f64,
}

fn monitors(maker: &Maker, samples: &Samples, found: &mut Found) -> Monitors {
    let every: Vec<&Boot> = samples
        .boots
        .iter()
        .chain(samples.together.iter().flat_map(|one| &one.each))
        .collect();
    let rows: Vec<Vec<f64>> = every.iter().map(|boot| vec![1.0, boot.archive]).collect();
    let own: Vec<f64> = every.iter().map(|boot| boot.own).collect();
    let files: Vec<f64> = every.iter().map(|boot| boot.files).collect();
    let mut seen = Monitors {
        whole: 0.0,
        reach: 0.0,
        archive: 0.0,
        archive_reach: 0.0,
    };
    if let Some(fit) = Fit::of(&rows, &own) {
        let how = "anonymous memory besides the guest's, a line over the initial file system";
        found
            .parameters
            .push(maker.coefficient("vm.memory.vmm", &fit, 0, how));
        seen.whole += fit.coefficients[0];
        seen.reach = fit.quantile() * fit.scatter;
        seen.archive = fit.coefficients[1];
        seen.archive_reach = fit.reach_of_mean(&[0.0, 1.0]);
    }
    if let Some(fit) = Fit::of(&rows, &files) {
        let how = "pages of files, which all guests share, a line over the initial file system";
        found.parameters.extend([
            maker.coefficient("vm.memory.shared", &fit, 0, how),
            maker.coefficient("vm.memory.archive-shared", &fit, 1, how),
        ]);
        seen.whole += fit.coefficients[0];
        seen.reach = seen.reach.hypot(fit.quantile() * fit.scatter);
    }
    seen
}

/// What guests touch. `lever` is how far the memory of those that were booted differs, and `size`
/// the largest initial file system among them: each was measured to a huge page.
fn memory(
    maker: &Maker,
    fit: &Fit,
    monitors: &Monitors,
    [lever, size]: [f64; 2],
    found: &mut Found,
) {
    let how = "a plane through what the guests touched, by Student's distribution";
    let huge = "a plane through what the guests touched; a huge page allowed for at each end";
    let scatter = "what single guests and their monitors scatter, by Student's distribution, and \
                   two huge pages: whether a range becomes one is the host's affair";
    let whole = fit.coefficients[0] + monitors.whole;
    let reach = fit.quantile() * fit.scatter;
    let reach = reach.hypot(monitors.reach).hypot(2.0 * HUGE) / whole;
    let mut accounts = maker.coefficient("vm.memory.accounts", fit, 1, huge);
    widen(&mut accounts, HUGE / lever);
    let mut archive = maker.coefficient(
        "vm.memory.archive",
        fit,
        2,
        "a plane through what the guests touched, and what the monitor keeps of it",
    );
    archive.value += monitors.archive;
    archive.low += monitors.archive;
    archive.high += monitors.archive;
    widen(&mut archive, monitors.archive_reach);
    widen(&mut archive, HUGE / size.max(HUGE));
    found.parameters.extend([
        maker.coefficient("vm.memory.kernel", fit, 0, how),
        accounts,
        archive,
        maker.spread("vm.memory.spread", reach, maker.boots, scatter),
    ]);
}

/// Makes an interval wider by an independent `reach`.
fn widen(parameter: &mut Parameter, reach: f64) {
    let value = parameter.value;
    parameter.low = (value - (value - parameter.low).hypot(reach)).max(0.0);
    parameter.high = value + (parameter.high - value).hypot(reach);
}

/// By how much guests that boot at the same time are in each other's way.
fn at_once(maker: &Maker, samples: &Samples, startup: &Fit, found: &mut Found) {
    let shares: Vec<f64> = samples
        .boots
        .iter()
        .map(|boot| (boot.processor / boot.startup).min(1.0))
        .collect();
    let Some(work) = median(&shares) else { return };
    let ends = |f: fn(f64, f64) -> f64, first| shares.iter().copied().fold(first, f);
    let interval = [ends(f64::min, 1.0), ends(f64::max, 0.0)];
    let how = format!(
        "the processor time of boots by their time, the median, {}",
        extremes(shares.len())
    );
    let origin = maker.origin(shares.len(), &how);
    found
        .parameters
        .push(Parameter::new("vm.work", work, interval, origin));
    let reference = found
        .parameters
        .iter()
        .find(|one| one.name == "vm.reference");
    let reference = reference.map_or(0.0, |one| one.value);
    let scatter = startup.quantile() * startup.scatter / startup.coefficients[0];
    let mut excess: Vec<Excess> = samples
        .together
        .iter()
        .filter_map(|together| {
            let first = together.each.first()?;
            let alone = startup.at(&[1.0, first.memory - reference, first.archive]);
            let count = together.each.len() as f64;
            let shared = (count / samples.processors).max(1.0);
            let others = count.min(samples.processors) - 1.0;
            let slower = (together.last_ready - alone * (1.0 - work)) / (alone * work * shared);
            (others > 0.0).then(|| Excess {
                count,
                each: (slower - 1.0) / others,
                reach: scatter * slower / others,
            })
        })
        .collect();
    excess.sort_by(|a, b| a.count.total_cmp(&b.count));
    contention(maker, &excess, samples.late.as_deref(), found);
}

/// By which part each further guest made the work of all longer, where `count` were started.
struct Excess {
    count: f64,
    each: f64,
    /// How far a single storm's may lie from that of many.
    reach: f64,
}

/// The contention of the fewest and of the most that were started at once.
fn contention(maker: &Maker, excess: &[Excess], late: Option<&str>, found: &mut Found) {
    let Some(most) = excess.last() else {
        let why = anyhow::anyhow!("{}", late.unwrap_or("no two guests ran at once here"));
        found.miss("vm.contention", &why);
        return found.miss("vm.contention.few", &why);
    };
    let how = "guests started at once, by what processor sharing alone would take; the interval is \
               what a single boot scatters by";
    let number = "how many guests were started at once for it";
    let mut add = |[name, of]: [&str; 2], one: &Excess| {
        // Nobody is faster for company: what looks like it is scatter, and as wide.
        let value = one.each.max(0.0);
        let interval = [value - one.reach, value + one.reach];
        found.parameters.extend([
            Parameter::new(name, value, interval, maker.origin(1, how)),
            Parameter::exactly(of, one.count, maker.origin(1, number)),
        ]);
    };
    add(["vm.contention", "vm.contention.guests"], most);
    let fewest = excess.first().filter(|one| one.count < most.count);
    let Some(fewest) = fewest else {
        let why = late.unwrap_or("only one number of guests was started at once");
        return found.miss("vm.contention.few", &anyhow::anyhow!("{why}"));
    };
    add(["vm.contention.few", "vm.contention.few-guests"], fewest);
    let why =
        "assumed: beyond what was started, the contention stays as it is, or its trend goes on";
    found.parameters.push(Parameter::new(
        "vm.contention.trend",
        0.5,
        [0.0, 1.0],
        Origin::Given {
            why: why.to_owned(),
        },
    ));
}

fn mean(values: impl Iterator<Item = f64> + Clone) -> f64 {
    let count = values.clone().count().max(1) as f64;
    values.sum::<f64>() / count
}

#[cfg(test)]
mod tests {
    use super::super::Together;
    use super::super::speeds::Speeds;
    use super::*;
    use vm_model::model::answer::{DRAWS, Question, answer};
    use vm_model::model::parameters::Parameters;
    use vm_model::model::question::{Each, Memory, Saving, Startup, Storm};

    const MIB: f64 = 1024.0 * 1024.0;

    /// A guest of a machine whose laws are known, with a scatter of about 2 %.
    fn seen(memory: f64, archive: f64, scatter: f64) -> Boot {
        let startup = 1.5 + 0.2 * memory / 1024.0 + 0.01 * archive;
        Boot {
            memory: memory * MIB,
            archive: archive * MIB,
            wall: startup * (1.5 + scatter),
            phases: [0.1, 0.1, 1.2, 0.1],
            startup: startup * (1.0 + scatter),
            processor: 0.9 * startup,
            ram: (60.0 + memory / 64.0 + 2.0 * archive) * MIB,
            own: (80.0 + 20.0 * scatter) * MIB,
            files: (8.0 + archive) * MIB,
        }
    }

    fn known() -> Parameters {
        crowded([0.1, 0.1])
    }

    /// The same, whose guests are so much in each other's way where two and where four were started.
    fn crowded([two, four]: [f64; 2]) -> Parameters {
        let boots = vec![
            seen(128.0, 0.0, 0.02),
            seen(512.0, 0.0, -0.02),
            seen(256.0, 16.0, 0.01),
            seen(128.0, 0.0, -0.02),
            seen(512.0, 0.0, 0.01),
            seen(128.0, 0.0, 0.01),
            seen(256.0, 16.0, -0.01),
        ];
        // Two processors; each further guest that runs makes the work of all a part longer.
        let alone = 1.5 + 0.2 / 8.0;
        let of = |count: usize, shares: f64, more: f64| Together {
            wall: 9.0,
            last_ready: alone * 0.1 + alone * 0.9 * shares * (1.0 + more),
            each: vec![seen(128.0, 0.0, 0.0); count],
        };
        let samples = Samples {
            boots,
            together: vec![of(2, 1.0, two), of(4, 2.0, four)],
            speeds: Speeds::default(),
            equal: None,
            processors: 2.0,
            late: None,
        };
        let mut found = Found::default();
        of_guests(&samples, Some("QEMU TCG 7.2".to_owned()), false, &mut found);
        let given = Origin::Given {
            why: "the machine's".to_owned(),
        };
        let parameters: Parameters = found.parameters.into_iter().collect();
        parameters.with(Parameter::exactly("host.processors", 2.0, given))
    }

    #[track_caller]
    fn holds(question: &dyn Question, truth: f64, widest: f64) {
        let found = answer(question, &known(), DRAWS).unwrap();
        assert!(
            found.low <= truth && truth <= found.high,
            "{}: {truth} is not within {} to {}",
            found.what,
            found.low,
            found.high
        );
        let half = (found.high - found.low) / 2.0 / found.value;
        assert!(half <= widest, "{}: half of {half}", found.what);
        assert!((found.value / truth - 1.0).abs() < 0.05, "{found:?}");
        assert_eq!(found.emulated_by, ["QEMU TCG 7.2"]);
    }

    #[test]
    fn what_was_not_seen_is_predicted_by_the_laws_of_what_was() {
        let each = Each {
            memory: 1024.0 * MIB,
            archive: 8.0 * MIB,
            ..Each::default()
        };
        holds(&Startup { each }, 1.5 + 0.2 + 0.08, 0.25);
        let memory = |count| Memory {
            count,
            each,
            saving: Saving::Nothing,
        };
        let touched = 60.0 + 16.0 + 16.0;
        holds(&memory(1), (touched + 80.0 + 16.0) * MIB, 0.1);
        holds(&memory(6), (6.0 * (touched + 80.0) + 16.0) * MIB, 0.1);
        let small = Each {
            memory: 128.0 * MIB,
            ..Each::default()
        };
        let storm = Storm {
            count: 8,
            each: small,
            read: 0.0,
        };
        holds(&storm, 1.525 * 0.1 + 1.525 * 0.9 * 4.0 * 1.1, 0.25);
    }

    #[test]
    fn where_an_interval_is_from_the_least_to_the_most_it_says_what_that_holds() {
        let parameters = known();
        for name in ["vm.work", "vm.share.kernel"] {
            let Origin::Calibrated { how, .. } = &parameters.get(name).unwrap().origin else {
                panic!("{name}")
            };
            // Of seven boots: six of eight.
            assert!(how.contains("holds a further one in 75 of 100"), "{how}");
        }
    }

    #[test]
    fn eight_at_once_may_be_as_four_or_follow_the_trend() {
        let parameters = crowded([0.1, 0.25]);
        let value = |name| parameters.get(name).unwrap().value;
        assert!((value("vm.contention") - 0.25).abs() < 0.02);
        assert!((value("vm.contention.few") - 0.1).abs() < 0.02);
        assert_eq!(value("vm.contention.guests"), 4.0);
        assert_eq!(value("vm.contention.few-guests"), 2.0);
        let of = |count| {
            let each = Each {
                memory: 128.0 * MIB,
                ..Each::default()
            };
            let storm = Storm {
                count,
                each,
                read: 0.0,
            };
            answer(&storm, &parameters, DRAWS).unwrap()
        };
        let eight = of(8);
        for contention in [0.25, 0.4] {
            let truth = 1.525 * 0.1 + 1.525 * 0.9 * 4.0 * (1.0 + contention);
            assert!(eight.low < truth && truth < eight.high, "{eight:?}");
        }
        // What was not seen is less sure than what was.
        let width = |one: vm_model::model::answer::Answer| (one.high - one.low) / one.value;
        assert!(width(of(64)) > width(eight) && width(of(8)) > width(of(4)));
    }

    #[test]
    fn too_few_guests_are_missing_and_not_guessed() {
        let samples = Samples {
            boots: vec![seen(128.0, 0.0, 0.0)],
            together: Vec::new(),
            speeds: Speeds::default(),
            equal: None,
            processors: 2.0,
            late: None,
        };
        let mut found = Found::default();
        of_guests(&samples, None, false, &mut found);
        assert!(found.parameters.is_empty());
        assert_eq!(found.missing[0].name, "vm.boot");
    }
}
