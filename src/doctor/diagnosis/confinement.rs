//! What is around us and holds us back: AppArmor, a container, a sandbox, or a
//! system that only imitates Linux.

use super::super::facts::Facts;
use super::super::stage::Stage;
use super::namespace::Explained;
use super::remedy::{Remedy, confinement, sudo, sysctl, sysctl_of_host};

/// The namespace was granted, and what makes it useful was not: only AppArmor
/// does that. Ubuntu moves the process into the profile `unprivileged_userns`,
/// which denies every capability.
pub(super) fn vanished_capabilities(facts: &Facts) -> Explained {
    let (cause, remedies) = apparmor(facts);
    let cause = format!("the namespace was created and its capabilities then denied: {cause}");
    (cause, remedies)
}

pub(super) fn apparmor(facts: &Facts) -> Explained {
    let machine = &facts.machine;
    let sudo = sudo(machine);
    let sysctl_name = "kernel.apparmor_restrict_unprivileged_userns";
    let cause = match facts.policy.apparmor_restrict_userns {
        Some(1) => format!("AppArmor restricts user namespaces ({sysctl_name}=1)"),
        _ => "AppArmor restricts user namespaces".to_owned(),
    };
    if machine.container.is_some() {
        let mut remedies = sysctl_of_host(machine, sysctl_name, "0");
        remedies.extend(confinement(facts));
        return (cause, remedies);
    }
    let mut remedies = vec![Remedy::run(
        "for this program alone",
        [
            format!("{sudo}tee /etc/apparmor.d/isolab <<'END'"),
            "abi <abi/4.0>,".to_owned(),
            format!(
                "profile isolab \"{}\" flags=(unconfined) {{",
                machine.program.display()
            ),
            "  userns,".to_owned(),
            "}".to_owned(),
            "END".to_owned(),
            format!("{sudo}apparmor_parser -r /etc/apparmor.d/isolab"),
        ],
    )];
    remedies.extend(
        sysctl(machine, sysctl_name, "0")
            .into_iter()
            .map(|remedy| Remedy {
                scope: format!("for every program, {}", remedy.scope),
                ..remedy
            }),
    );
    (cause, remedies)
}

/// 'Mount too revealing': a new /proc would show what the outer one hides.
pub(super) fn masked_proc(facts: &Facts) -> Explained {
    let masks: Vec<String> = facts
        .policy
        .over_proc
        .iter()
        .take(3)
        .map(|path| path.display().to_string())
        .collect();
    let remedies = match facts.machine.container.as_deref() {
        Some(_) => confinement(facts),
        None => vec![Remedy::run(
            "",
            masks
                .iter()
                .map(|mask| format!("{}umount {mask}", sudo(&facts.machine))),
        )],
    };
    let cause = format!(
        "parts of /proc are covered here ({}{}), and the kernel mounts no fresh one that would \
         show them",
        masks.join(", "),
        if facts.policy.over_proc.len() > masks.len() {
            ", ..."
        } else {
            ""
        }
    );
    (cause, remedies)
}

/// Refused, with a namespace that works: something confines this process.
pub(super) fn confined(facts: &Facts, stage: Stage) -> Explained {
    if let Some(profile) = &facts.policy.apparmor_profile {
        return (
            format!("the AppArmor profile {profile} forbids it"),
            confinement(facts),
        );
    }
    if facts.policy.seccomp_filters > 0 || facts.machine.container.is_some() {
        return (
            format!("the seccomp filter of {} forbids it", around(facts)),
            confinement(facts),
        );
    }
    if facts.policy.apparmor_restrict_userns == Some(1) {
        return vanished_capabilities(facts);
    }
    (
        format!(
            "a security module of this kernel forbids it ({})",
            stage.title()
        ),
        vec![Remedy::run(
            "see which",
            [format!(
                "{}dmesg | grep -iE 'denied|avc' | tail -3",
                sudo(&facts.machine)
            )],
        )],
    )
}

/// What is around us, as far as it is known.
pub(super) fn around(facts: &Facts) -> String {
    match facts.machine.container.as_deref() {
        Some("unnamed") => "the container around us".to_owned(),
        Some(engine) => format!("the {engine} container around us"),
        None => "the sandbox around us".to_owned(),
    }
}

pub(super) fn wsl1(facts: &Facts) -> Explained {
    let name = facts
        .machine
        .wsl_distribution
        .as_deref()
        .unwrap_or("Ubuntu");
    (
        "this is WSL 1, which imitates Linux and has no namespaces".to_owned(),
        vec![Remedy::run(
            "in PowerShell on Windows",
            [format!("wsl --set-version {name} 2")],
        )],
    )
}
