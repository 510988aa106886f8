//! The recordings inside the program, which are there without a network and on a
//! machine where nothing runs. `isolab demo --record` made each of them.

/// File name and content of each file named.
macro_rules! recordings {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("recordings/", $name)))),*]
    };
}

/// File name and content of each.
pub(super) const EMBEDDED: &[(&str, &str)] = recordings![
    "claims-run-hello-world.cast",
    "claims-run-venv-needs-system-python.cast",
    "compare-quick-subjects-container-workload-true-json-o-container-json.cast",
    "compare-quick-subjects-process-workload-true-json-o-process-json.cast",
    "compare-quick-subjects-venv-container-vm-workload-python-json-o-four-json.cast",
    "compare-quick-subjects-venv-workload-python-json-o-venv-json.cast",
    "doctor-container.cast",
    "doctor.cast",
    "explain-startup-container-true-after-idle-report-container-json.cast",
    "matrix-places-process-venv-container-vm.cast",
    "report-container-json.cast",
    "report-four-json.cast",
    "report-process-json.cast",
    "report-venv-json.cast",
    "venv-create-demo.cast",
    "vm-kernel.cast",
];
