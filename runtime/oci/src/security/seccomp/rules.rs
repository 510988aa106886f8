//! From the rules of a policy to what happens at each number.
//!
//! Where several rules name one call, libseccomp's precedence holds, as far as
//! it can be said in words (its users have written their policies to it): a
//! rule with the default's answer says nothing; one without conditions beats
//! those with; of two without, the first; of those with, exact values before
//! ranges, and narrow ranges before wide ones.

use std::collections::BTreeMap;

use super::architecture::{Architecture, Named, X32_BIT};
use super::table::{self, IPC_CALLS, SOCKET_CALLS};
use super::{KILL_THREAD, answer, refused};
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

/// One architecture's part of a policy.
struct Part<'a> {
    policy: &'a Seccomp,
    named: &'a Named,
    architecture: Architecture,
    default: u32,
    at: BTreeMap<u32, Outcome>,
}

/// Half-open ranges that cover every number, each with its outcome.
pub(super) fn ranges(
    policy: &Seccomp,
    named: &Named,
    architecture: Architecture,
) -> Result<Vec<(u32, Outcome)>> {
    let mut part = Part {
        policy,
        named,
        architecture,
        default: answer("default", policy.default_action, policy.default_errno_ret)?,
        at: BTreeMap::new(),
    };
    for (index, rule) in policy.syscalls.iter().enumerate() {
        part.add(index, rule)?;
    }
    part.settle()?;
    Ok(part.cover())
}

impl Part<'_> {
    fn add(&mut self, index: usize, rule: &Rule) -> Result<()> {
        let field = format!("syscalls[{index}]");
        check(&field, rule)?;
        let answer = answer(&field, rule.action, rule.errno_ret)?;
        if answer == self.default {
            return Ok(());
        }
        for name in &rule.names {
            if let Some(row) = table::find(name) {
                for number in self.named.numbers(self.architecture, row) {
                    self.put(number, &rule.args, answer);
                }
            }
            if self.architecture == Architecture::X86 {
                self.add_carried(name, rule, answer);
            }
        }
        Ok(())
    }

    /// 32-bit x86 has two ways to each call of sockets and of System V IPC: a
    /// number of its own, and `socketcall(2)` or `ipc(2)` with the call's
    /// number as first argument. A rule for one way holds for both.
    fn add_carried(&mut self, name: &str, rule: &Rule, answer: u32) {
        let socket = SOCKET_CALLS.iter().position(|&call| call == name);
        let socket = socket.map(|position| ("socketcall", position as u32 + 1));
        let ipc = IPC_CALLS.iter().find(|call| call.0 == name);
        let Some((carrier, call)) = socket.or(ipc.map(|call| ("ipc", call.1))) else {
            return;
        };
        // The arguments lie in memory there, where a filter cannot look: what
        // conditions forbid is forbidden whole, what they allow is not allowed.
        let lenient = matches!(
            rule.action,
            Action::Allow | Action::Log | Action::Trace | Action::Notify
        );
        if lenient && !rule.args.is_empty() {
            return;
        }
        let is_call = Arg {
            index: 0,
            value: u64::from(call),
            value_two: 0,
            op: Comparison::Equal,
        };
        if let Some(number) = table::find(carrier).and_then(|row| self.architecture.number(row)) {
            self.put(number, &[is_call], answer);
        }
    }

    fn put(&mut self, number: u32, args: &[Arg], answer: u32) {
        let default = self.default;
        let outcome = self
            .at
            .entry(number)
            .or_insert_with(|| Outcome::plain(default));
        if args.is_empty() {
            if outcome.otherwise == default {
                outcome.otherwise = answer;
            }
        } else if repeats(args) {
            // As runc reads it: conditions on one argument are alternatives.
            let each = args.iter().map(|arg| (vec![arg.clone()], answer));
            outcome.conditional.extend(each);
        } else {
            let mut args = args.to_vec();
            args.sort_by_key(|arg| arg.index);
            outcome.conditional.push((args, answer));
        }
    }

    /// Puts conditions in their order, and refuses those that contradict.
    fn settle(&mut self) -> Result<()> {
        for outcome in self.at.values_mut() {
            if outcome.otherwise != self.default {
                outcome.conditional.clear();
            }
            let all = &mut outcome.conditional;
            all.sort_by_key(|(args, _)| rank(args));
            for (index, (args, answer)) in all.iter().enumerate() {
                if all[..index]
                    .iter()
                    .any(|(a, other)| a == args && other != answer)
                {
                    return Err(refused(
                        "syscalls",
                        "two rules have the same call and the same conditions, and different actions",
                        "keep one of them",
                    ));
                }
            }
            all.dedup();
        }
        Ok(())
    }

    /// What happens at the numbers that no rule names, by the first of each range.
    fn background(&self) -> Vec<(u32, u32)> {
        let mut all = vec![(0, self.default)];
        let x86_64 = self.architecture == Architecture::X86_64;
        // A call younger than the policy: programs know what to do without
        // one that does not exist, and not without one that is forbidden.
        let lenient =
            [Action::Allow, Action::Log, Action::Trace].contains(&self.policy.default_action);
        let no_such_call = 0x0005_0000 | libc::ENOSYS.cast_unsigned();
        let young = |numbers: std::ops::Range<u32>| {
            let named = |name: &String| table::find(name);
            let rows = self
                .policy
                .syscalls
                .iter()
                .flat_map(|r| &r.names)
                .filter_map(named);
            let all_numbers = rows.flat_map(|row| self.named.numbers(self.architecture, row));
            let last = all_numbers.filter(|number| numbers.contains(number)).max();
            last.filter(|_| !lenient && self.default != no_such_call)
                .map(|last| (last + 1, no_such_call))
        };
        if x86_64 {
            all.extend(young(0..X32_BIT));
            if self.named.x32 {
                all.push((X32_BIT, self.default));
                all.extend(young(X32_BIT..u32::MAX));
            } else {
                all.push((X32_BIT, KILL_THREAD));
            }
        } else {
            all.extend(young(0..u32::MAX));
        }
        // -1 is what a tracer leaves of a call that it has skipped.
        all.push((u32::MAX, self.default));
        all
    }

    fn cover(&self) -> Vec<(u32, Outcome)> {
        let background = self.background();
        let behind = |number: u32| {
            let place = background.partition_point(|&(first, _)| first <= number);
            background[place - 1].1
        };
        let mut starts: Vec<u32> = background.iter().map(|&(first, _)| first).collect();
        starts.extend(self.at.keys().flat_map(|&n| [n, n.saturating_add(1)]));
        starts.sort_unstable();
        starts.dedup();
        let mut all: Vec<(u32, Outcome)> = Vec::with_capacity(starts.len());
        for start in starts {
            let outcome = match self.at.get(&start) {
                Some(outcome) => outcome.clone(),
                None => Outcome::plain(behind(start)),
            };
            if all.last().is_none_or(|(_, last)| *last != outcome) {
                all.push((start, outcome));
            }
        }
        all
    }
}

/// What is wrong with a rule wherever it applies.
fn check(field: &str, rule: &Rule) -> Result<()> {
    if rule.names.is_empty() {
        let field = format!("{field}.names");
        return Err(refused(
            &field,
            "it names no call",
            "name one, or remove the rule",
        ));
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
