//! A line taken apart: the requirement before its options, and the options as words.

use crate::refusal::{Refusal, shown_line};

/// What stands before the first word that begins with `-`, and the rest.
pub(super) fn split(line: &str) -> (&str, &str) {
    let mut at = 0;
    for word in line.split(' ') {
        if word.starts_with('-') {
            return (line[..at].trim(), &line[at..]);
        }
        at += word.len() + 1;
    }
    (line, "")
}

/// The words of a text, as a shell has them: quotes hold together, `\` takes the next as it is.
pub(super) fn words(text: &str) -> Result<Vec<String>, Refusal> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match (character, quote) {
            (_, Some(open)) if character == open => quote = None,
            ('\\', None | Some('"')) => match characters.next() {
                // In double quotes it is only special before what is special there.
                Some(next) if quote.is_some() && !matches!(next, '"' | '\\') => {
                    word.get_or_insert_default().extend(['\\', next]);
                }
                Some(next) => word.get_or_insert_default().push(next),
                None => return Err(Refusal::new("there is nothing behind the last `\\`")),
            },
            ('"' | '\'', None) => {
                quote = Some(character);
                word.get_or_insert_default();
            }
            (_, None) if character.is_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(character),
        }
    }
    match quote {
        Some(_) => Err(Refusal::new(format!(
            "the quote in {} has no end",
            shown_line(text)
        ))),
        None => {
            words.extend(word);
            Ok(words)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn options_begin_at_the_first_word_with_a_dash() {
        for (line, requirement, options) in [
            ("a==1 --hash=x", "a==1", "--hash=x"),
            ("a-b >= 1", "a-b >= 1", ""),
            ("-r x", "", "-r x"),
            (
                "a  ;  os_name == 'x'  --hash=x -y",
                "a  ;  os_name == 'x'",
                "--hash=x -y",
            ),
        ] {
            assert_eq!(split(line), (requirement, options));
        }
    }

    #[test]
    fn words_are_a_shells() {
        // As shlex.split has them.
        for (text, expected) in [
            ("-r  'a b' c", vec!["-r", "a b", "c"]),
            ("a\\ b", vec!["a b"]),
            ("\"a \\\" \\n\"", vec!["a \" \\n"]),
            ("'a\\'", vec!["a\\"]),
            ("a''b ''", vec!["ab", ""]),
            ("", vec![]),
        ] {
            assert_eq!(words(text).expect(text), expected);
        }
        for text in ["'a", "\"a", "a\\"] {
            words(text).expect_err(text);
        }
    }

    proptest! {
        #[test]
        fn quoted_words_come_back(words_in in prop::collection::vec("[^']{0,10}", 0..5)) {
            let quoted: Vec<_> = words_in.iter().map(|word| format!("'{word}'")).collect();
            prop_assert_eq!(words(&quoted.join(" ")), Ok(words_in));
        }

        #[test]
        fn no_line_panics(line in "\\PC{0,40}") {
            let (_, options) = split(&line);
            let _ = words(options);
        }
    }
}
