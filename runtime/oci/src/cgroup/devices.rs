//! Which devices a container may use: lines for version 1's controller, a BPF
//! program for version 2, which has none.
//!
//! Nothing is allowed at first: a root in the container may make nodes, and
//! with one for the host's disk it would read all of it. Then come the author's
//! rules; what every container has by the specification ("Default Devices") is
//! allowed last, or the rule `deny all` would take away `/dev/null`.

use std::fs;
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::path::Path;

use super::apply::{Site, UNMADE, is_privileged, main_version, unified};
use super::discover::Version;
use crate::error::{Error, Result};
use crate::spec::{DeviceRule, DeviceType};
use crate::sys;

/// Nodes of every kind may be made, since making is not using; then the
/// default devices, pseudo terminals, the pty multiplexer and, as runc has it,
/// `/dev/net/tun`.
const ALWAYS: [&str; 11] = [
    "c *:* m",
    "b *:* m",
    "c 1:3 rwm",
    "c 1:5 rwm",
    "c 1:7 rwm",
    "c 1:8 rwm",
    "c 1:9 rwm",
    "c 5:0 rwm",
    "c 5:2 rwm",
    "c 10:200 rwm",
    "c 136:* rwm",
];

/// Puts `rules` into force, where that is for the hierarchy of `version` to do.
///
/// Root is told where they are not in force. An ordinary user is refused always,
/// and would hear it at every start: but he, and root of a user namespace, can
/// make no device node, and so has no device but those that he was given.
///
/// # Errors
/// [`Error::Setup`] where root is refused in a group that could be made.
pub(super) fn restrict(
    sites: &[Site<'_>],
    version: Version,
    rules: &[DeviceRule],
    warnings: &mut Vec<String>,
) -> Result<()> {
    let (site, charged) = in_charge(sites);
    if version != charged {
        return Ok(());
    }
    let Some(site) = site.filter(|site| site.ready) else {
        let why = match site {
            Some(_) => UNMADE,
            None => "no hierarchy here can",
        };
        let lost = || format!("the rules of linux.resources.devices are not enforced: {why}");
        warnings.extend(is_privileged().then(lost));
        return Ok(());
    };
    let done = match version {
        Version::V1 => write_lines(site.directory, rules),
        Version::V2 => fs::File::open(site.directory).and_then(|group| {
            Ok(sys::bpf::replace_device_program(
                &v2(rules),
                group.as_raw_fd(),
            )?)
        }),
    };
    match done {
        Err(source) if is_privileged() => Err(Error::Setup {
            step: format!(
                "put linux.resources.devices into force in {}",
                site.directory.display()
            ),
            source,
            remedy: Some("root of the machine with CAP_SYS_ADMIN can".to_owned()),
        }),
        _ => Ok(()),
    }
}

/// The hierarchy that can, and the version in whose turn the rules are seen to.
fn in_charge<'a, 's>(sites: &'s [Site<'a>]) -> (Option<&'s Site<'a>>, Version) {
    let on_v1 = sites.iter().find(|site| site.has("devices"));
    let site = on_v1.or_else(|| unified(sites));
    (site, site.map_or(main_version(sites), |site| site.version))
}

fn write_lines(group: &Path, rules: &[DeviceRule]) -> io::Result<()> {
    // Opened once each: the kernel takes one rule a write.
    let open = |file: &str| fs::OpenOptions::new().write(true).open(group.join(file));
    let (mut allow, mut deny) = (open("devices.allow")?, open("devices.deny")?);
    for (allowed, line) in v1(rules) {
        if allowed {
            match allow.write_all(line.as_bytes()) {
                // The group above may not use it itself: then nobody below may.
                Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {}
                result => result?,
            }
        } else {
            deny.write_all(line.as_bytes())?;
        }
    }
    Ok(())
}

/// The lines for `devices.allow` (true) and `devices.deny` (false), in order.
fn v1(rules: &[DeviceRule]) -> Vec<(bool, String)> {
    let starts_with_all = controlled(rules).next().is_some_and(is_about_all);
    let mut lines = Vec::with_capacity(1 + rules.len() + ALWAYS.len());
    if !starts_with_all {
        lines.push((false, "a *:* rwm".to_owned()));
    }
    lines.extend(controlled(rules).flat_map(|rule| {
        let lines = match is_about_all(rule) {
            // The kernel takes `a` for everything at once, whatever follows it.
            true => vec!["a *:* rwm".to_owned()],
            false => kinds(rule).map(|kind| line(kind, rule)).collect(),
        };
        lines.into_iter().map(|line| (rule.allow, line))
    }));
    lines.extend(ALWAYS.iter().map(|&always| (true, always.to_owned())));
    lines
}

