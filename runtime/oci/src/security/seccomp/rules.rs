//! From the rules of a policy to what happens at each number.
//!
//! Where several rules name one call, libseccomp's precedence holds, as far as
//! it can be said in words (its users have written their policies to it): a
//! rule with the default's answer says nothing; one without conditions beats
//! those with; of two without, the first; of those with, exact values before
//! ranges, and narrow ranges before wide ones.

use super::architecture::{Architecture, Named, X32_BIT};
use super::table::{self, Carried, Row};
use super::{KILL_PROCESS, KILL_THREAD, NOTIFY, answer, refused};
use crate::error::Result;
use crate::spec::{Action, Arg, Comparison, Rule, Seccomp};

/// What happens at one number: conditions in order, then the answer without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) conditional: Vec<(Vec<Arg>, u32)>,
    pub(super) otherwise: u32,
}

impl Outcome {
    fn plain(answer: u32) -> Self {
        Self {
            conditional: Vec::new(),
            otherwise: answer,
        }
    }
}

/// A policy whose names have been looked up, once for all architectures.
pub(super) struct Rules<'a> {
    policy: &'a Seccomp,
    default: u32,
    /// Each rule that says something, with its answer.
    rules: Vec<(&'a Rule, u32)>,
    /// Each call that one of them names, and which.
    calls: Vec<(&'static Row, u32)>,
    /// Calls named by rules with the default's answer.
    quiet: Vec<&'static Row>,
}

impl<'a> Rules<'a> {
    pub(super) fn new(policy: &'a Seccomp) -> Result<Self> {
        let default = answer("default", policy.default_action, policy.default_errno_ret)?;
        if policy.syscalls.len() > Hit::MOST_RULES {
            let reason = format!("it has {} rules", policy.syscalls.len());
            return Err(refused("syscalls", &reason, "merge rules"));
        }
        let mut all = Self {
            policy,
            default,
            rules: Vec::with_capacity(policy.syscalls.len()),
            calls: Vec::with_capacity(512),
            quiet: Vec::new(),
        };
        let mut finder = table::finder();
        for (index, rule) in policy.syscalls.iter().enumerate() {
            let field = format!("syscalls[{index}]");
            check(&field, rule)?;
            let answer = answer(&field, rule.action, rule.errno_ret)?;
            let rows = rule.names.iter().filter_map(|name| finder.find(name));
            if answer == default {
                all.quiet.extend(rows);
            } else {
                let at = all.rules.len() as u32;
                all.calls.extend(rows.map(|row| (row, at)));
                all.rules.push((rule, answer));
            }
        }
        Ok(all)
    }

    /// Whether no call of this name gets through, whatever its arguments.
    pub(super) fn forbid(&self, name: &str) -> Result<bool> {
        let of = self.calls.iter().filter(|call| call.0.0 == name);
        let hits: Vec<_> = of
            .map(|&(_, rule)| Hit::new(0, rule, NOT_CARRIED))
            .collect();
        let outcome = self.outcome(&hits)?;
        let refuses = |answer: u32| answer < NOTIFY || answer == KILL_PROCESS;
        let mut answers = outcome.conditional.iter().map(|(_, answer)| *answer);
        Ok(refuses(outcome.otherwise) && answers.all(refuses))
    }

    /// Half-open ranges that cover every number, each with its outcome.
    pub(super) fn ranges(
        &self,
        named: &Named,
        architecture: Architecture,
    ) -> Result<Vec<(u32, Outcome)>> {
        let mut hits: Vec<Hit> = Vec::with_capacity(2 * self.calls.len());
        let mut carriers = table::carriers();
        for &(row, rule) in &self.calls {
            let numbers = named.numbers(architecture, row);
            hits.extend(numbers.map(|number| Hit::new(number, rule, NOT_CARRIED)));
            if architecture == Architecture::X86
                && let Some(carried) = carriers.find(row.0)
            {
                hits.extend(self.carried(carried, rule));
            }
        }
        hits.sort_unstable();
        let background = self.background(named, architecture);
        let mut behind = background.iter().copied().peekable();
        let mut ground = self.default;
        let mut all: Vec<(u32, Outcome)> = Vec::with_capacity(hits.len());
        // Every number below this one is covered.
        let mut next = 0u32;
        let mut fill = |all: &mut Vec<_>, next: u32, end: u32| {
            let mut next = next;
            while let Some(&(first, answer)) = behind.peek() {
                if first > next {
                    if first >= end {
                        break;
                    }
                    put(all, next, Outcome::plain(ground));
                    next = first;
                }
                ground = answer;
                behind.next();
            }
            if next < end {
                put(all, next, Outcome::plain(ground));
            }
        };
        for group in hits.chunk_by(|a, b| a.number() == b.number()) {
            let number = group[0].number();
            fill(&mut all, next, number);
            put(&mut all, number, self.outcome(group)?);
            next = number + 1; // no call has the last number
        }
        fill(&mut all, next, u32::MAX);
        // -1 is what a tracer leaves of a call that it has skipped.
        put(&mut all, u32::MAX, Outcome::plain(self.default));
        Ok(all)
    }

    /// What happens at the numbers that no rule names, by the first of each range.
    fn background(&self, named: &Named, architecture: Architecture) -> Vec<(u32, u32)> {
        // A call younger than the policy: programs know what to do without
        // one that does not exist, and not without one that is forbidden.
        let lenient = matches!(
            self.policy.default_action,
            Action::Allow | Action::Log | Action::Trace
        );
        let no_such_call = 0x0005_0000 | libc::ENOSYS.cast_unsigned();
        let rows = self.calls.iter().map(|call| call.0);
        let rows = rows.chain(self.quiet.iter().copied());
        let numbers = rows.flat_map(|row| named.numbers(architecture, row));
        let split = if architecture == Architecture::X86_64 {
            X32_BIT
        } else {
            u32::MAX
        };
        let (mut last, mut last_x32) = (None, None);
        for number in numbers {
            let last = if number < split {
                &mut last
            } else {
                &mut last_x32
            };
            *last = (*last).max(Some(number));
        }
        let young = |last: Option<u32>| {
            let last = last.filter(|_| !lenient);
            last.map(|last| (last + 1, no_such_call))
        };
        let mut all = vec![(0, self.default)];
        all.extend(young(last));
        if named.x32 && architecture == Architecture::X86_64 {
            all.push((X32_BIT, self.default));
            all.extend(young(last_x32));
        } else if architecture == Architecture::X86_64 {
            all.push((X32_BIT, KILL_THREAD));
        }
        all
    }

    /// 32-bit x86 has two ways to each call of sockets and of System V IPC: a
    /// number of its own, and `socketcall(2)` or `ipc(2)` with the call's
    /// number as first argument. A rule for one way holds for both.
    fn carried(&self, &(_, carrier, call): &Carried, rule: u32) -> Option<Hit> {
        // The arguments lie in memory there, where a filter cannot look: what
        // conditions forbid is forbidden whole, what they allow is not allowed.
        let (of, _) = self.rules[rule as usize];
        let lenient = matches!(
            of.action,
            Action::Allow | Action::Log | Action::Trace | Action::Notify
        );
        if lenient && !of.args.is_empty() {
            return None;
        }
        let number = Architecture::X86.number(table::find(carrier)?)?;
        Some(Hit::new(number, rule, call))
    }

    /// What the rules that name one number make of it, in their order.
    fn outcome(&self, hits: &[Hit]) -> Result<Outcome> {
        let mut outcome = Outcome::plain(self.default);
        for hit in hits {
            let (rule, answer) = self.rules[hit.rule()];
            let carried = hit.carried();
            if carried != NOT_CARRIED {
                let is_call = Arg {
                    index: 0,
                    value: u64::from(carried),
                    value_two: 0,
                    op: Comparison::Equal,
                };
                outcome.conditional.push((vec![is_call], answer));
            } else if rule.args.is_empty() {
                // It beats those with conditions, and those that come later.
                return Ok(Outcome::plain(answer));
            } else if repeats(&rule.args) {
                // As runc reads it: conditions on one argument are alternatives.
                let each = rule.args.iter().map(|arg| (vec![arg.clone()], answer));
                outcome.conditional.extend(each);
            } else {
                let mut args = rule.args.clone();
                args.sort_by_key(|arg| arg.index);
                outcome.conditional.push((args, answer));
            }
        }
        let all = &mut outcome.conditional;
        all.sort_by_key(|(args, _)| rank(args));
        for (index, (args, answer)) in all.iter().enumerate() {
            let contradicts = |(a, other): &(Vec<Arg>, u32)| a == args && other != answer;
            if all[..index].iter().any(contradicts) {
                return Err(refused(
                    "syscalls",
                    "two rules have the same call and the same conditions, and different actions",
                    "keep one of them",
                ));
            }
        }
        all.dedup();
        Ok(outcome)
    }
}

/// That a rule names a number: in one word, since there are a thousand to sort.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hit(u64);

impl Hit {
    const MOST_RULES: usize = 1 << 24;

    /// `carried` is the call's first argument where another carries it.
    fn new(number: u32, rule: u32, carried: u32) -> Self {
        Self(u64::from(number) << 32 | u64::from(rule) << 8 | u64::from(carried))
    }

    fn number(self) -> u32 {
        (self.0 >> 32) as u32
    }

    fn rule(self) -> usize {
        (self.0 as u32 >> 8) as usize
    }

    fn carried(self) -> u32 {
        self.0 as u32 & 0xff
    }
}

/// What a hit has that is the call itself.
const NOT_CARRIED: u32 = 0;

/// Appends a range, or lets the last one go on where it has the same outcome.
fn put(all: &mut Vec<(u32, Outcome)>, start: u32, outcome: Outcome) {
    if all.last().is_none_or(|(_, last)| *last != outcome) {
        all.push((start, outcome));
    }
}

/// What is wrong with a rule wherever it applies.
fn check(field: &str, rule: &Rule) -> Result<()> {
    if rule.names.is_empty() {
        let field = format!("{field}.names");
        let remedy = "name one, or remove the rule";
        return Err(refused(&field, "it names no call", remedy));
    }
    if let Some(at) = rule.args.iter().position(|arg| arg.index > 5) {
        let field = format!("{field}.args[{at}].index");
        let reason = format!("{} is out of range", rule.args[at].index);
        return Err(refused(&field, &reason, "0 to 5"));
    }
    Ok(())
}

fn repeats(args: &[Arg]) -> bool {
    let again = |(i, a): (usize, &Arg)| args[..i].iter().any(|b| b.index == a.index);
    args.iter().enumerate().any(again)
}

/// Which of two conditional rules is asked first: the lower.
fn rank(args: &[Arg]) -> (u8, u64) {
    use Comparison::{Equal, Greater, GreaterEqual, Less, LessEqual, MaskedEqual};
    let exact = |arg: &Arg| matches!(arg.op, Equal | MaskedEqual);
    match args {
        all if all.iter().all(exact) => (0, 0),
        [one] if matches!(one.op, Less | LessEqual) => (1, one.value),
        [one] if matches!(one.op, Greater | GreaterEqual) => (2, u64::MAX - one.value),
        _ => (3, 0),
    }
}
