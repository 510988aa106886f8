//! A directory of packages, each file of which somebody else wrote.
#![no_main]

use std::fs;

use venv_sim::{Installed, MarkerEnvironment};

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let place = std::env::temp_dir().join(format!("isolab-fuzz-installed-{}", std::process::id()));
    let (info, old) = (place.join("demo-1.0.dist-info"), place.join("old.egg-info"));
    for directory in [&info, &old] {
        fs::create_dir_all(directory).expect("made");
    }
    let (one, other) = bytes.split_at(bytes.len() / 2);
    let head = b"Metadata-Version: 2.1\nName: demo\nVersion: 1.0\n";
    fs::write(info.join("METADATA"), [head, one].concat()).expect("written");
    fs::write(info.join("RECORD"), other).expect("written");
    fs::write(info.join("direct_url.json"), other).expect("written");
    fs::write(old.join("PKG-INFO"), one).expect("written");
    fs::write(old.join("requires.txt"), other).expect("written");
    fs::write(place.join("linked.egg-link"), one).expect("written");
    let installed = Installed::below(&place).expect("read");
    for frozen in installed.freeze((3, 11), true) {
        let text = frozen.to_string();
        assert!(!text.replace('\n', "").contains(char::is_control));
    }
    let environment = MarkerEnvironment::default();
    let _ = installed.check(&Installed::default(), &environment, |_| false);
    let _ = installed.check_files(&place);
    let _ = installed.tree(&environment, false, &[]);
});
