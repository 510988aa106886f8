//! Whatever an image or a user says, the guest reads it as it was said, and no bytes trouble its
//! reader.

use proptest::prelude::*;

use super::wanted::{Brought, Wanted};

fn text() -> impl Strategy<Value = String> {
    prop_oneof!["[a-zA-Z0-9 =/:.\n-]{0,40}", any::<String>()]
        .prop_map(|text| text.replace('\0', ""))
}

fn wanted() -> impl Strategy<Value = Wanted> {
    let texts = || prop::collection::vec(text(), 0..6);
    let files = (0..=0o7777_u32, text()).prop_map(|(mode, path)| Brought { mode, path });
    let who = (
        any::<u32>(),
        any::<u32>(),
        prop::collection::vec(any::<u32>(), 0..4),
    );
    let how = (
        any::<bool>(),
        any::<bool>(),
        prop::collection::vec(files, 0..4),
    );
    (texts(), texts(), text(), who, text(), how).prop_map(
        |(args, env, cwd, (uid, gid, groups), hostname, (network, terminal, files))| Wanted {
            args,
            env,
            cwd,
            uid,
            gid,
            groups,
            hostname,
            network,
            terminal,
            files,
        },
    )
}

proptest! {
    #[test]
    fn what_is_told_is_read_as_it_was_told(wanted in wanted()) {
        prop_assert_eq!(Wanted::parse(&wanted.to_bytes().unwrap()), Some(wanted));
    }

    #[test]
    fn no_bytes_panic_the_reader_and_what_breaks_off_is_nothing(
        bytes in any::<Vec<u8>>(), wanted in wanted(), at in any::<prop::sample::Index>(),
    ) {
        let _ = Wanted::parse(&bytes);
        let whole = wanted.to_bytes().unwrap();
        let cut = &whole[..at.index(whole.len())];
        if !cut.is_empty() && cut.last() != Some(&0) {
            prop_assert_eq!(Wanted::parse(cut), None);
        }
    }

    #[test]
    fn a_zero_byte_is_refused_wherever_it_stands(before in text(), after in text()) {
        let split = format!("{before}\0{after}");
        let args = vec![split.clone()];
        let refused = Wanted { args, ..Wanted::default() }.to_bytes();
        prop_assert_eq!(refused, Err(split));
    }
}
