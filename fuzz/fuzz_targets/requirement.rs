//! A line of a list of requirements, and the marker in it.
#![no_main]

use venv_sim::{MarkerEnvironment, Requirement};

libfuzzer_sys::fuzz_target!(|line: &str| {
    if let Ok(requirement) = line.parse::<Requirement>() {
        let again = requirement.to_string().parse();
        assert_eq!(again.as_ref(), Ok(&requirement));
        if let Some(marker) = &requirement.marker {
            let _ = marker.holds(&MarkerEnvironment::default(), &requirement.extras);
        }
    }
});
