//! The published figures: data, not code, so that each can be looked up and doubted on its own.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The file that ships with the crate.
const PUBLISHED: &str = include_str!("../../data/figures.csv");

/// How near to the original a figure was checked, from `figures.csv`'s last column.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Checked {
    /// Computed again from the authors' raw data.
    Raw,
    /// Read in the project's own repository.
    Repo,
    /// Read off a file of a package.
    Package,
    /// Read on the project's page.
    Page,
    /// Read in a mailing list's archive.
    List,
    /// Not published: a fact that the caller gave, such as the size of a file.
    Given,
}

/// A parameter and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Source {
    /// Its name in the model.
    pub name: String,
    /// Its value, in `unit`.
    pub value: f64,
    /// The unit: `ms`, `MiB` or `B`.
    pub unit: String,
    /// Under which conditions it was found.
    pub conditions: String,
    /// Who published it, and where.
    pub citation: String,
    /// How near to the original it was checked.
    pub checked: Checked,
}

/// A set of figures by name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    by_name: BTreeMap<String, Source>,
}

impl Figures {
    /// The published figures that ship with the crate.
    ///
    /// # Panics
    /// Never: a test reads the file.
    #[must_use]
    pub fn published() -> Self {
        Self::parse(PUBLISHED).expect("a test reads the file")
    }

    /// Reads figures from the text of a file like `figures.csv`.
    ///
    /// # Errors
    /// The number of the line that is malformed, incomplete or a repetition, and why.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut by_name = BTreeMap::new();
        for (number, line) in (1..)
            .zip(text.lines())
            .skip(1)
            .filter(|(_, line)| !line.is_empty())
        {
            let source = parse_line(line).map_err(|reason| format!("line {number}: {reason}"))?;
            if let Some(twice) = by_name.insert(source.name.clone(), source) {
                return Err(format!(
                    "line {number}: `{}` stands there twice",
                    twice.name
                ));
            }
        }
        Ok(Self { by_name })
    }

    /// The figure called `name`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Source> {
        self.by_name.get(name)
    }

    /// All figures, by name.
    pub fn iter(&self) -> impl Iterator<Item = &Source> {
        self.by_name.values()
    }

    /// These figures without the one called `name`: what remains when a source is doubted.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.by_name.remove(name);
        self
    }
}

fn parse_line(line: &str) -> Result<Source, String> {
    let fields: [String; 6] = fields(line)?
        .try_into()
        .map_err(|fields: Vec<_>| format!("{} fields instead of 6", fields.len()))?;
    if let Some(empty) = fields.iter().position(String::is_empty) {
        return Err(format!(
            "field {} is empty: no figure without its source",
            empty + 1
        ));
    }
    let [name, value, unit, conditions, citation, checked] = fields;
    let value: f64 = value
        .parse()
        .map_err(|_| format!("`{value}` is no number"))?;
    if !value.is_finite() || value < 0.0 {
        return Err(format!("`{value}` is no cost"));
    }
    if !["ms", "MiB"].contains(&unit.as_str()) {
        return Err(format!("`{unit}` is no unit of the model"));
    }
    let checked = match checked.as_str() {
        "raw" => Checked::Raw,
        "repo" => Checked::Repo,
        "package" => Checked::Package,
        "page" => Checked::Page,
        "list" => Checked::List,
        other => return Err(format!("`{other}` does not say how the figure was checked")),
    };
    Ok(Source {
        name,
        value,
        unit,
        conditions,
        citation,
        checked,
    })
}

/// The fields of a line: separated by commas, which lose that meaning between quotation marks.
pub(super) fn fields(line: &str) -> Result<Vec<String>, String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            c => fields.last_mut().expect("it began with one").push(c),
        }
    }
    if quoted {
        Err("a quotation does not end".to_owned())
    } else {
        Ok(fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &str = "name,value,unit,conditions,source,checked\n";

    fn check(line: &str, expected: &str) {
        let error = Figures::parse(&format!("{HEADER}{line}\n")).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }

    #[test]
    fn every_shipped_figure_names_its_source() {
        let figures = Figures::parse(PUBLISHED).unwrap();
        assert_eq!(figures.iter().count(), PUBLISHED.lines().count() - 1);
        for figure in figures.iter() {
            assert!(
                figure.citation.len() > 10 && figure.conditions.len() > 5,
                "{}",
                figure.name
            );
        }
    }

    #[test]
    fn a_figure_without_source_number_or_unit_is_refused_by_line() {
        check("boot,125,ms,on metal,,repo", "line 2: field 5 is empty");
        check("boot,fast,ms,on metal,a paper,repo", "`fast` is no number");
        check("boot,NaN,ms,on metal,a paper,repo", "is no cost");
        check("boot,125,parsec,on metal,a paper,repo", "`parsec`");
        check("boot,125,ms,on metal,a paper,hearsay", "`hearsay`");
        check("boot,125,ms,on metal", "4 fields");
        check("boot,125,ms,\"on metal,a paper,repo", "quotation");
        check(
            "a,1,ms,on metal,a paper,repo\na,2,ms,on metal,a paper,repo",
            "line 3: `a`",
        );
    }

    #[test]
    fn a_quoted_comma_separates_nothing() {
        let figures = Figures::parse(&format!("{HEADER}a,1,ms,\"x, y\",\"P, 2020\",raw")).unwrap();
        assert_eq!(figures.get("a").unwrap().conditions, "x, y");
    }
}
