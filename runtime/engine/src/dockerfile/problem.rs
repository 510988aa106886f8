//! What is wrong with a Dockerfile, and what to write instead.
//!
//! A reader who gets one error at a time mends a file in as many rounds as it
//! has errors, so all that are found are reported together, each with its line.

use std::fmt;

/// More are not told: whoever has that many reads another kind of file.
const MOST: usize = 50;

/// Something that keeps a Dockerfile from being built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The line, counted from 1.
    pub line: usize,
    /// The character in that line, counted from 1, where one is to blame.
    pub column: Option<usize>,
    /// What is wrong.
    pub what: String,
    /// What to write instead, where that can be told.
    pub remedy: Option<String>,
}

impl Problem {
    pub(super) fn new(line: usize, fault: Fault) -> Self {
        Self {
            line,
            column: None,
            what: fault.what,
            remedy: fault.remedy,
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}", self.line)?;
        if let Some(column) = self.column {
            write!(f, ", column {column}")?;
        }
        write!(f, ": {}", self.what)
    }
}

/// All that keeps a Dockerfile from being built; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(Vec<Problem>);

impl Problems {
    /// `Err` where there are any, in the order of their lines.
    pub(super) fn unless_none(mut found: Vec<Problem>) -> Result<(), Self> {
        if found.is_empty() {
            return Ok(());
        }
        found.sort_by_key(|problem| (problem.line, problem.column));
        found.truncate(MOST);
        Err(Self(found))
    }

    /// Each of them, in the order of their lines.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

/// A problem whose line is known to the caller.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub what: String,
    pub remedy: Option<String>,
}

impl Fault {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            remedy: None,
        }
    }

    pub(super) fn remedy(self, remedy: impl Into<String>) -> Self {
        Self {
            remedy: Some(remedy.into()),
            ..self
        }
    }

    /// `remedy`, if there is something to say.
    pub(super) fn perhaps(self, remedy: Option<String>) -> Self {
        Self { remedy, ..self }
    }
}

/// Something that docker builds, and that its author probably did not mean.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The line, counted from 1.
    pub line: usize,
    /// The name of the rule: docker's, as `docker build --check` has it and
    /// `# check=skip=NAME` silences it, or ours where docker has none.
    pub rule: &'static str,
    /// What is doubtful, and what to write instead.
    pub what: String,
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {} ({})", self.line, self.what, self.rule)
    }
}

/// `text` for a message: whole if it is short, on one line, without what would
/// steer a terminal.
pub(super) fn shown(text: &str) -> String {
    const ENOUGH: usize = 60;
    let mut out: String = text
        .chars()
        .take(ENOUGH)
        .map(|c| match c.is_control() {
            true => ' ',
            false => c,
        })
        .collect();
    if text.chars().nth(ENOUGH).is_some() {
        out.push('…');
    }
    out
}

/// `did you mean …?` for a misspelt word, where one of `known` is near.
pub(super) fn did_you_mean(word: &str, known: &[&str]) -> Option<String> {
    let asked = word.to_lowercase();
    // A word more than half of which is wrong is another word.
    let near = (asked.chars().count() / 2).min(2);
    let (distance, best) = known
        .iter()
        .map(|candidate| (distance(&asked, &candidate.to_lowercase()), candidate))
        .min_by_key(|(distance, _)| *distance)?;
    (distance <= near).then(|| format!("did you mean `{best}`?"))
}

/// How many letters must be added, removed, changed, or swapped with their
/// neighbour; long words are far from all.
fn distance(a: &str, b: &str) -> usize {
    const LONGEST: usize = 32;
    let a: Vec<char> = a.chars().take(LONGEST + 1).collect();
    let b: Vec<char> = b.chars().take(LONGEST + 1).collect();
    if a.len() > LONGEST || b.len() > LONGEST {
        return usize::MAX;
    }
    let mut rows = vec![vec![0; b.len() + 1]; a.len() + 1];
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            if i == 0 || j == 0 {
                rows[i][j] = i + j;
                continue;
            }
            let changed = usize::from(a[i - 1] != b[j - 1]);
            let mut least = (rows[i - 1][j] + 1)
                .min(rows[i][j - 1] + 1)
                .min(rows[i - 1][j - 1] + changed);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                least = least.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = least;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_word_finds_its_neighbour_and_a_foreign_one_finds_none() {
        let known = ["RUN", "FROM", "COPY", "ENTRYPOINT"];
        for (word, expected) in [
            ("RNU", Some("RUN")),
            ("form", Some("FROM")),
            ("ENTRYPIONT", Some("ENTRYPOINT")),
            ("COPPY", Some("COPY")),
            ("X", None),
            ("apt-get", None),
        ] {
            let expected = expected.map(|name| format!("did you mean `{name}`?"));
            assert_eq!(did_you_mean(word, &known), expected, "{word}");
        }
        assert_eq!(did_you_mean(&"a".repeat(1 << 20), &known), None);
    }
}
