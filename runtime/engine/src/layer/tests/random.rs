//! Whatever a layer says, nothing is touched outside.

use proptest::prelude::*;

use super::building::{Tar, put};
use super::*;

/// Names that meet each other, lead out, or mean something.
const NAMES: [&str; 16] = [
    "a",
    "b",
    "a/b",
    "b/a",
    "a/b/a",
    "..",
    "../outside",
    "a/../../outside",
    "/",
    ".wh.a",
    "a/.wh.b",
    ".wh..wh..opq",
    "a/.wh..wh..opq",
    "../outside/secret",
    "b/secret",
    "a/../b",
];

fn entries() -> impl Strategy<Value = Vec<(u8, usize, usize, u32)>> {
    let flag = prop::sample::select(&b"0123456SLKxg7"[..]);
    prop::collection::vec(
        (flag, 0..NAMES.len(), 0..NAMES.len(), 0..0o10000_u32),
        0..14,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn no_list_of_entries_touches_anything_outside(entries in entries(), apply: bool) {
        let place = Place::new();
        let mut how = how();
        if apply {
            how.whiteouts = Whiteouts::Apply;
        }
        // One by one: an entry that is refused does not spare us the next.
        for entry in entries.chunks(3) {
            let tar = entry.iter().fold(Tar::new(), |tar, (flag, name, link, mode)| {
                tar.entry(*flag, NAMES[*name], b"", |header| {
                    put(header, 157, NAMES[*link]);
                    put(header, 100, &format!("{mode:07o}"));
                })
            });
            let _ = place.unpack(&tar.end(), &how);
        }
        place.open_all();
    }

    #[test]
    fn no_bytes_touch_anything_outside(
        flips in prop::collection::vec((0..4096_usize, any::<u8>()), 0..8),
        sealed: bool,
    ) {
        let tar = Tar::new()
            .symlink("s", "../outside")
            .pax(&[("path", b"s/long"), ("SCHILY.xattr.user.x", b"y")])
            .file("s/f", "content");
        let mut tar = tar.hard_link("h", "s/f").end();
        for (at, byte) in flips {
            let at = at % tar.len();
            tar[at] = byte;
            if sealed {
                let block = at / 512 * 512;
                super::building::seal((&mut tar[block..block + 512]).try_into().unwrap());
            }
        }
        let place = Place::new();
        let _ = place.unpack(&tar, &how());
        place.open_all();
    }
}

impl Place {
    /// So that an ordinary user can remove it.
    fn open_all(&self) {
        use std::os::unix::fs::PermissionsExt;
        let mut pending = vec![self.root()];
        while let Some(path) = pending.pop() {
            let _ = fs::set_permissions(&path, fs::Permissions::from_mode(0o700));
            for entry in fs::read_dir(&path).into_iter().flatten().flatten() {
                if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    pending.push(entry.path());
                }
            }
        }
    }
}
