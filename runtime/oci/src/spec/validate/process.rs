//! What `process` must and must not say.

use super::{invalid, shown};
use crate::error::Result;
use crate::spec::{Policy, Process, Rlimit, Scheduler, SchedulerFlag, User, parse_cpus};

/// The kernel takes no id of this number: it stands for "leave it as it is".
const NO_ID: u32 = u32::MAX;
/// `NGROUPS_MAX`, `limits.h`.
const MOST_GROUPS: usize = 65536;

pub(super) fn check(process: &Process) -> Result<()> {
    if process.args.is_empty() {
        let remedy = "name the program to run";
        return Err(invalid("process.args", "args must not be empty", remedy));
    }
    if process.args[0].is_empty() {
        let reason = "the program's name is empty";
        return Err(invalid(
            "process.args[0]",
            reason,
            "name the program to run",
        ));
    }
    if process.cwd.as_os_str().is_empty() {
        let reason = "Cwd property must not be empty";
        return Err(invalid("process.cwd", reason, "write \"/\""));
    }
    if !process.cwd.has_root() {
        let reason = format!(
            "Cwd must be an absolute path, and `{}` is not",
            process.cwd.display()
        );
        return Err(invalid("process.cwd", &reason, "start it with `/`"));
    }
    environment(&process.env)?;
    user(&process.user)?;
    if let Some(score) = process.oom_score_adj
        && !(-1000..=1000).contains(&score)
    {
        let reason = format!("{score} is out of range");
        return Err(invalid("process.oomScoreAdj", &reason, "-1000 to 1000"));
    }
    limits(&process.rlimits)?;
    if let Some(scheduler) = &process.scheduler {
        check_scheduler(scheduler)?;
    }
    let affinity = process.exec_cpu_affinity.iter();
    for (name, list) in affinity.flat_map(|a| [("initial", &a.initial), ("final", &a.last)]) {
        if let Some(list) = list.as_deref().filter(|list| !list.is_empty())
            && let Err(reason) = parse_cpus(list)
        {
            let field = format!("process.execCPUAffinity.{name}");
            return Err(invalid(&field, &reason, "as in 0-3,7"));
        }
    }
    if let Some(io) = &process.io_priority
        && !(0..=7).contains(&io.priority)
    {
        let reason = format!("{} is out of range", io.priority);
        let remedy = "0, the highest, to 7";
        return Err(invalid("process.ioPriority.priority", &reason, remedy));
    }
    Ok(())
}

/// A zero byte would end the string for the kernel, and an entry without a
/// name is one that no program can ask for.
fn environment(env: &[String]) -> Result<()> {
    for (index, entry) in env.iter().enumerate() {
        let reason = match entry.find('=') {
            None => format!(
                "`{}` is an invalid environment variable: it has no `=`",
                shown(entry)
            ),
            Some(0) => format!(
                "environment variable name can't be empty: `{}`",
                shown(entry)
            ),
            Some(_) => continue,
        };
        let field = format!("process.env[{index}]");
        return Err(invalid(&field, &reason, "write KEY=value"));
    }
    Ok(())
}

fn user(user: &User) -> Result<()> {
    let ids = [("uid", user.uid), ("gid", user.gid)];
    if let Some((name, _)) = ids.into_iter().find(|&(_, id)| id == NO_ID) {
        let field = format!("process.user.{name}");
        let reason = format!("{NO_ID} is no id");
        return Err(invalid(&field, &reason, "0 to 4294967294"));
    }
    if let Some(index) = user.additional_gids.iter().position(|&id| id == NO_ID) {
        let field = format!("process.user.additionalGids[{index}]");
        let reason = format!("{NO_ID} is no id");
        return Err(invalid(&field, &reason, "0 to 4294967294"));
    }
    if user.additional_gids.len() > MOST_GROUPS {
        let reason = format!("there are {}", user.additional_gids.len());
        let remedy = "the kernel takes 65536";
        return Err(invalid("process.user.additionalGids", &reason, remedy));
    }
    if let Some(mask) = user.umask.filter(|&mask| mask > 0o777) {
        let reason = format!("{mask} is out of range");
        return Err(invalid(
            "process.user.umask",
            &reason,
            "0 to 511 (octal 777); JSON has no octal numbers, 022 is 18",
        ));
    }
    Ok(())
}

fn limits(limits: &[Rlimit]) -> Result<()> {
    for (index, limit) in limits.iter().enumerate() {
        if limits[..index].iter().any(|other| other.kind == limit.kind) {
            let field = format!("process.rlimits[{index}].type");
            let reason = format!("`{}` is given twice", shown(&limit.kind));
            return Err(invalid(&field, &reason, "keep one"));
        }
    }
    Ok(())
}

/// Each policy takes some of the numbers only (`sched_setattr(2)`).
fn check_scheduler(scheduler: &Scheduler) -> Result<()> {
    let fail = |name: &str, reason: &str, remedy: &str| {
        Err(invalid(
            &format!("process.scheduler.{name}"),
            reason,
            remedy,
        ))
    };
    let Scheduler {
        policy,
        nice,
        priority,
        runtime,
        deadline,
        period,
        ..
    } = *scheduler;
    if policy == Policy::Iso {
        let reason = "no kernel has SCHED_ISO";
        return fail(
            "policy",
            reason,
            "SCHED_OTHER, SCHED_BATCH, SCHED_IDLE, SCHED_FIFO, SCHED_RR or SCHED_DEADLINE",
        );
    }
    if !(-20..=19).contains(&nice) {
        return fail("nice", &format!("{nice} is out of range"), "-20 to 19");
    }
    if matches!(policy, Policy::Fifo | Policy::RoundRobin) {
        if !(1..=99).contains(&priority) {
            return fail(
                "priority",
                &format!("{priority} is out of range"),
                "1 to 99",
            );
        }
    } else if priority != 0 {
        let reason = format!("{priority} is only for SCHED_FIFO and SCHED_RR");
        return fail("priority", &reason, "remove it, or change the policy");
    }
    if policy == Policy::Deadline {
        let ordered = 1024 <= runtime && runtime <= deadline && (period == 0 || deadline <= period);
        if !ordered {
            let reason =
                format!("runtime {runtime}, deadline {deadline}, period {period} do not fit");
            let remedy = "1024 <= runtime <= deadline <= period, in nanoseconds; period may be 0";
            return fail("runtime", &reason, remedy);
        }
    } else if (runtime, deadline, period) != (0, 0, 0) {
        let reason = "runtime, deadline and period are only for SCHED_DEADLINE";
        return fail("runtime", reason, "remove them, or change the policy");
    }
    let clamp = |flag: &SchedulerFlag| {
        matches!(
            flag,
            SchedulerFlag::UtilizationAtLeast | SchedulerFlag::UtilizationAtMost
        )
    };
    if scheduler.flags.iter().any(clamp) {
        let reason =
            "a clamp of utilization needs a value, and the specification has no field for it";
        return fail("flags", reason, "remove SCHED_FLAG_UTIL_CLAMP_MIN and _MAX");
    }
    Ok(())
}