/// Anybody may make and use a fifo; a rule about one says nothing about the rest.
fn controlled(rules: &[DeviceRule]) -> impl Iterator<Item = &DeviceRule> {
    let is_fifo = |rule: &&DeviceRule| rule.kind == Some(DeviceType::Fifo);
    rules.iter().filter(move |rule| !is_fifo(rule))
}

/// Whether a rule says nothing of which devices it is about, and what of them.
pub(super) fn is_about_all(rule: &DeviceRule) -> bool {
    let is_any = |number: Option<i64>| number.is_none_or(|n| n < 0);
    let access = rule.access.as_deref().unwrap_or("rwm");
    matches!(rule.kind, None | Some(DeviceType::All))
        && is_any(rule.major)
        && is_any(rule.minor)
        && "rwm".chars().all(|letter| access.contains(letter))
}

/// The letters of the kinds of devices that a rule is about.
fn kinds(rule: &DeviceRule) -> impl Iterator<Item = char> {
    let kinds = [('c', DeviceType::Character), ('b', DeviceType::Block)];
    let is_meant =
        |kind| matches!(rule.kind, None | Some(DeviceType::All)) || rule.kind == Some(kind);
    let kinds = kinds.map(|(letter, kind)| is_meant(kind).then_some(letter));
    kinds.into_iter().flatten()
}

fn line(kind: char, rule: &DeviceRule) -> String {
    let number = |n: Option<i64>| match n {
        Some(n) if n >= 0 => n.to_string(),
        _ => "*".to_owned(),
    };
    let access = rule.access.as_deref().unwrap_or("rwm");
    format!(
        "{kind} {}:{} {access}",
        number(rule.major),
        number(rule.minor)
    )
}

/// The program for version 2: a rule after the other, the last one first, since
/// later rules override earlier ones. What none decides is denied.
///
/// Source: `linux/bpf.h`, `struct bpf_cgroup_dev_ctx`; the kernel's
/// `bpf/standardization/instruction-set.rst`.
fn v2(rules: &[DeviceRule]) -> Vec<u64> {
    let mut program = vec![
        instruction(LOAD_WORD, TYPE, CONTEXT, 0, 0),
        instruction(AND, TYPE, 0, 0, 0xffff),
        instruction(LOAD_WORD, ACCESS, CONTEXT, 0, 0),
        instruction(SHIFT_RIGHT, ACCESS, 0, 0, 16),
        instruction(LOAD_WORD, MAJOR, CONTEXT, 4, 0),
        instruction(LOAD_WORD, MINOR, CONTEXT, 8, 0),
    ];
    let always = ALWAYS.iter().filter_map(|line| parse(line));
    for rule in controlled(rules)
        .cloned()
        .chain(always)
        .collect::<Vec<_>>()
        .iter()
        .rev()
    {
        let code = decide(rule);
        // Two instructions: it answers without asking. What would follow is
        // unreachable, and the kernel's verifier refuses that.
        let is_last = code.len() == 2;
        program.extend(code);
        if is_last {
            return program;
        }
    }
    program.extend([
        instruction(MOVE, ANSWER, 0, 0, 0),
        instruction(EXIT, 0, 0, 0, 0),
    ]);
    program
}

const LOAD_WORD: u8 = 0x61;
const AND: u8 = 0x54;
const SHIFT_RIGHT: u8 = 0x74;
const COPY: u8 = 0xbc;
const MOVE: u8 = 0xb7;
const UNLESS_EQUAL: u8 = 0x55;
const UNLESS_SAME: u8 = 0x5d;
const EXIT: u8 = 0x95;

/// Registers; the context is needed no more once its fields are loaded.
const ANSWER: u8 = 0;
const CONTEXT: u8 = 1;
const SCRATCH: u8 = 1;
const TYPE: u8 = 2;
const ACCESS: u8 = 3;
const MAJOR: u8 = 4;
const MINOR: u8 = 5;

fn instruction(code: u8, to: u8, from: u8, offset: u16, operand: u32) -> u64 {
    u64::from(code)
        | u64::from(to | from << 4) << 8
        | u64::from(offset) << 16
        | u64::from(operand) << 32
}

