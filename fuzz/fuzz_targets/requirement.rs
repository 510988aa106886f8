//! A line of a list of requirements, and the marker in it.
#![no_main]

use venv_sim::{MarkerEnvironment, Requirement};

libfuzzer_sys::fuzz_target!(|line: &str| {
    if let Ok(requirement) = line.parse::<Requirement>() {
        // It is shown without the name and the password of its address, and is then shown so again.
        let shown = requirement.to_string();
        let again = shown.parse::<Requirement>().expect("what was shown is read");
        assert_eq!(again.to_string(), shown);
        if let Some(marker) = &requirement.marker {
            let _ = marker.holds(&MarkerEnvironment::default(), &requirement.extras);
        }
    }
});
