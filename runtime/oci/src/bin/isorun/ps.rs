//! `isorun ps`: the processes of a container, as ps(1) shows them or as ids.

use std::io;
use std::process::{Command, Stdio};

use crate::columns;
use crate::failure::{Failure, in_words};

/// The table: the lines of `ps` whose process is one of `pids`, below its heading.
pub(crate) fn table(pids: &[i32], options: &[&str]) -> Result<String, Failure> {
    let default = ["-ef"];
    let options = if options.is_empty() {
        &default
    } else {
        options
    };
    let output = Command::new("ps")
        .args(options)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            filtered(&String::from_utf8_lossy(&output.stdout), pids)
        }
        Ok(output) => Err(Failure::new(
            format!("`ps {}` failed: {}", options.join(" "), output.status),
            "what follows the container's id is given to ps(1)",
        )),
        Err(error) if error.kind() == io::ErrorKind::NotFound && options == default => {
            Ok(without_ps(pids))
        }
        Err(error) => Err(Failure::new(
            format!("cannot execute ps: {}", in_words(&error)),
            "`--format json` needs no ps(1)",
        )),
    }
}

/// The heading of what ps(1) said, and the lines about `pids`.
fn filtered(said: &str, pids: &[i32]) -> Result<String, Failure> {
    let mut lines = said.lines();
    let heading = lines.next().unwrap_or_default();
    let column = heading.split_whitespace().position(|word| word == "PID");
    let column = column.ok_or_else(|| {
        Failure::new(
            "couldn't find PID field in ps output",
            "have ps(1) print the column, as in `-o pid,comm`",
        )
    })?;
    let ours = lines.filter(|line| {
        let pid = line.split_whitespace().nth(column);
        pid.and_then(|pid| pid.parse().ok())
            .is_some_and(|pid| pids.contains(&pid))
    });
    Ok(std::iter::once(heading)
        .chain(ours)
        .flat_map(|line| [line, "\n"])
        .collect())
}

/// The essentials from /proc, for a host without ps(1).
fn without_ps(pids: &[i32]) -> String {
    let mut rows = vec![["PID", "PPID", "CMD"].map(str::to_owned).to_vec()];
    for pid in pids {
        // One that has ended meanwhile is not there any more.
        let Ok(stat) = std::fs::read_to_string(format!("/proc/{pid}/stat")) else {
            continue;
        };
        // The name, in parentheses, may have spaces and parentheses of its own.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields);
        let parent = fields.split_whitespace().nth(1).unwrap_or_default();
        let name = stat
            .split_once('(')
            .and_then(|(_, rest)| rest.rsplit_once(')'));
        let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let command: Vec<_> = command
            .split(|&byte| byte == 0)
            .filter(|word| !word.is_empty())
            .map(String::from_utf8_lossy)
            .collect();
        let command = match (command.is_empty(), name) {
            (true, Some((name, _))) => format!("[{name}]"),
            _ => command.join(" "),
        };
        rows.push(vec![pid.to_string(), parent.to_owned(), command]);
    }
    columns::table(&rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_containers_processes_are_left() {
        let said =
            "UID        PID  PPID CMD\nroot         1     0 init 7\nroot         7     1 sleep\n";
        assert_eq!(
            filtered(said, &[7]).unwrap(),
            "UID        PID  PPID CMD\nroot         7     1 sleep\n"
        );
        assert!(
            filtered("COMMAND\nsh\n", &[7])
                .unwrap_err()
                .message
                .contains("PID")
        );
    }

    #[test]
    fn a_host_without_ps_is_answered_from_proc() {
        let pid = i32::try_from(std::process::id()).unwrap();
        let table = without_ps(&[pid, i32::MAX]);
        assert_eq!(table.lines().count(), 2, "{table}");
        assert!(table.contains(&pid.to_string()), "{table}");
    }
}