/// Answers where the rule matches, else falls through to what follows.
fn decide(rule: &DeviceRule) -> Vec<u64> {
    let letters = rule.access.as_deref().unwrap_or("rwm");
    let access = [('m', 1), ('r', 2), ('w', 4)];
    let access = access
        .iter()
        .filter(|(l, _)| letters.contains(*l))
        .fold(0, |all, (_, bit)| all | bit);
    let kind = match rule.kind {
        Some(DeviceType::Block) => Some(1),
        Some(DeviceType::Character) => Some(2),
        _ => None,
    };
    let number = |n: Option<i64>| n.and_then(|n| u32::try_from(n).ok());
    let mut tests: Vec<(u8, u8, u8, u32)> = Vec::new();
    tests.extend(kind.map(|kind| (UNLESS_EQUAL, TYPE, 0, kind)));
    if access != 7 {
        tests.push((COPY, SCRATCH, ACCESS, 0));
        tests.push((AND, SCRATCH, 0, access));
        // Asked for more than the rule speaks of.
        tests.push((UNLESS_SAME, SCRATCH, ACCESS, 0));
    }
    tests.extend(number(rule.major).map(|major| (UNLESS_EQUAL, MAJOR, 0, major)));
    tests.extend(number(rule.minor).map(|minor| (UNLESS_EQUAL, MINOR, 0, minor)));
    let length = tests.len();
    let mut code = Vec::with_capacity(length + 2);
    for (index, (operation, to, from, operand)) in tests.into_iter().enumerate() {
        let jumps = matches!(operation, UNLESS_EQUAL | UNLESS_SAME);
        // Past the remaining tests and the two instructions of the answer; a
        // rule has at most six tests.
        let offset = if jumps {
            (length - 1 - index + 2) as u16
        } else {
            0
        };
        code.push(instruction(operation, to, from, offset, operand));
    }
    code.push(instruction(MOVE, ANSWER, 0, 0, u32::from(rule.allow)));
    code.push(instruction(EXIT, 0, 0, 0, 0));
    code
}

/// A line of [`ALWAYS`] as a rule.
fn parse(line: &str) -> Option<DeviceRule> {
    let mut words = line.split([' ', ':']);
    let kind = if words.next()? == "b" {
        DeviceType::Block
    } else {
        DeviceType::Character
    };
    let (major, minor) = (words.next()?.parse().ok(), words.next()?.parse().ok());
    let access = words.next().map(str::to_owned);
    Some(DeviceRule {
        allow: true,
        kind: Some(kind),
        major,
        minor,
        access,
    })
}

