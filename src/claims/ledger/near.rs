//! The names most like one that was mistyped.

/// The most letters of a mistyped name that are looked at.
const LOOKED_AT: usize = 80;
/// The most names that are offered.
const OFFERED: usize = 3;

/// Those of `names` that `wrong` may have meant, the likeliest first.
pub(super) fn to<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<(usize, &str)> = names
        .map(|name| (distance(wrong, name), name))
        .filter(|(far, name)| *far <= name.len() / 2 || name.contains(wrong))
        .collect();
    near.sort_unstable();
    near.into_iter()
        .take(OFFERED)
        .map(|(_, name)| name)
        .collect()
}

/// How many letters have to be changed to make `one` of `other` (Levenshtein).
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (i, a) in one.chars().take(LOOKED_AT).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, b) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(a != *b);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[other.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_name_is_answered_with_near_ones() {
        let names = ["hello-world", "venv-limited", "density"];
        let near = |wrong| to(wrong, names.into_iter());
        assert_eq!(near("helo-word"), ["hello-world"]);
        assert_eq!(near("venv"), ["venv-limited"]);
        assert!(near("xyzzy").is_empty());
    }

    #[test]
    fn the_distance_is_the_number_of_changes() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }
}
