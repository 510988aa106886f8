//! What can be predicted: a small set of quantities of the comparison, chosen
//! because what people expect of them is often off by a power of ten.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::observation::{Metric, State, Subject, Unit, Workload};

/// A group of questions about the same quantity of several subjects, so that
/// their order can be right even where no value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Experiment {
    /// What a subject adds to the start-up.
    Startup,
    /// The disk of one more that shares what can be shared.
    Disk,
    /// The memory of one more.
    Memory,
}

impl Experiment {
    /// Every experiment, in the order in which they are asked.
    pub const ALL: [Self; 3] = [Self::Startup, Self::Disk, Self::Memory];

    /// The word on the command line and in files.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Startup => "startup",
            Self::Disk => "disk",
            Self::Memory => "memory",
        }
    }

    /// A heading for people.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            Self::Startup => "Start-up, added over the bare process",
            Self::Disk => "Disk of one more",
            Self::Memory => "Memory of one more",
        }
    }

    /// The subjects that it asks about. An environment's process is a process; a
    /// process needs no disk of its own, and our guests boot one and the same
    /// archive, of which no second is ever made.
    #[must_use]
    pub fn subjects(self) -> &'static [Subject] {
        match self {
            Self::Startup => &[Subject::Venv, Subject::Container, Subject::Vm],
            Self::Disk => &[Subject::Venv, Subject::Container],
            Self::Memory => &[Subject::Process, Subject::Container, Subject::Vm],
        }
    }
}

/// One quantity of one subject with one workload. Written `startup/vm/python`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Question {
    /// The quantity.
    pub experiment: Experiment,
    /// Of what.
    pub subject: Subject,
    /// What it runs.
    pub workload: Workload,
}

impl Question {
    /// The questions of `experiment` for a comparison of `subjects` that runs
    /// `workloads`. Of several workloads the one of ordinary size is asked about:
    /// every subject can run it.
    #[must_use]
    pub fn of(experiment: Experiment, subjects: &[Subject], workloads: &[Workload]) -> Vec<Self> {
        let ordinary = workloads.iter().find(|one| **one == Workload::Python);
        let Some(workload) = ordinary.or(workloads.iter().max()).copied() else {
            return Vec::new();
        };
        let asked = experiment.subjects().iter();
        asked
            .filter(|subject| subjects.contains(subject))
            .map(|subject| Self {
                experiment,
                subject: *subject,
                workload,
            })
            .filter(Self::makes_sense)
            .collect()
    }

    /// Which metric answers it.
    #[must_use]
    pub fn metric(self) -> Metric {
        match self.experiment {
            Experiment::Startup => Metric::Startup,
            Experiment::Disk => Metric::DiskOneMore,
            Experiment::Memory => Metric::MemorySlope,
        }
    }

    /// In which state, for a metric that has states.
    #[must_use]
    pub fn state(self) -> Option<State> {
        (self.experiment == Experiment::Startup).then_some(State::AfterIdle)
    }

    /// Whether it asks what is added over the bare process, not for the whole.
    #[must_use]
    pub fn asks_what_is_added(self) -> bool {
        self.experiment == Experiment::Startup
    }

    /// The unit of its answer.
    #[must_use]
    pub fn unit(self) -> Unit {
        self.metric().unit()
    }

    /// The question, in plain words and ASCII.
    #[must_use]
    pub fn words(self) -> String {
        // What differs from one question to the next comes first.
        let program = match self.workload {
            Workload::True => "a program of one kilobyte",
            Workload::Python => "the Python interpreter with three modules",
            Workload::Library => "a Django site with a REST API",
        };
        match self.experiment {
            Experiment::Startup => {
                let how = match self.subject {
                    Subject::Process => "As another bare process",
                    Subject::Venv => "Through a virtual environment",
                    Subject::Container => "In a container",
                    Subject::Vm => "With a virtual machine to boot first",
                };
                format!("{how}, how much later is {program} ready than as a bare process?")
            }
            Experiment::Disk => {
                let kind = match self.subject {
                    Subject::Process => "process",
                    Subject::Venv => "virtual environment",
                    Subject::Container => "container",
                    Subject::Vm => "virtual machine",
                };
                format!(
                    "One more {kind}, beside one that is there already: how much disk does it take, if it shares all that can be shared?"
                )
            }
            Experiment::Memory => {
                let kind = match self.subject {
                    Subject::Process => "bare process",
                    Subject::Venv => "virtual environment",
                    Subject::Container => "container",
                    Subject::Vm => "virtual machine",
                };
                format!(
                    "One more {kind} in which {program} waits, beside others like it: how much of the machine's memory does it take?"
                )
            }
        }
    }

    /// A virtual environment runs nothing but Python, and each experiment has
    /// its subjects.
    fn makes_sense(&self) -> bool {
        self.experiment.subjects().contains(&self.subject)
            && (self.subject, self.workload) != (Subject::Venv, Workload::True)
    }
}

impl fmt::Display for Question {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = self.experiment.name();
        write!(f, "{name}/{}/{}", self.subject, self.workload)
    }
}

impl From<Question> for String {
    fn from(question: Question) -> Self {
        question.to_string()
    }
}

impl TryFrom<String> for Question {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Question {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let all = Experiment::ALL.iter().flat_map(|experiment| {
            let of = |workload| Self::of(*experiment, &Subject::ALL, &[workload]);
            Workload::ALL.into_iter().flat_map(of)
        });
        all.into_iter()
            .find(|question| question.to_string() == text)
            .ok_or_else(|| {
                "no question of ours has that name, such as startup/vm/python".to_owned()
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> Vec<Question> {
        let of = |experiment| {
            let each = move |workload| Question::of(experiment, &Subject::ALL, &[workload]);
            Workload::ALL.into_iter().flat_map(each)
        };
        Experiment::ALL.into_iter().flat_map(of).collect()
    }

    #[test]
    fn a_question_is_found_by_its_name() {
        assert_eq!(
            all().len(),
            22,
            "eight for each in Python, and no environment runs `true`"
        );
        for question in all() {
            assert_eq!(question.to_string().parse(), Ok(question));
        }
        assert!("startup/venv/true".parse::<Question>().is_err());
        assert!("disk/process/python".parse::<Question>().is_err());
    }

    #[test]
    fn only_what_is_compared_is_asked_about() {
        let few = [Subject::Process, Subject::Container];
        let of = |workloads: &[Workload]| Question::of(Experiment::Startup, &few, workloads);
        assert_eq!(
            of(&Workload::ALL)[0].to_string(),
            "startup/container/python"
        );
        assert_eq!(
            of(&[Workload::True])[0].to_string(),
            "startup/container/true"
        );
        assert_eq!(of(&Workload::ALL).len(), 1);
    }

    #[test]
    fn every_question_is_plain_ascii_that_says_what_it_asks_for() {
        for question in all() {
            let words = question.words();
            assert!(words.is_ascii() && words.ends_with('?'), "{words}");
        }
    }
}
