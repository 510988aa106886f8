//! Files that say who there is: an image's `/etc/passwd` and `/etc/group`, and
//! `/etc/subuid`. The first line is who is asked for.
#![no_main]

use isolab_engine::{account, room::subordinate};

libfuzzer_sys::fuzz_target!(|text: &[u8]| {
    let asked = text.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let Ok(asked) = std::str::from_utf8(asked) else { return };
    if let Ok(account) = account::resolve(asked, &[], text, text) {
        assert!(account.uid != u32::MAX && account.gid != u32::MAX);
    }
    let own = 1000;
    for range in subordinate::ranges(text, Some(asked), own) {
        let end = u64::from(range.first) + u64::from(range.count);
        assert!(range.count > 0 && end <= u64::from(u32::MAX));
        assert!(range.first > own || end <= u64::from(own));
    }
});
