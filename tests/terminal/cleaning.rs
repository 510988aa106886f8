//! `system clean` asks before it removes.

use std::fs;

use crate::support::{CTRL_C, CTRL_D, Terminal};

fn home_with_things() -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let data = home.path().join(".local/share/isolab");
    fs::create_dir_all(&data).unwrap();
    fs::write(data.join("predictions.jsonl"), "{}\n").unwrap();
    home
}

#[test]
fn nothing_goes_without_a_yes() {
    for (keys, status) in [("n\n", 1), ("\n", 1), (CTRL_D, 1), (CTRL_C, 130)] {
        let home = home_with_things();
        let mut terminal = Terminal::isolab(80, home.path(), &["system", "clean"]);
        terminal.wait_for("predictions.jsonl");
        terminal.wait_for("[y/N]");
        terminal.press(keys);
        let (ended, shown) = terminal.end();
        assert_eq!(ended.code(), Some(status), "{shown}");
        assert!(shown.contains("nothing was removed"), "{shown}");
        let kept = home.path().join(".local/share/isolab/predictions.jsonl");
        assert!(kept.exists());
    }
}

#[test]
fn a_yes_removes_everything_of_ours() {
    let home = home_with_things();
    let mut terminal = Terminal::isolab(40, home.path(), &["system", "clean"]);
    terminal.wait_for("[y/N]");
    terminal.answer("y");
    let (ended, shown) = terminal.end();
    assert!(ended.success(), "{shown}");
    assert!(shown.contains("freed"), "{shown}");
    assert!(!home.path().join(".local/share/isolab").exists());
    assert!(home.path().join(".local/share").exists());
}
