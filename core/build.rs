//! Lists the files of the web UI, where it was built, so that `api::ui` takes them into the binary.

use std::{
    env,
    fmt::Write as _,
    fs, io,
    path::{Path, PathBuf},
};

fn main() -> io::Result<()> {
    let root = PathBuf::from(variable("CARGO_MANIFEST_DIR")).join("../ui");
    let dist = root.join("dist");
    println!("cargo:rerun-if-changed=build.rs");
    // A path that is not there would have the core built anew every time.
    if let Some(watched) = [&dist, &root].into_iter().find(|path| path.is_dir()) {
        println!("cargo:rerun-if-changed={}", watched.display());
    }
    let mut files = Vec::new();
    if dist.is_dir() {
        collect(&dist.canonicalize()?, "", &mut files)?;
    }
    files.sort();
    let mut list = String::from("&[\n");
    for (name, path) in &files {
        let kind = kind(path);
        // Writing to a string cannot fail.
        let _ = writeln!(
            list,
            "    File {{ name: {name:?}, kind: {kind:?}, bytes: include_bytes!({:?}) }},",
            path.display().to_string()
        );
    }
    list.push_str("]\n");
    fs::write(Path::new(&variable("OUT_DIR")).join("ui.rs"), list)
}

/// Collects all files below `folder`, by the names they have under `/ui/`.
fn collect(folder: &Path, above: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = format!("{above}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}

/// Returns what a browser is told of a file: it is told not to guess.
fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

fn variable(name: &str) -> String {
    env::var(name).expect("cargo sets it for build scripts")
}
