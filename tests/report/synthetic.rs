//! A report of invented numbers, to draw and to read back. It says in its
//! environment that it is invented; nothing like it is ever shown as a result.

use std::collections::BTreeMap;

use isolab::observation::{Evidence, Metric, Observation, Source, State, Subject, Workload};
use isolab::prediction::Prediction;
use isolab::report::{Environment, Missing, Report, SCHEMA, Settings};

/// A run in which every subject took part: the guest emulated, the model beside.
pub(crate) fn full() -> Report {
    Synthetic::new(40).report()
}

/// A run of `--quick`: few samples, one of the guest.
pub(crate) fn quick() -> Report {
    let mut report = Synthetic::new(5).report();
    report.settings.quick = true;
    for o in &mut report.observations {
        if let Evidence::Emulated { samples, .. } = &mut o.evidence {
            samples.truncate(1);
        }
    }
    report
}

/// A run without QEMU: the model stands in the guest's place.
pub(crate) fn without_a_guest() -> Report {
    let mut report = full();
    report
        .observations
        .retain(|o| o.subject != Subject::Vm || o.evidence.samples().is_none());
    for workload in Workload::ALL {
        report.missing.push(Missing {
            subject: Subject::Vm,
            workload,
            why: "no QEMU was found on the search path".to_owned(),
            remedy: Some("sudo apt-get install qemu-system-x86".to_owned()),
        });
    }
    report
}

/// The full run, with what was expected of it: one a little off, one far off and
/// without its reason, one of what was emulated.
pub(crate) fn predicted() -> Report {
    let mut report = full();
    let answers = [
        (
            "startup/container/python",
            0.004,
            Some(70),
            Some("namespaces are cheap"),
        ),
        ("disk/venv/python", 5e6, Some(90), None),
        ("startup/vm/python", 20.0, None, None),
    ];
    report.predictions = (0..)
        .zip(answers)
        .map(|(i, (question, value, confidence, reason))| Prediction {
            id: format!("{i:016x}"),
            made: "2025-01-31T11:59:00Z".to_owned(),
            isolab: "0.1.0".to_owned(),
            question: question.parse().unwrap(),
            value,
            confidence,
            reason: reason.map(str::to_owned),
        })
        .collect();
    report
}

struct Synthetic {
    rng: fastrand::Rng,
    runs: usize,
}

impl Synthetic {
    fn new(runs: usize) -> Self {
        let rng = fastrand::Rng::with_seed(20_250_131);
        Self { rng, runs }
    }

    fn report(&mut self) -> Report {
        let mut observations = Vec::new();
        for workload in Workload::ALL {
            for metric in Metric::ALL {
                let states: Vec<Option<State>> = match metric {
                    Metric::Startup => State::ALL.map(Some).to_vec(),
                    _ => vec![None],
                };
                for state in states {
                    for subject in Subject::ALL {
                        if subject == Subject::Venv && workload == Workload::True {
                            continue;
                        }
                        self.observe(&mut observations, subject, workload, metric, state);
                    }
                }
            }
        }
        Report {
            schema: SCHEMA.to_owned(),
            created: "2025-01-31T12:00:00Z".to_owned(),
            environment: environment(),
            settings: Settings {
                runs: u32::try_from(self.runs).unwrap(),
                seed: 7,
                quick: false,
                subjects: Subject::ALL.to_vec(),
                workloads: Workload::ALL.to_vec(),
            },
            observations,
            missing: vec![Missing {
                subject: Subject::Venv,
                workload: Workload::True,
                why: "a virtual environment runs Python only, and `true` is a static program"
                    .to_owned(),
                remedy: None,
            }],
            warnings: vec!["synthetic: every number in this report is invented".to_owned()],
            interrupted: false,
            predictions: Vec::new(),
        }
    }

