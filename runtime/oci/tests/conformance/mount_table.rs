//! `/proc/PID/mountinfo`, as a program in a container reads it.

/// One line (`proc_pid_mountinfo(5)`).
#[derive(Clone, Debug)]
pub(crate) struct Mount {
    pub(crate) target: String,
    options: Vec<String>,
    /// Propagation: `shared:1`, `master:1`, `unbindable`.
    pub(crate) tags: Vec<String>,
    pub(crate) kind: String,
    file_system: Vec<String>,
}

impl Mount {
    /// Whether the mount has an option.
    pub(crate) fn has(&self, option: &str) -> bool {
        self.options.iter().any(|found| found == option)
    }

    /// Whether the file system has an option.
    pub(crate) fn file_system_has(&self, option: &str) -> bool {
        self.file_system.iter().any(|found| found == option)
    }

    /// Whether it has a tag that begins so.
    pub(crate) fn has_tag(&self, tag: &str) -> bool {
        self.tags.iter().any(|found| found.starts_with(tag))
    }
}

/// Reads the lines of `text` that are such lines.
pub(crate) fn table(text: &str) -> Vec<Mount> {
    text.lines().filter_map(mount).collect()
}

fn mount(line: &str) -> Option<Mount> {
    let owned = |text: &str| text.to_owned();
    let list = |text: &str| text.split(',').map(owned).collect();
    let (left, right) = line.split_once(" - ")?;
    let left: Vec<&str> = left.split(' ').collect();
    let right: Vec<&str> = right.split(' ').collect();
    Some(Mount {
        target: owned(left.get(4)?),
        options: list(left.get(5)?),
        tags: left[6..].iter().map(|tag| owned(tag)).collect(),
        kind: owned(right.first()?),
        file_system: list(right.get(2)?),
    })
}

/// The mount that is seen at `target`: the last one there.
#[track_caller]
pub(crate) fn top(table: &[Mount], target: &str) -> Mount {
    let found = table.iter().rev().find(|mount| mount.target == target);
    found
        .unwrap_or_else(|| panic!("nothing is mounted at {target}: {table:#?}"))
        .clone()
}
