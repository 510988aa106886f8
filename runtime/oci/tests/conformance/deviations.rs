//! Where a peer is known to differ from the specification, with what it does
//! instead: its trials expect to fail, and are shown as ignored with the reason.
//!
//! The peers are those of Debian 12: runc 1.1.5 was written to version 1.0.2 of
//! the specification, crun 1.8.1 to 1.0.0 with parts of 1.1.

use crate::subject::{Runtime, Subject};

/// A row of the table.
#[derive(Clone, Copy)]
struct Deviation {
    runtime: Runtime,
    who: Who,
    claim: &'static str,
    /// What it does instead.
    why: &'static str,
    /// Whether it depends on who is faster.
    race: bool,
}

/// As whom a peer deviates.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Who {
    Both,
    Root,
    User,
}

const fn runc(claim: &'static str, why: &'static str) -> Deviation {
    Deviation {
        runtime: Runtime::Runc,
        who: Who::Both,
        claim,
        why,
        race: false,
    }
}

const fn crun(claim: &'static str, why: &'static str) -> Deviation {
    Deviation {
        runtime: Runtime::Crun,
        ..runc(claim, why)
    }
}

const fn race(deviation: Deviation) -> Deviation {
    Deviation {
        race: true,
        ..deviation
    }
}

const fn only(who: Who, deviation: Deviation) -> Deviation {
    Deviation { who, ..deviation }
}

const NO_SCHEDULER: &str =
    "`scheduler` came with 1.1 of the specification; it is unknown to it, and ignored";
const NO_IO_PRIORITY: &str =
    "`ioPriority` came with 1.1 of the specification; it is unknown to it, and ignored";
const DELETES_CREATED: &str = "it kills a created container and deletes it";
const FORKED_START: &str =
    "its start returns before the startContainer hooks have run, and never hears that one failed";
const NO_NAMES: &str = "it takes a rule without names for no rule";
const IGNORES_METADATA: &str = "it ignores it";
const SLAVE: &str = "it makes the host's root a slave and no mount below it, such as the one in which the bundle is";
const RELATIVE: &str = "it takes a relative path from the root";
const NO_PERSONALITY: &str = "it knows no `personality`, and ignores it";
const NO_DEVICES: &str =
    "`netDevices` came with 1.3 of the specification; it is unknown to it, and ignored";
const NO_BURST: &str =
    "`burst` came with 1.1 of the specification; it is unknown to it, and ignored";
const EMPTY_KEY: &str = "it takes an empty key for a key";

const NO_TIME: &str =
    "as root, its child dies in a new time namespace (`write to sync socket: Broken pipe`)";
const NO_POSTSTOP: &str = "where create fails it calls no poststop hooks";

const BOTH: &str = "it sets the one, and then the other";
const ONE_OF_TWO: &str = "it takes one of the two, and says nothing";
const MISSING_IS_ZERO: &str = "it takes a number that is missing for 0";
const NO_FLAGS: &str = "it ignores `flags`";
const GIVES_TO_ROOT: &str =
    "with version 2 it gives the group to the container's root, whatever is mounted";
const OCCUPIED: &str = "it puts the container into it, and says nothing";
const EARLY_POSTSTART: &str = "its poststart hooks run at create (opencontainers/runc#5186)";
const HANDS_ON_DEFAULTS: &str =
    "it hands `defaults` to the file system, which may refuse it, as tmpfs does";
const NO_MOUNT_MAPPINGS: &str =
    "mappings of mounts came with 1.1 of the specification; they are unknown to it, and ignored";
const NO_TIME_NAMESPACES: &str = "it knows no time namespaces";
const KEEPS_THE_FILE: &str = "it leaves the file where it is, and says nothing";
const MUST_READ: &str = "it takes a hook that does not read its input for one that failed";