    fn observe(
        &mut self,
        observations: &mut Vec<Observation>,
        subject: Subject,
        workload: Workload,
        metric: Metric,
        state: Option<State>,
    ) {
        let centre = centre(subject, workload, metric, state);
        let evidence = match subject {
            Subject::Vm => Evidence::Emulated {
                samples: self.samples(centre, metric),
                by: "QEMU TCG 7.2 (synthetic)".to_owned(),
            },
            _ => Evidence::Measured {
                samples: self.samples(centre, metric),
            },
        };
        let slow =
            metric == Metric::Startup && subject == Subject::Process && workload == Workload::True;
        observations.push(Observation {
            subject,
            workload,
            metric,
            state,
            unit: metric.unit(),
            evidence,
            conditions: BTreeMap::new(),
            warnings: match slow {
                true => vec!["under 1 ms: the clock and the scheduler weigh in".to_owned()],
                false => Vec::new(),
            },
        });
        if subject == Subject::Vm && matches!(metric, Metric::Startup | Metric::MemorySlope) {
            observations.push(Observation {
                evidence: Evidence::Modelled {
                    low: centre * 0.06,
                    likely: centre * 0.15,
                    high: centre * 0.5,
                    sources: vec![Source {
                        name: "boot of a guest kernel".to_owned(),
                        value: "invented".to_owned(),
                        conditions: "synthetic".to_owned(),
                        citation: "none: a test".to_owned(),
                    }],
                },
                warnings: Vec::new(),
                ..observations.last().unwrap().clone()
            });
        }
    }

    /// Log-normal, with a few stragglers as on a shared machine.
    fn samples(&mut self, centre: f64, metric: Metric) -> Vec<f64> {
        let (count, spread) = match metric {
            Metric::Startup | Metric::Teardown => (self.runs, 0.06),
            Metric::Memory | Metric::MemorySlope => (self.runs.min(5), 0.03),
            Metric::Provision => (self.runs.min(5), 0.1),
            Metric::Disk | Metric::DiskOneMore => (1, 0.0),
        };
        (0..count)
            .map(|_| {
                let straggles = if self.rng.f64() < 0.06 {
                    1.0 + 2.0 * self.rng.f64()
                } else {
                    1.0
                };
                let bell: f64 = (0..12).map(|_| self.rng.f64()).sum::<f64>() - 6.0;
                let value = centre * (spread * bell).exp();
                if spread > 0.0 {
                    value * straggles
                } else {
                    value
                }
            })
            .collect()
    }
}

fn centre(subject: Subject, workload: Workload, metric: Metric, state: Option<State>) -> f64 {
    let python = workload == Workload::Python;
    let [process, venv, container, vm] = match (metric, python) {
        (Metric::Startup, false) => [0.0005, 0.0, 0.0016, 1.9],
        (Metric::Startup, true) => [0.048, 0.055, 0.0512, 3.1],
        (Metric::Teardown, _) => [0.0001, 0.000_11, 0.0021, 0.24],
        (Metric::Provision, false) => [0.0, 0.0, 0.0008, 0.31],
        (Metric::Provision, true) => [0.0, 0.0024, 0.21, 0.95],
        (Metric::Disk, false) => [4096.0, 0.0, 12_288.0, 9.4e6],
        (Metric::Disk, true) => [21.5e6, 21.53e6, 21.6e6, 44e6],
        (Metric::DiskOneMore, _) => [0.0, 24_576.0, 8192.0, 196_608.0],
        (Metric::Memory, false) => [20_480.0, 0.0, 1.1e6, 187e6],
        (Metric::Memory, true) => [11.8e6, 11.9e6, 13.1e6, 214e6],
        (Metric::MemorySlope, false) => [61_440.0, 0.0, 410e3, 152e6],
        (Metric::MemorySlope, true) => [9.3e6, 9.4e6, 10.2e6, 171e6],
    };
    let warmth = match state {
        Some(State::First) => 3.1,
        Some(State::AfterIdle) => 1.4,
        Some(State::BackToBack) | None => 1.0,
    };
    warmth
        * match subject {
            Subject::Process => process,
            Subject::Venv => venv,
            Subject::Container => container,
            Subject::Vm => vm,
        }
}

fn environment() -> Environment {
    Environment {
        isolab: "0.1.0".to_owned(),
        os: "Synthetic Linux (invented numbers)".to_owned(),
        kernel: "0.0.0-synthetic".to_owned(),
        arch: "x86_64".to_owned(),
        cpu: "Synthetic CPU @ 2.00GHz".to_owned(),
        cpus: 2,
        memory_bytes: 8 << 30,
        cgroup: "v2".to_owned(),
        virtualization: "kvm".to_owned(),
        root: false,
        filesystem: "ext4".to_owned(),
        load_before: 0.21,
        load_after: 0.94,
        tools: [("qemu", "7.2 (synthetic)"), ("python3", "3.11.2")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into(),
    }
}
