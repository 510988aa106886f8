//! A calibration is read as hostile input: it may be anybody's, and everything is computed from it.
#![no_main]

use vm_model::model::answer::answer;
use vm_model::model::parameters::Calibration;
use vm_model::model::question::{Each, Memory, Saving, Startup};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    if let Ok(calibration) = Calibration::parse(bytes) {
        // What is accepted is read back as it is, and answers or says what it lacks.
        let text = serde_json::to_vec(&calibration).expect("what was read can be written");
        assert_eq!(Calibration::parse(&text).expect("what was written is read"), calibration);
        let parameters = calibration.parameters();
        let each = Each { memory: 2.0_f64.powi(28), ..Each::default() };
        let _ = answer(&Startup { each }, &parameters, 50);
        let memory = Memory { count: 3, each, saving: Saving::Nothing };
        if let Ok(found) = answer(&memory, &parameters, 50) {
            assert!(found.low <= found.value && found.value <= found.high);
        }
    }
});
