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
        for cpu in first..=last {
            if mask.len() <= cpu / 64 {
                mask.resize(cpu / 64 + 1, 0);
            }
            mask[cpu / 64] |= 1 << (cpu % 64);
        }
    }
    Ok(mask)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_numbers_and_ranges() {
        let check = |list: &str, expected: Option<&[u64]>| {
            assert_eq!(parse_cpus(list).ok().as_deref(), expected, "{list:?}");
        };
        check("0", Some(&[1]));
        check("0-3,7", Some(&[0x8f]));
        check("1, 64", Some(&[2, 1]));
        check("63-64", Some(&[1 << 63, 1]));
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
