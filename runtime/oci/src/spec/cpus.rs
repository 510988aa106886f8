//! Lists of CPUs as the kernel writes them: `0-3,7` (`cpuset(7)`, "List format").

/// The highest number that any kernel is built for, and one more.
const MOST: usize = 8192;

/// The list as a mask: bit *n* of the whole for CPU *n*.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) fn parse_cpus(list: &str) -> Result<Vec<u64>, String> {
    let mut mask = Vec::new();
    for part in list.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            let number = text.parse::<usize>().ok().filter(|_| digits);
            number.ok_or_else(|| format!("`{}` is no list of CPUs", super::validate::shown(list)))
        };
        let (first, last) = (number(first)?, number(last)?);
        if first > last {
            return Err(format!("{first}-{last} ends before it begins"));
        }
        if last >= MOST {
            return Err(format!("no kernel has a CPU {last}"));
        }
        mask.resize(mask.len().max(last / 64 + 1), 0);
        // Word by word: a list may name the same long range a million times.
        let words = mask.iter_mut().enumerate();
        for (word, bits) in words.take(last / 64 + 1).skip(first / 64) {
            let low = first.saturating_sub(word * 64);
            let high = (last - word * 64).min(63);
            *bits |= (u64::MAX << low) & (u64::MAX >> (63 - high));
        }
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_of_many_ranges_takes_no_longer_than_its_text() {
        let list = vec!["0-8191"; 100_000].join(",");
        let begin = std::time::Instant::now();
        assert_eq!(parse_cpus(&list).unwrap(), [u64::MAX; 128]);
        assert!(begin.elapsed().as_secs() < 5);
    }

    #[test]
    fn a_list_is_numbers_and_ranges() {
        let check = |list: &str, expected: Option<&[u64]>| {
            assert_eq!(parse_cpus(list).ok().as_deref(), expected, "{list:?}");
        };
        check("0", Some(&[1]));
        check("0-3,7", Some(&[0x8f]));
        check("1, 64", Some(&[2, 1]));
        check("63-64", Some(&[1 << 63, 1]));
        check("62-129,3", Some(&[3 << 62 | 8, u64::MAX, 3]));
        for bad in [
            "",
            ",",
            "1,",
            "a",
            "-1",
            "1-",
            "3-1",
            "8192",
            "+1",
            "0-99999999999999999999",
        ] {
            check(bad, None);
        }
    }
}
