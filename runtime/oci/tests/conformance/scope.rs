//! What the specification leaves open or a runtime leaves out: it is refused by
//! name, and what is the host's stays as it is.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::case::Case;
use crate::subject::{Runtime, Subject};
use crate::{Claim, Need, anyone, config, root};

pub(crate) const CLAIMS: &[Claim] = &[
    Claim {
        name: "an_rdma_limit_has_at_least_one_number",
        section: "config-linux.md, RDMA",
        level: "MUST",
        gist: "an entry of `rdma` has `hcaHandles` or `hcaObjects`; one with neither is an error",
        need: anyone,
        test: rdma,
    },
    Claim {
        name: "a_standard_stream_keeps_its_owner",
        section: "config-linux.md, User namespace mappings",
        level: "SHOULD NOT",
        gist: "a device of the host that is given as standard input is not given to a user of the container",
        need: device_nodes,
        test: owner,
    },
    Claim {
        name: "what_is_left_out_is_refused_by_name",
        section: "config.md, Linux process",
        level: "OPTIONAL",
        gist: "SELinux labels and memory policies are not done by isorun: a configuration that has one is refused, and the field is named",
        need: left_out,
        test: refused_by_name,
    },
];

/// A node of `/dev/null` can be made and opened where the bundles are.
fn device_nodes(subject: Subject) -> Need {
    root(subject)?;
    let directory = tempfile::tempdir().unwrap();
    let node = directory.path().join("null");
    match make_null(&node).and_then(|()| File::open(node)) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("no device node can be made here: {error}")),
    }
}

fn make_null(node: &Path) -> io::Result<()> {
    let made = Command::new("mknod")
        .arg(node)
        .args(["c", "1", "3"])
        .output()?;
    match made.status.success() {
        true => Ok(()),
        false => Err(io::Error::other(
            String::from_utf8_lossy(&made.stderr).into_owned(),
        )),
    }
}

fn left_out(subject: Subject) -> Need {
    match subject.runtime {
        Runtime::Isorun => Ok(()),
        _ => Err("is about what isorun leaves out".to_owned()),
    }
}

fn rdma(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("true");
    config["linux"]["resources"] = json!({ "rdma": { "mlx5_1": {} } });
    case.refused("neither handles nor objects", &config);
}

fn owner(subject: Subject) {
    let case = Case::new(subject);
    let mut config = case.config("cat; echo read");
    config::namespace(&mut config, json!({ "type": "user" }));
    let map = json!([{ "containerID": 0, "hostID": 100_000, "size": 1000 }]);
    config["linux"]["uidMappings"] = map.clone();
    config["linux"]["gidMappings"] = map;
    let node = case.beside("null");
    make_null(&node).unwrap();
    let owners = || {
        let information = fs::metadata(&node).unwrap();
        (information.uid(), information.gid())
    };
    let before = owners();
    let container = case.create_reading(&config, File::open(&node).unwrap());
    container.start();
    container.wait();
    assert!(
        container.output().contains("read"),
        "{}",
        container.output()
    );
    assert_eq!(owners(), before);
}

fn refused_by_name(subject: Subject) {
    let case = Case::new(subject);
    for (part, key, value) in [
        (
            "process",
            "selinuxLabel",
            json!("system_u:system_r:container_t:s0"),
        ),
        (
            "linux",
            "mountLabel",
            json!("system_u:object_r:container_file_t:s0"),
        ),
        (
            "linux",
            "memoryPolicy",
            json!({ "mode": "MPOL_BIND", "nodes": "0" }),
        ),
    ] {
        let mut config = case.config("true");
        config[part][key] = value;
        let field = format!("{part}.{key}");
        let said = case.refused(&field, &config);
        assert!(said.contains(&field), "{said}");
    }
    let said = case.runtime(&["checkpoint", "any"]);
    assert!(!said.status.success());
    assert!(String::from_utf8_lossy(&said.stderr).contains("checkpoint"));
}
