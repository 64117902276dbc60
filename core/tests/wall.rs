//! The wall around the core: it builds without a window, a tray or a webview.

use std::process::Command;

/// What the core must never depend on, by the beginning of the crate's name.
const BEYOND: [&str; 8] = [
    "tauri",
    "wry",
    "tao",
    "muda",
    "tray-icon",
    "gtk",
    "gdk",
    "webkit",
];

#[test]
fn the_core_knows_no_window() {
    let tree = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--package",
            "narthex-core",
            "--edges",
            "normal,build",
            "--target",
            "all",
        ])
        .args([
            "--prefix",
            "none",
            "--format",
            "{p}",
            "--offline",
            "--locked",
        ])
        .output()
        .unwrap();
    let names = String::from_utf8(tree.stdout).unwrap();
    let names: Vec<&str> = names
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();

    assert!(
        names.contains(&"tokio"),
        "{}",
        String::from_utf8_lossy(&tree.stderr)
    );
    let beyond: Vec<_> = names
        .iter()
        .filter(|name| BEYOND.iter().any(|beyond| name.starts_with(beyond)))
        .collect();
    assert!(beyond.is_empty(), "{beyond:?}");
}
