//! config.md, Valid values: what is no valid value of a property of its own section.

use serde_json::{Value, json};

use crate::case::Case;
use crate::subject::Subject;
use crate::{Claim, anyone, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "a_flag_of_a_scheduler_that_is_none_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "`flags` of a scheduler are those that are defined",
        need: anyone,
        test: scheduler_flags,
    },
    Claim {
        name: "an_io_priority_that_is_none_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "the class of `ioPriority` is one of three, its priority 0 to 7",
        need: anyone,
        test: io_priorities,
    },
    Claim {
        name: "an_oom_score_out_of_its_range_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "a value that the kernel does not take for `oomScoreAdj` is an error",
        need: anyone,
        test: oom_scores,
    },
    Claim {
        name: "flags_of_a_personality_are_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "no flag of a personality is supported yet: one is an error",
        need: anyone,
        test: personality_flags,
    },
    Claim {
        name: "an_argument_that_no_call_has_is_refused",
        section: "config.md, Valid values",
        level: "MUST",
        gist: "the index of a comparison is that of an argument: 0 to 5",
        need: anyone,
        test: argument_index,
    },
    Claim {
        name: "a_weight_of_a_device_has_at_least_one_number",
        section: "config-linux.md, Block IO",
        level: "MUST",
        gist: "an entry of `weightDevice` has `weight` or `leafWeight`; one with neither is an error",
        need: root,
        test: weights,
    },
    Claim {
        name: "a_page_size_that_is_none_is_refused",
        section: "config-linux.md, Huge page limits",
        level: "MUST",
        gist: "`pageSize` is the size of a page that the kernel has, written as in 2MB",
        need: root,
        test: page_sizes,
    },
];

/// Each of `values` at `part`.`key` is refused.
fn refused(subject: Subject, part: &str, key: &str, values: &[Value]) {
    let case = Case::new(subject);
    for value in values {
        let mut config = case.config("true");
        config[part][key] = value.clone();
        case.refused(format!("{key} = {value}"), &config);
    }
}

fn scheduler_flags(subject: Subject) {
    let scheduler = json!({ "policy": "SCHED_OTHER", "flags": ["SCHED_FLAG_SING"] });
    refused(subject, "process", "scheduler", &[scheduler]);
}

fn io_priorities(subject: Subject) {
    let values = [
        json!({ "class": "IOPRIO_CLASS_FIRST", "priority": 0 }),
        json!({ "priority": 0 }),
        json!({ "class": "IOPRIO_CLASS_BE", "priority": 8 }),
        json!({ "class": "IOPRIO_CLASS_BE", "priority": -1 }),
    ];
    refused(subject, "process", "ioPriority", &values);
}

fn oom_scores(subject: Subject) {
    let values = [json!(1001), json!(-1001), json!(1_000_000)];
    refused(subject, "process", "oomScoreAdj", &values);
}

fn personality_flags(subject: Subject) {
    let value = json!({ "domain": "LINUX", "flags": ["ADDR_NO_RANDOMIZE"] });
    refused(subject, "linux", "personality", &[value]);
}

fn argument_index(subject: Subject) {
    let filter = |index: u32| {
        json!({
            "defaultAction": "SCMP_ACT_ALLOW",
            "syscalls": [{
                "names": ["acct"], "action": "SCMP_ACT_ERRNO",
                "args": [{ "index": index, "value": 1, "op": "SCMP_CMP_EQ" }]
            }]
        })
    };
    refused(subject, "linux", "seccomp", &[filter(6), filter(1000)]);
}

fn weights(subject: Subject) {
    let entry = json!({ "blockIO": { "weightDevice": [{ "major": 8, "minor": 0 }] } });
    refused(subject, "linux", "resources", &[entry]);
}

fn page_sizes(subject: Subject) {
    let limit = |size: &str| json!({ "hugepageLimits": [{ "pageSize": size, "limit": 0 }] });
    let values = ["", "2", "2MiB", "two", "3MB", "2MB/../2MB"].map(limit);
    refused(subject, "linux", "resources", &values);
}
