//! What somebody who mistyped a name may have meant.

/// The one of `known` that is nearest to `typed`, where one is near enough:
/// a third of the letters may differ, or the beginning is the same.
pub(super) fn nearest(
    typed: &str,
    known: impl Iterator<Item = &'static str>,
) -> Option<&'static str> {
    let allowed = (typed.chars().count() / 3).max(1);
    let judged = known.map(|name| {
        let begins = typed.len() > 2 && name.starts_with(typed);
        let distance = if begins { 1 } else { distance(typed, name) };
        (distance, name)
    });
    judged
        .filter(|(distance, _)| (1..=allowed).contains(distance))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, name)| name)
}

/// How many letters have to be added, left out, changed, or exchanged with
/// their neighbour (the restricted Damerau-Levenshtein distance).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    // Rows of the table of distances between beginnings of the two.
    let mut before = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 0..a.len() {
        let mut row = vec![i + 1; b.len() + 1];
        for j in 0..b.len() {
            let changed = last[j] + usize::from(a[i] != b[j]);
            let mut least = changed.min(last[j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i] == b[j - 1] && a[i - 1] == b[j] {
                least = least.min(before[j - 1] + 1);
            }
            row[j + 1] = least;
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_counted_and_neighbours_exchanged() {
        for (a, b, expected) in [
            ("", "", 0),
            ("start", "start", 0),
            ("strat", "start", 1),
            ("sart", "start", 1),
            ("xstart", "start", 1),
            ("", "run", 3),
            ("kill", "pull", 2),
        ] {
            assert_eq!(distance(a, b), expected, "{a} {b}");
            assert_eq!(distance(b, a), expected, "{b} {a}");
        }
    }

    #[test]
    fn a_slip_is_corrected_and_another_word_is_not() {
        let known = || ["bundle", "console-socket", "detach", "run", "resume"].into_iter();
        assert_eq!(nearest("bundel", known()), Some("bundle"));
        assert_eq!(nearest("console", known()), Some("console-socket"));
        assert_eq!(nearest("deatch", known()), Some("detach"));
        assert_eq!(nearest("rnu", known()), Some("run"));
        assert_eq!(nearest("frobnicate", known()), None);
        assert_eq!(nearest("xy", known()), None);
    }
}