/// Rules of any author, for the fuzzer: what the kernel's verifier asks of jumps.
#[cfg(fuzzing)]
pub(super) fn fuzz(rules: &[DeviceRule]) {
    assert!(v1(rules).iter().all(|(_, line)| !line.contains('\n')));
    let program = v2(rules);
    for (at, instruction) in program.iter().enumerate() {
        let offset = (instruction >> 16) as u16;
        assert!(at + usize::from(offset) + 1 < program.len() || offset == 0);
    }
    assert_eq!(program.last(), Some(&instruction(EXIT, 0, 0, 0, 0)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_is_told_of_rules_that_are_not_in_force_and_an_ordinary_user_is_not() {
        let group = tempfile::tempdir().unwrap();
        let controllers = ["devices", "pids"].map(str::to_owned);
        let site = |version, controllers, ready| Site {
            version,
            controllers,
            directory: group.path(),
            ready,
        };
        let told = |sites: &[Site<'_>]| {
            let mut warnings = Vec::new();
            for version in [Version::V2, Version::V1] {
                restrict(sites, version, &[], &mut warnings).unwrap();
            }
            warnings
        };
        let once = usize::from(is_privileged());
        let unmade = site(Version::V1, &controllers, false);
        let lacking = site(Version::V1, &controllers[1..], true);
        let unified = site(Version::V2, &[], false);
        for sites in [
            &[unmade][..],
            &[unmade, unified],
            &[lacking],
            &[lacking, unified],
            &[unified],
            &[],
        ] {
            let warnings = told(sites);
            assert_eq!(warnings.len(), once, "{warnings:?}");
            let says =
                |warning: &String| warning.contains("linux.resources.devices are not enforced");
            assert!(warnings.iter().all(says), "{warnings:?}");
        }
        for file in ["devices.allow", "devices.deny"] {
            fs::write(group.path().join(file), "").unwrap();
        }
        assert!(told(&[site(Version::V1, &controllers, true), unified]).is_empty());
    }

    #[test]
    fn the_default_devices_survive_a_rule_that_denies_all() {
        let deny_all = DeviceRule {
            allow: false,
            kind: None,
            major: None,
            minor: None,
            access: None,
        };
        let lines = v1(&[deny_all]);
        assert_eq!(lines[0], (false, "a *:* rwm".to_owned()));
        assert!(lines[1..].contains(&(true, "c 1:3 rwm".to_owned())));
    }

    /// Runs the program as the kernel would, for a character device.
    fn allows(rules: &[DeviceRule], major: u64, minor: u64, access: u64) -> bool {
        let program = v2(rules);
        let mut registers = [0u64; 6];
        let mut at = 0;
        loop {
            let code = program[at];
            let (to, from) = ((code >> 8 & 15) as usize, (code >> 12 & 15) as usize);
            let (offset, operand) = ((code >> 16 & 0xffff) as usize, code >> 32);
            at += 1;
            match code as u8 {
                LOAD_WORD => registers[to] = [access << 16 | 2, major, minor][offset / 4],
                AND => registers[to] &= operand,
                SHIFT_RIGHT => registers[to] >>= operand,
                COPY => registers[to] = registers[from],
                MOVE => registers[to] = operand,
                UNLESS_EQUAL if registers[to] != operand => at += offset,
                UNLESS_SAME if registers[to] != registers[from] => at += offset,
                UNLESS_EQUAL | UNLESS_SAME => {}
                EXIT => return registers[0] == 1,
                other => panic!("unknown instruction {other:#x}"),
            }
        }
    }

    #[test]
    fn the_program_lets_later_rules_override_and_keeps_the_default_devices() {
        let rule = |allow, major, access: &str| DeviceRule {
            allow,
            kind: None,
            major,
            minor: None,
            access: Some(access.to_owned()),
        };
        let rules = [rule(false, None, "rwm"), rule(true, Some(10), "r")];
        let (make, read, write) = (1, 2, 4);
        assert!(allows(&rules, 1, 3, read | write)); // null
        assert!(allows(&rules, 7, 7, make)); // making is not using
        assert!(!allows(&rules, 7, 7, read));
        assert!(allows(&rules, 10, 7, read));
        assert!(!allows(&rules, 10, 7, read | write));
        assert!(allows(&rules, 136, 9, read | write)); // a pseudo terminal
    }

    #[test]
    fn without_a_rule_only_the_default_devices_are_there() {
        assert_eq!(v1(&[])[0], (false, "a *:* rwm".to_owned()));
        assert!(allows(&[], 1, 3, 2));
        assert!(!allows(&[], 8, 0, 2));
        let disk = DeviceRule {
            allow: true,
            kind: Some(DeviceType::Block),
            major: Some(8),
            minor: None,
            access: None,
        };
        assert!(!v1(&[disk])[0].0, "a list of what is allowed is complete");
    }

    #[test]
    fn a_rule_about_fifos_allows_nothing_else() {
        let fifo = DeviceRule {
            allow: true,
            kind: Some(DeviceType::Fifo),
            major: None,
            minor: None,
            access: None,
        };
        assert!(!allows(std::slice::from_ref(&fifo), 8, 0, 2));
        assert_eq!(v1(&[fifo]), v1(&[]));
    }

    #[test]
    fn a_missing_number_means_every_number() {
        let rule = DeviceRule {
            allow: true,
            kind: Some(DeviceType::Block),
            major: Some(8),
            minor: None,
            access: Some("r".to_owned()),
        };
        assert!(v1(&[rule]).contains(&(true, "b 8:* r".to_owned())));
    }

    /// Version 1 would take `a 7:7 r` for everything.
    #[test]
    fn a_rule_of_any_type_is_about_the_devices_that_it_names_alone() {
        let rule = |allow, numbers: Option<i64>, access: Option<&str>| DeviceRule {
            allow,
            kind: None,
            major: numbers,
            minor: numbers,
            access: access.map(str::to_owned),
        };
        let lines = |rules: &[DeviceRule]| v1(rules)[..3].to_vec();
        let no = |line: &str| (false, line.to_owned());
        let yes = |line: &str| (true, line.to_owned());
        let named = [rule(true, Some(7), Some("r"))];
        let expected = [no("a *:* rwm"), yes("c 7:7 r"), yes("b 7:7 r")];
        assert_eq!(lines(&named), expected);
        let any = [rule(true, None, Some("r"))];
        let expected = [no("a *:* rwm"), yes("c *:* r"), yes("b *:* r")];
        assert_eq!(lines(&any), expected);
        let except = [rule(true, None, None), rule(false, Some(7), Some("wm"))];
        let expected = [yes("a *:* rwm"), no("c 7:7 wm"), no("b 7:7 wm")];
        assert_eq!(lines(&except), expected);
        assert_eq!(lines(&[rule(false, Some(-1), None)])[0], no("a *:* rwm"));
    }
}
