//! The report's vocabulary, as a chapter writes it.

use isolab::observation::{Metric, State, Subject, Workload};

use crate::error::Problem;

/// What a number or figure is about.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cell {
    /// Of what.
    pub(crate) subject: Subject,
    /// Running what.
    pub(crate) workload: Workload,
    /// What was measured.
    pub(crate) metric: Metric,
    /// In what state, for metrics that have states.
    pub(crate) state: Option<State>,
}

impl Cell {
    /// Reads `SUBJECT WORKLOAD METRIC [STATE]`.
    ///
    /// # Errors
    /// [`Problem::Arguments`] or [`Problem::UnknownWord`].
    pub(crate) fn parse(words: &[&str]) -> Result<Self, Problem> {
        let (subject, workload, metric, state) = match words {
            [subject, workload, metric] => (subject, workload, metric, None),
            [subject, workload, metric, state] => (subject, workload, metric, Some(state)),
            _ => {
                let why = "wanted are FILE SUBJECT WORKLOAD METRIC [STATE]".to_owned();
                return Err(Problem::Arguments { why });
            }
        };
        Ok(Self {
            subject: one_of("subject", subject, &Subject::ALL, Subject::name)?,
            workload: one_of("workload", workload, &Workload::ALL, Workload::name)?,
            metric: one_of("metric", metric, &Metric::ALL, Metric::name)?,
            state: state
                .map(|state| one_of("state", state, &State::ALL, State::name))
                .transpose()?,
        })
    }

    /// The cell for people, such as `startup of container, true, first`.
    #[must_use]
    pub(crate) fn name(&self) -> String {
        let Self {
            subject,
            workload,
            metric,
            state,
        } = self;
        match state {
            Some(state) => format!("{metric} of {subject}, {workload}, {state}"),
            None => format!("{metric} of {subject}, {workload}"),
        }
    }
}

/// The one of `all` that is called `word`.
///
/// # Errors
/// [`Problem::UnknownWord`], with every word that would do.
pub(crate) fn one_of<T: Copy>(
    what: &'static str,
    word: &str,
    all: &[T],
    name: impl Fn(T) -> &'static str,
) -> Result<T, Problem> {
    all.iter()
        .copied()
        .find(|one| name(*one) == word)
        .ok_or_else(|| Problem::UnknownWord {
            what,
            found: word.to_owned(),
            known: all
                .iter()
                .map(|one| name(*one))
                .collect::<Vec<_>>()
                .join(", "),
        })
}