const TABLE: &[Deviation] = &[
    runc("a_created_container_cannot_be_deleted", DELETES_CREATED),
    runc(
        "a_version_that_is_none_is_refused",
        "it does not look at `ociVersion`",
    ),
    runc(
        "a_domainname_is_that_of_the_container",
        "`domainname` came with 1.1 of the specification; it is unknown to it, and ignored",
    ),
    runc("a_scheduler_is_that_of_the_configuration", NO_SCHEDULER),
    runc("a_real_time_scheduler_has_its_priority", NO_SCHEDULER),
    runc("a_scheduler_that_is_none_is_refused", NO_SCHEDULER),
    runc(
        "an_io_priority_is_that_of_the_configuration",
        NO_IO_PRIORITY,
    ),
    runc(
        "hooks_are_called_at_their_time_and_in_order",
        EARLY_POSTSTART,
    ),
    runc("poststart_hooks_follow_the_program", EARLY_POSTSTART),
    runc(
        "hooks_read_the_state_from_their_standard_input",
        "its poststart hooks run at create, and read `created`",
    ),
    runc(
        "a_failing_poststart_hook_stops_the_container",
        "its poststart hooks run at create, and end that",
    ),
    runc("a_failing_start_container_hook_ends_start", FORKED_START),
    runc(
        "a_failing_poststop_hook_only_warns",
        "it calls no hook after one that failed (opencontainers/runc#1765)",
    ),
    runc("an_annotation_without_a_key_is_refused", EMPTY_KEY),
    runc("the_option_defaults_changes_nothing", HANDS_ON_DEFAULTS),
    runc("an_idmapped_mount_shows_other_owners", NO_MOUNT_MAPPINGS),
    runc(
        "an_idmapped_mount_without_mappings_is_refused",
        "`idmap` came with 1.2 of the specification; for a bind mount it is ignored",
    ),
    runc(
        "mappings_of_users_and_groups_come_together",
        NO_MOUNT_MAPPINGS,
    ),
    runc("a_time_namespace_is_new", NO_TIME_NAMESPACES),
    runc("clocks_have_their_offsets", NO_TIME_NAMESPACES),
    runc("a_clock_that_has_no_offset_is_refused", NO_TIME_NAMESPACES),
    runc(
        "a_user_namespace_with_a_path_is_joined",
        "it demands mappings for a user namespace that has them already",
    ),
    runc("a_device_that_is_another_file_is_refused", KEEPS_THE_FILE),
    runc(
        "a_device_needs_its_type_and_path",
        "it takes a device without a path",
    ),
    runc(
        "an_errno_for_an_action_without_one_is_refused",
        "it ignores the number",
    ),
    runc("a_rule_has_at_least_one_name", NO_NAMES),
    runc(
        "a_word_that_seccomp_does_not_know_is_refused",
        "without `defaultAction` it makes no filter",
    ),
    runc(
        "the_flags_of_a_filter_are_accepted",
        "`seccomp flags are not yet supported by runc`",
    ),
    runc("metadata_without_a_listener_is_refused", IGNORES_METADATA),
    only(
        Who::Root,
        runc(
            "a_root_has_its_propagation",
            "the root is not shared where `shared` is asked for",
        ),
    ),
    only(
        Who::Root,
        runc("a_slave_root_receives_what_the_host_mounts", SLAVE),
    ),
    runc("masked_and_read_only_paths_are_absolute", RELATIVE),
    runc("a_personality_that_is_none_is_refused", NO_PERSONALITY),
    runc("a_personality_is_that_of_the_configuration", NO_PERSONALITY),
    runc("a_network_device_is_moved_into_the_container", NO_DEVICES),
    runc("a_network_device_that_is_not_there_is_refused", NO_DEVICES),
    runc(
        "every_mount_option_of_the_features_document_is_recognised",
        HANDS_ON_DEFAULTS,
    ),
    runc(
        "every_word_of_seccomp_in_the_features_document_is_recognised",
        "its library refuses architectures of another byte order in one filter",
    ),
    runc("a_burst_of_the_processors_is_written", NO_BURST),
    runc(
        "a_group_can_be_idle",
        "`idle` came with 1.1 of the specification; it is unknown to it, and ignored",
    ),
    runc(
        "json_that_is_not_utf8_is_refused",
        "it takes a byte that is none for U+FFFD",
    ),
    runc("a_name_that_is_given_twice_is_refused", ONE_OF_TWO),
    runc("a_limit_that_is_given_twice_is_refused", BOTH),
    runc(
        "a_limit_that_version_two_has_not_is_refused",
        "it leaves out what version 2 has not",
    ),
    runc("a_property_that_is_required_is_demanded", MISSING_IS_ZERO),
    runc("a_number_that_is_required_is_demanded", MISSING_IS_ZERO),
    runc(
        "a_flag_of_a_scheduler_that_is_none_is_refused",
        NO_SCHEDULER,
    ),
    runc("an_io_priority_that_is_none_is_refused", NO_IO_PRIORITY),
    runc("flags_of_a_personality_are_refused", NO_PERSONALITY),
    runc("a_hook_of_start_or_delete_is_aborted_too", FORKED_START),
    runc("poststop_hooks_follow_a_start_that_failed", FORKED_START),
    runc("a_time_namespace_with_a_path_is_joined", NO_TIME_NAMESPACES),
    runc(
        "a_group_that_holds_a_process_is_refused_or_told_of",
        OCCUPIED,
    ),
    runc(
        "a_group_belongs_to_the_user_who_can_write_it",
        "it gives a group away where systemd made it, and no other",
    ),
    runc("a_network_device_gets_a_name_from_a_template", NO_DEVICES),
    runc("a_network_device_stays_in_its_namespace", NO_DEVICES),
    runc(
        "a_weight_of_a_device_has_at_least_one_number",
        "it takes an entry that weighs nothing",
    ),
    crun("a_created_container_cannot_be_deleted", DELETES_CREATED),
    crun(
        "an_invalid_id_is_refused",
        "it takes an id that begins with a slash",
    ),
    crun(
        "every_version_of_the_first_major_one_is_accepted",
        "it refuses 1.2.0, which is newer than what it knows",
    ),
    crun(
        "a_value_of_the_wrong_type_is_refused",
        "its parser takes a property of another type for one that is not there",
    ),
    crun(
        "a_value_that_is_not_in_the_list_is_refused",
        "it takes any word for a propagation",
    ),
    crun(
        "a_working_directory_that_is_not_absolute_is_refused",
        "it enters a relative directory, from the root",
    ),
    crun(
        "a_process_without_arguments_is_refused",
        "it creates a container without `args`, and its start does not hear that nothing was executed",
    ),
    crun(
        "a_capability_that_cannot_be_granted_is_warned_of",
        "it leaves it out without a word",
    ),
    crun("a_scheduler_is_that_of_the_configuration", NO_SCHEDULER),
    crun("a_real_time_scheduler_has_its_priority", NO_SCHEDULER),
    crun("a_scheduler_that_is_none_is_refused", NO_SCHEDULER),
    crun(
        "an_io_priority_is_that_of_the_configuration",
        NO_IO_PRIORITY,
    ),
    race(crun(
        "hooks_are_called_at_their_time_and_in_order",
        "its poststart hooks run beside the startContainer hooks",
    )),
    race(crun(
        "poststart_hooks_follow_the_program",
        "its start does not wait until the program is executed",
    )),
    crun(
        "hooks_read_the_state_from_their_standard_input",
        "hooks of create read `created`, not `creating`",
    ),
    race(crun(
        "a_hook_without_arguments_is_called_by_its_path",
        MUST_READ,
    )),
    crun("a_hook_need_not_read_its_input", MUST_READ),
    crun(
        "a_hook_whose_timeout_is_not_positive_is_refused",
        "it takes 0 for no timeout",
    ),
    crun("a_failing_prestart_hook_ends_create", NO_POSTSTOP),
    crun("a_failing_create_runtime_hook_ends_create", NO_POSTSTOP),
    crun("a_failing_create_container_hook_ends_create", NO_POSTSTOP),
    crun("a_failing_start_container_hook_ends_start", FORKED_START),
    crun(
        "a_failing_poststart_hook_stops_the_container",
        "it warns, as the specification had it until 1.2",
    ),
    crun("an_annotation_without_a_key_is_refused", EMPTY_KEY),
    crun(
        "annotations_that_are_no_strings_are_refused",
        "its parser takes annotations of another type for none",
    ),
    crun(
        "an_idmapped_mount_without_mappings_is_refused",
        "`ridmap` is unknown to it; for a bind mount it is ignored",
    ),
    crun(
        "options_undo_what_stands_before_them",
        "options that take back are ignored",
    ),
    crun(
        "options_of_the_file_system_are_set",
        "it hands `iversion` to the file system, which refuses it",
    ),
    only(
        Who::Root,
        crun(
            "a_mount_has_its_propagation",
            "a bind mount is not shared, whatever its options say",
        ),
    ),
    only(Who::Root, crun("a_time_namespace_is_new", NO_TIME)),
    only(Who::Root, crun("clocks_have_their_offsets", NO_TIME)),
    only(
        Who::Root,
        crun("a_clock_that_has_no_offset_is_refused", NO_TIME),
    ),
    crun(
        "a_namespace_that_is_listed_twice_is_refused",
        "it takes the entries for one",
    ),
    crun("a_device_that_is_another_file_is_refused", KEEPS_THE_FILE),
    only(
        Who::Root,
        crun(
            "a_device_needs_its_type_and_path",
            "it takes a device of a type that is none",
        ),
    ),
    only(
        Who::User,
        crun(
            "an_ordinary_user_gets_devices_of_the_host",
            "a device that is listed ends in `unshare CLONE_NEWNS: Operation not permitted`",
        ),
    ),
    crun("a_rule_has_at_least_one_name", NO_NAMES),
    crun(
        "an_rdma_limit_has_at_least_one_number",
        "it takes an entry that limits nothing",
    ),
    only(
        Who::Root,
        crun(
            "a_standard_stream_keeps_its_owner",
            "it makes the container's root the owner, of the host's own `/dev/null` too",
        ),
    ),
    crun(
        "a_listener_without_its_action_is_ignored",
        "it connects to it all the same",
    ),
    crun("metadata_without_a_listener_is_refused", IGNORES_METADATA),
    only(
        Who::Root,
        crun("a_slave_root_receives_what_the_host_mounts", SLAVE),
    ),
    crun("masked_and_read_only_paths_are_absolute", RELATIVE),
    crun(
        "a_cache_allocation_without_resctrl_is_refused",
        "it ignores `intelRdt`",
    ),
    crun("a_network_device_is_moved_into_the_container", NO_DEVICES),
    crun("a_network_device_that_is_not_there_is_refused", NO_DEVICES),
    only(
        Who::Root,
        crun(
            "a_group_does_not_leave_its_hierarchy",
            "it follows `..` out of the mount point, and makes directories and a file in the host's root",
        ),
    ),
    crun("a_burst_of_the_processors_is_written", NO_BURST),
    crun(
        "json_that_is_not_utf8_is_refused",
        "its parser takes surrogates, which UTF-8 has not",
    ),
    crun("a_name_that_is_given_twice_is_refused", ONE_OF_TWO),
    crun("a_limit_that_is_given_twice_is_refused", BOTH),
    crun("a_property_that_is_required_is_demanded", MISSING_IS_ZERO),
    crun("a_number_that_is_required_is_demanded", MISSING_IS_ZERO),
    crun(
        "a_flag_of_a_scheduler_that_is_none_is_refused",
        NO_SCHEDULER,
    ),
    crun("an_io_priority_that_is_none_is_refused", NO_IO_PRIORITY),
    crun("flags_of_a_personality_are_refused", NO_FLAGS),
    crun("a_hook_of_start_or_delete_is_aborted_too", FORKED_START),
    crun("poststop_hooks_follow_a_start_that_failed", FORKED_START),
    crun(
        "a_failing_poststop_hook_is_warned_of",
        "it says nothing of it",
    ),
    crun(
        "a_time_namespace_with_a_path_is_joined",
        "it fails without a word",
    ),
    crun(
        "a_group_that_holds_a_process_is_refused_or_told_of",
        OCCUPIED,
    ),
    crun(
        "a_group_belongs_to_the_user_who_can_write_it",
        GIVES_TO_ROOT,
    ),
    crun(
        "a_group_that_nobody_can_write_stays_the_runtimes",
        GIVES_TO_ROOT,
    ),
    crun("a_network_device_gets_a_name_from_a_template", NO_DEVICES),
    crun("a_network_device_stays_in_its_namespace", NO_DEVICES),
];

/// Why `subject` is known to fail the claim, and whether it may pass by chance.
pub(crate) fn of(subject: Subject, claim: &str) -> Option<(&'static str, bool)> {
    let who = if subject.rootless {
        Who::User
    } else {
        Who::Root
    };
    TABLE
        .iter()
        .find(|row| {
            row.runtime == subject.runtime
                && (row.who == Who::Both || row.who == who)
                && row.claim == claim
        })
        .map(|row| (row.why, row.race))
}
